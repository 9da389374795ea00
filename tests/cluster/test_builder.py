"""What a cluster's machines are made of, before any of them runs."""

from __future__ import annotations

import contextlib
import tarfile
from types import SimpleNamespace

import pytest

from fenceline.cluster.builder import Plan, Secrets, make_folder
from fenceline.journal.journal import Journal, open_entries
from fenceline.model.load import load_topology


@pytest.fixture
def plan(tmp_path):
    seeded = []
    stack = SimpleNamespace(seed_member=lambda node, seed: seeded.append(("member", node)),
                            seed_helper=lambda node, seed: seeded.append(("helper", node)))
    fabric = SimpleNamespace(mac=lambda node, network: f"mac-{node}-{network}", bridge=lambda network: f"br-{network}",
                             tap=lambda node, network: f"tap-{node}-{network}")
    driver = SimpleNamespace(seed=lambda seed: seed.setup.append("the driver's own"))
    made = Plan(load_topology("web-iscsi"), Secrets(), SimpleNamespace(rootfs=tmp_path / "none"), fabric, stack, driver,
                tmp_path, tmp_path / "consoles")
    return SimpleNamespace(plan=made, seeded=seeded)


def test_every_machine_has_its_cards_its_seed_and_its_disks(plan):
    specs = {spec.name: spec for spec in plan.plan.specs()}
    assert list(specs) == list(plan.plan.topology.nodes)
    assert [path.name for path in specs["san-01"].disks] == ["lun-www.raw"] and specs["rs-01"].disks == ()
    assert {nic.network for nic in specs["rs-01"].nics} == set(plan.plan.topology.networks)
    assert specs["rs-01"].console.name == "rs-01.log"
    assert plan.seeded == [("member", "rs-01"), ("member", "rs-02"), ("helper", "san-01")]


def test_a_seed_is_of_all_who_have_something_to_say(plan):
    spec = next(plan.plan.specs())
    with tarfile.open(spec.seed) as archive:
        names = {name.lstrip("./") for name in archive.getnames()}
    assert {"etc/hostname", "etc/fenceline/agent.json", "etc/iscsi/initiatorname.iscsi"} <= names


def test_the_folder_goes_with_the_cluster_and_is_written_down(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    with contextlib.ExitStack() as undo:
        folder = make_folder(load_topology("web-iscsi"), "0badcafe-test", journal, Secrets(), undo)
        assert (folder / "id_ed25519").stat().st_mode & 0o777 == 0o600
        assert [entry.kind for entry in open_entries(journal.path)] == ["folder"]
    assert not folder.exists() and open_entries(journal.path) == []
