"""How a check says what it found: the small parts that every check shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fenceline.judge.history import SECOND, Edge, Ended, Interval
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: One agent's report is normally pushed within this (ns) ...
TRUSTED_LATE_NS = SECOND // 2
#: ... and then two stamps at least this far apart (ns) show the order in which the things happened.
CLEAN_GAP_NS = SECOND // 10
MAX_EVIDENCE = 12


def as_dict(event: Event) -> dict[str, Any]:
    """``event`` as a finding's evidence carries it."""
    return {"t_ns": event.t_ns, "late_ns": event.late_ns, "source": event.source, "node": event.node,
            "kind": event.kind, "data": event.data}


def evidence(events: Iterable[Event | None]) -> tuple[dict[str, Any], ...]:
    """The first dozen of ``events``, each once."""
    seen: list[Event] = []
    for event in events:
        if event is not None and event not in seen:
            seen.append(event)
        if len(seen) == MAX_EVIDENCE:
            break
    return tuple(as_dict(event) for event in seen)


def after(end: Edge, start: Edge) -> bool | None:
    """Whether ``start`` came after ``end``: True, False, or None where the error bounds leave it open.

    A late stamp alone does not make a clean hand-over doubtful: two stamps in the right order and 100 ms
    apart count as that order as long as the start's own bound is half a second or less (both are pushed by the
    same kind of agent). A longer bound means that the agent was starved, and then the order is open.
    """
    if start.earliest_ns >= end.latest_ns:
        return True
    if start.latest_ns < end.earliest_ns:
        return False
    late = start.latest_ns - start.earliest_ns
    if start.latest_ns - end.latest_ns >= CLEAN_GAP_NS and late <= TRUSTED_LATE_NS:
        return True
    return None


def overlap(one: Interval, other: Interval) -> tuple[Verdict, int]:
    """PASS, FAIL (they certainly overlapped) or UNKNOWN, and the moment (ns) at which that began."""
    begin = max(one.start.latest_ns, other.start.latest_ns)
    ends = [interval.end for interval in (one, other) if interval.end is not None]
    if not ends or begin < min(end.earliest_ns for end in ends):
        return Verdict.FAIL, begin
    first, second = (one, other) if _stops_first(one, other) else (other, one)
    may_begin = max(one.start.earliest_ns, other.start.earliest_ns)
    if may_begin >= min(end.latest_ns for end in ends) or after(first.end, second.start):
        return Verdict.PASS, begin
    return Verdict.UNKNOWN, begin


def _stops_first(one: Interval, other: Interval) -> bool:
    if one.ended is Ended.OPEN or other.ended is Ended.OPEN:
        return other.ended is Ended.OPEN
    return one.end.latest_ns <= other.end.latest_ns


@dataclass(slots=True)
class Tally:
    """Gathers what one check meets; the worst of it, and the first of the worst, decides."""

    check: str
    #: worst last
    ORDER = (Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL, Verdict.INVALID, Verdict.BROKEN)
    _met: list[tuple[int, int, str, tuple[Event | None, ...]]] = field(default_factory=list)

    def add(self, verdict: Verdict, at_ns: int, reason: str, *events: Event | None) -> None:
        """One thing that is not as it should be, at ``at_ns``."""
        self._met.append((self.ORDER.index(verdict), at_ns, reason, events))

    def finding(self, otherwise: str) -> Finding:
        """What it came to; PASS with the reason ``otherwise`` if nothing was met."""
        if not self._met:
            return Finding(self.check, Verdict.PASS, otherwise)
        worst = max(item[0] for item in self._met)
        those = sorted((item for item in self._met if item[0] == worst), key=lambda item: item[1])
        more = f" (and {len(those) - 3} more)" if len(those) > 3 else ""
        return Finding(self.check, self.ORDER[worst], "; ".join(item[2] for item in those[:3]) + more,
                       those[0][1], evidence(event for item in those for event in item[3]))
