"""A cluster's own configuration is run as it is: its files, with what only a running cluster knows filled in."""

import pytest

from fenceline.core.errors import FencelineError
from fenceline.guest.seed import Seed
from fenceline.model.addressing import bmc_address, management_address
from fenceline.model.load import load_topology, parse_topology
from fenceline.stacks.base import make_stack
from fenceline.stacks.pacemaker import own
from fenceline.stacks.state import ClusterState, ResourceState


@pytest.fixture
def topology(tmp_path):
    (tmp_path / "cib.xml").write_text("<cib>@bmc rs-02@ @bmc-user@ @bmc-password@ @management rs-01@ @bmc moon@</cib>")
    (tmp_path / "corosync.conf").write_text("totem {\n}\n")
    (tmp_path / "setup.sh").write_text("mkdir -p /srv/x\n")
    (tmp_path / "files" / "usr" / "sbin").mkdir(parents=True)
    (tmp_path / "files" / "usr" / "sbin" / "fence_x").write_text("#!/bin/sh\n")
    (tmp_path / "files" / "usr" / "sbin" / "fence_x").chmod(0o755)
    raw = load_topology("web-iscsi").model_dump(mode="json", exclude_unset=True)
    raw["stack"] |= {"config": str(tmp_path), "ids": {"web": "grp_web"}}
    return parse_topology(raw, "own")


def test_members_get_its_files_as_they_are(topology):
    stack = make_stack(topology, {}, "secret", lambda node: True)
    seed = Seed()
    stack.seed_member("rs-01", seed)
    bmc, management = bmc_address(topology, "rs-02"), management_address(topology, "rs-01")
    assert seed.files["/etc/fenceline/cib.xml"][0] == (
        f"<cib>{bmc} fenceline secret {management} @bmc moon@</cib>")
    assert seed.files["/etc/corosync/corosync.conf"][0] == "totem {\n}\n"
    assert seed.files["/usr/sbin/fence_x"] == ("#!/bin/sh\n", 0o755)
    assert "own-setup.sh" in "\n".join(seed.setup)


def test_without_one_the_configuration_is_ours():
    stack = make_stack(load_topology("web-iscsi"), {}, "secret", lambda node: True)
    seed = Seed()
    stack.seed_member("rs-01", seed)
    assert "fence-rs-02" in seed.files["/etc/fenceline/cib.xml"][0]


def test_a_folder_that_is_gone_is_told(topology, tmp_path):
    (tmp_path / "cib.xml").unlink()
    with pytest.raises(FencelineError, match="which stack.config names"):
        make_stack(topology, {}, "secret", lambda node: True).seed_member("rs-01", Seed())


def test_services_are_called_as_the_topology_calls_them(topology):
    def one(name, group):
        return ResourceState(name, "ocf:x", "Started", ("rs-01",), True, False, True, group)
    state = ClusterState("rs-01", True, "rs-01", (), (one("fs", "grp_web"), one("grp_web", None), one("fence", None)))
    found = own.named(topology, state)
    assert [(part.name, part.group) for part in found.resources] == [("fs", "web"), ("web", None), ("fence", None)]
    assert own.resource_id(topology, "web") == "grp_web"


def test_the_folder_is_said_from_where_the_file_is(tmp_path):
    from fenceline.model.load import dump_topology
    text = dump_topology(load_topology("web-iscsi")).replace("  config: null\n", "  config: ../adopted\n")
    (tmp_path / "topologies").mkdir()
    (tmp_path / "topologies" / "x.yaml").write_text(text)
    assert load_topology(str(tmp_path / "topologies" / "x.yaml")).stack.config == str(tmp_path / "adopted")
