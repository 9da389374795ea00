"""Whether the cluster comes to rest: its membership settles, and its members can tell its state.

A membership is formed anew when somebody is lost or comes. One that is formed again and again, with nothing new to
cause it, keeps the cluster from deciding anything; and one whose own tools get no answer from it is of no use, though
its machines are well.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from fenceline.judge.faultlog import fault_records, impairments
from fenceline.judge.findings import Tally
from fenceline.judge.history import SECOND, History
from fenceline.judge.host import host_took
from fenceline.judge.liveness import slowdown
from fenceline.judge.promise import promise
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Verdict

#: So many times the loss of a token and the consensus on who is left may follow one cause: the others see one go, the
#: lost one sees itself alone, they merge, and one of these is missed and done again.
_ROUNDS = 5
#: So many memberships in a row without a cause are no hiccup.
_TOO_MANY = 3
#: Between two questions further apart than this (ns) nothing is known of what would have been answered.
_ASKED_AGAIN_NS = 30 * SECOND
#: What a topology without a service that has a budget is given (s): the default of one.
_BUDGET_S = 45.0


@promise("membership settles", order=200, says="the membership settled", needs=("quorum",),
         breaks="three memberships or more were formed in a row, more than five times token and consensus "
                "(heartbeat: `deadtime` and `keepalive`) after the last cause: a fault, its healing, a machine, "
                "its cluster software or a cable that goes or comes. Faults in force give what they cost: their "
                "seconds, or, where links lose a part or come and go, all the time that they last")
def membership_settles(history: History) -> Finding:
    """After each cause (a fault, its healing, a machine or its cluster software that goes or comes, a cable) the
    members' views come to rest within ``_ROUNDS`` rounds of what one membership takes to form, longer by what the
    faults in force cost; not demanded under one whose cost is that the membership is restless."""
    tally = Tally("membership settles")
    round_s = history.topology.stack.forming_s
    if round_s is None:
        return tally.finding(f"{history.topology.stack.kind} knows no membership")
    allowed_ns = round(_ROUNDS * round_s * SECOND * slowdown(history))
    causes = _causes(history)
    formed = 0
    for node in history.topology.cluster_nodes:
        changes = _changes(history, node)
        formed = max(formed, len(changes))
        for row in _rows([event for event in changes if _is_unforced(event, causes, allowed_ns)], allowed_ns):
            if len(row) < _TOO_MANY:
                continue
            doubt = _doubt(history, row)
            each_s = (row[-1].t_ns - row[0].t_ns) / SECOND / (len(row) - 1)
            tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, row[0].t_ns,
                      f"{node} had {len(row)} new memberships from {history.at(row[0].t_ns)} to "
                      f"{history.at(row[-1].t_ns)}, one every {each_s:.1f} s, without a new cause: they had to settle "
                      f"within {allowed_ns / SECOND:g} s{doubt}", *row)
    return tally.finding(f"at most {formed} memberships were formed, the last ones for a cause")


def _changes(history: History, node: str) -> list[Event]:
    """When ``node`` was in another membership than before. That its cluster software starts or ends is a cause."""
    found = []
    for before, now in pairwise(event for event in history.by_kind.get("quorum", ()) if event.node == node):
        if before.data.get("members") and now.data.get("members") and _membership(before) != _membership(now):
            found.append(now)
    return found


def _membership(event: Event) -> tuple[object, ...]:
    return event.data.get("ring"), *sorted(event.data["members"])


def _causes(history: History) -> list[tuple[int, int]]:
    """(from, until) in ns of all that may move members: the memberships of that time, and of ``allowed`` after it, have
    a cause."""
    found = [(history.start_ns, history.ready_ns() or history.start_ns)]
    found += [(event.t_ns - event.late_ns, event.t_ns) for event in history.kinds(
        "power.on", "power.off", "power.paused", "power.resumed", "link.down", "link.up", "agent.start", "fault.begin",
        "fault.injected", "fault.confirmed", "fault.healed", "fault.unhealed")]
    for record in fault_records(history):
        cost = record.cost
        begin_ns, healed_ns = record.begin.t_ns, record.healed_ns or history.log_end_ns
        if cost.restless or cost.unsteady:
            found.append((begin_ns, healed_ns + round(cost.slower_s * SECOND)))
        else:
            found += [(at_ns, at_ns + round(cost.slower_s * SECOND)) for at_ns in (begin_ns, healed_ns)]
    for node in history.topology.cluster_nodes:
        mine = [event for event in history.by_kind.get("quorum", ()) if event.node == node]
        found += [(now.t_ns - now.late_ns, now.t_ns) for before, now in pairwise(mine)
                  if bool(before.data.get("members")) != bool(now.data.get("members"))]
    return found


def _is_unforced(event: Event, causes: Iterable[tuple[int, int]], allowed_ns: int) -> bool:
    early_ns = event.t_ns - event.late_ns
    return not any(begin_ns <= event.t_ns and early_ns <= until_ns + allowed_ns for begin_ns, until_ns in causes)


def _rows(events: list[Event], gap_ns: int) -> list[list[Event]]:
    """``events`` in rows whose neighbours are no further apart than ``gap_ns``."""
    rows: list[list[Event]] = []
    for event in events:
        if rows and event.t_ns - rows[-1][-1].t_ns <= gap_ns:
            rows[-1].append(event)
        else:
            rows.append([event])
    return rows


def _doubt(history: History, row: list[Event]) -> str:
    """Why the row proves nothing: a fault was in force that does not say what it costs (a log of before they did), or
    the members were starved: who is not run loses the token."""
    took_s = host_took(history.kinds("host.waited"), row[0].t_ns, row[-1].t_ns)
    if 2 * took_s * SECOND >= row[-1].t_ns - row[0].t_ns:
        return f"; but for {took_s:.1f} s of them machines that had something to do waited for a CPU of the host"
    for record in fault_records(history):
        healed_ns = record.healed_ns or history.log_end_ns
        if "cost" not in record.begin.data and record.begin.t_ns <= row[-1].t_ns and healed_ns >= row[0].t_ns:
            return f"; whether {record.title} causes that is not known"
    return ""


@promise("cluster answers", order=210,
         breaks="nobody who was asked could tell the cluster's state for longer than the longest "
                "`failover_budget`, though a member that could was left and SSH reached it; UNKNOWN where one of "
                "them could not be reached")
def cluster_answers(history: History) -> Finding:
    """Whoever asks the members for the cluster's state is told within the longest ``failover_budget``, unless no member
    is left that could tell. What the harness could not ask for is no silence of the cluster's."""
    tally = Tally("cluster answers")
    ready_ns = history.ready_ns() or history.start_ns
    budget_s = silent_for(history.topology) * slowdown(history)
    longest_s = 0.0
    for silence in _silences(history):
        begin_ns = max(int(silence[0].data.get("asked_ns", silence[0].t_ns)), ready_ns)
        begin_ns = max(begin_ns, _nobody_left_until(history, begin_ns, silence[-1].t_ns))
        seconds = (silence[-1].t_ns - begin_ns) / SECOND
        longest_s = max(longest_s, seconds)
        allowed_s = budget_s + sum(record.cost.slower_s for record in fault_records(history)
                                   if record.begin.t_ns <= silence[-1].t_ns
                                   and (record.healed_ns or history.log_end_ns) >= begin_ns)
        if seconds <= allowed_s:
            continue
        took_s = host_took(history.kinds("host.waited"), begin_ns, silence[-1].t_ns)
        away = sorted({node for event in silence for node in event.data.get("unreachable", ())})
        asked = sorted({node for event in silence for node in event.data.get("nodes", ())})
        doubt = f"; {', '.join(away)} could not be asked" if away else ""
        if seconds - took_s <= allowed_s:
            doubt += (f"; but for {took_s:.1f} s of them machines that had something to do waited for a CPU of the "
                      "host")
        tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, begin_ns, f"nobody could tell the cluster's state from "
                  f"{history.at(begin_ns)} to {history.at(silence[-1].t_ns)}, {seconds:.1f} s, budget {allowed_s:g} s: "
                  f"{', '.join(asked)} could be reached and did not{doubt}", *silence)
    return tally.finding(f"it told its state within {longest_s:.1f} s" if longest_s > 0
                         else "it told its state whenever it was asked")


def silent_for(topology: Topology) -> float:
    """For how long (s) a cluster may not be able to tell its state: as long as its services may be away."""
    return max((service.failover_budget for service in topology.services.values()), default=_BUDGET_S)


def _silences(history: History) -> list[list[Event]]:
    """The questions in a row that nobody could answer."""
    found: list[list[Event]] = []
    is_open = False
    for event in history.kinds("state", "state.unknown"):
        if event.kind == "state":
            is_open = False
        elif is_open and int(event.data.get("asked_ns", event.t_ns)) - found[-1][-1].t_ns <= _ASKED_AGAIN_NS:
            found[-1].append(event)
        else:
            found.append([event])
            is_open = True
    return found


def _nobody_left_until(history: History, begin_ns: int, end_ns: int) -> int:
    """Until when (ns), within the span, every member was out of play; 0 where that was never so."""
    members = set(history.topology.cluster_nodes)
    until_ns = 0
    when = impairments(history)
    for (at_ns, impairment), following in zip(when, [*when[1:], None], strict=True):
        over_ns = end_ns if following is None else following[0]
        if members <= impairment.cost.lost | impairment.cost.left and at_ns <= end_ns and over_ns > begin_ns:
            until_ns = min(over_ns, end_ns)
    return until_ns
