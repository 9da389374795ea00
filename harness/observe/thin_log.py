"""The event log of a cluster that stands for hours: what only says again and again that all is as before is thinned.

Good replies every few milliseconds are what fills a log, and a judge needs them where something happens, and otherwise
only to know that somebody asked. Here a repetition is kept if it comes within ``AROUND_NS`` of anything that is none
(before it or after it), if somebody waits for an event, or if the last one that was kept is ``APART_NS`` old. So every
outage, move, fencing and fault has all that was seen around it, to the same event as in a full log; a quiet hour has
two replies a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.model.event import Event
from fenceline.observe.log import EventLog, Predicate

_SECOND = 1_000_000_000
#: For so long (ns) before and after anything that happens all is kept. The judge looks at the 3 s before an outage
#: (``fenceline.judge.outages``), which shows 1 s after it began, when the first question is given up.
AROUND_NS = 6 * _SECOND
#: So far apart (ns) are repetitions that are kept: a client that did not ask for 1 s is taken to have stalled.
APART_NS = _SECOND // 2
#: A repetition that is so much (ns) later than the one before it, or took so long, is none: to the judge an answer of
#: more than a second is as good as none, and nothing that was quicker is an outage.
_GAP_NS = _SECOND * 9 // 10


def _took_long(event: Event) -> bool:
    return event.t_ns - event.data.get("sent_ns", event.t_ns) > _GAP_NS


_ANSWER = (lambda event: (event.data.get("service"), event.data.get("to")),
           lambda event: (event.data.get("ok"), event.node, event.data.get("status"), _took_long(event)))
#: By the kind of event: of what it tells (apart from its node and source), and what of it would be news.
_REPEATED: dict[str, tuple[Callable[[Event], Hashable], Callable[[Event], Hashable]]] = {
    "reply": _ANSWER,
    "reply.routed": _ANSWER,
    "tick": (lambda event: event.node, lambda event: None),
    "arp": (lambda event: event.data.get("ip"),
            lambda event: (event.node, event.data.get("mac"), event.data.get("how"))),
    "write": (lambda event: (event.data.get("lun"), event.data.get("export")), lambda event: event.node),
}


class ThinLog(EventLog):
    """An event log without what is repeated far from anything that happens. ``left_out`` counts what is not in it.

    Its file is not in the order of arrival: what was held back follows what it was before."""

    def __init__(self, path: Path | None = None, clock: Clock = HOST_CLOCK) -> None:
        self.left_out = 0
        self._waiting = 0
        self._forget()
        super().__init__(path, clock)

    def _forget(self) -> None:
        self._held: deque[Event] = deque()
        self._last: dict[Hashable, tuple[Hashable, int]] = {}  # by what it is about: what was told, and when (ns)
        self._sampled: dict[Hashable, int] = {}  # when (ns) one was kept
        self._dense_until = 0  # ns

    def switch(self, path: Path | None) -> None:
        with self._changed:
            self._forget()
            super().switch(path)

    def wait_for(self, predicate: Predicate, within: float, what: str,
                 since_ns: int = 0) -> tuple[Event, float]:
        """As in any log: whoever waits sees what was held back since then, and from now on everything."""
        with self._changed:
            self._waiting += 1
            for event in self._released(since_ns):
                self._append(event)
        try:
            return super().wait_for(predicate, within, what, since_ns)
        finally:
            with self._changed:
                self._waiting -= 1

    def _kept(self, event: Event) -> Iterable[Event]:
        about = self._about(event)
        if about is None or self._is_news(event, about):
            self._dense_until = max(self._dense_until, event.t_ns + AROUND_NS)
            return [*self._released(event.t_ns - AROUND_NS), event]
        if self._waiting or event.t_ns <= self._dense_until or event.t_ns - self._sampled.get(about, 0) >= APART_NS:
            self._sampled[about] = event.t_ns
            return [event]
        self._held.append(event)
        while self._held[0].t_ns < event.t_ns - AROUND_NS:
            self._held.popleft()
            self.left_out += 1
        return []

    def _released(self, since_ns: int) -> list[Event]:
        """What is held back and was stamped since then; what is older is left out for good."""
        found = [event for event in self._held if event.t_ns >= since_ns]
        self.left_out += len(self._held) - len(found)
        self._held.clear()
        return found

    @staticmethod
    def _about(event: Event) -> Hashable | None:
        repeated = _REPEATED.get(event.kind)
        return None if repeated is None else (event.kind, repeated[0](event))

    def _is_news(self, event: Event, about: Hashable) -> bool:
        told = _REPEATED[event.kind][1](event)
        before = self._last.get(about)
        self._last[about] = (told, event.t_ns)
        if before is None or before[0] != told:
            return True
        # a stretch of failures is one thing, however it is strewn
        return event.t_ns - before[1] > _GAP_NS and event.kind.startswith("reply") and bool(event.data.get("ok"))
