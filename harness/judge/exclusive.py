"""What only one node may have at a time: the mount, the address; and how it may change hands."""

from __future__ import annotations

from collections.abc import Iterable

from fenceline.judge.findings import TRUSTED_LATE_NS, Tally, after, overlap
from fenceline.judge.history import (
    OFF,
    ON,
    PAUSED,
    SECOND,
    Edge,
    Ended,
    History,
    Interval,
    Key,
    action,
)
from fenceline.judge.promise import promise
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: How long (ns) after "done" the machine may at most be seen to stop: the two are stamped by different threads.
BMC_TOLERANCE_NS = SECOND
#: Where the request of an answer was not seen, it is taken to be this old (ns).
_BMC_ASKED_NS = 5 * SECOND
CUTTING = frozenset({"off", "cycle", "reset"})


@promise("single mount", order=10, safety=True, says="the file system was never mounted on two nodes",
         breaks="a file system that is not a cluster file system was mounted on two nodes at one instant (a "
                "paused node still holds its mounts)")
def single_mount(history: History) -> Finding:
    """A file system that is not a cluster file system is mounted on at most one node at any instant.

    A paused node keeps its mounts: it will write on when it is resumed.
    """
    tally = Tally("single mount")
    for key, intervals in _not_shared(history):
        for one, other in pairs(intervals):
            verdict, at_ns = overlap(one, other)
            if verdict is not Verdict.PASS:
                tally.add(verdict, at_ns, f"{key[1]} {_was(verdict)} mounted on two nodes: "
                          f"{_span(history, one)} and {_span(history, other)}", *one.events, *other.events)
    mounts = ", ".join(str(key[1]) for key, _ in _not_shared(history)) or "no file system"
    return tally.finding(f"never on two nodes at once: {mounts}")


@promise("single VIP owner", order=40, safety=True, says="the VIP never had two owners",
         breaks="two executing nodes had the VIP, two MACs answered for it in turn, or a stranger did. By VRRP "
                "both may have it for `advert_interval` while it is preempted: the one that takes it says so in "
                "an advert, and the other lets go on hearing that; or both took it at once, as directors that "
                "boot together do, and one gives in on the other's first advert")
def single_vip_owner(history: History) -> Finding:
    """A VIP is configured on at most one executing node, and claimed on the wire by one owner after the other."""
    tally = Tally("single VIP owner")
    for key, intervals in history.held("address"):
        for one, other in pairs(live_pieces(history, intervals)):
            verdict, at_ns = overlap(one, other)
            if verdict is not Verdict.PASS and not _settled(history, one, other):
                verdict = Verdict.UNKNOWN if _may_yet_settle(history, one, other) else verdict
                tally.add(verdict, at_ns, f"{key[1]} {_was(verdict)} configured on two executing nodes: "
                          f"{_span(history, one)} and {_span(history, other)}", *one.events, *other.events)
    _judge_claims(history, tally)
    vips = ", ".join(str(key[1]) for key, _ in history.held("address")) or "no address"
    return tally.finding(f"never had two owners: {vips}")


def _settled(history: History, before: Interval, now: Interval) -> bool:
    """Whether two had an address no longer than their stack's protocol takes: ``before`` let go of it on hearing that
    ``now`` took it, or ``now`` gave in."""
    return _let_go(before, now.start, _handover_ns(history, now)) or _gave_in(history, before, now)


def _gave_in(history: History, before: Interval, now: Interval) -> bool:
    """Whether both took an address at once, before either could hear of the other, and ``now`` let go of it then."""
    within_ns = _handover_ns(history, now)
    return (now.start.latest_ns - before.start.latest_ns <= within_ns) and _let_go(now, now.start, within_ns)


def _may_yet_settle(history: History, before: Interval, now: Interval) -> bool:
    """Whether the log ends, or is looked at, before the one who has to let go can have been heard to."""
    within_ns = _handover_ns(history, now)
    return (within_ns > 0 and before.end is None and now.end is None
            and history.log_end_ns - now.start.latest_ns <= within_ns + TRUSTED_LATE_NS)


def _let_go(interval: Interval, since: Edge, within_ns: float) -> bool:
    return (within_ns > 0 and interval.ended is Ended.RELEASED and interval.end is not None
            and interval.end.latest_ns - since.latest_ns <= within_ns)


def _handover_ns(history: History, interval: Interval) -> float:
    return history.topology.stack.handover * SECOND if interval.key[0] == "address" else 0.0


