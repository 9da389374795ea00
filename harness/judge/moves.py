"""A service is interrupted only for a cause, and once for each: it neither moves nor restarts without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fenceline.judge.causes import Cause, Causes, Split
from fenceline.judge.demand import hits, obstacle
from fenceline.judge.faultlog import Impairment, impairments
from fenceline.judge.findings import Tally
from fenceline.judge.history import History
from fenceline.judge.promise import promise
from fenceline.judge.starving import not_run
from fenceline.judge.stints import Interruption, Lost, interruptions
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Verdict


@dataclass(slots=True)
class _Used:
    """What each cause has cost a service so far, by (cause, service)."""

    #: Nodes that it has left for it, and nodes on which it was mended in place.
    left: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    mended: dict[tuple[str, str], set[str]] = field(default_factory=dict)


@promise("moved only for cause", order=170,
         breaks="a service was moved, restarted or stopped without a fault that is a reason for it, or once more "
                "for a fault that had interrupted it already")
def moved_only_for_cause(history: History) -> Finding:
    """Once the cluster is ready, no service is moved, restarted or stopped without a fault that is a reason for it, and
    none twice for one: it may be mended in place once where a fault hits its node, and leave that node once.

    A reason is what costs the node that it is on, a machine behind it, or the service itself (``Cost``); for who
    depends on another service, or shares its fate, that one's reason. Where the failover domain says
    ``failback: true``, each return of a node that is preferred is a reason to go there, once. What nothing could run
    may come and go, and so may what stopped with its machine: whether that had to stop, other promises tell.
    """
    tally = Tally("moved only for cause")
    causes, when, used = Causes(history), impairments(history), _Used()
    expected = {str(event.data["outage"]) for event in history.kinds("expect") if "outage" in event.data}
    counts, notes = 0, []
    for name, service in history.topology.services.items():
        if service.active == "all":
            continue
        if name in expected:
            notes.append(f"the outage of {name} is expected")
            continue
        for one in interruptions(history, name):
            counts += 1
            why = _objection(history, causes, when, used, one)
            if why is not None:
                doubt = not_run(history, one.begin_ns)
                tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, one.begin_ns,
                          f"{_said(history, one)} {why}{doubt}", *one.events)
    notes.append(f"{counts} interruptions, each with a cause of its own" if counts else "nothing was interrupted")
    return tally.finding("; ".join(notes))


def _said(history: History, one: Interruption) -> str:
    begun = f"{one.service} was interrupted on {one.old} at {history.at(one.begin_ns)}"
    if one.new is None:
        return f"{begun}, not to be whole again in this log,"
    how = "was there again" if one.new == one.old else f"was on {one.new}"
    return f"{begun} and {how} from {history.at(one.end_ns)} on,"


def _objection(history: History, causes: Causes, when: list[tuple[int, Impairment]], used: _Used,
               one: Interruption) -> str | None:
    """Why ``one`` should not have been; None if it had a cause."""
    if one.how is Lost.PAUSED and one.new == one.old:
        return None
    reasons = list(_reasons(history, causes, one))
    # it is the answer to all that was in force
    if (any([_take(used, cause, one) for cause in reasons]) or one.how in (Lost.OFF, Lost.UNKNOWN)
            or _is_excused(history, causes, when, one)):
        return None
    before = next(iter(reasons), None)
    returned = _returned(history, causes, one)
    back = returned or _set_free(history, causes, one)
    if (back is not None and _wants_back(history.topology, one)
            and (key := (f"return {back.t_ns}", one.service)) not in used.left):
        used.left[key] = {one.old}
        return None
    if before is not None:
        return f"though {before.title} had interrupted it already"
    if returned is not None:
        return (f"without a cause: {one.new} had returned at {history.at(returned.t_ns)}, and its failover domain has "
                "no failback")
    first_ns = history.first_fault_ns()
    titles = dict.fromkeys(cause.title for cause in causes.in_force(one.begin_ns))
    if first_ns is None or one.begin_ns < first_ns:
        return "before any fault"
    return f"without a cause: {' and '.join(titles)} is none" if titles else "without a cause: no fault was in force"


def _take(used: _Used, cause: Cause | Split, one: Interruption) -> bool:
    """Whether ``cause`` is still good for ``one``, which uses it up."""
    key = (cause.id, one.service)
    left, mended = used.left.setdefault(key, set()), used.mended.setdefault(key, set())
    own = isinstance(cause, Split) or cause.afflicts(one.service, one.old)
    if one.new == one.old:
        if mended or left:
            return False
        mended.add(one.old)
        return True
    # one that was mended in place where the fault goes on may leave, and none comes to where it goes on
    if one.old in left or (not own and (left or mended)):
        return False
    left.add(one.old)
    return True


def _is_excused(history: History, causes: Causes, when: list[tuple[int, Impairment]], one: Interruption) -> bool:
    """Whether nothing could run the service for some of the time, from shortly before it stopped."""
    begin_ns, end_ns = one.begin_ns - causes.answer_ns, one.end_ns or history.log_end_ns
    for index, (at_ns, impairment) in enumerate(when):
        until_ns = when[index + 1][0] if index + 1 < len(when) else history.log_end_ns
        if at_ns <= end_ns and until_ns >= begin_ns and obstacle(history.topology, one.service, impairment.cost):
            return True
    return False


def _reasons(history: History, causes: Causes, one: Interruption) -> Iterator[Cause | Split]:
    """What may have interrupted it, the latest first."""
    topology = history.topology
    bound = _bound(topology, one.service)
    behind = {node for name in bound for node in topology.services[name].real_servers}
    machines = {one.old, *behind, *(topology.storage_host(name) for name in bound)}
    for cause in reversed(causes.faults):
        cost = cause.cost
        hit = any(hits(topology, name, one.old, cost) for name in bound) or (
            behind & (cost.lost | cost.left | cost.unfit)) or bound & cost.unmanaged
        if hit and any(causes.lasts(cause, node, one.begin_ns) for node in machines if node is not None):
            yield cause
    yield from causes.splitting(one.old, one.begin_ns)


def _bound(topology: Topology, service: str) -> set[str]:
    """``service``, and those whose fate it shares: which it depends on or must be beside, or moves together with."""
    found, new = set(), {service}
    while new:
        found |= new
        new = {other for name in new for other in _next_to(topology, name)} - found
    return found


def _next_to(topology: Topology, name: str) -> Iterable[str]:
    service = topology.services[name]
    yield from (*service.after, *service.colocated_with)
    # one that must be beside another is placed together with it
    yield from (other for other, settings in topology.services.items() if name in settings.colocated_with)
    yield from topology.stack.moved_with(topology, name)


def _wants_back(topology: Topology, one: Interruption) -> bool:
    domain = topology.services[one.service].domain
    return domain.failback and one.new is not None and domain.prefers(one.new, one.old)


def _set_free(history: History, causes: Causes, one: Interruption) -> Event | None:
    """The end of what an administrator had sent the service away by, while ``one.old`` had it."""
    bound = _bound(history.topology, one.service)
    ended = {cause.record.id for cause in causes.faults if cause.cost.disturbed & bound}
    return next((event for event in reversed(history.kinds("fault.healed")) if str(event.data.get("id")) in ended
                 and one.since_ns < event.t_ns <= one.begin_ns), None)


def _returned(history: History, causes: Causes, one: Interruption) -> Event | None:
    """What shows that ``one.new`` came back while ``one.old`` had the service, or was getting it."""
    def within(event: Event) -> bool:
        return one.sought_ns < event.t_ns <= one.begin_ns

    found = [event for event in history.kinds("power.on", "power.resumed")
             if event.node == one.new and within(event) and not event.data.get("baseline")]
    healed = {cause.record.id for cause in causes.faults if one.new in cause.record.targets}
    found += [event for event in history.kinds("fault.healed") if str(event.data.get("id")) in healed and within(event)]
    members: frozenset[str] | None = None
    for event in history.kinds("quorum"):
        if event.node != one.old:
            continue
        now = frozenset(event.data.get("members") or ())
        if members is not None and one.new in now - members and within(event):
            found.append(event)
        members = now
    return max(found, key=lambda event: event.t_ns, default=None) if one.new != one.old else None
