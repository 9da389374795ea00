"""Who has no quorum starts nothing, and stops what it has."""

from __future__ import annotations

from fenceline.judge.findings import Tally, after
from fenceline.judge.history import SECOND, History, Interval, action
from fenceline.judge.promise import promise
from fenceline.model.verdict import Finding, Verdict


@promise("no service without quorum", order=70, safety=True, says="no service ran without quorum", needs=("quorum",),
         breaks="a node without quorum started a part of a service, or still had one after `stop_within`")
def no_service_without_quorum(history: History) -> Finding:
    """A node that is not quorate starts no part of a service, and has stopped those it had within
    ``stack.quorum.stop_within`` seconds of executing: while it is paused it can't stop anything.

    ``without_quorum``: "ignore" is not judged, "freeze" only for what is started.
    """
    settings = history.topology.stack.quorum
    tally = Tally("no service without quorum")
    if settings.without_quorum == "ignore":
        return tally.finding("not judged: the topology's without_quorum is ignore")
    stops = settings.without_quorum != "freeze"
    limit_ns = int(settings.stop_within * SECOND)
    lacking = [interval for intervals in history.quorum.values() for interval in intervals if not interval.value]
    held: dict[str, list[Interval]] = {}
    for key, intervals in history.facts.items():
        if key[0] == "listen" and history.topology.stack.runs_everywhere:
            continue  # a member's own daemon: what counts is who has the address
        for part in intervals:
            held.setdefault(part.node, []).append(part)
    for without in lacking:
        for part in held.get(without.node, ()):
            _judge_start(history, tally, without, part)
            if stops:
                _judge_stop(history, tally, without, part, limit_ns)
    if not lacking:
        return tally.finding("no node was without quorum")
    names = ", ".join(sorted({interval.node for interval in lacking}))
    rest = f"and had stopped within {settings.stop_within:g} s" if stops else \
        "; stopping is not judged, as the topology's without_quorum is freeze"
    return tally.finding(f"{names} started nothing while without quorum {rest}")


def _judge_start(history: History, tally: Tally, without: Interval, part: Interval) -> None:
    # whoever may have started it before quorum was lost has its time to stop it
    if part.start.earliest_ns < without.start.latest_ns:
        return
    regained = False if without.end is None else after(without.end, part.start)
    if regained:
        return
    verdict = Verdict.FAIL if regained is False else Verdict.UNKNOWN
    doubt = "" if regained is False else f"; within the error bounds it may have regained it at " \
        f"{history.at(without.end.latest_ns)} before that"
    tally.add(verdict, part.start.latest_ns,
              f"{part.node} {action(part.key)} at {history.at(part.start.latest_ns)}, though it had no quorum since "
              f"{history.at(without.start.latest_ns)}{doubt}", *without.events, *part.events)


def _judge_stop(history: History, tally: Tally, without: Interval, part: Interval, limit_ns: int) -> None:
    lost_ns = without.start.latest_ns
    if part.start.latest_ns > lost_ns:
        return
    due_ns = _after_executing(history, part.node, lost_ns, limit_ns)
    if due_ns is None or due_ns > history.log_end_ns:
        return
    if any(edge is not None and edge.earliest_ns <= due_ns for edge in (part.end, without.end)):
        return
    kept = "to the end of the log" if part.end is None else f"until {history.at(part.end.latest_ns)}"
    tally.add(Verdict.FAIL, due_ns,
              f"{part.node} lost quorum at {history.at(lost_ns)} and kept what it had when it "
              f"{action(part.key)} at {history.at(part.start.latest_ns)}, {kept}: more than "
              f"{limit_ns / SECOND:g} s of executing", *without.events, *part.events)


def _after_executing(history: History, node: str, from_ns: int, needed_ns: int) -> int | None:
    """The moment by which ``node`` has executed for ``needed_ns`` since ``from_ns``; None if it never has."""
    for running in history.executing(node):
        begin = max(from_ns, running.start.latest_ns)
        end = None if running.end is None else running.end.earliest_ns
        if end is not None and end <= begin:
            continue
        if end is None or end - begin >= needed_ns:
            return begin + needed_ns
        needed_ns -= end - begin
    return None