@promise("fence before takeover", order=60, safety=True, says="nothing was taken over before the fencing",
         breaks="a node took over a mount or VIP that another had not released and had not yet stopped executing;"
                " or a fencing device said \"off\" and the machine went on, or it cut another node's power")
def fence_before_takeover(history: History) -> Finding:
    """What a node did not release starts elsewhere only after that node stopped executing.

    Paused is not stopped. And a fencing device that says "off" must have cut the power, and that of its own node.
    """
    tally = Tally("fence before takeover")
    takeovers = 0
    for key, intervals in (*_not_shared(history), *history.held("address")):
        last: dict[str, Interval] = {}
        for interval in intervals:
            for node, before in last.items():
                if node != interval.node:
                    takeovers += 1
                    _judge_takeover(history, tally, key, before, interval)
            last[interval.node] = interval
    for done in history.kinds("bmc.done"):
        _judge_device(history, tally, done)
    for cut in history.kinds("power.off"):
        _judge_target(history, tally, cut)
    return tally.finding("nothing was taken over from a node that might still have used it" if takeovers
                         else "nothing was taken over")


def _not_shared(history: History) -> Iterable[tuple[Key, tuple[Interval, ...]]]:
    """The mounts that only one node may have at a time: all but those of the topology's cluster file systems."""
    shared = history.topology.cluster_mountpoints
    return ((key, intervals) for key, intervals in history.held("mount") if key[1] not in shared)


def pairs(intervals: Iterable[Interval]) -> Iterable[tuple[Interval, Interval]]:
    """Those of two nodes that are not clearly apart; ``intervals`` are sorted by start."""
    active: list[Interval] = []
    for interval in intervals:
        earliest = interval.start.earliest_ns
        active = [one for one in active if one.end is None or one.end.latest_ns > earliest]
        yield from ((one, interval) for one in active if one.node != interval.node)
        active.append(interval)


def live_pieces(history: History, intervals: Iterable[Interval]) -> list[Interval]:
    """The pieces of ``intervals`` during which their nodes executed, by start."""
    return sorted((piece for interval in intervals for piece in _while_executing(history, interval)),
                  key=lambda piece: (piece.start.latest_ns, piece.node))


def _while_executing(history: History, interval: Interval) -> Iterable[Interval]:
    """The pieces of ``interval`` during which its node executed: a paused node answers nobody."""
    for running in history.executing(interval.node):
        start = _later(interval.start, running.start)
        ends = [one.end for one in (interval, running) if one.end is not None]
        if not ends:
            yield Interval(interval.node, interval.key, start)
            continue
        end = min(ends, key=lambda edge: edge.latest_ns)
        why = interval.ended if end is interval.end else Ended.OFF
        end = Edge(min(edge.earliest_ns for edge in ends), end.latest_ns, end.event)
        if start.latest_ns < end.latest_ns:
            yield Interval(interval.node, interval.key, start, end, why)


def _later(one: Edge, other: Edge) -> Edge:
    last = max(one, other, key=lambda edge: edge.latest_ns)
    return Edge(max(one.earliest_ns, other.earliest_ns), last.latest_ns, last.event)


def _judge_claims(history: History, tally: Tally) -> None:
    """ARP on the wire: no stranger; and whoever lost the address to another claims it only if it got it again."""
    owned = {key[1]: intervals for key, intervals in history.held("address")}
    current: dict[str, Event] = {}
    lost: dict[tuple[str, str], tuple[Event, Event]] = {}
    for claim in history.kinds("arp"):
        ip, mac = str(claim.data.get("ip")), str(claim.data.get("mac")).lower()
        if ip not in owned:
            continue
        if claim.node is None:
            tally.add(Verdict.FAIL, claim.t_ns, f"a stranger, {mac}, claimed {ip} at {history.at(claim.t_ns)}", claim)
            continue
        if (ip, mac) in lost and claim.t_ns - lost[ip, mac][1].t_ns <= history.topology.stack.handover * SECOND:
            continue  # on its way to hear of the other
        before = current.get(ip)
        current[ip] = claim
        if before is not None and str(before.data["mac"]).lower() != mac:
            lost[ip, str(before.data["mac"]).lower()] = (before, claim)
        if (ip, mac) in lost:
            own, rival = lost.pop((ip, mac))
            if not (_acquired(owned[ip], claim, rival) or _outlived(history, owned[ip], claim, rival)):
                tally.add(Verdict.FAIL, claim.t_ns,
                          f"{claim.node} ({mac}) claimed {ip} at {history.at(claim.t_ns)}, though {rival.node} had "
                          f"claimed it at {history.at(rival.t_ns)} and {claim.node} had not got it again",
                          own, rival, claim)


