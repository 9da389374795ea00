"""The vhost-user protocol: how a User-Mode Linux kernel (``virtio_uml.device=SOCKET:ID``) finds a device of the world.

A device serves a socket. The kernel connects when it boots, hands its memory over, and from then on says in messages
that a ring has news ("kick"); we answer when we have taken it, and so a kick is part of the kernel's own turn. Nothing
is done in that turn: what a device does becomes a job of the calendar, a latency later, and the interrupt that tells
of it ("call") is sent in the calendar's turn. Described in QEMU's docs/interop/vhost-user.rst; rings in the virtio
specification 1.2, 2.7 "Split Virtqueues".
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fenceline.core.errors import MachineError
from fenceline.machines.virtual.calendar import Calendar

# VhostUserRequest, as far as drivers/virtio/uml sends them
(_GET_FEATURES, _SET_FEATURES, _SET_OWNER, _RESET_OWNER, _SET_MEM_TABLE) = range(1, 6)
(_SET_VRING_NUM, _SET_VRING_ADDR, _SET_VRING_BASE, _GET_VRING_BASE) = range(8, 12)
_SET_VRING_KICK, _SET_VRING_CALL, _SET_VRING_ERR, _GET_PROTOCOL_FEATURES, _SET_PROTOCOL_FEATURES = range(12, 17)
_GET_QUEUE_NUM, _SET_VRING_ENABLE = 17, 18
_SET_BACKEND_REQ_FD, _GET_CONFIG, _SET_CONFIG, _VRING_KICK = 21, 24, 25, 35
# VhostUserBackendRequest
_CONFIG_CHANGED, _VRING_CALL = 2, 4
_HEADER = struct.Struct("<III")  # request, flags, size of what follows
_VERSION, _IS_REPLY, _NEEDS_REPLY = 1, 4, 8
_VERSION_1, _PROTOCOL = 1 << 32, 1 << 30  # VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES
#: REPLY_ACK, BACKEND_REQ, CONFIG, INBAND_NOTIFICATIONS: without these there is no time-travel.
_PROTOCOL_FEATURES = 1 << 3 | 1 << 5 | 1 << 9 | 1 << 14
_DESCRIPTOR = struct.Struct("<QIHH")  # address, length, flags, next
_NEXT, _WRITABLE, _INDIRECT = 1, 2, 4
_NO_INTERRUPT = 1
_SILENT = frozenset((_SET_OWNER, _RESET_OWNER, _SET_VRING_KICK, _SET_VRING_CALL, _SET_VRING_ERR, _SET_CONFIG))

#: A buffer of a chain: where in the memory, how many bytes, whether it is ours to write to.
Buffer = tuple[int, int, int]


@dataclass
class Ring:
    """One virtqueue: where its parts are in the guest's memory, and how far we are."""

    size: int = 0
    descriptors: int = 0
    available: int = 0
    used: int = 0
    taken: int = 0  # of available ones, modulo 2**16
    given: int = 0
    enabled: bool = False


