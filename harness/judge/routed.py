"""Whether clients behind a router were served as the others were.

A router keeps who has an address for minutes, and learns of a new owner only if that one says so and is heard.
"""

from __future__ import annotations

from collections.abc import Iterable

from fenceline.judge.findings import Tally
from fenceline.judge.history import SECOND, History
from fenceline.judge.host import host_took
from fenceline.judge.outages import outages, routed_outages
from fenceline.judge.promise import promise
from fenceline.judge.requests import ROUTED, requests_of
from fenceline.model.verdict import Finding, Outage, Verdict

#: So long (ns) after the other clients are served again, those behind a router must be, whatever the budget still has:
#: the time in which a new owner announces itself, and one more question.
_AFTER_NS = 3 * SECOND


@promise("clients behind a router", order=240,
         breaks="an outage of a client whose router keeps its neighbour entries for minutes was longer than the "
                "budget, and than 3 s after the other clients were served again. Dropped announcements excuse "
                "nothing here")
def behind_a_router(history: History) -> Finding:
    """An outage of the client behind a router ends within the service's ``failover_budget``, or, where the other
    clients' outage took longer, ``_AFTER_NS`` after that: whether that one was too long is not asked here.

    That announcements are dropped
    excuses nothing: it is just what such a client must be able to bear, or be known not to.
    """
    tally = Tally("clients behind a router")
    direct = outages(history)
    expected = {event.data["outage"] for event in history.kinds("expect") if "outage" in event.data}
    notes = []
    for name, service in history.topology.services.items():
        if not requests_of(history, name, ROUTED):
            # a log of before there was such a client tells of none
            if history.by_kind.get("wire.watch") and service.asked_at_vip:
                tally.add(Verdict.UNKNOWN, history.start_ns, f"no client behind a router asked {name}")
            continue
        if name in expected:
            notes.append(f"the outage of {name} is expected")
            continue
        mine = [outage for outage in routed_outages(history) if outage.service == name]
        for outage in mine:
            _judge(history, tally, outage, [one for one in direct if one.service == name])
        longest = max((outage.seconds for outage in mine), default=None)
        notes.append(f"{name} had no outage" if longest is None else f"{name} was back within {longest:.3f} s")
    return tally.finding("; ".join(notes) or "nobody asked by way of a router")


def still_away(history: History) -> Iterable[tuple[str, int]]:
    """The services that a client behind a router waits for at the end of the log, though others are answered; with the
    stamp (ns) until which they may."""
    expected = {event.data["outage"] for event in history.kinds("expect") if "outage" in event.data}
    direct = outages(history)
    for outage in routed_outages(history):
        if outage.end_ns is None and outage.service not in expected:
            due_ns = _due(history, outage, [one for one in direct if one.service == outage.service])
            if due_ns is not None:
                yield outage.service, due_ns


def _due(history: History, outage: Outage, direct: list[Outage]) -> int | None:
    """Until when (ns) ``outage`` may last; None where nobody else is served either: that is judged of all clients."""
    due_ns = outage.start_ns + round(history.topology.services[outage.service].failover_budget * SECOND)
    end_ns = outage.end_ns or history.end_ns
    begin_ns = outage.start_ns - round(outage.plus_minus * SECOND)
    for other in direct:
        if other.start_ns < end_ns and (other.end_ns is None or other.end_ns > begin_ns):
            if other.end_ns is None:
                return None
            due_ns = max(due_ns, other.end_ns + _AFTER_NS)
    return due_ns


def _judge(history: History, tally: Tally, outage: Outage, direct: list[Outage]) -> None:
    end_ns = outage.end_ns or history.end_ns
    error_ns = round(outage.plus_minus * SECOND)
    due_ns = _due(history, outage, direct)
    if due_ns is None:
        return
    words = f"{outage.service} did not answer a client behind a router from {history.at(outage.start_ns)}"
    until = "to the end" if outage.end_ns is None else f"to {history.at(end_ns)}"
    answered = f", though others were answered; it had to until {history.at(due_ns)}"
    took_s = host_took(history.kinds("host.waited"), outage.start_ns, end_ns)
    if end_ns - error_ns > due_ns and end_ns - error_ns - took_s * SECOND <= due_ns:
        tally.add(Verdict.UNKNOWN, outage.start_ns, f"{words} {until}, {outage.seconds:.3f} s{answered}; but for "
                  f"{took_s:.1f} s of them machines that had something to do waited for a CPU of the host")
    elif end_ns - error_ns > due_ns:
        tally.add(Verdict.FAIL, outage.start_ns, f"{words} {until}, {outage.seconds:.3f} s{answered}")
    elif outage.end_ns is None:
        tally.add(Verdict.UNKNOWN, outage.start_ns, f"{words} to the end; the log ends before its time, "
                  f"{history.at(due_ns)}, has come")
    elif end_ns > due_ns:
        tally.add(Verdict.UNKNOWN, outage.start_ns, f"{words} {until}, {outage.seconds:.3f} s, which its error of "
                  f"{outage.plus_minus:.3f} s leaves open{answered}")