def _acquired(intervals: Iterable[Interval], claim: Event, rival: Event) -> bool:
    """Whether the claim's node got the address since the rival's claim. Its own report may trail the wire by 1 s."""
    return any(interval.node == claim.node and interval.start.latest_ns >= rival.t_ns
               and interval.start.earliest_ns <= claim.t_ns + SECOND for interval in intervals)


def _outlived(history: History, intervals: Iterable[Interval], claim: Event, rival: Event) -> bool:
    """Whether the claim's node has the address since it and the rival took it at once, and the rival gave in."""
    return any(own.node == claim.node and other.node == rival.node and _gave_in(history, own, other)
               and other.start.earliest_ns - SECOND <= rival.t_ns <= other.end.latest_ns
               and own.start.latest_ns <= other.start.latest_ns and (own.end is None or own.end.latest_ns >= claim.t_ns)
               for own in intervals for other in intervals)


def _judge_takeover(history: History, tally: Tally, key: Key, before: Interval, now: Interval) -> None:
    came_after = False if before.end is None else after(before.end, now.start)
    if came_after or _settled(history, before, now):
        return
    at_ns = now.start.latest_ns
    power = history.power_at(before.node, at_ns)
    doing = {ON: "went on executing", PAUSED: "was only paused, not fenced", OFF: "was off"}[power]
    fate = {Ended.OPEN: "it never released it", Ended.RELEASED: "it released it only",
            Ended.OFF: "it was powered off only", Ended.VOID: "its agent restarted"}[before.ended]
    when = "" if before.end is None else f" at {history.at(before.end.latest_ns)}"
    may_settle = _may_yet_settle(history, before, now)
    doubt = ("; but there the log ends" if may_settle else "" if came_after is False
             else "; within the error bounds it may have been the other way round")
    tally.add(Verdict.FAIL if came_after is False and not may_settle else Verdict.UNKNOWN, at_ns,
              f"{now.node} {action(key)} at {history.at(at_ns)} while {before.node}, which had it since "
              f"{history.at(before.start.latest_ns)}, {doing}: {fate}{when}{doubt}", *before.events, *now.events)


def _judge_device(history: History, tally: Tally, done: Event) -> None:
    """A ``bmc.done`` that says the power was cut: it must have been."""
    if done.node is None or done.data.get("action") not in CUTTING or not done.data.get("ok"):
        return
    asked_ns = max((event.t_ns for event in history.by_kind.get("bmc.request", ())
                    if event.node == done.node and event.data.get("action") == done.data["action"]
                    and event.t_ns <= done.t_ns), default=done.t_ns - _BMC_ASKED_NS)
    limit_ns = done.t_ns + BMC_TOLERANCE_NS
    for interval in history.power.get(done.node, ()):
        if interval.value == OFF and interval.start.earliest_ns <= limit_ns and (
                interval.end is None or interval.end.latest_ns >= asked_ns):
            return
    # a log that ends at once can't show what came next
    verdict = Verdict.FAIL if history.log_end_ns >= limit_ns else Verdict.UNKNOWN
    tally.add(verdict, done.t_ns, f"the fencing device of {done.node} said \"{done.data['action']}\" was done at "
              f"{history.at(done.t_ns)}, but the machine went on executing", done)


def _judge_target(history: History, tally: Tally, cut: Event) -> None:
    """A fencing device that was asked to cut its node's power and cuts another's, which nobody asked for."""
    if cut.data.get("why") != "fence":
        return
    asked = [event for event in history.by_kind.get("bmc.request", ())
             if event.data.get("action") in CUTTING and event.t_ns <= cut.t_ns]
    if any(event.node == cut.node for event in asked):
        return
    for request in asked:
        done = any(event.node == request.node and event.data.get("action") == request.data["action"]
                   and request.t_ns <= event.t_ns < cut.t_ns for event in history.by_kind.get("bmc.done", ()))
        if not done:
            tally.add(Verdict.FAIL, cut.t_ns, f"{cut.node} was fenced at {history.at(cut.t_ns)}, though only the "
                      f"fencing device of {request.node} had been asked for \"{request.data['action']}\" (at "
                      f"{history.at(request.t_ns)}): it is wired to another node", request, cut)
            return


def _was(verdict: Verdict) -> str:
    return "was" if verdict is Verdict.FAIL else "may have been"


def _span(history: History, interval: Interval) -> str:
    end = "the end of the log" if interval.end is None else history.at(interval.end.latest_ns)
    return f"{interval.node} from {history.at(interval.start.latest_ns)} to {end}"
