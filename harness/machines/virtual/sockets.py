"""Sockets of a virtual world, as far as the harness uses sockets: TCP out of it, UDP into it, and frames on a wire.

They have the names and manners of Python's own sockets. What waits, waits by the world's clock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable

from fenceline.machines.virtual.clock import VirtualClock
from fenceline.machines.virtual.frames import Frame
from fenceline.machines.virtual.host import Host
from fenceline.machines.virtual.switch import Port, Switch
from fenceline.machines.virtual.tcp import Connection

_WAITING = 4096  # datagrams or frames that wait for their reader; what comes then is lost


class VirtualSocket:
    """What is ready for somebody, and who is to be told. ``wakers`` are called when that may have changed."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.wakers: list[Callable[[], None]] = []
        self.is_closed = False
        self._timeout: float | None = None
        self._changed = threading.Condition()

    def ready(self) -> int:
        """``selectors.EVENT_READ`` and ``EVENT_WRITE``, as far as it is."""
        raise NotImplementedError

    def setblocking(self, blocking: bool) -> None:
        self._timeout = None if blocking else 0.0

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *option: object) -> None:
        """Options that make a real connection quick make no difference here."""

    def close(self) -> None:
        self.is_closed = True
        self.tell()

    def __enter__(self) -> VirtualSocket:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def tell(self) -> None:
        """Something may have become ready."""
        with self._changed:
            self._changed.notify_all()
        for wake in list(self.wakers):
            wake()

    def _wait(self, events: int, timeout: float | None) -> None:
        """Waits until it is ready for one of ``events``. TimeoutError; BlockingIOError where ``timeout`` is 0."""
        end = None if timeout is None else self.clock.now() + timeout
        with self._changed:
            while not self.ready() & events:
                left = None if end is None else end - self.clock.now()
                if left is not None and left <= 0:
                    raise TimeoutError("timed out") if timeout else BlockingIOError(errno.EAGAIN, "nothing there yet")
                self.clock.wait(self._changed, left)


