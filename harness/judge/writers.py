"""At most one node writes to a shared disk, as the storage network shows it.

Mount tables tell what a node believes; a write command on the wire is what the disk gets. The stamps are the kernel's,
exact to a millisecond; one event stands for the writes of up to 100 ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from fenceline.judge.exclusive import CUTTING
from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, SECOND, Edge, Ended, History, Interval
from fenceline.judge.promise import promise
from fenceline.judge.replicas import judge_primaries
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: What a machine had given to its card when it stopped may still pass the switch for so long (ns).
DRAIN_NS = SECOND // 10
#: Checking and mounting a file system writes before the mount is there, for so long (ns) at most ...
MOUNTING_NS = 10 * SECOND
#: ... and unmounting writes what is left after it is gone.
UNMOUNTING_NS = 5 * SECOND
#: An agent that was not heard for so long (ns) around a write does not prove that the mount was not there.
UNHEARD_NS = SECOND


@promise("single writer", order=20, safety=True, says="the shared disk never had two writers",
         breaks="at the storage, two nodes wrote to one LUN or NFS export in turn without a hand-over, or a "
                "fenced node went on writing; a DRBD resource without `dual_primary` had two primaries at once")
def single_writer(history: History) -> Finding:
    """No two nodes write to a disk by turns unless it was handed over; none writes once it was fenced, or without
    having the file system mounted.

    Of a DRBD resource at most one node is primary: nobody else can write to it.

    A node that was seen to write, then another, then the first again must have mounted the file system anew in between.
    Cluster file systems, which are made for many writers, and disks without a file system are left out of that.
    """
    tally = Tally("single writer")
    writes: dict[str, list[Event]] = defaultdict(list)
    for event in history.kinds("write"):
        if event.node is not None:
            writes[str(event.data.get("lun"))].append(event)
    for lun, events in writes.items():
        _judge_fenced(history, tally, lun, events)
        mounts = _mounts(history, lun)
        if mounts is not None:
            _judge_turns(history, tally, lun, events, mounts)
            _judge_mounted(history, tally, lun, events, mounts)
    primaries = judge_primaries(history, tally)
    if not writes:
        return tally.finding(f"one primary at a time ({primaries})" if primaries else
                             "not judged: no write was seen on the storage network")
    said = "; ".join([*(f"{lun}: {', '.join(sorted({event.node for event in events}))}"
                        for lun, events in writes.items()), *([primaries] if primaries else [])])
    count = sum(int(event.data.get("count", 1)) for events in writes.values() for event in events)
    shared = [lun for lun in writes if _is_shared(history, lun)]
    how = "by one node at a time" if len(shared) < len(writes) else "none of them by a node that was off or fenced"
    return tally.finding(f"{count} writes, {how} ({said})")


def _is_shared(history: History, lun: str) -> bool:
    """Whether the topology has a cluster file system on ``lun``."""
    return any(lun in part.disks.values() and part.mountpoint in history.topology.cluster_mountpoints
               for service in history.topology.services.values() for part in service.filesystems)


def _mounts(history: History, lun: str) -> dict[str, list[Interval]] | None:
    """When each node had the file system of ``lun`` mounted; None where it has none that only one may mount."""
    for part in (part for service in history.topology.services.values() for part in service.filesystems):
        if lun not in part.disks.values():
            continue
        if _is_shared(history, lun):
            return None
        found: dict[str, list[Interval]] = defaultdict(list)
        for interval in history.facts.get(("mount", part.mountpoint), ()):
            found[interval.node].append(interval)
        return found
    return None


def _judge_fenced(history: History, tally: Tally, lun: str, events: list[Event]) -> None:
    """Nothing comes from a node that is off, whether its power says so or only its fencing device."""
    for event in events:
        first_ns = event.t_ns - event.late_ns
        for interval in history.power.get(event.node, ()):
            if interval.value != OFF or interval.start.event is None:
                continue
            until_ns = interval.end.earliest_ns if interval.end is not None else history.log_end_ns + 1
            if interval.start.latest_ns + DRAIN_NS < event.t_ns < until_ns:
                tally.add(Verdict.FAIL, event.t_ns, f"{event.node} wrote to {lun} at {history.at(event.t_ns)}, though "
                          f"it was off since {history.at(interval.start.latest_ns)}", interval.start.event, event)
        done = _last_fencing(history, event.node, first_ns - DRAIN_NS)
        if done is not None and not _restarted(history, event.node, done, first_ns):
            tally.add(Verdict.FAIL, event.t_ns, f"{event.node} wrote to {lun} at {history.at(event.t_ns)}, though its "
                      f"fencing device had said \"{done.data.get('action')}\" done at {history.at(done.t_ns)}",
                      done, event)


def _last_fencing(history: History, node: str, before_ns: int) -> Event | None:
    done = [event for event in history.by_kind.get("bmc.done", ()) if event.node == node and event.t_ns <= before_ns
            and event.data.get("ok") and event.data.get("action") in CUTTING]
    return done[-1] if done else None


def _restarted(history: History, node: str, done: Event, until_ns: int) -> bool:
    """Whether ``node`` was really off and on again around ``done``, which is stamped by another thread."""
    return any(event.node == node and done.t_ns - 10 * SECOND <= event.t_ns <= until_ns
               for event in history.by_kind.get("power.on", ()) if not event.data.get("baseline"))


def _judge_turns(history: History, tally: Tally, lun: str, events: list[Event],
                 mounts: dict[str, list[Interval]]) -> None:
    """Whoever writes after another did must have mounted it since the other's last write before that."""
    stamps: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        for other, theirs in stamps.items():
            if other == event.node:
                continue
            between = theirs[-1]
            mounted_ns = _mounted_since(mounts.get(event.node, []), event)
            own = stamps.get(event.node)
            together = between.t_ns > event.t_ns - event.late_ns and event.late_ns > 2 * DRAIN_NS // 100
            if together and between.t_ns - between.late_ns < event.t_ns:
                _tell_turn(history, tally, lun, own[-1] if own else event, between, event)
            elif mounted_ns is not None and between.t_ns > mounted_ns and (
                    own and between.t_ns > own[-1].t_ns or _holds(mounts, other, event.t_ns)):
                _tell_turn(history, tally, lun, own[-1] if own else None, between, event)
        stamps[event.node].append(event)


