"""The agent in a guest: tells the host, line by line over a serial port, what changes on its node.

Runs under Debian 12's ``python3 -S`` with the standard library only; nothing else of Fenceline is there, so
this is one file. One JSON line {"kind", "data"} per observation, without any time: the host stamps what arrives.
Use: agent.py [CONFIG], a JSON file (default /etc/fenceline/agent.json):

    {"device": null, "mountpoints": ["/srv/www"], "addresses": ["192.168.98.244"], "ports": [80],
     "logs": ["/var/log/pacemaker/pacemaker.log"], "quorum": true,
     "membership": {"kind": "heartbeat", "self": "node1", "nodes": ["node1", "node2"]}}

Without a "device" it takes the serial line that the machine's driver gives it.

Pushed by the kernel or by corosync: mounts, addresses, quorum, DRBD's states. Polled: ports (100 ms), log files and
DRBD's count of blocks out of sync (250 ms).
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import select
import socket
import struct
import sys
import termios
import threading
import time
import tty
from collections import deque

CONFIG = "/etc/fenceline/agent.json"
TICK = 0.250  # s
PORT_POLL = 0.100  # s
LOG_LINES_PER_S = 200
LOG_LINE_LENGTH = 500  # characters
BUFFER = 64 * 1024  # bytes that may wait for the serial port before ticks and log lines are dropped
HARD_LIMIT = 4 * BUFFER  # bytes: beyond this all is dropped, and told anew when the port takes lines again
RTMGRP_IPV4_IFADDR = 0x10
NLMSG_DONE = 3
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
IFA_LOCAL, IFA_ADDRESS = 2, 1


# --- pure parsers ---


def parse_mountinfo(text, mountpoints):
    """{mountpoint: (source, fstype)} of those ``mountpoints`` that are mounted by /proc/self/mountinfo's ``text``.

    Of several mounts on one mountpoint the last, which hides the others."""
    found = {}
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if not separator or len(fields) < 6 or len(rest) < 2:
            raise ValueError(f"not a line of mountinfo: {line[:120]!r}")
        mountpoint = unescape(fields[4])
        if mountpoint in mountpoints:
            found[mountpoint] = (unescape(rest[1]), rest[0])
    return found


def unescape(text):
    """mountinfo writes blanks and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def parse_addresses(data):
    """[(ip, interface index, present)] of the RTM_NEWADDR and RTM_DELADDR messages in netlink's ``data``; None,
    not a triple, for the end of a dump.

    Raises ValueError for a message that is cut short."""
    found, offset = [], 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        if length < 16 or offset + length > len(data):
            raise ValueError(f"netlink message of {length} bytes where {len(data) - offset} are left")
        if kind == NLMSG_DONE:
            found.append(None)
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            family, index = struct.unpack_from("=B3xI", data, offset + 16)
            attributes = parse_attributes(data[offset + 24:offset + length])
            # IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL is ours
            raw = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS, b""))
            if family == socket.AF_INET and len(raw) == 4:
                found.append((socket.inet_ntoa(raw), index, kind == RTM_NEWADDR))
        offset += (length + 3) & ~3
    return found


def parse_attributes(data):
    """{type: value} of netlink's attributes."""
    found, offset = {}, 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found[kind] = data[offset + 4:offset + length]
        offset += (length + 3) & ~3
    return found


def parse_listening(text, ports):
    """Those of ``ports`` on which /proc/net/tcp's (or tcp6's) ``text`` has a listening socket."""
    found = set()
    lines = text.splitlines()
    if lines and "local_address" not in lines[0]:
        raise ValueError(f"not /proc/net/tcp: {lines[0][:80]!r}")
    for line in lines[1:]:
        fields = line.split(None, 4)
        if len(fields) > 3 and fields[3] == "0A":
            port = int(fields[1].rpartition(":")[2], 16)
            if port in ports:
                found.add(port)
    return found


def parse_members(text):
    """{nodeid: name} of the nodelist in corosync.conf's ``text``."""
    found = {}
    for block in re.findall(r"^\s*node\s*\{(.*?)\}", text, re.MULTILINE | re.DOTALL):
        values = dict(re.findall(r"^\s*(\w+)\s*:\s*(\S+)", block, re.MULTILINE))
        if values.get("nodeid", "").isdigit():
            name = values.get("name") or values.get("ring0_addr")
            if name:
                found[int(values["nodeid"])] = name
    return found


# --- the way out ---


