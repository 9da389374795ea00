"""A declared daemon in the CIB and on its nodes; what is passed through; the agent that prepares a disk."""

from __future__ import annotations

import json
import subprocess

import pytest

from fenceline.daemons.resource_agent import once
from fenceline.daemons.seeding import seed_daemon
from fenceline.guest.base import base_seed
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import make_key
from fenceline.model.damage import services_on
from fenceline.model.load import load_topology, parse_topology
from fenceline.reports.lanes import watched
from tests.model.sample import raw
from tests.stacks.test_cib import changed, cib, pairs, primitive


def test_postgresql_in_the_cib():
    root = cib(load_topology("pgsql-iscsi"))
    group = root.find(".//group[@id='pgsql']")
    assert [one.get("id") for one in group.findall("primitive")] == [
        "pgsql-filesystem", "pgsql-vip", "pgsql-resource-prepare", "pgsql-resource"]
    database = primitive(root, "pgsql-resource")
    assert (database.get("class"), database.get("provider"), database.get("type")) == ("ocf", "heartbeat", "pgsql")
    assert pairs(database)["pgdata"] == "/srv/pgsql/pgsql" and pairs(database)["pgport"] == "5432"
    assert pairs(primitive(root, "pgsql-resource-prepare"))["creates"] == "/srv/pgsql/pgsql/PG_VERSION"
    assert {one.get("name"): one.get("timeout") for one in primitive(root, "pgsql-resource-prepare").iter("op")} == {
        "monitor": "20s", "start": "120s", "stop": "40s"}


@pytest.mark.parametrize(("name", "service"), [("pgsql-iscsi", "pgsql"), ("apache-iscsi", "web")])
def test_no_marker_is_left_on_a_node(name, service):
    seed = Seed()
    topology = load_topology(name)
    seed_daemon(seed, service, topology.services[service])
    conf = "".join(text for path, (text, _) in seed.files.items() if path.startswith("/etc")) + "".join(seed.setup)
    assert conf and "@" not in conf and topology.services[service].filesystem.mountpoint in conf


def test_a_unit_has_no_parameters_and_several_of_a_kind_are_numbered():
    root = changed(services__web__group__3={"kind": "resource", "agent": "systemd:a", "port": 81},
                   services__web__group__4={"kind": "resource", "agent": "lsb:b", "port": 82},
                   services__web__group__5={"kind": "vip", "address": "192.168.98.245"})
    assert [one.get("id") for one in root.find(".//group[@id='web']").findall("primitive")] == [
        "web-filesystem", "web-vip", "web-daemon", "web-resource", "web-resource-2", "web-vip-2"]
    assert primitive(root, "web-resource").get("class") == "systemd" and not pairs(primitive(root, "web-resource"))
    assert pairs(primitive(root, "web-vip-2"))["ip"] == "192.168.98.245"


def test_what_is_passed_through():
    root = changed(
        stack__properties={"placement-strategy": "utilization"}, fencing__priority_delay="9s",
        stack__resource_defaults={"failure-timeout": "10min"}, stack__operation_defaults={"timeout": "30s"},
        services__web__meta={"priority": 10, "migration-threshold": 3},
        services__web__group__1__extra={"parameters": {"arp_count": 9}, "meta": {"is-managed": True},
                                        "operations": {"monitor": {"timeout": "7s", "on-fail": "standby"},
                                                       "reload": {"timeout": "3s"}}})
    found = pairs(root.find(".//crm_config"))
    assert found["priority-fencing-delay"] == "9s" and found["placement-strategy"] == "utilization"
    assert pairs(root.find(".//rsc_defaults"))["failure-timeout"] == "10min"
    assert pairs(root.find(".//op_defaults")) == {"timeout": "30s"}
    meta = pairs(root.find(".//group[@id='web']/meta_attributes"))
    assert meta["priority"] == "10" and meta["migration-threshold"] == "3"
    vip = primitive(root, "web-vip")
    assert pairs(vip)["arp_count"] == "9" and pairs(vip.find("meta_attributes")) == {"is-managed": "true"}
    assert {one.get("name"): (one.get("timeout"), one.get("on-fail")) for one in vip.iter("op")} == {
        "monitor": ("7s", "standby"), "start": ("40s", None), "stop": ("40s", None), "reload": ("3s", None)}


def test_a_second_disk_is_mounted_too():
    made = raw(storage__iscsi__luns__1={"name": "more", "size": "64M", "filesystem": "ext4"},
               services__web__group__3={"kind": "filesystem", "lun": "more", "mountpoint": "/srv/more"})
    root = cib(parse_topology(made, "x"))
    assert pairs(primitive(root, "web-filesystem-2"))["directory"] == "/srv/more"


def test_a_disk_is_prepared_once(tmp_path):
    agent, marker, count = tmp_path / "prepare", tmp_path / "done", tmp_path / "count"
    agent.write_text(once().replace("/var/log", str(tmp_path)))

    def call(action, run):
        return subprocess.run(["sh", agent, action], check=False, env={
            "PATH": "/usr/bin:/bin", "OCF_RESKEY_creates": str(marker), "OCF_RESKEY_run": run,
            "OCF_RESKEY_state": str(tmp_path / "state")}).returncode
    run = f"echo x >>{count}; touch {marker}"
    assert call("monitor", run) == 7
    assert call("start", "false") == 1 and call("monitor", run) == 7
    assert call("start", run) == 0 and call("monitor", run) == 0
    assert call("stop", run) == 0 and call("monitor", run) == 7
    assert call("start", run) == 0 and count.read_text() == "x\n"
    assert call("dance", run) == 3


def test_every_disk_and_every_address_is_watched():
    made = raw(storage__iscsi__luns__1={"name": "more", "size": "64M", "filesystem": "ext4"},
               services__web__group__3={"kind": "filesystem", "lun": "more", "mountpoint": "/srv/more"},
               services__web__group__4={"kind": "vip", "address": "192.168.98.245"})
    topology = parse_topology(made, "x")
    seed = base_seed(topology, "rs-01", make_key(), make_key())
    told = json.loads(seed.files["/etc/fenceline/agent.json"][0])
    assert told["mountpoints"] == ["/srv/www", "/srv/more"]
    assert told["addresses"] == ["192.168.98.244", "192.168.98.245"]
    assert services_on(topology, "more") == {"web"}
    seen = {(kind, value) for kind, _, value, _ in watched([], topology)}
    assert {("mount", "/srv/more"), ("address", "192.168.98.245")} <= seen
