"""The agent of the guests: its parsers, its way out, and as a whole in namespaces of its own."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fenceline.guest import agent

MOUNTINFO = """\
21 1 254:0 / / rw,noatime shared:1 - ext4 /dev/root rw
35 21 8:0 / /srv/www rw,noatime shared:9 - ext4 /dev/disk/by-id/lun\\0401 rw
36 21 0:30 / /srv/my\\040site rw - nfs 10.0.0.1:/x\\134y rw
37 35 8:16 / /srv/www rw - xfs /dev/sdb rw
"""
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: F462A8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: F462A8C0:0051 0962A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 0 3 0 20 4 30 10 -1
"""
COROSYNC = """\
totem {
    version: 2
}
nodelist {
    node {
        ring0_addr: 10.71.1.11
        name: rs-01
        nodeid: 1
    }
    node {
        nodeid: 2
        ring0_addr: 10.71.1.12
    }
}
"""


def test_mountinfo():
    found = agent.parse_mountinfo(MOUNTINFO, ["/srv/www", "/srv/my site", "/none"])
    assert found == {"/srv/www": ("/dev/sdb", "xfs"), "/srv/my site": ("10.0.0.1:/x\\y", "nfs")}
    assert agent.parse_mountinfo(MOUNTINFO, ["/nowhere"]) == {}
    assert agent.parse_mountinfo("35 21 8:0 / /srv/www rw - ext4 /dev/a b rw\n", ["/srv/www"])


@pytest.mark.parametrize("text", ["/dev/sda /srv/www ext4 rw 0 0\n", "35 21 8:0 / /srv/www rw - ext4\n"])
def test_mountinfo_goes_red(text):
    with pytest.raises(ValueError):
        agent.parse_mountinfo(text, ["/srv/www"])


def address_message(kind, ip, index=2, family=socket.AF_INET):
    attributes = struct.pack("=HH4s", 8, 2, socket.inet_aton(ip)) + struct.pack("=HH5s3x", 9, 3, b"eth1\0")
    return struct.pack("=IHHIIBBBBI", 24 + len(attributes), kind, 0, 0, 0, family, 24, 0, 0, index) + attributes


def test_addresses():
    data = (address_message(20, "192.168.98.244") + address_message(21, "10.0.0.1", 3)
            + address_message(20, "1.1.1.1", family=socket.AF_INET6) + struct.pack("=IHHIII", 20, 3, 2, 0, 0, 0))
    assert agent.parse_addresses(data) == [("192.168.98.244", 2, True), ("10.0.0.1", 3, False), None]


def test_addresses_go_red():
    with pytest.raises(ValueError):
        agent.parse_addresses(address_message(20, "192.168.98.244")[:30])


def test_listening():
    assert agent.parse_listening(TCP, {80, 81, 443}) == {80}
    assert agent.parse_listening(TCP.splitlines()[0] + "\n", {80}) == set()


def test_listening_goes_red():
    with pytest.raises(ValueError):
        agent.parse_listening("Active connections\n", {80})


def test_members():
    assert agent.parse_members(COROSYNC) == {1: "rs-01", 2: "10.71.1.12"}
    assert agent.parse_members("nodelist {\n node {\n  name: x\n }\n}\n") == {}


def test_the_serial_line():
    assert agent.default_device("processor : 0\nvendor_id : User Mode Linux\n") == "/dev/ttyS0"
    assert agent.default_device("vendor_id : GenuineIntel\n") == "/dev/ttyS1"


@pytest.fixture
def pipe():
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    yield read, write
    os.close(read)
    os.close(write)


def test_a_full_port_never_blocks_and_ticks_go_first(pipe):
    read, write = pipe
    out = agent.Outbox(write)
    for _ in range(20000):
        out.put("tick", {})
    begin = time.monotonic()
    out.put("mount", {"mountpoint": "/srv/www"})
    out.flush()
    assert time.monotonic() - begin < 1
    assert out.size <= agent.BUFFER + 100
    got = b""
    while out.size:
        got += os.read(read, 1 << 20)
        out.flush()
    got += os.read(read, 1 << 20)
    lines = [json.loads(line) for line in got.splitlines()]
    assert lines[-1]["kind"] == "mount"
    assert not out.lost


def test_a_port_that_is_never_read_loses_all_and_says_so(pipe):
    read, write = pipe
    out = agent.Outbox(write)
    for number in range(20000):
        out.put("mount", {"number": number})
        out.flush()
    assert out.lost
    assert out.size <= agent.HARD_LIMIT
    assert out._lines  # the half-written line is kept whole
    first = os.read(read, 1 << 20)
    out.flush()
    for line in (first + os.read(read, 1 << 20)).splitlines()[:-1]:
        json.loads(line)


