"""The devices of virtual machines, with a guest's end of vhost-user that the test imitates."""

from __future__ import annotations

import struct

import pytest

from fenceline.core.errors import MachineError
from fenceline.machines.virtual.console import Console
from fenceline.machines.virtual.disk import CACHE, SECTOR, Disk, Medium
from fenceline.machines.virtual.frames import NO_HEADER, Frame
from fenceline.machines.virtual.nic import NetworkCard
from fenceline.machines.virtual.switch import Port, Switch

from .frontend import Frontend

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


class Listener(Port):
    """Something else at the switch."""

    def __init__(self, mac):
        super().__init__("listener")
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.heard = []

    def deliver(self, frame):
        self.heard.append(frame)


def frame(source, target, body=b"hello"):
    return bytes.fromhex((target + source).replace(":", "")) + b"\x88\xb5" + body


@pytest.fixture
def disk(calendar, tmp_path):
    made = Disk(calendar, "node-1.root", tmp_path / "disk", Medium(size=64 * SECTOR))
    yield made
    made.close()


@pytest.fixture
def guest(disk):
    made = Frontend(disk, 1)
    yield made
    made.close()


def request(guest, kind, sector, data=b"", length=0):
    """One request to the disk, done; (its status, what was read)."""
    guest.put(guest.at(0), struct.pack("<IIQ", kind, 0, sector))
    guest.put(guest.at(1), data)
    guest.put(guest.at(4), b"\xff")
    body = (guest.at(1), len(data) or length, not data)
    guest.offer(0, (guest.at(0), 16, False), *([body] if body[1] else []), (guest.at(4), 1, True))
    guest.calendar.run_until(guest.calendar.now + 10_000_000)
    return guest.get(guest.at(4), 1)[0], guest.get(guest.at(1), length)


def test_a_guest_finds_size_and_features_of_its_disk(guest):
    assert struct.unpack_from("<Q", guest.ask(24, struct.pack("<III", 0, 8, 0) + bytes(8)), 12)[0] == 64
    assert guest.features >> 32 & 1 and guest.features >> 9 & 1
    assert guest.protocol == 1 << 3 | 1 << 5 | 1 << 9 | 1 << 14


def test_what_is_written_is_read_again_and_the_guest_interrupted(guest):
    assert request(guest, 1, 3, b"x" * SECTOR)[0] == 0
    assert request(guest, 0, 3, length=SECTOR) == (0, b"x" * SECTOR)
    assert [kind for kind, _ in guest.calls] == [4, 4]
    assert guest.used(0) == [(0, 1), (3, SECTOR + 1)]


def test_a_request_takes_its_time(guest, disk):
    guest.put(guest.at(0), struct.pack("<IIQ", 0, 0, 0))
    guest.offer(0, (guest.at(0), 16, False), (guest.at(1), 2 * SECTOR, True), (guest.at(4), 1, True))
    guest.calendar.run_until(disk.latency + 2 * SECTOR * disk.ns_per_byte - 1)
    assert not guest.used(0)
    guest.calendar.run_until(guest.calendar.now + 1)
    assert guest.used(0)


def test_beyond_the_end_is_an_error_and_so_is_a_bad_sector(guest, disk):
    assert request(guest, 1, 64, b"x" * SECTOR)[0] == 1
    disk.faults.bad = range(7, 8)
    assert request(guest, 0, 6, length=2 * SECTOR)[0] == 1
    assert request(guest, 0, 5, length=2 * SECTOR)[0] == 0


def test_a_disk_that_fails_writes_still_reads(guest, disk):
    disk.faults.fails_writes = True
    assert request(guest, 1, 0, b"x" * SECTOR)[0] == 1
    assert request(guest, 0, 0, length=SECTOR) == (0, bytes(SECTOR))


def test_a_disk_that_hangs_does_what_waited_when_it_goes_on(guest, disk):
    disk.faults.hangs = True
    assert request(guest, 1, 0, b"x" * SECTOR)[0] == 0xFF
    disk.go_on()
    guest.calendar.run_until(guest.calendar.now + 10_000_000)
    assert disk.medium.read(0, SECTOR) == b"x" * SECTOR and len(guest.used(0)) == 1


def test_a_power_cut_loses_what_was_not_flushed(guest, disk):
    request(guest, 1, 0, b"a" * SECTOR)
    request(guest, 4, 0)
    request(guest, 1, 0, b"b" * SECTOR)
    request(guest, 1, 1, b"c" * SECTOR)
    assert disk.lose_cache() == 2
    assert disk.medium.read(0, 2 * SECTOR) == b"a" * SECTOR + bytes(SECTOR)


def test_a_cache_that_lies_was_never_flushed(guest, disk):
    disk.faults.lies = True
    request(guest, 1, 0, b"a" * SECTOR)
    assert request(guest, 4, 0)[0] == 0
    assert disk.lose_cache() == 1
    assert disk.medium.read(0, SECTOR) == bytes(SECTOR)


