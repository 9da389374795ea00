"""Whether the services were back when they had to be."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile

from fenceline.judge.demand import hits, legitimate_victims, obstacle
from fenceline.judge.faultlog import Impairment, impairments, serves_clients
from fenceline.judge.findings import Tally
from fenceline.judge.history import SECOND, History
from fenceline.judge.host import LITTLE, host_took
from fenceline.judge.outages import outages
from fenceline.judge.promise import promise
from fenceline.judge.requests import LONG_GAP_NS, served
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Outage, Verdict

#: A service whose last answer is older than this (ns) at the end is not known to answer.
_FRESH_NS = 2 * SECOND
#: An outage is waited for so much (ns) longer than its budget, that no error leaves open whether it was kept.
_BEYOND_NS = SECOND // 2


@promise("liveness at the end", order=230,
         breaks="an outage that the faults in force did not excuse was longer than the service's "
                "`failover_budget` (and what the faults say that things take longer), or those after one fault "
                "were so together")
def liveness(history: History) -> Finding:
    """Every outage was within its service's ``failover_budget``, and what the faults in force then say that things take
    longer, and every service answered at the end, unless too little was left to run it (then it is not demanded, and
    the reason says so) or the scenario expects the outage.

    A service that nothing could run for a while must
    be back, once that is over, within the time that booting and forming the cluster may take plus the budget. The
    outages between one fault (or the healing of one) and the next keep within one budget together.
    """
    tally = Tally("liveness at the end")
    found = outages(history)
    expected = expected_outages(history)
    when = impairments(history)
    notes = []
    for name, service in history.topology.services.items():
        if not serves_clients(service):
            continue
        if name in expected:
            notes.append(f"the outage of {name} is expected" + (f" ({expected[name]})" if expected[name] else ""))
            continue
        mine = [outage for outage in found if outage.service == name]
        excuses = [excuse for outage in mine if (excuse := _judge_outage(history, tally, outage, when))]
        notes += [f"{name} is not demanded: {excuse}" for excuse in dict.fromkeys(excuses)]
        _judge_together(history, tally, mine, when)
        _judge_last(history, tally, name)
        longest = max((outage.seconds for outage in mine), default=None)
        if longest is None:
            notes.append(f"{name} had no outage")
        elif not excuses:
            notes.append(f"{name} was back within {longest:.3f} s, budget {service.failover_budget:g} s")
    return tally.finding("; ".join(notes) or "there is no service that clients could ask")


def _judge_outage(history: History, tally: Tally, outage: Outage, when: list[tuple[int, Impairment]]) -> str | None:
    """Judges one outage; returns why it is not demanded to have been short, if so."""
    end_ns = outage.end_ns or history.end_ns
    stretches = list(_stretches(history, outage, end_ns, when))
    excuse = next((why for _, _, why in stretches if why), None)
    for index, (begin_ns, until_ns, why) in enumerate(stretches):
        if why:
            continue
        last = index == len(stretches) - 1
        _judge_stretch(history, tally, outage, begin_ns, until_ns, _limit_s(history, outage, index, when), last)
    return excuse


def due_ns(history: History, outage: Outage, when: list[tuple[int, Impairment]]) -> int | None:
    """By when (ns) an ``outage`` that goes on has used its budget up, beyond any error; None while it is excused."""
    stretches = list(_stretches(history, outage, outage.end_ns or history.end_ns, when))
    begin_ns, _, why = stretches[-1]
    if why:
        return None
    limit_s = _limit_s(history, outage, len(stretches) - 1, when)
    return begin_ns + round((limit_s + outage.plus_minus) * SECOND) + _BEYOND_NS


def _limit_s(history: History, outage: Outage, index: int, when: list[tuple[int, Impairment]]) -> float:
    """How long (s) the stretch ``index`` of ``outage`` may last: what was excused before has to boot and form anew."""
    budget_s = (history.topology.services[outage.service].failover_budget
                + _slower_s(outage, outage.end_ns or history.end_ns, when))
    return budget_s if index == 0 else budget_s + _recovery_s(history)


def expected_outages(history: History) -> dict[str, str]:
    """{service: why} of the outages that the scenario expects."""
    return {event.data["outage"]: str(event.data.get("why", "")) for event in history.kinds("expect")
            if "outage" in event.data}


def slowdown(history: History) -> float:
    """How much slower than real ones the scenario's machines are."""
    return next((float(event.data.get("slowdown", 1)) for event in history.kinds("ready")), 1.0)


def _judge_stretch(history: History, tally: Tally, outage: Outage, begin_ns: int, until_ns: int, limit_s: float,
                   last: bool) -> None:
    seconds = (until_ns - begin_ns) / SECOND
    is_open = outage.end_ns is None and last
    begun = f"{outage.service} did not answer from {history.at(begin_ns)}"
    until = "to the end" if is_open else f"to {history.at(until_ns)}"
    took_s = host_took(history.kinds("host.waited"), begin_ns, until_ns)
    if seconds - outage.plus_minus - took_s > limit_s:
        host = f"; the host took {took_s:.1f} s of them" if took_s >= LITTLE else ""
        tally.add(Verdict.FAIL, begin_ns, f"{begun} {until}: {seconds:.3f} s, budget {limit_s:g} s{host}")
    elif seconds - outage.plus_minus > limit_s:
        tally.add(Verdict.UNKNOWN, begin_ns, f"{begun} {until}: {seconds:.3f} s, budget {limit_s:g} s; but for "
                  f"{took_s:.1f} s of them machines that had something to do waited for a CPU of the host")
    elif is_open:
        tally.add(Verdict.UNKNOWN, begin_ns, f"{begun} to the end; the log ends after {seconds:.3f} s, before its "
                  f"budget of {limit_s:g} s was used up")
    elif seconds > limit_s:
        tally.add(Verdict.UNKNOWN, begin_ns, f"{begun} for {seconds:.3f} s, budget {limit_s:g} s, which the error of "
                  f"{outage.plus_minus:.3f} s leaves open")