class Outbox:
    """What waits for the serial port. Never blocks: when the host does not read, ticks and log lines go first;
    at last everything goes, and ``lost`` says that the whole state must be told anew."""

    def __init__(self, fd):
        self.fd = fd
        self.lost = False
        self.size = 0
        self._lines = deque()

    def put(self, kind, data):
        """Queues a line."""
        line = (json.dumps({"kind": kind, "data": data}, separators=(",", ":")) + "\n").encode()
        if self.size + len(line) > BUFFER and kind in ("tick", "log"):
            return
        if self.size + len(line) > HARD_LIMIT:
            self.clear()
            self.lost = True
            return
        self._lines.append(line)
        self.size += len(line)

    def clear(self):
        """Forgets all lines but the one that may be half written."""
        head = self._lines[0] if self._lines else None
        self._lines.clear()
        if head is not None:
            self._lines.append(head)
        self.size = len(head or b"")

    def flush(self):
        """Writes what the port takes now."""
        while self._lines:
            try:
                written = os.write(self.fd, self._lines[0])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EIO, errno.EAGAIN, errno.EINTR):  # no host at the other end, for now
                    return
                raise
            self.size -= written
            if written < len(self._lines[0]):
                self._lines[0] = self._lines[0][written:]
                return
            self._lines.popleft()


class LogTail:
    """New lines of one file, across rotation and truncation. What was there at the start is left out."""

    def __init__(self, path):
        self.path = path
        self._fd = -1
        self._rest = b""
        self._open(at_end=True)

    def _open(self, at_end=False):
        with contextlib.suppress(OSError):
            self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            self._inode = os.fstat(self._fd).st_ino
            self._rest = b""
            if at_end:
                os.lseek(self._fd, 0, os.SEEK_END)

    def read(self):
        """The complete lines since the last call."""
        if self._fd < 0:
            self._open()
            if self._fd < 0:
                return []
        lines = self._more()
        with contextlib.suppress(OSError):
            status = os.stat(self.path)
            if status.st_ino != self._inode:  # rotated: the old one has been read to its end
                os.close(self._fd)
                self._fd = -1
                self._open()
                lines += self._more()
            elif status.st_size < os.lseek(self._fd, 0, os.SEEK_CUR):
                os.lseek(self._fd, 0, os.SEEK_SET)
                self._rest = b""
        return lines

    def _more(self):
        found = []
        for _ in range(16):  # 1 MiB a turn: a flood must not keep the agent from its other work
            chunk = os.read(self._fd, 65536) if self._fd >= 0 else b""
            if not chunk:
                break
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            self._rest = self._rest[-4096:]
            found += [line.decode("utf-8", "replace")[:LOG_LINE_LENGTH] for line in whole]
        return found


# --- corosync ---


class QuorumWatch(threading.Thread):
    """Corosync's own notifications, by its client library.

    Not by ``corosync-quorumtool -m``: that keeps back what it writes to a pipe until 4 kB are together, and
    after each notification it waits for a second one, of votequorum, before it says anything. In a thread, as
    the library blocks while corosync does."""

    CURRENT_AND_CHANGES, BLOCKING, OK = 3, 3, 1
    NOTIFY = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32,
                              ctypes.POINTER(ctypes.c_uint32))

    def __init__(self, tell, members=None, conf="/etc/corosync/corosync.conf"):
        super().__init__(daemon=True)
        self._tell, self._members, self._conf = tell, members, conf

    def run(self):
        pause = 0.1
        while True:
            try:
                if self._follow():
                    pause = 0.1
            except OSError as error:  # the library is not installed
                self._tell({"quorate": False, "members": []}, str(error))
                return
            self._tell({"quorate": False, "members": []}, None)
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def _follow(self):
        """Tells changes until corosync is gone; returns whether it was there."""
        library = ctypes.CDLL("libquorum.so.5")
        callbacks = (self.NOTIFY * 1)(self.NOTIFY(self._notified))  # quorum_callbacks_t has this one field
        handle, kind = ctypes.c_uint64(), ctypes.c_uint32()
        if library.quorum_initialize(ctypes.byref(handle), callbacks, ctypes.byref(kind)) != self.OK:
            return False
        try:
            if library.quorum_trackstart(handle, self.CURRENT_AND_CHANGES) != self.OK:
                return False
            library.quorum_dispatch(handle, self.BLOCKING)  # returns when the connection is lost
            return True
        finally:
            library.quorum_finalize(handle)

    def _notified(self, _handle, quorate, ring, count, view):
        names = self._members
        if names is None:
            try:
                with open(self._conf) as file:
                    names = parse_members(file.read())
            except OSError:
                names = {}
        self._tell({"quorate": bool(quorate),
                    "members": [names.get(view[index], str(view[index])) for index in range(count)],
                    "ring": ring}, None)


