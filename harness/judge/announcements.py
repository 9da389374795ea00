"""Whether a new owner of an address told everybody: who keeps neighbour entries sends to the old one until he hears it.

Judged by what left the owner's own cable: an announcement that is lost on its way was made. What that costs shows at
the client behind a router (``fenceline.judge.routed``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from fenceline.judge.findings import CLEAN_GAP_NS, TRUSTED_LATE_NS, Tally
from fenceline.judge.history import SECOND, Edge, Ended, History, Interval
from fenceline.judge.host import LITTLE, host_took
from fenceline.judge.liveness import slowdown
from fenceline.judge.promise import promise
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: A new owner announces itself within this (ns). A VRRP master does it at once (RFC 5798, 6.4.2); IPaddr2 runs send_arp
#: when it has the address: five announcements, 200 ms apart (arp_count, arp_interval), so that the last is out after
#: 1 s. The rest is for its shell: 0.2 to 0.3 s were measured on machines that had the CPU.
WITHIN_NS = 2 * SECOND


@promise("new owner announces itself", order=220, says="the new owner announced itself",
         breaks="who took a VIP over from another node, once the cluster was ready, sent no gratuitous ARP within"
                " 2 s (VRRP sends it at once, RFC 5798; all five of IPaddr2 are out after 1 s). Seen on its own "
                "cable, before any rule of the switch: an announcement that is dropped on its way was made. "
                "UNKNOWN where the cable was not watched")
def announces(history: History) -> Finding:
    """Who takes a VIP over from another node, once the cluster is ready, announces it within ``WITHIN_NS``.

    Not judged of one that gave it up or stopped before that, or whose cable was out; UNKNOWN where nobody watched its
    cable, or the log ends too early.
    """
    tally = Tally("new owner announces itself")
    slowest: tuple[float, str] | None = None
    takeovers = 0
    for ip, before, now in _takeovers(history):
        takeovers += 1
        took_s = _judge(history, tally, ip, before, now)
        if took_s is not None and (slowest is None or took_s > slowest[0]):
            slowest = (took_s, f"{now.node} {ip}")
    if slowest is None:
        return tally.finding("no address was taken over" if not takeovers else "no takeover lasted until it was due")
    return tally.finding(f"every new owner announced itself, {slowest[1]} after {slowest[0]:.3f} s")


def awaited(history: History) -> Iterator[tuple[str, str, int]]:
    """Announcements that were not seen yet, in a log that goes on: (address, its new owner, due in ns)."""
    for ip, _, now in _takeovers(history):
        due_ns = _due_ns(history, now)
        if _held_until(history, now) >= due_ns and _announcement(history, ip, now) is None:
            yield ip, now.node, due_ns


def _takeovers(history: History) -> Iterator[tuple[str, Interval, Interval]]:
    """(address, who had it, who has it from then on), once the cluster was ready."""
    ready_ns = history.ready_ns() or history.start_ns
    for key, intervals in history.held("address"):
        for before, now in pairwise(intervals):
            if before.node != now.node and now.start.latest_ns > ready_ns:
                yield str(key[1]), before, now


def _due_ns(history: History, now: Interval) -> int:
    return (now.start.latest_ns + round(WITHIN_NS * slowdown(history))
            + _starved_ns(history, now.node, now.start))


def _judge(history: History, tally: Tally, ip: str, before: Interval, now: Interval) -> float | None:
    """Judges one takeover; returns after how many seconds it was announced, if it was in time."""
    taken = now.start
    due_ns = _due_ns(history, now)
    words = (f"{now.node} took {ip} at {history.at(taken.latest_ns)}, which {before.node} had had, and announced it")
    said = _announcement(history, ip, now)
    held_ns = _held_until(history, now)
    if said is not None and said.t_ns - said.late_ns <= due_ns:
        if said.t_ns > due_ns:
            tally.add(Verdict.UNKNOWN, said.t_ns, f"{words} at {history.at(said.t_ns)}: in time or too late, which "
                      "the error bounds leave open", *now.events, said)
        return max(said.t_ns - taken.latest_ns, 0) / SECOND
    if held_ns < due_ns:
        return None
    late = f"only at {history.at(said.t_ns)}" if said is not None else "to nobody"
    doubt = _doubt(history, now.node, taken, due_ns)
    if doubt:
        tally.add(Verdict.UNKNOWN, taken.latest_ns, f"{words} {late}, as far as was seen: {doubt}", *now.events, said)
    elif (took_s := _host_took(history, taken, said)) >= LITTLE and (
            _until(history, said) - took_s * SECOND <= due_ns):
        tally.add(Verdict.UNKNOWN, taken.latest_ns, f"{words} {late}; for {took_s:.1f} s of that time machines that "
                  "had something to do waited for a CPU of the host", *now.events, said)
    elif not _has_cable(history, now.node, taken.earliest_ns, due_ns):
        return None
    else:
        tally.add(Verdict.FAIL, taken.latest_ns, f"{words} {late}; {(due_ns - taken.latest_ns) / SECOND:g} s are "
                  "allowed", *before.events, *now.events, said)
    return None


def _until(history: History, said: Event | None) -> int:
    return history.log_end_ns if said is None else said.t_ns


def _host_took(history: History, taken: Edge, said: Event | None) -> float:
    return host_took(history.kinds("host.waited"), taken.latest_ns, _until(history, said))


def _announcement(history: History, ip: str, now: Interval) -> Event | None:
    """The first one of the new owner that was seen on its cable; in a log of before cables were watched, on the
    bridge."""
    # the kernel may tell the agent of the address after the first announcement has left
    since_ns = now.start.earliest_ns - CLEAN_GAP_NS
    return next((event for event in history.kinds("arp.sent", "arp")
                 if event.node == now.node and event.t_ns >= since_ns and event.data.get("ip") == ip
                 and event.data.get("how", "gratuitous") == "gratuitous"), None)


def _held_until(history: History, interval: Interval) -> int:
    """Until when (ns) the node certainly had the address and executed. To the end of time in a log that goes on."""
    if interval.ended is not Ended.OPEN and interval.end is not None:
        until_ns = interval.end.earliest_ns
    else:
        until_ns = history.log_end_ns + WITHIN_NS * 1000
    for running in history.executing(interval.node):
        if running.covers(interval.start.latest_ns) and running.end is not None:
            return min(until_ns, running.end.earliest_ns)
    return until_ns


def _doubt(history: History, node: str, taken: Edge, due_ns: int) -> str | None:
    """Why the absence of an announcement proves nothing; None if it does."""
    watched = history.by_kind.get("wire.watch", ())
    if not any(event.t_ns <= taken.earliest_ns for event in watched):
        return f"nobody watched the cable of {node}"
    for stall in history.kinds("observer.stall"):
        begin_ns = stall.t_ns - round(float(stall.data.get("seconds", 0)) * SECOND)
        if stall.source == "client" and stall.t_ns >= taken.earliest_ns and begin_ns <= due_ns:
            return f"the observer was stalled until {history.at(stall.t_ns)}"
    if taken.latest_ns - taken.earliest_ns > TRUSTED_LATE_NS:
        return f"the agent of {node} was late"
    if history.log_end_ns < due_ns:
        return "there the log ends"
    return None


def _starved_ns(history: History, node: str, taken: Edge) -> int:
    """For how long (ns) the guest was not run in the time that it has, as the gaps between its ticks tell."""
    ticks = [event.t_ns for event in history.by_kind.get("tick", ())
             if event.node == node and taken.latest_ns - SECOND <= event.t_ns <= taken.latest_ns + WITHIN_NS + SECOND]
    return sum(after - before for before, after in zip(ticks, ticks[1:], strict=False)
               if after - before > TRUSTED_LATE_NS)


def _has_cable(history: History, node: str, begin_ns: int, end_ns: int) -> bool:
    """Whether the cables of ``node`` in the service networks were in, all the time."""
    out: set[str] = set()
    service = set(history.topology.networks_with("service"))
    for event in history.kinds("link.down", "link.up"):
        if event.node != node or event.data.get("network") not in service:
            continue
        if event.t_ns > end_ns:
            break
        if event.kind == "link.down":
            out.add(event.data["network"])
        elif event.t_ns < begin_ns:
            out.discard(event.data["network"])
    return not out
