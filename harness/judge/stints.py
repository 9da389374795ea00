"""Where a service was, as a whole: every time that a node had all its parts, and what came between two of those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fenceline.judge.history import OFF, PAUSED, SECOND, Ended, History, Interval, Key, part_key
from fenceline.model.event import Event

#: Who had all parts for less than this (ns) was on its way: a daemon that opens its port, and once more, is starting.
SETTLED_NS = SECOND


class Lost(StrEnum):
    """How a node ceased to have a service as a whole."""

    RELEASED = "released"  # it gave a part up
    OFF = "off"            # its machine stopped
    PAUSED = "paused"      # its machine's CPUs stopped
    UNKNOWN = "unknown"    # its agent started afresh: what was in between nobody saw


@dataclass(frozen=True, slots=True)
class Interruption:
    """``service`` was whole on ``old`` until ``begin_ns``, and then on ``new`` from ``end_ns`` on; None: never again in
    this log. ``since_ns`` is when ``old`` had got it, and ``sought_ns`` since when it had been on its way there."""

    service: str
    old: str
    new: str | None
    since_ns: int
    sought_ns: int
    begin_ns: int
    end_ns: int | None
    how: Lost
    events: tuple[Event, ...]


def parts(history: History, service: str) -> list[Key]:
    """What a node must hold to have ``service`` as a whole. What two services share (a port) tells of neither, nor
    does a daemon where it runs on every member."""
    topology = history.topology
    uses = Counter(key for one in topology.services.values()
                   for key in {part_key(part) for part in one.group} if key is not None)
    keys = [key for part in topology.services[service].group if (key := part_key(part)) is not None]
    wanted = ("address",) if topology.stack.runs_everywhere else ("address", "mount", "listen")
    return [key for key in keys if uses[key] == 1 and key[0] in wanted]


#: How a node ceased to have all parts, and what was seen of that.
_End = tuple[Lost, tuple[Event, ...]]


def interruptions(history: History, service: str) -> Iterator[Interruption]:
    """Each time that a node that had all of ``service`` lost some of it, after the cluster was ready; an attempt to
    start it that did not get so far is a part of the same interruption. By the stamps of what was seen."""
    keys = parts(history, service)
    if not keys or history.topology.services[service].active == "all":
        return
    ready_ns = history.ready_ns() or history.start_ns
    whole = {node: _whole(history, node, keys) for node in history.topology.service_nodes}
    stamps = sorted({ns for spans in whole.values() for begin_ns, end_ns, _ in spans for ns in (begin_ns, end_ns)
                     if ns is not None})
    current: tuple[str, int, int] | None = None
    lost: tuple[int, _End] | None = None
    for ns in stamps:
        if current is not None and lost is None:
            span = next((span for span in whole[current[0]] if span[1] == ns and span[0] < ns), None)
            if span is None or any(other[0] == ns for other in whole[current[0]]):
                continue
            lost = ns, span[2]
        there = [(node, begin_ns) for node, spans in whole.items() for begin_ns, end_ns, _ in spans
                 if begin_ns <= ns and (end_ns is None or ns < end_ns)]
        if not there:
            continue
        node, begin_ns = max(there, key=lambda one: one[1])
        if current is not None and lost is not None and lost[0] >= ready_ns:
            how, events = lost[1]
            yield Interruption(service, *current[:1], node, *current[1:], lost[0], max(begin_ns, lost[0]), how, events)
        if current is None or current[0] != node:
            current = node, begin_ns, lost[0] if lost is not None else begin_ns
        lost = None
    if current is not None and lost is not None and lost[0] >= ready_ns:
        yield Interruption(service, *current[:1], None, *current[1:], lost[0], None, *lost[1])


def _whole(history: History, node: str, keys: list[Key]) -> list[tuple[int, int | None, _End]]:
    """When ``node`` had all of ``keys`` and executed (from, to, how it ended)."""
    pieces: list[Interval] = list(history.executing(node))
    found = [(piece.start.latest_ns, piece.end.latest_ns if piece.end else None, _of_power(history, node, piece))
             for piece in pieces]
    for key in keys:
        held = [(one.start.latest_ns, one.end.latest_ns if one.end else None, _of_part(one))
                for one in history.facts.get(key, ()) if one.node == node]
        found = [(max(one[0], other[0]), *_first_end(one[1:], other[1:])) for one in found for other in held
                 if (one[1] is None or other[0] < one[1]) and (other[1] is None or one[0] < other[1])]
    return sorted((span for span in found if (span[1] or history.log_end_ns + SETTLED_NS) - span[0] >= SETTLED_NS),
                  key=lambda span: span[0])


def _first_end(one: tuple[int | None, _End], other: tuple[int | None, _End]) -> tuple[int | None, _End]:
    return min((one, other), key=lambda end: float("inf") if end[0] is None else end[0])


def _of_power(history: History, node: str, piece: Interval) -> _End:
    if piece.end is None:
        return Lost.UNKNOWN, ()
    value = next((one.value for one in history.power.get(node, ())
                  if one.start.latest_ns == piece.end.latest_ns and one.value in (OFF, PAUSED)), OFF)
    return Lost.PAUSED if value == PAUSED else Lost.OFF, piece.events[-1:]


def _of_part(interval: Interval) -> _End:
    how = {Ended.RELEASED: Lost.RELEASED, Ended.OFF: Lost.OFF}.get(interval.ended, Lost.UNKNOWN)
    return how, interval.events[-1:]


def owner(history: History, service: str, ns: int) -> str | None:
    """Who had all of ``service`` at ``ns``, by the stamps."""
    keys = parts(history, service)
    return next((node for node in history.topology.service_nodes if keys and all(
        any(one.node == node and one.covers(ns) for one in history.facts.get(key, ())) for key in keys)), None)
