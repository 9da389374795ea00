"""Who was fenced, and whether for a reason: nobody whom no fault made a legitimate victim, and nobody twice for one.

``healthy_cluster_fences_nobody`` looks at the time before the first fault, these two at all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from fenceline.judge.causes import Causes, Split
from fenceline.judge.exclusive import BMC_TOLERANCE_NS, CUTTING
from fenceline.judge.findings import Tally
from fenceline.judge.history import SECOND, History
from fenceline.judge.promise import promise
from fenceline.judge.starving import not_run
from fenceline.model.event import Event, is_fencing
from fenceline.model.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Fencing:
    """``node`` was made safe at ``at_ns``; ``asked_ns`` is when its device was first asked to. ``off`` tells that it
    was off already, so that the device had only to say so."""

    node: str
    at_ns: int
    asked_ns: int
    events: tuple[Event, ...]
    off: bool = False


def fencings(history: History) -> list[Fencing]:
    """Every fencing of the log, in order."""
    found = []
    for event in history.by_kind.get("power.off", ()):
        if is_fencing(event):
            asked = _asked(history, event)
            found.append(Fencing(event.node, event.t_ns, asked.t_ns if asked else event.t_ns,
                                 (asked, event) if asked else (event,)))
    for event in history.by_kind.get("bmc.done", ()):
        if event.node is None or event.data.get("action") not in CUTTING or not event.data.get("ok"):
            continue
        if not any(one.node == event.node and one.asked_ns - BMC_TOLERANCE_NS <= event.t_ns
                   and one.at_ns + history.topology.fencing.timeout * SECOND >= event.t_ns for one in found):
            found.append(Fencing(event.node, event.t_ns, event.t_ns, (event,), off=True))
    return sorted(found, key=lambda one: one.at_ns)


def _asked(history: History, cut: Event) -> Event | None:
    """The first of the requests that led to ``cut``: since the node last ran anew, and not longer ago than a fencing
    may take."""
    begin_ns = cut.t_ns - round(history.topology.fencing.timeout * SECOND)
    on_ns = max((event.t_ns for event in history.by_kind.get("power.on", ())
                 if event.node == cut.node and event.t_ns < cut.t_ns), default=begin_ns)
    return next((event for event in history.by_kind.get("bmc.request", ()) if event.node == cut.node
                 and event.data.get("action") in CUTTING and max(begin_ns, on_ns) <= event.t_ns <= cut.t_ns), None)


@promise("fenced only for cause", order=150,
         breaks="after the first fault, somebody was fenced (or a fencing device asked to) whom no fault in force"
                " made a legitimate victim")
def fenced_only_for_cause(history: History) -> Finding:
    """From the first fault on, nobody is fenced whom no fault in force, or healed just before, made a legitimate
    victim; and no fencing device is asked to. UNKNOWN where the host itself had made it look like one.

    Legitimate is who is lost by a fault, or named by it as one that may be fenced (``Cost``), and in a split who is not
    on a side that may go on: where the cut is alike for both, either. Who lost its power for that is legitimate until
    it is a quorate member again.
    """
    tally = Tally("fenced only for cause")
    first_ns = history.first_fault_ns()
    causes = Causes(history)
    judged = []
    done = fencings(history)
    for one in done:
        if first_ns is None or one.asked_ns < first_ns:
            continue
        judged.append(one.node)
        if not _is_legitimate(causes, one.node, one.asked_ns):
            doubt = not_run(history, one.asked_ns)
            tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, one.at_ns, f"{one.node} was fenced at "
                      f"{history.at(one.at_ns)}{_why_not(causes, one.node, one.asked_ns)}{doubt}", *one.events)
    for event in history.by_kind.get("bmc.request", ()):
        if (event.data.get("action") in CUTTING and event.node is not None and first_ns is not None
                and event.t_ns >= first_ns and not _is_legitimate(causes, event.node, event.t_ns)
                and not any(one.node == event.node and one.asked_ns <= event.t_ns <= one.at_ns for one in done)):
            doubt = not_run(history, event.t_ns)
            tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, event.t_ns, f"{event.data.get('from', 'somebody')} "
                      f"asked the fencing device of {event.node} for \"{event.data['action']}\" at "
                      f"{history.at(event.t_ns)}{_why_not(causes, event.node, event.t_ns)}{doubt}", event)
    return tally.finding(f"each had a cause: {', '.join(judged)}" if judged else "nobody was fenced after a fault")


def _is_legitimate(causes: Causes, node: str, ns: int) -> bool:
    return bool(causes.targeting(node, ns) or causes.splitting(node, ns))


def _why_not(causes: Causes, node: str, ns: int) -> str:
    """What was in force, and is no reason."""
    titles = [cause.title for cause in causes.in_force(ns)]
    if not titles:
        return ", with no fault in force"
    return f", for which {' and '.join(dict.fromkeys(titles))} is no reason"


@promise("one fault, one fencing", order=160,
         breaks="somebody was fenced twice for one fault, or who had survived the fencing of a split was fenced "
                "over it")
def one_fault_one_fencing(history: History) -> Finding:
    """Nobody is fenced again without a fault that began since, and who survived the fencing of a split is not fenced
    over it.

    Two whose orders crossed in a split, each given before the other one was off, have raced: neither survived. What
    has no cause at all is told by ``fenced_only_for_cause``.
    """
    tally = Tally("one fault, one fencing")
    causes = Causes(history)
    first_ns = history.first_fault_ns()
    done: list[Fencing] = []
    for one in fencings(history):
        if first_ns is None or one.asked_ns < first_ns:
            continue
        targeting = causes.targeting(one.node, one.asked_ns)
        splitting = causes.splitting(one.node, one.asked_ns)
        last = next((other for other in reversed(done) if other.node == one.node), None)
        done.append(one)
        if not targeting and not splitting or (one.off and last is not None):
            continue  # of who is off, a device may say so more than once
        if any(last is None or cause.begin_ns > last.at_ns for cause in targeting):
            continue
        told = [_survived(split, one, last, done[:-1]) for split in splitting]
        if None in told:
            continue
        before = told[0] if told else last
        title = splitting[0].title if told else targeting[0].title
        again = (f"{one.node} was fenced again at {history.at(one.at_ns)}" if before.node == one.node else
                 f"{one.node}, which had survived the fencing of {before.node}, was fenced at {history.at(one.at_ns)}")
        tally.add(Verdict.FAIL, one.at_ns, f"{again}, over {title}, for which {before.node} had been fenced at "
                  f"{history.at(before.at_ns)}", *before.events, *one.events)
    return tally.finding(f"{len(done)} fencings, none of them for a fault that had cost one already" if done
                         else "nobody was fenced after a fault")


def _survived(split: Split, one: Fencing, last: Fencing | None, done: list[Fencing]) -> Fencing | None:
    """Which fencing over ``split`` speaks against ``one``; None if none does."""
    if last is not None and last.at_ns >= split.cut_ns:
        return last
    before = [other for other in done if other.asked_ns >= split.cut_ns and split.may_cost(other.node)]
    gone = {other.node for other in before} | {one.node}
    if any(not gone & side for side in split.sides) or all(one.asked_ns <= other.at_ns for other in before):
        return None
    return before[-1]
