"""iSCSI write commands, as the storage bridge shows them."""

from __future__ import annotations

import socket
import struct

from fenceline.observe.iscsi import HEADER, Stream
from fenceline.observe.tcp import Segment, dissect
from fenceline.observe.writes import Gatherer

MS = 1_000_000


def pdu(opcode: int = 0x01, data: int = 0, cdb: int = 0x2A, lun: int = 0, ahs: int = 0) -> bytes:
    head = bytearray(HEADER)
    head[0], head[4], head[9], head[32] = opcode, ahs, lun, cdb
    head[5:8] = data.to_bytes(3)
    return bytes(head) + bytes(ahs * 4) + b"\x01" * (-(-data // 4) * 4)


def segment(payload: bytes, sequence: int = 1000, start: bool = False) -> Segment:
    return Segment("10.0.0.11", 40000, sequence & 0xFFFFFFFF, payload, start, 3260)


def writes(stream: Stream, *segments: Segment) -> list[int]:
    return [command.lun for one in segments for command in stream.feed(one) if command.writes]


def test_a_write_is_one_and_a_read_is_not():
    assert writes(Stream(), segment(pdu(lun=3) + pdu(cdb=0x28) + pdu(cdb=0x8A))) == [3, 0]
    assert writes(Stream(), segment(pdu(0x00) + pdu(0x05, data=4096) + pdu(cdb=0x35))) == []


def test_commands_amid_data_and_split_headers():
    raw = pdu(data=8191) + pdu(ahs=4, data=5, lun=1) + pdu(0x05, data=70000) + pdu(lun=2)
    stream, found = Stream(), []
    for begin in range(0, len(raw), 1009):
        found += writes(stream, segment(raw[begin:begin + 1009], 1000 + begin))
    assert found == [0, 1, 2]
    assert stream.gaps == 0


def test_the_sequence_number_wraps():
    raw = pdu(data=100) + pdu(lun=1)
    begin = 0x100000000 - 60
    assert writes(Stream(), segment(raw[:90], begin), segment(raw[90:], begin + 90)) == [0, 1]


def test_what_was_sent_again_counts_once():
    stream, raw = Stream(), pdu() + pdu(lun=1)
    assert writes(stream, segment(raw[:60]), segment(raw[:60]), segment(raw, 1000)) == [0, 1]


def test_data_that_looks_like_a_command_is_none():
    body = pdu(lun=7) * 4
    head = pdu(0x05, data=len(body))[:HEADER]
    assert writes(Stream(), segment(head), segment(body, 1000 + HEADER), segment(pdu(lun=1), 1000 + HEADER + len(body))
                  ) == [1]


def test_after_a_gap_it_finds_the_way_again():
    stream = Stream()
    assert writes(stream, segment(pdu(data=100)), segment(b"\xff" * 200, 5000), segment(pdu(lun=4), 9000)) == [0, 4]
    assert stream.gaps == 1


def test_a_new_connection_on_the_same_port_begins_anew():
    stream = Stream()
    stream.feed(segment(pdu(data=5000)[:100]))
    stream.feed(segment(b"", 777, start=True))
    assert writes(stream, segment(pdu(lun=5), 778)) == [5]


def frame(port: int = 3260, payload: bytes = b"x" * 10, fragment: int = 0) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 99, 0, 0x80, 0x18, 1, 0, 0) + bytes(12)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(payload), 1, fragment, 64, 6, 0,
                     socket.inet_aton("10.0.0.11"), socket.inet_aton("10.0.0.41"))
    return bytes(12) + b"\x08\x00" + ip + tcp + payload


def test_frames_are_dissected_without_their_padding():
    found = dissect(frame() + bytes(6), 3260)
    assert found == Segment("10.0.0.11", 40000, 99, b"x" * 10, False, 3260)
    assert dissect(frame(2049), 3260, 2049).port == 2049
    assert dissect(frame(80), 3260) is None
    assert dissect(frame(fragment=5), 3260) is None
    assert dissect(b"\x00" * 20, 3260) is None


def test_the_first_write_is_told_at_once_and_the_rest_together():
    gatherer = Gatherer()
    first = gatherer.add("a", "www", 10**9)
    assert first is not None and first.count == 1
    assert gatherer.add("a", "www", 10**9 + 5 * MS) is None
    assert gatherer.add("a", "www", 10**9 + 60 * MS) is None
    (node, lun, batch), = gatherer.flush()
    assert (node, lun, batch.count) == ("a", "www", 2)
    assert batch.last_ns - batch.first_ns == 55 * MS
    assert gatherer.flush() == []
    assert gatherer.add("b", "www", 10**9 + 70 * MS) is not None