def _tell_turn(history: History, tally: Tally, lun: str, own: Event | None, between: Event, event: Event) -> None:
    before = f"had written at {history.at(own.t_ns)}, then " if own is not None and own is not event else ""
    tally.add(Verdict.FAIL, event.t_ns, f"{lun} had two writers: {event.node} {before}{between.node} wrote at "
              f"{history.at(between.t_ns)} and {event.node} at {history.at(event.t_ns)}, without a hand-over",
              own, between, event)


def _mounted_since(intervals: list[Interval], event: Event) -> int | None:
    """When (ns) the mount began under which ``event`` was written: in force then, about to be, or the last before. None
    where that one ended with the node's power: what is written after that is written under a mount not told of yet."""
    current = [interval for interval in intervals if interval.start.earliest_ns - MOUNTING_NS <= event.t_ns]
    if not current or _is_gone(current[-1], event):
        return None
    return current[-1].start.latest_ns


def _is_gone(interval: Interval, event: Event) -> bool:
    """Whether the node of ``interval`` had lost its power, and with it the mount, before ``event`` was written."""
    return (interval.end is not None and interval.ended is Ended.OFF
            and event.t_ns - event.late_ns > interval.end.latest_ns + DRAIN_NS)


def _holds(mounts: dict[str, list[Interval]], node: str, ns: int) -> bool:
    """Whether ``node`` certainly had it mounted at ``ns``."""
    return any(interval.start.latest_ns <= ns and (interval.end is None or ns < interval.end.earliest_ns)
               for interval in mounts.get(node, ()))


def _judge_mounted(history: History, tally: Tally, lun: str, events: list[Event],
                   mounts: dict[str, list[Interval]]) -> None:
    """A write without a mount. Where the agent was not heard around it, the mount may have been there: then it is open
    whether there were two, unless no other node may have had it, which makes the writer the only one either way."""
    heard: dict[str, list[int]] = defaultdict(list)
    for event in history.events:
        if event.source == "guest" and event.node is not None:
            heard[event.node].append(event.t_ns)
    bare = [event for event in events
            if not any(_is_near(interval, event) and not _is_gone(interval, event)
                       for interval in mounts.get(event.node, ()))]
    for event in bare:
        times = heard[event.node]
        index = bisect_right(times, event.t_ns)
        close = [abs(times[at] - event.t_ns) for at in (index - 1, index) if 0 <= at < len(times)]
        certain = len(close) == 2 and max(close) <= UNHEARD_NS
        if not certain and not _others_may_write(mounts, bare, event):
            continue
        doubt = "" if certain else "; its agent was not heard around then, and may not have told of the mount"
        tally.add(Verdict.FAIL if certain else Verdict.UNKNOWN, event.t_ns, f"{event.node} wrote to {lun} at "
                  f"{history.at(event.t_ns)} without having it mounted{doubt}", event)


def _others_may_write(mounts: dict[str, list[Interval]], bare: list[Event], event: Event) -> bool:
    """Whether another node than the writer of ``event`` may have had the file system then, have been mounting or
    unmounting it, or wrote without a mount that was told, too."""
    if any(_is_near(interval, event) and not _is_gone(interval, event)
           for node, intervals in mounts.items() if node != event.node for interval in intervals):
        return True
    return any(other.node != event.node and abs(other.t_ns - event.t_ns) <= MOUNTING_NS for other in bare)


def _is_near(interval: Interval, event: Event) -> bool:
    end: Edge | None = interval.end
    return (interval.start.earliest_ns - MOUNTING_NS <= event.t_ns
            and (end is None or event.t_ns - event.late_ns <= end.latest_ns + UNMOUNTING_NS))
