"""The NFS server as a service: what the cluster is told of it, what its nodes and its client get."""

from xml.etree import ElementTree as ET

import pytest

from fenceline.core.errors import FaultError
from fenceline.daemons import nfs_server
from fenceline.faults import make_fault
from fenceline.guest.seed import Seed
from fenceline.judge.demand import obstacle
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology, merged, parse_topology
from fenceline.observe.targets import all_targets
from fenceline.stacks.offers import offers
from fenceline.stacks.pacemaker.cib import cib_xml
from fenceline.storage.disks import content

TOPOLOGY = load_topology("ha-nfs")


def changed(**changes):
    return parse_topology(merged(TOPOLOGY.model_dump(mode="json", exclude_unset=True), changes), "a test")


def primitives(topology):
    """{id: (agent, {parameter: value})} of the group, in its order."""
    root = ET.fromstring(cib_xml(topology, "secret"))
    return {primitive.get("id"): (primitive.get("type"), {pair.get("name"): pair.get("value") for pair in
                                                         primitive.findall("instance_attributes/nvpair")})
            for primitive in root.findall("configuration/resources/group/primitive")}


def test_the_parts_start_in_their_order_and_the_address_comes_last():
    assert [(name, agent) for name, (agent, _) in primitives(TOPOLOGY).items()] == [
        ("nfs-filesystem", "Filesystem"), ("nfs-daemon", "nfsserver"), ("nfs-export", "exportfs"),
        ("nfs-vip", "IPaddr2")]


def test_what_the_server_remembers_moves_with_it():
    agent = primitives(TOPOLOGY)["nfs-daemon"][1]
    assert agent["nfs_shared_infodir"] == "/srv/nfs/nfsinfo"
    assert agent["nfs_server_scope"] == "nfs"  # one for both nodes


@pytest.mark.parametrize(("sync", "word"), [(True, "sync"), (False, "async")])
def test_the_export_is_the_same_wherever_it_is(sync, word):
    group = TOPOLOGY.model_dump(mode="json", exclude_unset=True)["services"]["nfs"]["group"]
    group[2] = {"kind": "export", "sync": sync, "fsid": 7}
    agent = primitives(changed(services={"nfs": {"group": group}}))["nfs-export"][1]
    assert (agent["directory"], agent["fsid"], agent["clientspec"]) == ("/srv/nfs/export", "7", "192.168.72.0/24")
    assert word in agent["options"].split(",")


def test_the_new_disk_has_the_folder_that_is_exported(tmp_path):
    assert content(TOPOLOGY, "data", tmp_path)["export"] is None
    assert "export" not in content(load_topology("web-iscsi"), "www", tmp_path)


def test_the_client_mounts_the_address_and_keeps_a_ledger_there():
    seed = Seed()
    nfs_server.seed_client(TOPOLOGY, "app-01", seed)
    mount, ledger = seed.late
    assert "vers=4.2,hard,timeo=10,retrans=2,noatime,retry=0 192.168.72.244:/srv/nfs/export /mnt/nfs" in mount
    assert "/mnt/nfs/ledger.txt 80 " in ledger
    soft = Seed()
    nfs_server.seed_client(changed(services={"nfs": {"client": {"hard": False}}}), "app-01", soft)
    assert ",soft," in soft.late[0]
    nobody = Seed()
    nfs_server.seed_client(TOPOLOGY, "san-01", nobody)
    assert (nobody.late, nobody.files) == ([], {})


def test_the_client_is_asked_and_not_the_address():
    assert [target.where for target in all_targets(TOPOLOGY)["nfs"]] == [("192.168.72.71", 80)]
    assert TOPOLOGY.services["nfs"].daemon.port == 2049
    assert [target.where for target in all_targets(load_topology("web-iscsi"))["web"]] == [("192.168.98.244", 80)]
    assert "client" in offers(TOPOLOGY) and "client" not in offers(load_topology("web-iscsi"))


def test_without_its_client_nothing_can_be_told_of_it():
    assert obstacle(TOPOLOGY, "nfs", Cost(lost=frozenset({"app-01"}))) == "no client (app-01) is left"


def test_no_signal_stops_a_thread_of_the_kernel():
    class Cluster:
        topology = TOPOLOGY
    with pytest.raises(FaultError, match="threads of the kernel"):
        make_fault("service-stop", node="nfs-01", service="nfs").inject(Cluster)