def test_a_log_is_followed_through_rotation_and_truncation(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    tail = agent.LogTail(str(path))
    with path.open("a") as file:
        file.write("one\ntw")
    assert tail.read() == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    path.rename(tmp_path / "log.1")
    path.write_text("three\n")
    assert tail.read() == ["two", "three"]
    path.write_text("4\n")
    assert tail.read() == []  # truncated: noticed now
    assert tail.read() == ["4"]
    missing = agent.LogTail(str(tmp_path / "later"))
    assert missing.read() == []
    (tmp_path / "later").write_text("x" * 1000 + "\n")
    assert missing.read() == ["x" * agent.LOG_LINE_LENGTH]


def test_a_flood_of_log_lines_is_cut_and_told(tmp_path, pipe):
    path = tmp_path / "log"
    path.write_text("")
    whole = agent.Agent({"logs": [str(path)]}, pipe[1])
    path.write_text("line\n" * 1000)
    whole.look_at_logs()
    assert len(whole.out._lines) == agent.LOG_LINES_PER_S + 1
    assert json.loads(whole.out._lines[-1])["data"]["line"] == "[fenceline: 800 lines dropped]"


class Whole:
    """The agent in network and mount namespaces of its own; its serial port is a pseudo terminal."""

    def __init__(self, tmp_path: Path) -> None:
        self.host, device = pty.openpty()
        self.mountpoint, self.log = tmp_path / "www", tmp_path / "log"
        self.mountpoint.mkdir()
        self.log.write_text("before\n")
        config = tmp_path / "agent.json"
        config.write_text(json.dumps({
            "device": os.ttyname(device), "mountpoints": [str(self.mountpoint)], "ports": [8080],
            "addresses": ["192.168.98.244"], "logs": [str(self.log)], "quorum": True}))
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
             sys.executable, "-S", agent.__file__, str(config)], stderr=subprocess.PIPE)
        os.close(device)
        os.set_blocking(self.host, False)
        self.rest, self.lines = b"", []

    def run(self, *command: str) -> None:
        subprocess.run(["nsenter", "-t", str(self.process.pid), "--net", "--mount", *command], check=True)

    def wait(self, kind: str, within: float = 3.0, **data) -> float:
        """Takes lines up to one of ``kind`` with ``data``; returns the time (s) it took."""
        begin = time.monotonic()
        while time.monotonic() - begin < within:
            for index, line in enumerate(self.lines):
                if line["kind"] == kind and all(line["data"][key] == value for key, value in data.items()):
                    del self.lines[:index + 1]
                    return time.monotonic() - begin
            self.read()
            time.sleep(0.002)
        raise AssertionError(f"no {kind} {data}; {self.lines}; "
                             f"{self.process.stderr.read() if self.process.poll() is not None else ''}")

    def read(self) -> None:
        try:
            chunk = os.read(self.host, 65536)
        except OSError:
            return
        assert b"\r" not in chunk, "the port is not raw"
        *whole, self.rest = (self.rest + chunk).split(b"\n")
        self.lines += [json.loads(line) for line in whole]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.host)


@pytest.fixture
def whole(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to make namespaces")
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    made = Whole(tmp_path)
    yield made
    made.close()


def test_without_corosync_there_is_no_quorum(whole):
    whole.wait("quorum", quorate=False, members=[])
    whole.wait("tick")


def test_the_agent_as_a_whole(whole):
    whole.wait("agent.start")
    whole.wait("mount", mountpoint=str(whole.mountpoint), mounted=False)
    whole.wait("listen", port=8080, present=False)
    whole.wait("address", ip="192.168.98.244", present=False)
    whole.wait("tick")
    whole.run("mount", "-t", "tmpfs", "disk", str(whole.mountpoint))
    assert whole.wait("mount", mounted=True, source="disk", fstype="tmpfs") < 0.1
    whole.run("umount", str(whole.mountpoint))
    assert whole.wait("mount", mounted=False, source="disk") < 0.1
    whole.run("ip", "addr", "add", "192.168.98.244/24", "dev", "lo")
    assert whole.wait("address", present=True, device="lo") < 0.1
    whole.run("ip", "addr", "del", "192.168.98.244/24", "dev", "lo")
    assert whole.wait("address", present=False, device="lo") < 0.1
    with whole.log.open("a") as file:
        file.write("new\n")
    assert whole.wait("log", line="new") < 0.5
    server = subprocess.Popen(
        ["nsenter", "-t", str(whole.process.pid), "--net", sys.executable, "-c",
         "import socket, time; s = socket.create_server(('', 8080)); time.sleep(60)"])
    try:
        whole.wait("listen", present=True)
    finally:
        server.kill()
        server.wait()
    assert whole.wait("listen", present=False) < 0.3
    assert whole.process.poll() is None
