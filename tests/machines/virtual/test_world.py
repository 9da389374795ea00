"""The parts of a virtual world that need no kernel: its fabric, its sockets, agents' lines and commands."""

from __future__ import annotations

import base64
import errno
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fenceline.core.errors import ClusterError, HostError, MachineError, Timeout
from fenceline.machines.drivers import make_driver
from fenceline.machines.frames import Watch
from fenceline.machines.sockets import ArpFrames, TcpTo
from fenceline.machines.virtual import seeded, session
from fenceline.machines.virtual.capture import PcapFile
from fenceline.machines.virtual.clock import VirtualClock
from fenceline.machines.virtual.fabric import VirtualFabric
from fenceline.machines.virtual.frames import Frame
from fenceline.machines.virtual.host import Host
from fenceline.machines.virtual.session import CommandLine, ConsoleSession
from fenceline.machines.virtual.sockets import VirtualPoller
from fenceline.machines.virtual.stream import LineStream
from fenceline.machines.virtual.switch import Port
from fenceline.model.addressing import address, bmc_address
from fenceline.model.load import load_topology

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clock():
    made = VirtualClock(seed=5, make_poller=VirtualPoller)
    yield made
    made.end()


class Card(Port):
    """A machine's card: it answers ARP, like a machine."""

    def __init__(self, fabric, node, network, answers=True):
        super().__init__(f"{node}.{network}")
        self.mac = bytes.fromhex(fabric.mac(node, network).replace(":", ""))
        self.switch, self.answers, self.heard = fabric.switches[network], answers, []
        self.ip = address(fabric.topology, node, network).packed
        self.switch.plug_in(self)
        fabric.cards[node, network] = self

    def say(self, target=b"\xff" * 6, body=b"\x88\xb5hello"):
        self.switch.send(self, Frame((target + self.mac + body).ljust(60, b"\0")))

    def deliver(self, frame):
        self.heard.append(frame.data)
        if self.answers and self.is_up and frame.ethertype == 0x0806 and frame.data[38:42] == self.ip:
            self.say(frame.data[6:12], bytes.fromhex("08060001080006040002") + self.mac + self.ip + frame.data[22:32])


@pytest.fixture
def fabric(clock):
    return VirtualFabric(clock, load_topology("web-iscsi"), seed=5)


@pytest.fixture
def cards(fabric):
    return [Card(fabric, node, "service") for node in ("rs-01", "rs-02")]


def test_a_machine_answers_arp_where_its_cable_is_in(fabric, cards, clock):
    assert fabric.answers_arp("rs-01", "service", 2.0)
    cards[0].answers = False
    begun = clock.now()
    assert not fabric.answers_arp("rs-01", "service", 2.0)
    assert clock.now() - begun == pytest.approx(2, abs=0.01)


def test_lost_links_are_lost_one_way_and_counted_on_both_ends(fabric, cards, clock):
    watches = [Watch(fabric.tap("rs-01", "service"), fabric.mac("rs-01", "service"), fabric.mac("rs-02", "service")),
               Watch(fabric.tap("rs-02", "service"), fabric.mac("rs-01", "service")),
               Watch(fabric.tap("rs-01", "service"), fabric.mac("rs-02", "service"))]

    def talk():
        for _ in range(100):
            cards[0].say()
            cards[1].say()
    assert fabric.count_frames(watches, 1.0, talk) == [100, 100, 100]
    fabric.lose("split", [("service", "rs-01", "rs-02")])
    assert fabric.has_rules("split") and not fabric.has_rules("spl")
    assert fabric.count_frames(watches, 1.0, talk) == [100, 0, 100]
    fabric.remove_rules("split")
    assert not fabric.has_rules("split")
    fabric.lose("some", [("service", "rs-01", "rs-02")], percent=40)
    sent, heard, _ = fabric.count_frames(watches, 1.0, talk)
    assert sent == 100 and 40 < heard < 80


