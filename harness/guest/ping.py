"""Ping from inside a guest: the command, and the pure parser of what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_SEQUENCE = re.compile(r"icmp_seq=(\d+)")
_TOTALS = re.compile(r"(\d+) packets transmitted, (\d+) received")
_TIMES = re.compile(r"= [\d.]+/([\d.]+)/[\d.]+/([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Ping:
    """``sent`` and ``received`` packets, ``duplicates`` beyond those, ``reordered`` that came after a later one;
    mean round trip and its deviation in ms, None where nothing came back; ``gaps`` between what came back, where one
    packet or more were lost."""

    sent: int
    received: int
    duplicates: int
    reordered: int
    mean_ms: float | None
    deviation_ms: float | None
    gaps: int = 0

    @property
    def lost_percent(self) -> float:
        """Share of the packets that did not come back, in %."""
        return 100 * (1 - self.received / self.sent) if self.sent else 0.0


def ping_command(address: str, count: int, interval: float) -> list[str]:
    """Asks ``address`` ``count`` times, every ``interval`` s; the last answer may take 1 s."""
    return ["ping", "-n", "-c", str(count), "-i", f"{interval:g}", "-W", "1", address]


def parse_ping(text: str) -> Ping:
    """What iputils' ping said.

    Raises:
        ValueError: it is not ping's summary.
    """
    totals = _TOTALS.search(text)
    if not totals:
        raise ValueError(f"not an output of ping: {text[-200:]!r}")
    times = _TIMES.search(text)
    fresh = [int(_SEQUENCE.search(line)[1]) for line in text.splitlines()
             if "bytes from" in line and "DUP!" not in line and _SEQUENCE.search(line)]
    return Ping(int(totals[1]), int(totals[2]), text.count("(DUP!)"),
                sum(later < before for before, later in pairwise(fresh)),
                float(times[1]) if times else None, float(times[2]) if times else None,
                _gaps(int(totals[1]), set(fresh)))


def _gaps(sent: int, received: set[int]) -> int:
    """How many runs of lost packets there are among those numbered 1 to ``sent``."""
    return sum(number not in received and (number == 1 or number - 1 in received) for number in range(1, sent + 1))
