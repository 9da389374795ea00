"""Nothing outside of a kind's folder names the kind: what there is to know of it is asked of its model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fenceline.model.stack import STACKS, StackModel, kinds_with
from fenceline.model.storage import STORAGE, storage_kinds

ROOT = Path(__file__).parents[1]
FILES = sorted(path for part in ("harness", "steps", "reports") for path in (ROOT / part).rglob("*.py"))
#: Who may name one, and why. Only ever shorter.
ALLOWED = {
    "harness/faults/admin.py": "reads the properties of Pacemaker's CIB: to become a protocol of the running stack",
    "harness/faults/agents.py": "Pacemaker's default timeout of an action, for how long it may be slow",
}


def namings(text: str, kind: str) -> list[str]:
    """Where ``text`` tells ``kind`` apart, or takes something from its folder."""
    return re.findall(rf'''kind (?:[!=]=|in) \(?["']{kind}["']|fenceline\.stacks\.{kind}\b''', text)


@pytest.mark.parametrize("kind", STACKS)
def test_nobody_outside_of_its_folder_names_a_stack(kind):
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if not name.startswith((f"harness/stacks/{kind}/", "harness/importers/")) and name not in ALLOWED:
            assert namings(path.read_text(), kind) == [], name


@pytest.mark.parametrize("kind", STACKS)
def test_one_that_does_is_seen(kind):
    for text in (f'if topology.stack.kind == "{kind}":', f"if kind != '{kind}'", f'kind in ("{kind}", "x")',
                 f"from fenceline.stacks.{kind}.stack import Stack"):
        assert namings(text, kind)


def test_whoever_is_allowed_still_needs_it():
    for name in ALLOWED:
        assert any(namings((ROOT / name).read_text(), kind) for kind in STACKS), name


@pytest.mark.parametrize("kind", STACKS)
def test_a_stack_says_all_that_is_asked_of_it(kind):
    from tests.judge.logs import topology as sample
    model = STACKS[kind](kind=kind)
    assert issubclass(STACKS[kind], StackModel) and model.kind == kind
    assert model.patience_s > 0 and model.notice_s >= model.detection_s > 0
    assert model.packets and model.own_units and model.first_process and model.log_file.startswith("/var/log/")
    assert set(model.own_units) <= set(model.units(sample()))
    assert model.daemons(sample()) and model.quorum


def test_what_only_some_can_is_said_with_who_can(monkeypatch):
    assert kinds_with("manages_resources") == "pacemaker"
    monkeypatch.setattr(STACKS, "_there", {})
    assert kinds_with("manages_resources") == "no stack"


PLUG_IN = '''
from typing import ClassVar, Literal
from fenceline.model.stack import NO_QUORUM, STACKS, StackModel
from fenceline.model.units import Duration

class CoffeeHa(StackModel):
    """Members who drink coffee together."""
    kind: Literal["coffee"]
    cup: Duration = 2.0
    abilities: ClassVar = frozenset({"move"})
    packets: ClassVar = "arp"
    own_daemons: ClassVar = {"coffeed": "coffeed"}
    own_units: ClassVar = ("coffee",)
    quorum = property(lambda self: NO_QUORUM)
    patience_s = property(lambda self: self.cup)
    notice_s = property(lambda self: 2 * self.cup)

    def problems(self, topology):
        return ["stack.cup: empty"] if self.cup < 1 else []

    def make(self, topology, sessions, bmc_password, is_reachable, slowdown):
        return f"{topology.name} drinks"

STACKS.register("coffee", CoffeeHa)
'''
LOOK = '''
import json, sys, yaml
from fenceline.faults import make_fault
from fenceline.faults.fitting import misfit
from fenceline.model.load import TopologyError, find_topology, parse_topology, topology_schema
from fenceline.model.damage import patience_s
from fenceline.stacks.base import make_stack
from fenceline.stacks.offers import offers
raw = yaml.safe_load(find_topology("web-iscsi").read_text()) | {"stack": {"kind": "coffee", "cup": "3s"}}
topology = parse_topology(raw, "here")
problem = ""
try:
    parse_topology(raw | {"stack": {"kind": "coffee", "cup": "0.5s"}}, "here")
except TopologyError as error:
    problem = str(error)
told = [patience_s(topology), make_stack(topology, {}, "", None), "daemon coffeed" in offers(topology),
        "CoffeeHa" in topology_schema()["$defs"], "stack.cup: empty" in problem,
        misfit(make_fault("daemon-kill", node="rs-01", daemon="coffeed"), topology)]
print(json.dumps(told))
'''


def installed(tmp_path: Path, group: str, module: str, text: str, look: str) -> object:
    """What ``look`` prints as JSON where a distribution is there whose entry point of ``group`` names ``module``."""
    (tmp_path / f"{module}.py").write_text(text)
    there = tmp_path / f"{module}-1.0.dist-info"
    there.mkdir()
    (there / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (there / "entry_points.txt").write_text(f"[{group}]\ncoffee = {module}\n")
    done = subprocess.run([sys.executable, "-c", look], env=os.environ | {"PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_stack_from_outside_is_a_module_and_an_entry_point(tmp_path):
    assert installed(tmp_path, "fenceline.stacks", "coffee_ha", PLUG_IN, LOOK) == [
        3.0, "web-iscsi drinks", True, True, True, None]


IMPORTER = '''
import re
from fenceline.importers.kinds import FileKind, file_kind

def read(draft, files):
    source = files["coffee.conf"][0]
    for number, line in enumerate(source.text.splitlines(), 1):
        draft.node(line.split()[1], source.at(number))
    draft.raw["stack"] = {"kind": "keepalived"}
    draft.service("cup", source.at(1), [{"kind": "vip", "address": "192.168.1.200"}], {})
    draft.finish()

file_kind(FileKind(name="coffee.conf", order=500, words=re.compile("^drinker", re.M), read=read))
'''
IMPORT = '''
import json
from fenceline.importers.combine import import_sources
from fenceline.importers.source import Source
print(json.dumps(sorted(import_sources([Source("x", "drinker anna\\ndrinker bert\\n")], "coffee").raw["nodes"])))
'''


def test_an_importer_from_outside_is_a_module_and_an_entry_point(tmp_path):
    assert installed(tmp_path, "fenceline.importers", "coffee_files", IMPORTER, IMPORT) == ["anna", "bert"]


#: Who may name a kind of storage, and why. Only ever shorter.
STORAGE_ALLOWED = {
    "harness/accept/feature.py": "an adopted cluster is asked for what its DRBD must survive",
    "harness/faults/disk.py": "faults of the disk behind a LUN",
    "harness/faults/drbd.py": "faults of DRBD",
    "harness/faults/nfs.py": "faults of the NFS server",
    "harness/faults/parameters.py": "what such a fault is given: a LUN, a resource",
    "harness/faults/reservation.py": "faults of a LUN's reservation",
    "harness/faults/samples.py": "what such a fault is given in a sample",
    "harness/faults/storage.py": "faults of the iSCSI session",
    "harness/chaos/moments.py": "moments of DRBD, and those that iSCSI's writes show",
    "harness/judge/oldlogs.py": "what faults cost in logs of before they said it themselves",
    "harness/judge/replicas.py": "the promises that DRBD makes",
    "harness/observe/writes.py": "dissects iSCSI and NFS: to become the kinds' own",
    "harness/stacks/pacemaker/cib.py": "how Pacemaker promotes DRBD, and activates a shared volume group",
    "harness/stacks/pacemaker/dlm.py": "likewise the volume group's locks",
}


def storage_namings(text: str, kind: str) -> list[str]:
    """Where ``text`` asks for the storage ``kind``, or takes something from its folder."""
    return re.findall(rf'''\.storage\.{kind}\b|kind (?:[!=]=|in) \(?["']{kind}["']|STORAGE\[["']{kind}''', text)


@pytest.mark.parametrize("kind", STORAGE)
def test_nobody_outside_of_its_folder_names_a_kind_of_storage(kind):
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if not name.startswith((f"harness/storage/{kind}/", "harness/importers/")) and name not in STORAGE_ALLOWED:
            assert storage_namings(path.read_text(), kind) == [], name


@pytest.mark.parametrize("kind", STORAGE)
def test_one_that_names_a_kind_of_storage_is_seen(kind):
    for text in (f"if topology.storage.{kind}:", f"from fenceline.storage.{kind}.model import X",
                 f'STORAGE["{kind}"].host(topology)', f"if kind == '{kind}'"):
        assert storage_namings(text, kind)


def test_whoever_is_allowed_to_name_storage_still_needs_it():
    for name in STORAGE_ALLOWED:
        assert any(storage_namings((ROOT / name).read_text(), kind) for kind in STORAGE), name


def test_kinds_of_storage_are_told_apart_by_their_words():
    kinds = storage_kinds()
    assert [kind.name for kind in kinds] == ["iscsi", "nfs", "drbd"]
    assert len({kind.disk_word for kind in kinds}) == len(kinds) == len({kind.order for kind in kinds})
    assert [kind.name for kind in kinds if kind.carries_pills] == ["iscsi"]


TAPES = '''
from pydantic import Field
from fenceline.model.cost import Cost
from fenceline.model.damage import services_of, storage_out
from fenceline.model.storage import STORAGE, Disk, Mount, StorageKind, host_problems
from fenceline.model.strict import Name, Strict

class Tapes(Strict):
    """A robot with tapes."""
    robot: Name
    tapes: tuple[Name, ...] = Field(min_length=1)

class TapeKind(StorageKind):
    name, order = "tapes", 500
    section = (Tapes | None, None)
    disk_word, disk_title, listed = "tape", "a tape", "storage.tapes.tapes"
    host_field, host_title = "robot", "the tape robot"
    packets = "tape"

    def disks(self, topology):
        said = self.said(topology)
        return tuple(Disk(name, 2**20, "ltfs") for name in said.tapes) if said else ()

    def problems(self, topology):
        return host_problems(topology, self)

    def offers(self, topology):
        return {"rewinding"}

    def packets_lost(self, topology):
        return storage_out(topology, services_of(topology, self.host(topology)))

    def mount(self, topology, part, name):
        return Mount(f"/dev/st-{name}", "ltfs", part.options)

    def seed(self, topology, node, seed, secret):
        seed.setup.append(f"rewind {node}")

STORAGE.register(TapeKind.name, TapeKind())
'''
TAPED = '''
import json, yaml
from fenceline.model import damage
from fenceline.model.load import TopologyError, find_topology, parse_topology, topology_schema
from fenceline.model.storage import kinds_in
from fenceline.stacks.offers import offers
from fenceline.storage.mounting import mount_of
from fenceline.guest.seed import Seed
raw = yaml.safe_load(find_topology("web-iscsi").read_text())
raw["storage"] = {"tapes": {"robot": "san-01", "tapes": ["www"]}}
part = next(part for part in raw["services"]["web"]["group"] if part["kind"] == "filesystem")
part["tape"] = part.pop("lun")
topology = parse_topology(raw, "here")
part["tape"] = "lost"
try:
    problem = parse_topology(raw, "here") and ""
except TopologyError as error:
    problem = str(error)
seed = Seed()
for kind in kinds_in(topology):
    kind.seed(topology, "rs-01", seed, "")
mount = mount_of(topology, topology.services["web"].filesystem)
print(json.dumps([topology.storage_host("web"), mount.device, {"rewinding", "packets tape"} <= offers(topology),
                  "there is no tape 'lost' in storage.tapes.tapes" in problem, seed.setup,
                  sorted(damage.machine_lost(topology, "san-01").victims),
                  sorted(damage.kind_lost(topology, "storage", "tape", 100).stopped),
                  "tape" in topology_schema()["$defs"]["Filesystem"]["properties"]]))
'''


def test_a_kind_of_storage_from_outside_is_a_module_and_an_entry_point(tmp_path):
    assert installed(tmp_path, "fenceline.storage", "coffee_tapes", TAPES, TAPED) == [
        "san-01", "/dev/st-www", True, True, ["rewind rs-01"], ["rs-01", "rs-02"], ["web"], True]