def _judge_together(history: History, tally: Tally, mine: list[Outage], when: list[tuple[int, Impairment]]) -> None:
    """Several outages of a service in the wake of one fault are one loss for its clients, each within the budget or
    not."""
    begun = sorted({event.t_ns for event in history.kinds("fault.begin", "fault.healed")})
    incidents: dict[int, list[Outage]] = defaultdict(list)
    for outage in mine:
        end_ns = outage.end_ns or history.end_ns
        if not any(why for _, _, why in _stretches(history, outage, end_ns, when)):
            # it begins with the last answer, which is before the fault
            incidents[bisect_right(begun, outage.start_ns + LONG_GAP_NS)].append(outage)
    for several in incidents.values():
        first, last = several[0], several[-1]
        seconds, error = (sum(getattr(outage, what) for outage in several) for what in ("seconds", "plus_minus"))
        limit_s = history.topology.services[first.service].failover_budget + max(
            _slower_s(outage, outage.end_ns or history.end_ns, when) for outage in several)
        if len(several) < 2 or seconds <= limit_s:
            continue
        took_s = sum(host_took(history.kinds("host.waited"), outage.start_ns, outage.end_ns or history.end_ns)
                     for outage in several)
        host = f"; the host took {took_s:.1f} s of them" if took_s >= LITTLE else ""
        tally.add(Verdict.FAIL if seconds - error - took_s > limit_s else Verdict.UNKNOWN, first.start_ns,
                  f"{first.service} did not answer {len(several)} times from {history.at(first.start_ns)} to "
                  f"{history.at(last.end_ns or history.end_ns)}, after one fault: {seconds:.3f} s together (error "
                  f"{error:.3f} s), budget {limit_s:g} s{host}")


def _stretches(history: History, outage: Outage, end_ns: int, when: list[tuple[int, Impairment]],
               ) -> Iterable[tuple[int, int, str | None]]:
    """The outage cut where it began or ceased to be excused: (from, to, why it is excused or None)."""
    excuse = _Excuse(history.topology, outage)
    (_, now), *later = _during(outage, end_ns, when)
    begin_ns, current = outage.start_ns, excuse.of(now)
    for at_ns, impairment in later:
        why = excuse.of(impairment)
        if (why is None) != (current is None):
            yield begin_ns, at_ns, current
            begin_ns, current = at_ns, why
    yield begin_ns, end_ns, current


def _during(outage: Outage, end_ns: int, when: list[tuple[int, Impairment]]) -> list[tuple[int, Impairment]]:
    """What was in force when the outage began, and each change until it was over."""
    first = max(bisect_right(when, outage.start_ns, key=lambda item: item[0]) - 1, 0)
    return [when[first], *takewhile(lambda item: item[0] < end_ns, islice(when, first + 1, None))]


def _slower_s(outage: Outage, end_ns: int, when: list[tuple[int, Impairment]]) -> float:
    """For how much longer it may have taken, by what was in force at any time of it."""
    return max(impairment.cost.slower_s for _, impairment in _during(outage, end_ns, when))


@dataclass(slots=True)
class _Excuse:
    """Why an outage is excused, while its time is gone through."""

    topology: Topology
    outage: Outage
    hit: bool = False  # something befell what the service ran on, since the outage began

    def of(self, now: Impairment) -> str | None:
        """Why the service can't be expected to run ``now``, with what is in force; None if it must."""
        name, topology = self.outage.service, self.topology
        owner = self.outage.owner_before
        nodes = topology.preferred_nodes(name) if owner is None else [owner]
        victims = legitimate_victims(topology, now.befell)
        self.hit = self.hit or any(hits(topology, name, node, now.befell, victims) for node in nodes)
        why = obstacle(topology, name, now.cost)
        left_alone = name in now.cost.unmanaged or any((name, node) in now.cost.unmanaged_on for node in nodes)
        if why is None and self.hit and left_alone:
            why = "the cluster was told to leave it alone"
        return f"{why} (in force: {', '.join(now.faults)})" if why and now.faults else why


def _recovery_s(history: History) -> float:
    """What booting and forming anew may take (s)."""
    topology = history.topology
    return topology.boot_time + (topology.boot_deadline + topology.form_deadline) * slowdown(history)


def _judge_last(history: History, tally: Tally, service: str) -> None:
    requests = served(history, service)
    last_ns = max((request.t_ns for request in requests), default=history.start_ns)
    if history.end_ns - last_ns > _FRESH_NS:
        tally.add(Verdict.UNKNOWN, last_ns, f"whether {service} answered at the end is not known: the last request "
                  f"ended at {history.at(last_ns)}, {(history.end_ns - last_ns) / SECOND:.1f} s before")