def test_which_sectors_a_power_cut_spares_comes_from_the_seed(calendar, tmp_path):
    def survivors(seed):
        made = Disk(calendar, "d", tmp_path / f"disk-{len(list(tmp_path.iterdir()))}", Medium(size=200 * SECTOR))
        made.medium.write(0, b"x" * 200 * SECTOR)
        lost = made.lose_cache(0.5, seed)
        left = [sector for sector in range(200) if made.medium.read(sector * SECTOR, 1) == b"x"]
        assert lost + len(left) == 200
        made.close()
        return left
    assert survivors("1") == survivors("1") != survivors("2")
    assert 60 < len(survivors("1")) < 140


def test_a_full_cache_pushes_the_oldest_writes_onto_the_medium():
    medium = Medium(size=2 * CACHE)
    medium.write(0, b"o" * SECTOR)
    medium.write(SECTOR, b"n" * CACHE)
    medium.lose_cache()
    assert medium.read(0, SECTOR + 1) == b"o" * SECTOR + b"\0"


def test_a_medium_over_a_file_leaves_the_file_alone(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(b"a" * SECTOR)
    medium = Medium(path)
    medium.write(0, b"b" * SECTOR)
    assert medium.read(0, 1) == b"b" and path.read_bytes() == b"a" * SECTOR


def test_a_machine_that_is_gone_hears_nothing_of_its_requests(guest, disk):
    guest.put(guest.at(0), struct.pack("<IIQ", 1, 0, 0))
    guest.offer(0, (guest.at(0), 16, False), (guest.at(1), SECTOR, False), (guest.at(4), 1, True))
    disk.unplug()
    disk.calendar.run_until(10_000_000)
    assert not guest.used(0) and disk.lose_cache() == 0


def test_a_request_that_no_kernel_sends_is_told(guest):
    with pytest.raises(MachineError, match="no such kernel sends: 77"):
        guest.tell(77, b"")


def test_a_frame_goes_from_a_guest_to_the_switch_and_back(calendar, tmp_path):
    switch = Switch(calendar, "lan")
    card = NetworkCard(calendar, "node-1.lan", tmp_path / "card", switch, MAC)
    other = Listener(OTHER)
    switch.plug_in(other)
    guest = Frontend(card, 2)
    sent = frame(MAC, OTHER)
    guest.put(guest.at(0), NO_HEADER + sent)
    guest.offer(1, (guest.at(0), 12 + len(sent), False))
    calendar.run_until(1_000_000)
    assert [one.data for one in other.heard] == [sent] and guest.used(1) == [(0, 0)]
    back = frame(OTHER, MAC, b"y" * 600)
    for number in (1, 2):  # it needs two buffers
        guest.offer(0, (guest.at(number), 512, True))
    switch.send(other, Frame(back))
    calendar.run_until(2_000_000)
    assert [length for _, length in guest.used(0)] == [512, 12 + len(back) - 512]
    got = guest.get(guest.at(1), 512) + guest.get(guest.at(2), 12 + len(back) - 512)
    assert got[12:] == back and struct.unpack_from("<H", got, 10)[0] == 2
    card.close()
    guest.close()


def test_a_frame_waits_until_the_guest_has_room(calendar, tmp_path):
    switch = Switch(calendar, "lan")
    card = NetworkCard(calendar, "node-1.lan", tmp_path / "card", switch, MAC)
    guest = Frontend(card, 2)
    card.deliver(Frame(frame(OTHER, MAC)))
    assert not guest.used(0)
    guest.offer(0, (guest.at(1), 512, True))
    calendar.run_until(1_000_000)
    assert len(guest.used(0)) == 1
    card.close()
    guest.close()


def test_a_pulled_cable_is_told_to_the_guest_and_carries_nothing(calendar, tmp_path):
    switch = Switch(calendar, "lan")
    card = NetworkCard(calendar, "node-1.lan", tmp_path / "card", switch, MAC)
    other = Listener(OTHER)
    switch.plug_in(other)
    guest = Frontend(card, 2)
    card.set_link(False)
    assert [kind for kind, _ in guest.calls] == [2] and card.config()[6:] == b"\0\0"
    guest.put(guest.at(0), NO_HEADER + frame(MAC, OTHER))
    guest.offer(1, (guest.at(0), 32, False))
    guest.offer(0, (guest.at(1), 512, True))
    card.deliver(Frame(frame(OTHER, MAC)))
    calendar.run_until(1_000_000)
    assert not other.heard and not guest.used(0)
    card.close()
    guest.close()


def test_a_console_carries_both_ways_at_its_time(calendar, tmp_path):
    heard = []
    console = Console(calendar, "node-1.agent", tmp_path / "console",
                      lambda data: heard.append((calendar.now, data)))
    console.write(b"lost: nobody is there")
    guest = Frontend(console, 2)
    guest.put(guest.at(0), b"hello")
    guest.offer(1, (guest.at(0), 5, False))
    calendar.run_until(1_000_000)
    assert heard == [(10_000, b"hello")]
    console.write(b"abcdef")
    guest.offer(0, (guest.at(1), 4, True), kick=False)
    calendar.run_until(2_000_000)
    assert guest.get(guest.at(1), 4) == b"abcd"
    guest.offer(0, (guest.at(2), 4, True))
    calendar.run_until(3_000_000)
    assert guest.get(guest.at(2), 2) == b"ef" and [length for _, length in guest.used(0)] == [4, 2]
    console.close()
    guest.close()
