"""What a machine's agent says, for whoever reads it in the world's time."""

from __future__ import annotations

import errno
import selectors

from fenceline.machines.virtual.clock import VirtualClock
from fenceline.machines.virtual.sockets import VirtualSocket


class LineStream(VirtualSocket):
    """Bytes from a console line, since one start of the machine."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._data = b""
        self._ends = False

    def heard(self, data: bytes) -> None:
        """The machine says ``data``."""
        self._data += data
        self.tell()

    def renewed(self) -> LineStream:
        """The stream of the next start; this one ends."""
        self._ends = True
        self.tell()
        return LineStream(self.clock)

    def ready(self) -> int:
        return selectors.EVENT_READ if self._data or self._ends else 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end. Raises BlockingIOError where there are none yet."""
        data, self._data = self._data[:size], self._data[size:]
        if not data and not self._ends:
            raise BlockingIOError(errno.EAGAIN, "nothing there yet")
        return data
