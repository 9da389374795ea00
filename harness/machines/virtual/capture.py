"""What passes a virtual network, as a pcap file with virtual stamps."""

from __future__ import annotations

import struct
from pathlib import Path

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.frames import Frame
from fenceline.machines.virtual.switch import Port, Switch

_MAGIC_NS = 0xA1B23C4D  # stamps with nanoseconds
_ETHERNET = 1


class PcapFile:
    """Frames as they come into ``switch``, before any rule, until ``stop``; the first ``snap`` bytes of each, and no
    more than ``size`` bytes in all: then the file begins anew, and the one before it is kept beside it."""

    def __init__(self, calendar: Calendar, switch: Switch, path: Path, snap: int, size: int) -> None:
        self._calendar, self._switch, self._path, self._snap, self._size = calendar, switch, path, snap, size
        self._number = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()
        switch.taps.append(self._take)

    def _open(self) -> None:
        self._file = self._path.with_name(f"{self._path.name}{self._number % 2}").open("wb")
        self._file.write(struct.pack("<IHHiIII", _MAGIC_NS, 2, 4, 0, 0, self._snap, _ETHERNET))

    def _take(self, port: Port, frame: Frame) -> None:
        seconds, nanoseconds = divmod(self._calendar.epoch + self._calendar.now, 1_000_000_000)
        data = frame.data[:self._snap]
        self._file.write(struct.pack("<IIII", seconds, nanoseconds, len(data), len(frame.data)) + data)
        if self._file.tell() > self._size:
            self._file.close()
            self._number += 1
            self._open()

    def stop(self) -> None:
        """Closes the file. May be repeated."""
        if self._take in self._switch.taps:
            self._switch.taps.remove(self._take)
            self._file.close()