class TcpSocket(VirtualSocket):
    """A TCP connection that ``host`` makes."""

    def __init__(self, clock: VirtualClock, host_of: Callable[[str], Host]) -> None:
        super().__init__(clock)
        self._host_of = host_of
        self._connection: Connection | None = None
        self._resets = False
        self._told_error = False

    def ready(self) -> int:
        one = self._connection
        if one is None:
            return 0
        if one.error:
            return selectors.EVENT_READ | selectors.EVENT_WRITE
        return ((selectors.EVENT_WRITE if one.is_open else 0)
                | (selectors.EVENT_READ if one.received or one.ended else 0))

    def setsockopt(self, *option: object) -> None:
        level, name, value = option
        if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER) and isinstance(value, bytes):
            self._resets = struct.unpack("ii", value) == (1, 0)

    def getsockopt(self, level: int, name: int) -> int:
        return self._connection.error if self._connection and name == socket.SO_ERROR else 0

    def connect_ex(self, address: tuple[str, int]) -> int:
        try:
            host = self._host_of(address[0])
        except KeyError:
            return errno.ENETUNREACH
        self._connection = Connection(host, address[0], address[1], self.tell)
        if self._timeout == 0.0:
            return errno.EINPROGRESS
        try:
            self._wait(selectors.EVENT_WRITE, self._timeout)
        except TimeoutError:
            return errno.ETIMEDOUT
        return self._connection.error

    def connect(self, address: tuple[str, int]) -> None:
        if error := self.connect_ex(address):
            raise TimeoutError("timed out") if error == errno.ETIMEDOUT else OSError(error, os.strerror(error))

    def send(self, data: bytes, flags: int = 0) -> int:
        if self._connection is None:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._connection.send(bytes(data))

    def sendall(self, data: bytes, flags: int = 0) -> None:
        self.send(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._connection is None:
            raise OSError(errno.ENOTCONN, "not connected")
        self._wait(selectors.EVENT_READ, self._timeout)
        return self._connection.read(size)

    def recv_into(self, buffer: memoryview, size: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def makefile(self, mode: str = "rb", buffering: int = -1) -> object:
        """As pymysql reads."""
        import io
        return io.BufferedReader(_Raw(self))

    def getpeername(self) -> tuple[str, int]:
        return self._connection.peer if self._connection else ("", 0)

    def shutdown(self, how: int) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None and not self.is_closed:
            self._connection.close(self._resets)
        super().close()


class _Raw:
    """A TcpSocket for io.BufferedReader."""

    def __new__(cls, sock: TcpSocket) -> object:
        import io

        class Raw(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: memoryview) -> int:
                return sock.recv_into(buffer)
        return Raw()


class UdpSocket(VirtualSocket):
    """Datagrams to ``port`` of ``address``, one of ``host``'s."""

    def __init__(self, clock: VirtualClock, host: Host, address: str, port: int) -> None:
        super().__init__(clock)
        self._host, self._name = host, (address, port)
        self._waiting: deque[tuple[bytes, tuple[str, int]]] = deque(maxlen=_WAITING)
        host.listen(address, port, self._heard)

    def _heard(self, source: str, port: int, data: bytes) -> None:
        self._waiting.append((data, (source, port)))
        self.tell()

    def ready(self) -> int:
        return selectors.EVENT_WRITE | (selectors.EVENT_READ if self._waiting else 0)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, tuple[str, int]]:
        self._wait(selectors.EVENT_READ, 0.0 if flags & socket.MSG_DONTWAIT else self._timeout)
        return self._waiting.popleft()

    def recv(self, size: int, flags: int = 0) -> bytes:
        return self.recvfrom(size, flags)[0]

    def sendto(self, data: bytes, client: tuple[str, int]) -> int:
        self._host.send_datagram(*self._name, *client[:2], bytes(data))
        return len(data)

    def close(self) -> None:
        self._host.unlisten(*self._name)
        super().close()


class FrameSocket(VirtualSocket):
    """The frames that ``match``, as they come into ``switch`` by a port that is ``among`` those meant, before any rule.
    What is sent leaves from ``sender``, and is not among them."""

    def __init__(self, clock: VirtualClock, switch: Switch, sender: Port, match: Callable[[bytes], bool],
                 among: Callable[[Port], bool] = lambda port: True) -> None:
        super().__init__(clock)
        self._switch, self._sender, self._match, self._among = switch, sender, match, among
        self._waiting: deque[tuple[bytes, int]] = deque(maxlen=_WAITING)
        switch.taps.append(self._heard)

    @property
    def mac(self) -> bytes:
        """The address that frames are sent from."""
        return self._sender.mac

    def _heard(self, source: Port, frame: Frame) -> None:
        if source is not self._sender and self._among(source) and self._match(frame.data):
            self._waiting.append((frame.data, self.clock.now_ns()))
            # in a machine's own turn: whoever reads is told in the calendar's
            if len(self._waiting) == 1:
                self.clock.calendar.after(0, self.tell)

    def ready(self) -> int:
        return selectors.EVENT_WRITE | (selectors.EVENT_READ if self._waiting else 0)

    def read(self) -> tuple[bytes, int] | None:
        """The next frame and when it passed (ns); None: there is none now."""
        return self._waiting.popleft() if self._waiting else None

    def send(self, data: bytes) -> None:
        """Sends a frame."""
        self._switch.send(self._sender, Frame(data.ljust(60, b"\0")))

    def close(self) -> None:
        with contextlib.suppress(ValueError):
            self._switch.taps.remove(self._heard)
        super().close()


class VirtualPoller:
    """Waits for sockets of the world; see ``fenceline.core.poller.Poller``."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._files: dict[VirtualSocket, tuple[int, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._was_woken = False

    def add(self, file: VirtualSocket, callback: Callable[[], None], events: int) -> None:
        self.remove(file)
        self._files[file] = events, callback
        file.wakers.append(self.wake)

    def remove(self, file: VirtualSocket) -> None:
        if self._files.pop(file, None) is not None:
            file.wakers.remove(self.wake)

    def has(self, file: VirtualSocket, callback: Callable[[], None]) -> bool:
        return self._files.get(file, (0, None))[1] is callback

    def poll(self, seconds: float | None) -> list[tuple[VirtualSocket, Callable[[], None]]]:
        end = None if seconds is None else self._clock.now() + seconds
        with self._changed:
            while True:
                ready = [(file, callback) for file, (events, callback) in self._files.items() if file.ready() & events]
                left = None if end is None else end - self._clock.now()
                if ready or self._was_woken or (left is not None and left <= 0):
                    self._was_woken = False
                    return ready
                self._clock.wait(self._changed, left)

    def wake(self) -> None:
        with self._changed:
            self._was_woken = True
            self._changed.notify_all()

    def close(self) -> None:
        for file in list(self._files):
            self.remove(file)