def test_arp_on_the_wire_is_seen_with_its_time_and_our_own_is_not(fabric, cards, clock):
    wire, cable = fabric.frames("service", ArpFrames()), fabric.frames("service", ArpFrames(), "rs-02")
    assert wire.read() is None and not wire.ready() & selectors.EVENT_READ
    wire.send(b"\xff" * 6 + wire.mac + bytes.fromhex("08060001"))
    clock.sleep(1)
    cards[0].say(body=bytes.fromhex("08060001"))
    cards[0].say()
    cards[1].say(body=bytes.fromhex("08060002"))
    clock.sleep(1)
    frame, when = wire.read()
    assert frame[6:12] == cards[0].mac and when == 10**9
    assert wire.read()[0][6:12] == cards[1].mac and wire.read() is None
    assert cable.read()[0][6:12] == cards[1].mac and cable.read() is None
    wire.close()
    cable.close()
    assert not fabric.switches["service"].taps


def test_which_frames_are_wanted():
    to_target = bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(10) + struct.pack("!HH", 9, 3260)
    assert TcpTo(3260, 2049).matches(to_target) and not TcpTo(80, 2049).matches(to_target)
    assert not ArpFrames().matches(to_target) and ArpFrames().matches(bytes(12) + b"\x08\x06")


def test_a_bmc_hears_datagrams_in_the_world_and_answers(fabric, clock):
    own = str(bmc_address(fabric.topology, "rs-01"))
    sock, poller = fabric.udp_socket(own, 623), clock.poller()
    poller.add(sock, print, selectors.EVENT_READ)
    peer = Host(clock.calendar, fabric.switches["management"], "52:54:00:00:00:77",
                [str(address(fabric.topology, "rs-01", "management"))])
    heard = []
    peer.listen(peer.addresses[0], 4000, lambda *what: heard.append(what))
    peer.send_datagram(peer.addresses[0], 4000, own, 623, b"ping")
    assert poller.poll(5) == [(sock, print)]
    data, client = sock.recvfrom(100, socket.MSG_DONTWAIT)
    assert (data, client[1]) == (b"ping", 4000)
    with pytest.raises(BlockingIOError):
        sock.recvfrom(100, socket.MSG_DONTWAIT)
    sock.sendto(b"pong", client)
    clock.sleep(1)
    assert heard == [(own, 623, b"pong")]
    poller.close()
    with pytest.raises(HostError, match="no network of the virtual world has the address 10.9.9.9"):
        fabric.udp_socket("10.9.9.9", 623)


def test_a_connection_to_nobody_times_out_in_virtual_time(fabric, clock):
    with fabric.tcp_socket() as sock:
        sock.settimeout(3)
        begun = clock.now()
        with pytest.raises(TimeoutError):
            sock.connect((str(address(fabric.topology, "rs-01", "service")), 80))
        assert clock.now() - begun == pytest.approx(3, abs=0.01)
    sock = fabric.tcp_socket()
    assert sock.connect_ex(("203.0.113.1", 80)) == errno.ENETUNREACH


def test_a_poller_is_woken_and_gives_up_in_time(clock):
    poller = clock.poller()
    assert poller.poll(2) == [] and clock.now() == 2
    clock.thread(poller.wake, "waker")
    assert poller.poll(10) == [] and clock.now() == 2


def test_an_agents_line_is_read_as_it_comes_and_ends_with_its_start(clock):
    stream = LineStream(clock)
    with pytest.raises(BlockingIOError):
        stream.read(10)
    stream.heard(b"tick\n")
    assert stream.read(3) == b"tic" and stream.ready()
    after = stream.renewed()
    assert stream.read(10) == b"k\n" and stream.read(10) == b""
    with pytest.raises(BlockingIOError):
        after.read(1)


def test_a_capture_has_virtual_stamps_and_begins_anew_when_it_is_full(fabric, cards, clock, tmp_path):
    capture = PcapFile(clock.calendar, fabric.switches["service"], tmp_path / "made" / "s.pcap", snap=40, size=200)
    clock.sleep(1.5)
    for _ in range(4):
        cards[0].say()
    capture.stop()
    capture.stop()
    data = (tmp_path / "made" / "s.pcap0").read_bytes()
    assert struct.unpack_from("<IIII", data, 24) == (1_800_000_001, 500_000_000, 40, 60)
    assert (tmp_path / "made" / "s.pcap1").exists()


