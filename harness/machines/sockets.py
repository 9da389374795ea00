"""The harness's own sockets in a cluster's networks, where those are the host's: a namespace that a thread enters."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.core.errors import HostError

_ETH_P_ALL, _ETH_P_IP, _ETH_P_ARP = 0x0003, 0x0800, 0x0806  # linux/if_ether.h
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h, the form with 64-bit time on 64-bit machines
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 1, 1
_SOL_PACKET = 263
_SIOCGIFINDEX = 0x8933
_BUFFER = 8 << 20  # bytes that may wait for us
_LARGEST = 65600  # bytes of a frame: a guest's card need not cut what it sends

#: Instructions of classic BPF: code, jump if true, jump if false, value.
Program = tuple[tuple[int, int, int, int], ...]
#: Drops what goes to the machine (outgoing, from the switch's side), before the rest of a program.
_FROM_MACHINE: Program = ((0x20, 0, 0, 0xFFFFF004),  # load the packet's type
                          (0x15, 0, 1, 4),           # outgoing
                          (0x06, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class ArpFrames:
    """Every ARP frame."""

    protocol = _ETH_P_ARP

    @property
    def program(self) -> Program:
        return ((0x28, 0, 0, 12),          # load the EtherType
                (0x15, 0, 1, _ETH_P_ARP),  # another: drop
                (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))

    def matches(self, frame: bytes) -> bool:
        """Whether ``frame`` is one."""
        return frame[12:14] == b"\x08\x06"


@dataclass(frozen=True, slots=True)
class TcpTo:
    """Every frame of TCP over IPv4 to one of two ports: the answers of a server are not even copied to us."""

    first: int
    second: int
    protocol = _ETH_P_IP

    @property
    def program(self) -> Program:
        """As tcpdump -dd compiles it: tcp dst port A or B."""
        return ((0x28, 0, 0, 12), (0x15, 0, 9, _ETH_P_IP), (0x30, 0, 0, 23), (0x15, 0, 7, 6), (0x28, 0, 0, 20),
                (0x45, 5, 0, 0x1FFF), (0xB1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 1, 0, self.first),
                (0x15, 0, 1, self.second), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0))

    def matches(self, frame: bytes) -> bool:
        """Whether ``frame`` is one."""
        if frame[12:14] != b"\x08\x00" or len(frame) < 38 or frame[23] != 6:
            return False
        at = 14 + (frame[14] & 15) * 4 + 2
        return int.from_bytes(frame[at:at + 2], "big") in (self.first, self.second)


Wanted = ArpFrames | TcpTo


class HostSockets:
    """Sockets inside of a network namespace. A subclass says how a thread enters that, and what its devices are."""

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling *thread* is inside: sockets made here stay in it for their life."""
        raise NotImplementedError
        yield

    def bridge(self, network: str) -> str:
        """The device of ``network``."""
        raise NotImplementedError

    def tap(self, node: str, network: str) -> str:
        """The device of ``node``'s cable in ``network``."""
        raise NotImplementedError

    def tcp_socket(self) -> socket.socket:
        """A socket for a connection into the cluster's networks."""
        with self.entered():  # 16 us
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def udp_socket(self, own: str, port: int) -> socket.socket:
        """A socket for datagrams to ``port`` of our own address ``own``.

        Raises:
            HostError: it can't be bound.
        """
        with self.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind((own, port))
        except OSError as error:
            sock.close()
            raise HostError(f"can't listen on {own}:{port}: {error.strerror}") from error
        return sock

    def frames(self, network: str, wanted: Wanted, node: str | None = None) -> FrameSocket:
        """The frames that pass ``network``, also from one guest to another, but for our own; with a ``node``, those
        that it sends on its own cable, before any rule of the switch.

        Raises:
            OSError: without the right to open packet sockets.
        """
        with self.entered():
            # protocol 0 at first: nothing is queued from other interfaces before it is bound
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with contextlib.suppress(PermissionError):  # the usual size, then
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        if node is None:
            attach_filter(sock, wanted.program)
            # one protocol, not all: leaves out what we send ourselves
            sock.bind((self.bridge(network), wanted.protocol))
            join_promiscuously(sock, self.bridge(network))
        else:
            attach_filter(sock, _FROM_MACHINE + wanted.program)
            # all protocols: those of one are given a frame only after the bridge, which takes it away
            sock.bind((self.tap(node, network), _ETH_P_ALL))
        return FrameSocket(sock)


class FrameSocket:
    """A packet socket; each frame comes with the kernel's stamp."""

    def __init__(self, sock: socket.socket, clock: Clock = HOST_CLOCK) -> None:
        self._socket, self._clock = sock, clock

    def fileno(self) -> int:
        """For whoever waits for it."""
        return self._socket.fileno()

    @property
    def mac(self) -> bytes:
        """The address of its device; asked each time: a bridge's changes when it gets its first port."""
        return self._socket.getsockname()[4]

    def read(self) -> tuple[bytes, int] | None:
        """The next frame, and when it passed (ns); None: there is none now."""
        try:
            frame, ancillary, _, _ = self._socket.recvmsg(_LARGEST, 64)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENETDOWN:  # told once when the bridge goes down; it may come back
                return None
            raise
        return frame, stamp_of(ancillary, self._clock)

    def send(self, frame: bytes) -> None:
        """Sends ``frame``; where the network is down, or full, it is lost."""
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno not in (errno.ENETDOWN, errno.ENOBUFS, errno.EAGAIN):
                raise

    def close(self) -> None:
        """Closes it. May be repeated."""
        self._socket.close()


def attach_filter(sock: socket.socket, program: Program) -> None:
    """Lets ``sock`` receive only what the classic BPF ``program`` accepts."""
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)  # must live until setsockopt has copied it
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                    struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))


def stamp_of(ancillary: list[tuple[int, int, bytes]], clock: Clock = HOST_CLOCK) -> int:
    """The kernel's stamp of a message, in ns of ``clock``, the host's; now, if it has none.

    The kernel stamps with CLOCK_REALTIME. The offset between the two clocks is sampled now, a moment after
    the stamp, so that a step of the host's wall clock harms no more than the messages of that moment.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            age = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            return clock.now_ns() - min(max(age, 0), 5_000_000_000)
    return clock.now_ns()


def join_promiscuously(sock: socket.socket, name: str) -> None:
    """Lets the packet socket ``sock`` see on the bridge ``name`` also what one guest sends to another."""
    sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP,
                    struct.pack("iHH8s", _interface_index(sock, name), _PACKET_MR_PROMISC, 0, b""))


def _interface_index(sock: socket.socket, name: str) -> int:
    """The index of ``name`` in the namespace of ``sock`` (if_nametoindex would ask in the thread's)."""
    answer = fcntl.ioctl(sock, _SIOCGIFINDEX, struct.pack("16s16x", name.encode()))
    return int(struct.unpack_from("i", answer, 16)[0])
