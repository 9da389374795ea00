"""A virtio disk (virtio specification 1.2, 5.2) with a write cache that is real: what was not flushed can be lost."""

from __future__ import annotations

import mmap
import random
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.vhost import Buffer, Device

SECTOR = 512  # bytes
# VIRTIO_BLK_F_: SEG_MAX, BLK_SIZE, FLUSH
_FEATURES = sum(1 << bit for bit in (2, 6, 9))
_READ, _WRITE, _FLUSH, _IDENTIFY = 0, 1, 4, 8
_OK, _IO_ERROR, _UNSUPPORTED = 0, 1, 2
_SEGMENTS = 126
CACHE = 32 * 2**20  # bytes: a disk's own; what is written beyond it pushes the oldest onto the medium


class Medium:
    """What a disk holds: the bytes of a file, and in this process's memory what was written over them. It outlives its
    machine's power cuts, but for the part of them that was still in the disk's cache.

    ``size`` in bytes: the file's, or what a file that is not there would have.
    """

    def __init__(self, path: Path | None = None, size: int = 0) -> None:
        if path is None:
            self.size = size
            self._bytes = mmap.mmap(-1, size)
        else:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), self.size, flags=mmap.MAP_PRIVATE,
                                        prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self._before: deque[tuple[int, bytes]] = deque()  # what unflushed writes replaced, the oldest first
        self._cached = 0

    def read(self, at: int, length: int) -> bytes:
        """``length`` bytes from ``at``."""
        return self._bytes[at:at + length]

    def write(self, at: int, data: bytes) -> None:
        """Takes ``data`` into the cache."""
        self._before.append((at, self._bytes[at:at + len(data)]))
        self._cached += len(data)
        self._bytes[at:at + len(data)] = data
        while self._cached > CACHE:
            self._cached -= len(self._before.popleft()[1])

    def flush(self) -> None:
        """Puts all that was written onto the medium."""
        self._before.clear()
        self._cached = 0

    def lose_cache(self, keeps: Callable[[int], bool] = lambda sector: False) -> int:
        """The power is cut: every sector that was written and not flushed is as it was before, unless ``keeps`` says of
        its number that it had reached the medium. Returns how many sectors were lost."""
        sectors = sorted({sector for at, data in self._before
                          for sector in range(at // SECTOR, (at + len(data) - 1) // SECTOR + 1)})
        kept = {sector: self.read(sector * SECTOR, SECTOR) for sector in sectors if keeps(sector)}
        while self._before:
            at, data = self._before.pop()
            self._bytes[at:at + len(data)] = data
        self._cached = 0
        for sector, data in kept.items():
            self._bytes[sector * SECTOR:sector * SECTOR + len(data)] = data
        return len(sectors) - len(kept)

    def close(self) -> None:
        """Gives the memory back."""
        self._bytes.close()


@dataclass
class DiskFaults:
    """What is wrong with a disk: requests that touch one of ``bad`` sectors fail; every request takes ``delay`` ns
    more, and never ends while it ``hangs``; writes fail where it ``fails_writes``; a cache that ``lies`` says that it
    was flushed and was not."""

    bad: frozenset[int] | range = frozenset()
    delay: int = 0
    hangs: bool = False
    fails_writes: bool = False
    lies: bool = False


class Disk(Device):
    """A disk over ``medium``. A request takes ``latency`` ns and ``ns_per_byte``; a flush, ``flush_latency`` ns. Their
    source: a data-centre SATA SSD with power-loss protection off (0.06 ms, 500 MB/s, 1 ms)."""

    virtio_id: ClassVar[int] = 2
    features = _FEATURES

    def __init__(self, calendar: Calendar, name: str, path: Path, medium: Medium, latency: int = 60_000,
                 ns_per_byte: int = 2, flush_latency: int = 1_000_000) -> None:
        self.medium, self.faults = medium, DiskFaults()
        self.latency, self.ns_per_byte, self.flush_latency = latency, ns_per_byte, flush_latency
        self.requests = 0
        self._busy_until = 0
        self._hanging: list[tuple[int, list[Buffer]]] = []
        super().__init__(calendar, name, path)

    def config(self) -> bytes:
        # struct virtio_blk_config: capacity, size_max, seg_max, geometry, blk_size
        return struct.pack("<QIIHBBI", self.medium.size // SECTOR, 0, _SEGMENTS, 0, 0, 0, SECTOR)

    def unplugged(self) -> None:
        self._hanging.clear()
        self._busy_until = 0

    def lose_cache(self, kept: float = 0.0, seed: str = "") -> int:
        """The power is cut, as ``Medium.lose_cache``; each sector has the chance ``kept`` to be there all the same."""
        chance = random.Random(f"{seed} {self.name}")
        return self.medium.lose_cache(lambda sector: chance.random() < kept)

    def go_on(self) -> None:
        """The disk hangs no longer: what waited is done now."""
        self.faults.hangs = False
        waiting, self._hanging = self._hanging, []
        self._serve(waiting)

    def kicked(self, ring: int) -> None:
        taken = []
        while (one := self.take(self.rings[ring])) is not None:
            taken.append(one)
        if self.faults.hangs:
            self._hanging += taken
        else:
            self._serve(taken)

    def _serve(self, requests: list[tuple[int, list[Buffer]]]) -> None:
        now = self.calendar.now
        for head, chain in requests:
            self.requests += 1
            kind, _, sector = struct.unpack("<IIQ", self.memory[chain[0][0]:chain[0][0] + 16])
            body, last = chain[1:-1], chain[-1][0]
            length = sum(size for _, size, _ in body)
            cost = self.flush_latency if kind == _FLUSH else self.latency + length * self.ns_per_byte
            self._busy_until = max(now, self._busy_until) + cost + self.faults.delay

            def done(head: int = head, kind: int = kind, sector: int = sector, body: list[Buffer] = body,
                     last: int = last) -> None:
                status, written = self._do(kind, sector, body)
                self.memory[last] = status
                self.give(self.rings[0], head, written + 1)
                self.call(0)
            self.after(self._busy_until - now, done)

    def _do(self, kind: int, sector: int, body: list[Buffer]) -> tuple[int, int]:
        """Does a request; (its status, bytes written into the guest's memory)."""
        at, faults = sector * SECTOR, self.faults
        length = sum(size for _, size, _ in body)
        if kind in (_READ, _WRITE) and (at + length > self.medium.size or (faults.bad and any(
                one in faults.bad for one in range(sector, sector + -(-length // SECTOR))))):
            return _IO_ERROR, 0
        if kind == _READ:
            return _OK, self.scatter(body, self.medium.read(at, length))
        if kind == _WRITE:
            if faults.fails_writes:
                return _IO_ERROR, 0
            self.medium.write(at, self.gather(body))
            return _OK, 0
        if kind == _FLUSH:
            if not faults.lies:
                self.medium.flush()
            return _OK, 0
        if kind == _IDENTIFY:
            return _OK, self.scatter(body, self.name.encode()[:20].ljust(20, b"\0"))
        return _UNSUPPORTED, 0