class Device:
    """A device at the socket ``path``, plugged into at most one machine at a time.

    A subclass says which ``features`` it offers, how many ``rings`` it has, what its ``config`` space holds, and what
    happens when the guest ``kicked`` a ring. ``unplugged`` is called when the machine is gone, powered off or reset.
    """

    virtio_id: ClassVar[int]  # virtio specification, 5 "Device Types"
    rings_wanted: ClassVar[int] = 1
    features: int = 0

    def __init__(self, calendar: Calendar, name: str, path: Path) -> None:
        self.calendar, self.name, self.path = calendar, name, path
        self.rings: list[Ring] = []
        self.memory: mmap.mmap | None = None
        self.machine = 0  # the number of the machine that it is plugged into
        self.plugged = 0  # times that a machine was: a job of an earlier one has nothing to do any more
        self._offset = 0  # from an address of the guest to one in ``memory``
        self._connection: socket.socket | None = None
        self._backend: socket.socket | None = None
        self._is_asking = self._is_set_up = False
        self._rest, self._descriptors = b"", list[int]()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        calendar.watch(self._listener, self._accept)

    # what a subclass says

    def config(self) -> bytes:
        """The device's configuration space."""
        return b""

    def kicked(self, ring: int) -> None:
        """The guest says that ``ring`` has news. In the guest's turn: time stands still."""
        raise NotImplementedError

    def unplugged(self) -> None:
        """The machine is gone, with all that was in its rings."""

    # what a subclass does

    def is_ready(self, ring: int) -> bool:
        """Whether a guest's driver has taken ``ring`` into use."""
        return self.memory is not None and self.rings[ring].enabled

    def take(self, ring: Ring) -> tuple[int, list[Buffer]] | None:
        """The next chain that the guest made available: its head, its buffers; None: there is none."""
        memory = self.memory
        at = ring.available
        if int.from_bytes(memory[at + 2:at + 4], "little") == ring.taken:
            return None
        at += 4 + 2 * (ring.taken % ring.size)
        head = number = int.from_bytes(memory[at:at + 2], "little")
        ring.taken = (ring.taken + 1) & 0xFFFF
        table, chain = ring.descriptors, []
        while True:
            address, length, flags, following = _DESCRIPTOR.unpack_from(memory, table + 16 * number)
            if flags & _INDIRECT:
                table, number = address + self._offset, 0
                continue
            chain.append((address + self._offset, length, flags & _WRITABLE))
            if not flags & _NEXT:
                return head, chain
            if len(chain) > 0x10000:
                raise MachineError(f"the guest at {self.name} made a ring of descriptors without an end")
            number = following

    def give(self, ring: Ring, head: int, length: int) -> None:
        """The chain ``head`` is the guest's again; ``length`` bytes were written to it."""
        struct.pack_into("<II", self.memory, ring.used + 4 + 8 * (ring.given % ring.size), head, length)
        ring.given = (ring.given + 1) & 0xFFFF
        struct.pack_into("<H", self.memory, ring.used + 2, ring.given)

    def call(self, number: int) -> None:
        """Interrupts the guest for ring ``number``, unless it does not want that. Only in the calendar's turn."""
        if self.memory is not None and not self.memory[self.rings[number].available] & _NO_INTERRUPT:
            self._ask(_VRING_CALL, struct.pack("<II", number, 0))

    def config_changed(self) -> None:
        """Tells the guest that ``config`` changed. Only in the calendar's turn."""
        self._ask(_CONFIG_CHANGED, b"")

    def after(self, delay: int, job: Callable[[], None]) -> None:
        """Has ``job`` done in ``delay`` ns, unless the machine is gone by then."""
        plugged = self.plugged

        def do() -> None:
            if plugged == self.plugged and self.memory is not None:
                job()
        self.calendar.after(delay, do)

    def gather(self, chain: list[Buffer]) -> bytes:
        """What the guest wrote into ``chain``."""
        memory = self.memory
        return b"".join([memory[at:at + length] for at, length, writable in chain if not writable])

    def scatter(self, chain: list[Buffer], data: bytes) -> int:
        """Writes as much of ``data`` as ``chain`` has room for; returns how many bytes that were."""
        done = 0
        for at, length, _ in chain:
            part = data[done:done + length]
            self.memory[at:at + len(part)] = part
            done += len(part)
            if done == len(data):
                break
        return done

    # from plugging in to pulling out

    def unplug(self) -> None:
        """The machine's power is gone. May be repeated."""
        if self._connection is None:
            return
        self.calendar.unwatch(self._connection)
        self._connection.close()
        if self._backend is not None:
            if self._is_asking:
                self.calendar.unwatch(self._backend)
            self._backend.close()
        if self.memory is not None:
            self.memory.close()
        for fd in self._descriptors:
            os.close(fd)
        self._connection = self._backend = self.memory = None
        self._rest, self._descriptors = b"", []
        self.plugged += 1
        self.unplugged()

    def close(self) -> None:
        """Ends the device."""
        self.unplug()
        self.calendar.unwatch(self._listener)
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self.unplug()
        self.plugged += 1
        self._is_set_up = False
        self.rings = [Ring() for _ in range(self.rings_wanted)]
        self._connection = connection
        self.calendar.watch(connection, self._readable)

    def _readable(self) -> None:
        try:
            if self._is_set_up:  # no descriptors come any more, and a look for them takes its time
                data = self._connection.recv(65536)
            else:
                data, descriptors, _, _ = socket.recv_fds(self._connection, 65536, 16)
                self._descriptors += descriptors
        except ConnectionError:
            data = b""
        if not data:
            self.unplug()
            return
        data = self._rest + data
        while len(data) >= _HEADER.size:
            request, flags, size = _HEADER.unpack_from(data)
            if len(data) < _HEADER.size + size:
                break
            payload, data = data[_HEADER.size:_HEADER.size + size], data[_HEADER.size + size:]
            if request == _VRING_KICK:
                self._is_set_up = True
                self.kicked(int.from_bytes(payload[:4], "little"))
                answer = None
            else:
                answer = self._configure(request, payload)
            if answer is None and flags & _NEEDS_REPLY:
                answer = bytes(8)
            if answer is not None:
                self._reply(request, answer)
            if self._connection is None:
                return
        self._rest = data

    def _reply(self, request: int, payload: bytes) -> None:
        try:
            self._connection.sendall(_HEADER.pack(request, _VERSION | _IS_REPLY, len(payload)) + payload)
        except ConnectionError:
            self.unplug()

    def _configure(self, request: int, payload: bytes) -> bytes | None:
        """Takes one message of the set-up; returns the answer that it has of its own."""
        if request == _GET_FEATURES:
            return struct.pack("<Q", self.features | _VERSION_1 | _PROTOCOL)
        if request == _GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", _PROTOCOL_FEATURES)
        if request == _GET_QUEUE_NUM:
            return struct.pack("<Q", self.rings_wanted)
        if request == _GET_CONFIG:
            offset, size, _ = struct.unpack_from("<III", payload)
            return payload[:12] + self.config().ljust(offset + size, b"\0")[offset:offset + size]
        if request == _SET_MEM_TABLE:
            self._take_memory(payload)
        elif request in (_SET_VRING_NUM, _SET_VRING_BASE, _SET_VRING_ENABLE):
            number, value = struct.unpack("<II", payload)
            ring = self.rings[number]
            if request == _SET_VRING_NUM:
                ring.size = value
            elif request == _SET_VRING_BASE:
                ring.taken = ring.given = value
            else:
                ring.enabled = bool(value)
        elif request == _SET_VRING_ADDR:
            number, _, descriptors, used, available, _ = struct.unpack("<IIQQQQ", payload)
            ring, offset = self.rings[number], self._offset
            ring.descriptors, ring.used, ring.available = descriptors + offset, used + offset, available + offset
        elif request == _SET_BACKEND_REQ_FD:
            self._backend = socket.socket(fileno=self._descriptors.pop(0))
        elif request in _SILENT:  # eventfds: kicks and calls are messages
            while self._descriptors:
                os.close(self._descriptors.pop())
        elif request not in (_SET_FEATURES, _SET_PROTOCOL_FEATURES):
            raise MachineError(f"the guest at {self.name} sent a vhost-user request that no such kernel sends: "
                               f"{request}")
        return None

    def _take_memory(self, payload: bytes) -> None:
        count = int.from_bytes(payload[:4], "little")
        if count != 1 or not self._descriptors:
            raise MachineError(f"the guest at {self.name} has memory in {count} parts, not in one; give it less")
        guest, size, _, offset = struct.unpack_from("<QQQQ", payload, 8)
        fd = self._descriptors.pop(0)
        try:
            self.memory = mmap.mmap(fd, size + offset)
        finally:
            os.close(fd)
        self._offset = offset - guest

    def _ask(self, request: int, payload: bytes) -> None:
        """Sends the kernel a message of ours, and waits until it has taken it."""
        backend = self._backend
        if backend is None:
            return
        with self.calendar.met(self.machine):
            self._tell(backend, _HEADER.pack(request, _VERSION | _NEEDS_REPLY, len(payload)) + payload)

    def _tell(self, backend: socket.socket, message: bytes) -> None:
        try:
            backend.sendall(message)
        except ConnectionError:
            return  # it just ended; the end of its connection is heard next
        heard: list[bool] = []

        def hear() -> None:
            with contextlib.suppress(ConnectionError):
                backend.recv(4096)
            heard.append(True)
        self.calendar.watch(backend, hear)
        self._is_asking = True
        self.calendar.serve(lambda: bool(heard) or self._backend is not backend, f"the guest at {self.name}")
        self._is_asking = False
        if self._backend is backend:
            self.calendar.unwatch(backend)
