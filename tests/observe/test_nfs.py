"""Changes to NFS exports, as the storage bridge shows them: calls that a Linux 7.2 client sent to Debian 12's server,
recorded in the service network of ha-nfs."""

from __future__ import annotations

import struct

import pytest

from fenceline.model.load import load_topology
from fenceline.model.topology import Filesystem
from fenceline.model.verdict import Verdict
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.nfs import Change, Stream, changes
from fenceline.observe.tcp import Segment
from fenceline.observe.writes import WriteObserver
from fenceline.storage.nfs.model import Nfs
from tests.judge import logs

STATFS = bytes.fromhex(
    "800000947ffa50390000000000000002000186a30000000400000001000000010000001c00000000000000066170702d30310000"
    "0000000000000000000000000000000000000000000000000000000200000003000000350c4d016ba028cd940100000000000000"
    "0000012f00000000000000000000000000000016000000080100010001000000000000090000000200e0000000001c00")
LOOKUP = bytes.fromhex(
    "800000988cfb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000003000000350c4d016ba028cd9401000000"
    "00000000000001e200000000000000000000000000000016000000100100010101000000160000000b628aec00000003000001ed")
GETATTR = bytes.fromhex(
    "800000a07ffb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000003000000350c4d016ba028cd9401000000"
    "00000000000000230000000200000002000000000000001600000010010001010100000022000000f3dda5720000000900000002"
    "0010010200802008")
OPEN = bytes.fromhex(
    "8000011474fb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000006000000350c4d016ba028cd9401000000"
    "00000000000001d70000000000000001000000010000001600000008010001000100000000000012000000000030000200000000"
    "0c4d016ba028cd940000001c6f70656e2069643a0000001d000000000000000200000005f95b3380000000010000000000000003"
    "000000100000000000020000000000100000000000000000000001b60000001200000000000000036e6577000000000a00000003"
    "000001fd00000009000000020010011a00b4a23a")
WRITE = bytes.fromhex(
    "800000b876fb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000003000000350c4d016ba028cd9401000000"
    "00000000000001d80000000000000001000000000000001600000010010001010100000022000000f3dda5720000002600000000"
    "0c4d016ba028cd940500000000000000000000000000000200000002780a0000")
SETATTR = bytes.fromhex(
    "800000f480fb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000005000000350c4d016ba028cd9401000000"
    "00000000000001dc0000000000000001000000010000001600000010010001010100000022000000f3dda5720000002200000001"
    "0c4d016ba028cd94050000000000000300000000000000000030000000000018000000006b014d1737e80c3d000000006b014d17"
    "37a9851a0000000900000002000000180030000000000008000000010c4d016ba028cd9405000000")
REMOVE = bytes.fromhex(
    "8000009482fb50390000000000000002000186a30000000400000001000000010000002000000000000000066170702d30310000"
    "000000000000000000000001000000000000000000000000000000000000000200000003000000350c4d016ba028cd9401000000"
    "00000000000001dd000000000000000000000001000000160000000801000100010000000000001c000000036e657700")
READING = (STATFS, LOOKUP, GETATTR)
CHANGING = (OPEN, WRITE, SETATTR, REMOVE)


def segment(payload: bytes, sequence: int = 1000, start: bool = False) -> Segment:
    return Segment("10.0.0.11", 700, sequence & 0xFFFFFFFF, payload, start, 2049)


def fed(stream: Stream, raw: bytes, size: int, sequence: int = 1000) -> list[Change]:
    """What ``raw`` tells, that comes in segments of ``size`` bytes."""
    return [change for begin in range(0, len(raw), size)
            for change in stream.feed(segment(raw[begin:begin + size], sequence + begin))]


@pytest.mark.parametrize("call", CHANGING)
def test_a_change_is_one_and_tells_its_export(call):
    assert changes(call[4:]) == [Change(1)]


@pytest.mark.parametrize("call", READING)
def test_who_reads_changes_nothing(call):
    assert changes(call[4:]) == []


def test_an_open_that_creates_nothing_is_none():
    at = OPEN.index(b"open id:") - 4
    how = at + 4 + struct.unpack_from("!I", OPEN, at)[0]
    assert struct.unpack_from("!I", OPEN, how)[0] == 1
    assert changes(OPEN[4:how] + struct.pack("!I", 0) + OPEN[how + 4:]) == []


