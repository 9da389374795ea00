"""Faults of the disk behind a LUN: what of the storage machine's answers confirms them, and what does not."""

from __future__ import annotations

import subprocess

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.guest.seed import Seed
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology
from fenceline.storage.iscsi.mapped import device
from fenceline.storage.iscsi.target import seed_target

# as san-01 said it on UML: dmsetup table, and the disk's own number
FREE = "0 131072 linear 98:32 0\n98:32\n"
CACHED = "0 131072 linear 254:1 0\n98:32\n"
FLAKY = "0 131072 flakey 98:32 0 0 1 0\n98:32\n"


class Disk:
    """What the storage machine answers: ``table``; whether a read and a write pass; how long a read takes (s); how
    many writes the device and the disk below have ended, call by call."""

    def __init__(self, session):
        self.table, self.reads, self.writes, self.took = FREE, True, True, 0.001
        self.counts = ["10\n5\n"]
        session.answer = self.answer
        session.wait = lambda within: 0.0
        self.scripts = session.commands

    def answer(self, script):
        if script.count("dmsetup") == 1 and "table" in script:
            return 0, self.table
        if "of=/dev/null" in script:
            return 0, f"{0 if self.reads else 1} {int(self.took * 1e9)}\n"
        if "bs=512" in script:
            return 0, f"{0 if self.writes else 1}\n"
        if "/stat" in script:
            return 0, self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return (0, "180000\n") if "MemAvailable" in script else 0


@pytest.fixture
def disk(cluster):
    return Disk(cluster.sessions["san-01"])


@pytest.mark.parametrize(("what", "reads", "writes"), [("all", False, False), ("reads", False, True),
                                                       ("writes", True, False)])
def test_errors_are_confirmed_by_what_passes_and_what_fails(cluster, disk, what, reads, writes):
    fault = make_fault("disk-errors", lun="www", what=what)
    with pytest.raises(FaultError, match="reads pass, writes pass"):
        fault.confirm(cluster, 0)
    disk.reads, disk.writes = reads, writes
    assert fault.confirm(cluster, 0) == {"reads": "pass" if reads else "I/O error",
                                         "writes": "pass" if writes else "I/O error"}
    disk.reads, disk.writes = writes, not reads or what == "all"
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(cluster, 0)


def test_a_delay_is_measured(cluster, disk):
    fault = make_fault("disk-delay", lun="www", delay="300ms")
    disk.took = 0.29
    with pytest.raises(FaultError, match="was read in 0.290 s$"):
        fault.confirm(cluster, 0)
    disk.took = 0.301
    assert fault.confirm(cluster, 0) == {"read_s": 0.301}
    disk.reads = False
    with pytest.raises(FaultError, match="not well"):
        fault.confirm(cluster, 0)


def test_a_cache_takes_writes_that_never_reach_the_disk(cluster, disk):
    fault = make_fault("write-cache-lies", lun="www")
    disk.counts = ["10\n5\n", "10\n5\n", "14\n5\n"]
    assert fault.confirm(cluster, 0) == {"writes_taken": 4, "writes_on_disk": 0}
    disk.counts = ["10\n5\n", "14\n6\n"]
    with pytest.raises(FaultError, match="1 writes reached the disk"):
        fault.confirm(cluster, 0)


def test_nothing_written_confirms_no_cache(cluster, disk):
    cluster.pace = 0.005
    with pytest.raises(FaultError, match="something to be written to www"):
        make_fault("write-cache-lies", lun="www").confirm(cluster, 0)


@pytest.mark.parametrize("name", ["disk-errors", "disk-delay", "write-cache-lies"])
def test_healed_only_when_the_disk_reads_and_writes_at_its_pace(cluster, disk, name):
    fault = make_fault(name, lun="www")
    for field, bad, message in (("reads", False, "can't be read"), ("writes", False, "can't be written"),
                                ("took", 1.5, "takes 1.50 s")):
        good = getattr(disk, field)
        setattr(disk, field, bad)
        with pytest.raises(FaultError, match=message):
            fault.confirm_healed(cluster)
        setattr(disk, field, good)
    disk.counts = ["10\n5\n", "11\n6\n"]
    assert fault.confirm_healed(cluster)["write"] == "ok"


def test_a_cache_that_goes_on_is_not_healed(cluster, disk):
    disk.counts = ["10\n5\n", "11\n5\n"]
    with pytest.raises(FaultError, match="still does not reach the disk"):
        make_fault("write-cache-lies", lun="www").confirm_healed(cluster)


@pytest.mark.parametrize("table", [CACHED, FLAKY])
@pytest.mark.parametrize("name", ["disk-errors", "disk-delay", "write-cache-lies"])
def test_one_fault_of_a_disk_at_a_time(cluster, disk, name, table):
    disk.table = table
    with pytest.raises(FaultError, match="has a fault already .*: heal that first"):
        make_fault(name, lun="www").inject(cluster)


@pytest.mark.parametrize(("name", "parameters", "part"), [
    ("disk-errors", {}, "flakey $D 0 0 1\""), ("disk-errors", {"what": "reads"}, "0 0 1 1 error_reads"),
    ("disk-errors", {"what": "writes"}, "0 0 1 1 error_writes"), ("disk-delay", {"delay": 0.25}, "delay $D 0 250\""),
    ("write-cache-lies", {}, "snapshot $D /dev/ram0 P 8\"")])
def test_what_is_put_under_the_device_and_taken_away(cluster, disk, name, parameters, part):
    fault = make_fault(name, lun="www", **parameters)
    fault.inject(cluster)
    assert part in disk.scripts[-1] and "dmsetup resume fl-www" in disk.scripts[-1]
    fault.heal(cluster)
    assert "linear $D 0" in disk.scripts[-1] and "dmsetup resume fl-www" in disk.scripts[-1]
    for script in disk.scripts:
        assert subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False).stderr == ""


def test_a_storage_machine_that_is_off_needs_no_healing(cluster, disk):
    cluster.machines["san-01"].state = Power.OFF
    make_fault("write-cache-lies", lun="www").heal(cluster)
    assert disk.scripts == []


def test_a_cache_that_does_not_fit_into_memory(cluster, disk):
    cluster.sessions["san-01"].answer = lambda script: (0, "50000\n" if "MemAvailable" in script else FREE)
    with pytest.raises(FaultError, match="san-01 has 48 MiB of memory left, and the cache needs 67"):
        make_fault("write-cache-lies", lun="www").inject(cluster)


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("disk-errors", {"what": "some"}, "not one of all, reads, writes"), ("disk-delay", {"delay": 0}, "from 0.01"),
    ("disk-delay", {"delay": "1min"}, "to 30")])
def test_out_of_range(name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, lun="www", **parameters)


def test_no_such_lun(cluster, disk):
    with pytest.raises(FaultError, match="no LUN 'moon' in web-iscsi; there are www"):
        make_fault("disk-delay", lun="moon").inject(cluster)


def test_the_target_exports_the_device_not_the_disk():
    seed = Seed()
    seed_target(load_topology("web-iscsi"), seed)
    assert f"echo udev_path={device('www')} >" in "\n".join(seed.setup)