class Line:
    """The machine's end of a command line."""

    def __init__(self, clock):
        self.said = []
        self.line = CommandLine(clock, "rs-01", self)
        self.session = ConsoleSession(self.line)

    def write(self, data):
        self.said.append(json.loads(data))

    def answer(self, number, status=0, out=b"", err=b""):
        self.line.heard((json.dumps({"id": number, "status": status, "out": base64.b64encode(out).decode(),
                                     "err": base64.b64encode(err).decode()}) + "\n").encode())


def test_a_command_waits_for_the_machine_and_gives_what_it_gave(clock):
    end = Line(clock)
    clock.calendar.at(10**9, lambda: end.line.heard(b'garbage\n{"id": 0}\n'))
    clock.calendar.at(3 * 10**9, lambda: end.answer(1, 0, b"out", b"err"))
    result = end.session.run(["echo", "a b"], text="in")
    assert end.said == [{"id": 1, "command": "echo 'a b'", "input": "in"}]
    assert (result.status, result.out, result.err, result.seconds) == (0, "out", "err", 3)


def test_a_command_that_fails_ends_too_late_or_is_lost_is_told(clock):
    end = Line(clock)
    with pytest.raises(MachineError, match="does not serve its command line"):
        end.session.run("true", within=2)
    end.line.heard(b'{"id": 0}\n')
    clock.calendar.after(5, lambda: end.answer(1, 3, err=b"no such thing"))
    with pytest.raises(ClusterError, match="gave 3"):
        end.session.run("false")
    with pytest.raises(Timeout, match="did not end within 4 s"):
        end.session.run("sleep", within=4)
    clock.calendar.after(5, end.line.gone)
    with pytest.raises(MachineError, match="connection was lost"):
        end.session.run("reboot")
    with pytest.raises(Timeout):
        end.session.wait(1)


def test_the_machines_end_does_what_it_is_asked(tmp_path):
    """The program itself, on a pseudo terminal of the test's."""
    import pty
    ours, theirs = pty.openpty()
    import tty
    tty.setraw(theirs)
    program = Path(session.__file__).with_name("shell.py")
    process = subprocess.Popen([sys.executable, str(program), os.ttyname(theirs)])
    try:
        with os.fdopen(ours, "rb+", buffering=0) as line:
            def hear():
                data = b""
                while not data.endswith(b"\n"):
                    data += line.read(1)
                return json.loads(data)
            assert hear() == {"id": 0}
            for number, command in ((1, "cat; echo err >&2; exit 3"), (2, "echo $LOGNAME")):
                line.write((json.dumps({"id": number, "command": command, "input": "in"}) + "\n").encode())
                said = hear()
                expected = (1, 3, b"in", b"err\n") if number == 1 else (2, 0, b"root\n", b"")
                assert (said["id"], said["status"], base64.b64decode(said["out"]), base64.b64decode(said["err"])) == \
                    expected
    finally:
        process.kill()
        process.wait()
        os.close(theirs)


def test_random_numbers_come_from_the_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path))
    library = seeded.seeded_library()
    assert library == seeded.seeded_library() and library.parent.parent == tmp_path

    def drawn(seed):
        code = "import ctypes; b = ctypes.create_string_buffer(16); ctypes.CDLL(None).getrandom(b, 16, 0); print(b.raw)"
        environment = {"LD_PRELOAD": str(library), "FENCELINE_SEED": str(seed)}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                              check=True).stdout
    assert drawn(1) == drawn(1) != drawn(2)
    assert seeded.seed_of(1, "rs-01", 1) != seeded.seed_of(1, "rs-01", 2) != seeded.seed_of(2, "rs-01", 1)


def test_a_world_stays_on_one_cpu_until_it_ends(fabric, clock):
    before = os.sched_getaffinity(0)
    fabric.create()
    assert len(os.sched_getaffinity(0)) == 1
    fabric.close()
    fabric.close()
    assert os.sched_getaffinity(0) == before


def test_without_its_kernel_it_says_how_that_is_had(monkeypatch, tmp_path):
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path))
    with pytest.raises(HostError, match="fenceline kernel build"):
        make_driver("virtual", None)