@pytest.mark.parametrize("size", [1, 7, 100, 1448, 10_000])
def test_calls_in_the_middle_of_segments_and_across_them(size):
    # a large write: its data is skipped, whatever it looks like
    data = WRITE * 30
    large = struct.pack("!I", 0x80000000 | len(WRITE) - 4 + len(data)) + WRITE[4:] + data
    stream = Stream()
    stream.feed(segment(b"", 999, start=True))
    raw = b"".join([STATFS, WRITE, large, LOOKUP, REMOVE])
    assert fed(stream, raw, size) == [Change(1)] * 3
    assert stream.gaps == 0


def test_what_was_sent_again_counts_once():
    stream = Stream()
    assert fed(stream, WRITE + STATFS, 50) == [Change(1)]
    assert stream.feed(segment(WRITE, 1000)) == []
    assert stream.feed(segment(STATFS + WRITE, 1000 + len(WRITE))) == [Change(1)]


def test_after_a_gap_it_finds_the_way_again():
    stream = Stream()
    assert fed(stream, WRITE, 2000) == [Change(1)]
    assert stream.feed(segment(WRITE[30:], 5000)) == []
    assert stream.gaps == 1
    assert stream.feed(segment(WRITE, 9000)) == [Change(1)]


def test_an_answer_to_the_server_is_no_call():
    answer = struct.pack("!7I", 0x80000018, 7, 1, 0, 0, 0, 0)
    stream = Stream()
    assert fed(stream, STATFS + answer + WRITE, 64) == [Change(1)]
    assert stream.gaps == 0


def test_a_new_connection_on_the_same_port_begins_anew():
    stream = Stream()
    stream.feed(segment(WRITE[:60]))
    stream.feed(segment(b"", 776, start=True))
    assert stream.feed(segment(WRITE, 777)) == [Change(1)]


@pytest.mark.parametrize(("procedure", "wanted"), [(7, [Change(5)]), (2, [Change(5)]), (12, [Change(5)]), (6, []),
                                                    (1, []), (18, [])])
def test_version_3_is_told_by_its_procedure(procedure, wanted):
    handle = bytes([1, 0, 1, 0]) + (5).to_bytes(4, "little")
    call = struct.pack("!10I", 9, 0, 2, 100003, 3, procedure, 0, 0, 0, 0) + struct.pack("!I", 8) + handle
    assert changes(call) == wanted


def test_a_handle_of_another_kind_does_not_tell_its_export():
    at = WRITE.index(bytes.fromhex("0000001001000101"))
    assert changes((WRITE[:at + 6] + b"\x06" + WRITE[at + 7:])[4:]) == [Change(None)]


def test_an_export_is_told_by_its_name():
    topology, log = load_topology("web-nfs-heartbeat"), EventLog()
    observer = WriteObserver(None, topology, log, ObserverLoop(log))
    assert observer._written(segment(WRITE)) == ["htdoc"]
    at = WRITE.index(bytes.fromhex("0000001001000101")) + 8
    stranger = WRITE[:at] + (9).to_bytes(4, "little") + WRITE[at + 4:]
    assert observer._written(segment(stranger, 1000 + len(WRITE))) == ["export-9"]


def test_two_writers_of_one_export_are_found():
    about = logs.topology()
    nas = {"nfs": Nfs(server=logs.SAN, exports=[{"name": "www"}]), "iscsi": None}
    group = (Filesystem(kind="filesystem", export="www", mountpoint=logs.MOUNT), *about.services["web"].group[1:])
    about = about.model_copy(update={
        "storage": about.storage.model_copy(update=nas),
        "services": {"web": about.services["web"].model_copy(update={"group": group})}})

    def log():
        return logs.Log(about).mount(0, logs.A, fstype="nfs4").ticks(0, 30, logs.A, logs.B)
    apart = log().write(5, logs.A).mount(9, logs.A, False).mount(10, logs.B, fstype="nfs4").write(11, logs.B).end(30)
    assert apart.finding("single writer").verdict is Verdict.PASS
    both = log().write(5, logs.A).mount(10, logs.B, fstype="nfs4").write(11, logs.B).write(12, logs.A).end(30)
    assert both.finding("single writer").verdict is Verdict.FAIL
