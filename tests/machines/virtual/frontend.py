"""A kernel's end of vhost-user, as drivers/virtio/uml has it: memory, rings, kicks; calls are answered by a thread."""

from __future__ import annotations

import mmap
import os
import socket
import struct
import threading

from fenceline.machines.virtual.vhost import _HEADER, Device

SIZE = 1 << 20
_RING = 0x1000  # bytes of the memory for each ring: 64 entries of everything
ENTRIES = 64


class Frontend:
    """Plugged into ``device``; ``at(n)`` is where the buffers of the test may be."""

    def __init__(self, device: Device, rings: int) -> None:
        self.device, self.calendar = device, device.calendar
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, SIZE)
        self.memory = mmap.mmap(self.memfd, SIZE)
        self.calls: list[tuple[int, bytes]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(device.path))
        self.mine, theirs = socket.socketpair()
        threading.Thread(target=self._answer, daemon=True).start()
        self.features = struct.unpack("<Q", self.ask(1))[0]
        self.protocol = struct.unpack("<Q", self.ask(15))[0]
        self.tell(2, struct.pack("<Q", self.features))
        self.tell(16, struct.pack("<Q", self.protocol))
        self.tell(21, b"", [theirs.fileno()])
        self.tell(5, struct.pack("<IIQQQQ", 1, 0, 0, SIZE, 0, 0), [self.memfd])
        self._available, self._used, self._next = [0] * rings, [0] * rings, [0] * rings
        for ring in range(rings):
            base = ring * _RING
            self.tell(8, struct.pack("<II", ring, ENTRIES))
            self.tell(10, struct.pack("<II", ring, 0))
            self.tell(9, struct.pack("<IIQQQQ", ring, 0, base, base + 0x800, base + 0x400, 0))
            self.tell(18, struct.pack("<II", ring, 1))
        theirs.close()

    def at(self, number: int) -> int:
        return 0x10000 + number * 0x1000

    def tell(self, request: int, payload: bytes, fds: list[int] | None = None) -> bytes:
        """Sends a message that wants an answer, lets the device give it, and returns it."""
        socket.send_fds(self.socket, [_HEADER.pack(request, 1 | 8, len(payload)) + payload], fds or [])
        return self._hear()

    def ask(self, request: int, payload: bytes = b"") -> bytes:
        self.socket.sendall(_HEADER.pack(request, 1, len(payload)) + payload)
        return self._hear()

    def _hear(self) -> bytes:
        self.socket.setblocking(False)
        got: list[bytes] = []

        def there() -> bool:
            try:
                got.append(self.socket.recv(4096))
            except BlockingIOError:
                return False
            return True
        self.calendar.serve(there, "the test")
        self.socket.setblocking(True)
        return got[0][_HEADER.size:]

    def offer(self, ring: int, *buffers: tuple[int, int, bool], kick: bool = True) -> int:
        """Makes a chain of (address, length, is the device to write to it) available; its head."""
        base, first = ring * _RING, self._next[ring]
        self._next[ring] += len(buffers)
        for number, (address, length, writable) in enumerate(buffers, first):
            flags = (2 if writable else 0) | (1 if number < first + len(buffers) - 1 else 0)
            struct.pack_into("<QIHH", self.memory, base + 16 * (number % ENTRIES), address, length, flags,
                             (number + 1) % ENTRIES)
        at = base + 0x400
        struct.pack_into("<H", self.memory, at + 4 + 2 * (self._available[ring] % ENTRIES), first % ENTRIES)
        self._available[ring] += 1
        struct.pack_into("<H", self.memory, at + 2, self._available[ring] & 0xFFFF)
        if kick:
            self.tell(35, struct.pack("<II", ring, 0))
        return first % ENTRIES

    def used(self, ring: int) -> list[tuple[int, int]]:
        """(head, bytes written) of what the device has given back since the last time."""
        at, found = ring * _RING + 0x800, []
        until = struct.unpack_from("<H", self.memory, at + 2)[0]
        while self._used[ring] < until:
            found.append(struct.unpack_from("<II", self.memory, at + 4 + 8 * (self._used[ring] % ENTRIES)))
            self._used[ring] += 1
        return found

    def put(self, address: int, data: bytes) -> None:
        self.memory[address:address + len(data)] = data

    def get(self, address: int, length: int) -> bytes:
        return self.memory[address:address + length]

    def _answer(self) -> None:
        while True:
            try:
                data = self.mine.recv(4096)
            except OSError:
                return
            if not data:
                return
            request, _, size = _HEADER.unpack_from(data)
            self.calls.append((request, data[_HEADER.size:_HEADER.size + size]))
            self.mine.sendall(_HEADER.pack(request, 5, 8) + bytes(8))

    def close(self) -> None:
        self.socket.close()
        self.mine.close()
        os.close(self.memfd)
