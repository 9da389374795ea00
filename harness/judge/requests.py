"""What the client asked and got, per service. Times in ns of the host's CLOCK_MONOTONIC."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from fenceline.judge.history import SECOND, History
from fenceline.model.event import Event

#: The kinds of the events that tell what a client got: of the one beside the cluster, and of the one behind a router.
DIRECT, ROUTED = "reply", "reply.routed"
#: The client asks each service this often (ns).
PROBE_NS = SECOND // 100
#: Between good replies that are no further apart than this (ns) nothing is looked for but failed requests.
LONG_GAP_NS = max(5 * PROBE_NS, SECOND // 4)
#: An answer that took longer (ns) is as good as none.
SLOW_NS = SECOND


@dataclass(frozen=True, slots=True)
class Request:
    """One question: begun at ``sent_ns``, answered or given up at ``t_ns``."""

    sent_ns: int
    t_ns: int
    ok: bool
    event: Event

    @property
    def slow(self) -> bool:
        """Answered well, but so late that nobody waited for it."""
        return self.ok and self.t_ns - self.sent_ns > SLOW_NS


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without good replies: after ``before``, until ``until`` (None: to the end of the scenario)."""

    before: Request | None
    until: Request | None


def requests_of(history: History, service: str, kind: str = DIRECT) -> list[Request]:
    """Every request to ``service`` that was begun before the scenario ended, by the time of its answer."""
    return [_request(event) for event in history.by_kind.get(kind, ())
            if event.data.get("service") == service and event.data.get("sent_ns", event.t_ns) <= history.end_ns]


def _request(event: Event) -> Request:
    return Request(int(event.data.get("sent_ns", event.t_ns)), event.t_ns, bool(event.data["ok"]), event)


def served(history: History, service: str) -> list[Request]:
    """The requests that tell whether ``service`` was there for its clients.

    For one that is active on all nodes these are what its nodes were asked to write, if anything was: one that answers
    and can't write is of no use. What a node did not answer, or late, is left out while others answered at least once a
    second: that client would have gone to them.
    """
    if history.topology.services[service].active == "one":
        return requests_of(history, service)
    appends = [_request(event) for event in history.by_kind.get("append", ())
               if event.data.get("service") == service and event.data["sent_ns"] <= history.end_ns]
    asked = appends or requests_of(history, service)
    stamps = [request.t_ns for request in asked if request.ok and not request.slow]
    return [request for request in asked
            if request.ok and not request.slow or not _is_covered(stamps, request, history.end_ns)]


def _is_covered(stamps: list[int], request: Request, end_ns: int) -> bool:
    """Whether no two good answers at ``stamps`` around ``request`` are more than 1 s apart."""
    first = bisect_right(stamps, request.sent_ns) - 1
    last = bisect_left(stamps, request.t_ns) - 1
    return first >= 0 and all(_width(stamps, index, end_ns) <= SLOW_NS for index in range(first, max(first, last) + 1))


def lost_gaps(requests: list[Request], end_ns: int) -> list[Gap]:
    """The gaps between good replies that are outages.

    A gap between two consecutive good replies is one if a request in it failed, or if it is longer than 250 ms
    and a request in it took more than 1 s. So a slow node, that answers everything within a second, has no outage
    however far apart its answers are; nor has one from which nothing was asked (that is the harness's own stall).
    A request that was given up late belongs to the long gap in which it waited, if there is one, else to the gap
    in which it was sent. What failed before the first good reply of all is no outage of a service that ran,
    unless there was no good reply at all.
    """
    good = [request for request in requests if request.ok]
    if not good:
        return [Gap(None, None)] if requests else []
    stamps = [request.t_ns for request in good]
    lost: set[int] = set()
    for request in requests:
        if request.ok and not request.slow:
            continue
        first = max(bisect_right(stamps, request.sent_ns) - 1, 0)
        last = max(bisect_left(stamps, request.t_ns) - 1, first)
        widest = max(range(first, last + 1), key=lambda index: (_width(stamps, index, end_ns), -index))
        if _width(stamps, widest, end_ns) > LONG_GAP_NS:
            # not one that was over before the first good reply of all
            if request.t_ns > stamps[widest]:
                lost.add(widest)
        elif not request.ok and request.sent_ns >= stamps[0]:
            lost.add(first)
    return [Gap(good[index], good[index + 1] if index + 1 < len(good) else None) for index in sorted(lost)]


def _width(stamps: list[int], index: int, end_ns: int) -> int:
    return (stamps[index + 1] if index + 1 < len(stamps) else max(end_ns, stamps[index])) - stamps[index]


def stalls(requests: list[Request], limit_ns: int) -> list[tuple[int, int]]:
    """(from, length) in ns of each time longer than ``limit_ns`` in which the client asked nothing by its own fault.

    A client that waits for one answer before it asks again is not stalled while it waits; one that was ever seen
    to ask while an answer was outstanding has no such excuse.
    """
    ordered = sorted(requests, key=lambda request: request.sent_ns)
    pipelined = any(after.sent_ns < before.t_ns for before, after in zip(ordered, ordered[1:], strict=False))
    found = []
    for before, after in zip(ordered, ordered[1:], strict=False):
        begin = before.sent_ns if pipelined else before.t_ns
        if after.sent_ns - begin > limit_ns:
            found.append((begin, after.sent_ns - begin))
    return found