# --- the agent ---


class Agent:
    """Watches one node as ``config`` says, and writes to ``fd``."""

    def __init__(self, config, fd):
        self.out = Outbox(fd)
        self.mountpoints = config.get("mountpoints", [])
        self.addresses = set(config.get("addresses", []))
        self.ports = {int(port) for port in config.get("ports", [])}
        self.tails = [LogTail(path) for path in config.get("logs", [])]
        self.mounts, self.devices, self.listening, self.quorum = {}, {}, None, None
        self._dump, self._is_first_dump = None, True
        self._line_budget, self._dropped = float(LOG_LINES_PER_S), 0
        self._pending = deque()
        self._poll = select.poll()
        self._wake_in, self._wake_out = os.pipe()
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)
        self._poll.register(self._wake_in, select.POLLIN)
        self._mountinfo = os.open("/proc/self/mountinfo", os.O_RDONLY)
        self._poll.register(self._mountinfo, select.POLLPRI | select.POLLERR)
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._netlink.bind((0, RTMGRP_IPV4_IFADDR))
        self._poll.register(self._netlink, select.POLLIN)
        if config.get("quorum"):
            members = config.get("members")
            QuorumWatch(self._quorum_from_thread,
                        {int(key): name for key, name in members.items()} if members else None).start()
        if config.get("membership"):
            from membership import watch  # comes with the seed, where the stack needs it
            watch(config["membership"], self._quorum_from_thread).start()
        self.drbd = None
        if config.get("drbd"):
            from drbdwatch import DrbdState, DrbdWatch  # likewise
            self.drbd = DrbdState(config["drbd"])
            DrbdWatch(lambda line: self._from_thread(self._tell_drbd, line)).start()

    def begin(self):
        """Tells everything, as if nothing had been told."""
        self.out.put("agent.start", {})
        self.mounts, self.devices, self.listening = {}, {}, None
        now = self._read_mounts()
        for mountpoint in self.mountpoints:
            if mountpoint not in now:
                self._put_mount(mountpoint, "", "", False)
        self.look_at_mounts()
        self._is_first_dump = True
        self._ask_for_addresses()
        self.look_at_ports()
        if self.quorum is not None:
            self.out.put("quorum", self.quorum)
        if self.drbd is not None:
            for kind, data in self.drbd.snapshot():
                self.out.put(kind, data)

    def run(self):
        """Watches for ever."""
        self.begin()
        next_tick = next_ports = time.monotonic()
        while True:
            self.out.flush()
            if self.out.lost and self.out.size < BUFFER:
                self.out.lost = False
                self.begin()
                continue
            if self.out.size:
                self._poll.register(self.out.fd, select.POLLOUT)
            else:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self.out.fd)
            due = min(next_tick, next_ports) if self.ports else next_tick
            self._look(self._poll.poll(max(0.0, (due - time.monotonic()) * 1000)))
            now = time.monotonic()
            if self.ports and now >= next_ports:
                self.look_at_ports()
                next_ports = now + PORT_POLL
            if now >= next_tick:
                self.out.put("tick", {})
                self.look_at_logs()
                self.look_at_drbd()
                next_tick = now + TICK

    def _look(self, ready):
        for fd, events in ready:
            if fd == self._mountinfo:
                self.look_at_mounts()
            elif fd == self._netlink.fileno():
                self._look_at_addresses()
            elif fd == self._wake_in:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_in, 4096)
                while self._pending:
                    action, *arguments = self._pending.popleft()
                    action(*arguments)
            elif events & (select.POLLERR | select.POLLHUP):
                time.sleep(0.05)  # a serial port without a host: don't spin

    def _read_mounts(self):
        os.lseek(self._mountinfo, 0, os.SEEK_SET)
        chunks = []
        while True:
            chunk = os.read(self._mountinfo, 65536)
            if not chunk:
                return parse_mountinfo(b"".join(chunks).decode("utf-8", "replace"), self.mountpoints)
            chunks.append(chunk)

    def look_at_mounts(self):
        now = self._read_mounts()
        for mountpoint, (source, fstype) in self.mounts.items():
            if now.get(mountpoint) != (source, fstype):
                self._put_mount(mountpoint, source, fstype, False)
        for mountpoint, (source, fstype) in now.items():
            if self.mounts.get(mountpoint) != (source, fstype):
                self._put_mount(mountpoint, source, fstype, True)
        self.mounts = now

    def _put_mount(self, mountpoint, source, fstype, mounted):
        self.out.put("mount", {"source": source, "mountpoint": mountpoint, "fstype": fstype,
                               "mounted": mounted})

    def _ask_for_addresses(self):
        self._dump = set()
        request = struct.pack("=IHHII", 24, RTM_GETADDR, 0x301, 1, 0)  # NLM_F_REQUEST | NLM_F_DUMP
        self._netlink.send(request + struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0))

    def _look_at_addresses(self):
        while True:
            try:
                data = self._netlink.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._ask_for_addresses()  # messages were lost
                continue
            for found in parse_addresses(data):
                if found is None:
                    self._end_of_dump()
                elif found[0] in self.addresses:
                    self._look_at_address(*found)

    def _look_at_address(self, ip, index, present):
        key = (ip, index)
        try:
            device = socket.if_indextoname(index)
        except OSError:  # gone already
            device = self.devices.get(key, str(index))
        if present != (key in self.devices):
            self.out.put("address", {"ip": ip, "device": device, "present": present})
        if present:
            self.devices[key] = device
        else:
            self.devices.pop(key, None)
        if self._dump is not None:
            (self._dump.add if present else self._dump.discard)(key)

    def _end_of_dump(self):
        if self._dump is None:
            return
        for key in [key for key in self.devices if key not in self._dump]:  # its message was lost
            self._look_at_address(*key, False)
        self._dump = None
        if self._is_first_dump:
            self._is_first_dump = False
            for ip in sorted(self.addresses - {ip for ip, _ in self.devices}):
                self.out.put("address", {"ip": ip, "device": "", "present": False})

    def look_at_ports(self):
        if not self.ports:
            return
        now = set()
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            with contextlib.suppress(OSError), open(path) as file:  # no IPv6: no tcp6
                now |= parse_listening(file.read(), self.ports)
        for port in sorted(self.ports if self.listening is None else now ^ self.listening):
            self.out.put("listen", {"port": port, "present": port in now})
        self.listening = now

    def look_at_logs(self):
        self._line_budget = min(float(LOG_LINES_PER_S), self._line_budget + LOG_LINES_PER_S * TICK)
        for tail in self.tails:
            lines = tail.read()
            room = int(self._line_budget)
            for line in lines[:room]:
                self.out.put("log", {"file": tail.path, "line": line})
            self._line_budget -= min(len(lines), room)
            if len(lines) > room:
                self.out.put("log", {"file": tail.path,
                                     "line": f"[fenceline: {len(lines) - room} lines dropped]"})

    def look_at_drbd(self):
        if self.drbd is None:
            return
        with contextlib.suppress(OSError), open("/proc/drbd") as file:  # not there: the module is not loaded
            for kind, data in self.drbd.look(file.read()):
                self.out.put(kind, data)

    def _tell_drbd(self, line):
        if line is None:
            before = self.drbd.snapshot()
            self.drbd.lost()
            found = [one for one in self.drbd.snapshot() if one not in before]
        else:
            try:
                found = self.drbd.feed(line)
            except ValueError as error:
                found = [("log", {"file": "agent", "line": str(error)})]
        for kind, data in found:
            self.out.put(kind, data)

    def _from_thread(self, *call):
        self._pending.append(call)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_out, b"x")

    def _quorum_from_thread(self, state, problem):
        self._from_thread(self._tell_quorum, state, problem)

    def _tell_quorum(self, state, problem):
        if problem:
            self.out.put("log", {"file": "agent", "line": "quorum can't be watched: " + problem})
        if state != self.quorum:
            self.quorum = state
            self.out.put("quorum", state)


def default_device(cpuinfo, is_there=os.path.exists):
    """The agent's serial line: in virtual time the first virtio console; otherwise UML's is ssl0, and QEMU's the
    second, as the first is the console."""
    if is_there("/dev/hvc0"):
        return "/dev/hvc0"
    return "/dev/ttyS0" if "User Mode Linux" in cpuinfo else "/dev/ttyS1"


def open_port(path):
    """The serial port, raw and non-blocking; other files (tests) as they are."""
    fd = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    if os.isatty(fd):
        tty.setraw(fd)
        settings = termios.tcgetattr(fd)
        settings[2] |= termios.CLOCAL  # no modem: don't wait for a carrier
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(fd, termios.TCSANOW, settings)
    return fd


def main():
    with open(sys.argv[1] if len(sys.argv) > 1 else CONFIG) as file:
        config = json.load(file)
    with open("/proc/cpuinfo") as file:
        device = config.get("device") or default_device(file.read())
    Agent(config, open_port(device)).run()


if __name__ == "__main__":
    main()
