"""A cluster file system freezes rather than diverges: nothing is written by locks that a lost node may hold until it
was fenced, and every node reads the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fenceline.judge.exclusive import BMC_TOLERANCE_NS, CUTTING
from fenceline.judge.faultlog import fault_records
from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, SECOND, Ended, History
from fenceline.judge.ledger import without_records
from fenceline.judge.promise import promise
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: Corosync tells all who listen at the same time; the lock manager of a busy guest may act on it so much later (ns).
STOPPING_NS = SECOND
#: How the power may have gone off before, or after, whoever cut it said so (ns): stamps of two threads.
SAID_NS = BMC_TOLERANCE_NS


@dataclass(frozen=True, slots=True)
class Loss:
    """``survivor`` saw ``lost``, which had ``mountpoint`` mounted, leave the membership at ``seen`` at the latest;
    ``fenced_ns`` is when that node was known to have stopped, None if it never was; ``back_ns`` when the survivor had
    it back in its membership."""

    service: str
    mountpoint: str
    survivor: str
    lost: str
    seen: Event
    fenced_ns: int | None
    back_ns: int | None

    def until_ns(self, history: History) -> int:
        """Until when nothing may be written."""
        return min(ns for ns in (self.fenced_ns, self.back_ns, history.log_end_ns + 1) if ns is not None)


def losses(history: History) -> list[Loss]:
    """Every loss of a node that had a cluster file system mounted, as each node that stayed a member saw it, in order.

    A node that was seen to unmount it has left in peace. A fencing device's word, also that the node is off already,
    counts for a node that really was off then; so does its power being switched on again: it has forgotten all locks.
    """
    found = []
    for name, service in history.topology.services.items():
        part = service.filesystem
        if part is None or part.mountpoint not in history.topology.cluster_mountpoints:
            continue
        members: dict[str, frozenset[str]] = {}
        for event in history.kinds("quorum"):
            now = frozenset(event.data.get("members") or ())
            gone = members.get(event.node, frozenset()) - now
            members[event.node] = now
            # of who left itself, the others tell
            for lost in sorted(gone - {event.node} if event.node in now else ()):
                if _had_mounted(history, part.mountpoint, lost, event):
                    found.append(Loss(name, part.mountpoint, event.node, lost, event, _fenced(history, lost, event),
                                      _back(history, event.node, lost, event)))
    return sorted(found, key=lambda loss: loss.seen.t_ns)


@promise("cluster file system freezes", order=120, safety=True,
         breaks="a node that lost another one, which had the cluster file system mounted, acknowledged a record "
                "before that one was fenced: really off, and its device or the operator said so, or switched on "
                "again. Judged by the ledger, each of whose records needs a new lock; records sent within 1 s of "
                "the loss are left out")
def freeze_until_fenced(history: History) -> Finding:
    """No record is acknowledged by a node that lost another one before that one was fenced, or switched on again.

    Judged by records that needed a lock that nobody held: the ledger sees to that. What was sent within 1 s of the
    loss is left out: the lock manager need not have heard of it.
    """
    tally = Tally("cluster file system freezes")
    if not history.topology.cluster_mountpoints:
        return tally.finding("not judged: there is no cluster file system")
    notes = []
    for loss in losses(history):
        begin_ns, until_ns = loss.seen.t_ns + STOPPING_NS, loss.until_ns(history)
        acks = [event for event in history.by_kind.get("append", ()) if event.data.get("ok")
                and event.data.get("service") == loss.service and event.data.get("from") == loss.survivor]
        bad = [event for event in acks if event.data["sent_ns"] > begin_ns and event.t_ns < until_ns]
        if bad:
            how = "before it was fenced" if loss.fenced_ns is not None else "though it was never fenced"
            tally.add(Verdict.FAIL, bad[0].t_ns, f"{loss.survivor} acknowledged {len(bad)} records of {loss.service} "
                      f"from {history.at(bad[0].t_ns)} to {history.at(bad[-1].t_ns)}: it had lost {loss.lost} at "
                      f"{history.at(loss.seen.t_ns)}, and went on {how}", loss.seen, *bad[:5])
        else:
            notes.append(_note(history, loss, acks))
    return tally.finding("; ".join(notes) or "no node was lost that had it mounted")


def _note(history: History, loss: Loss, acks: list[Event]) -> str:
    before = max((event.t_ns for event in acks if event.t_ns <= loss.seen.t_ns), default=None)
    after = min((event.t_ns for event in acks if event.data["sent_ns"] > loss.seen.t_ns), default=None)
    last = max((event.t_ns for event in acks if after is None or event.t_ns < after), default=before)
    if last is None:
        return f"{loss.survivor} wrote nothing before it lost {loss.lost}"
    if after is None:
        return f"{loss.survivor} froze when it lost {loss.lost}, and wrote no more"
    return f"{loss.survivor} froze for {(after - last) / SECOND:.3f} s when it lost {loss.lost}"


def _had_mounted(history: History, mountpoint: str, node: str, loss: Event) -> bool:
    """Whether ``node`` may still have had it mounted when it was lost: it was off then, or has not said otherwise."""
    first_ns = loss.t_ns - loss.late_ns
    for interval in history.facts.get(("mount", mountpoint), ()):
        if interval.node != node or interval.start.earliest_ns > first_ns:
            continue
        if interval.end is None or interval.end.latest_ns >= first_ns:
            return True
        # what ended with the power was never given back; unless that was long ago, and it was a member since
        if interval.ended is not Ended.RELEASED and not _joined(history, node, interval.end.latest_ns, first_ns):
            return True
    return False


def _joined(history: History, node: str, from_ns: int, to_ns: int) -> bool:
    """Whether ``node`` itself was in a membership within the time."""
    return any(event.node == node and node in (event.data.get("members") or ())
               for event in history.between(from_ns + 1, to_ns) if event.kind == "quorum")


def _fenced(history: History, node: str, loss: Event) -> int | None:
    """When it was first known that ``node`` had stopped executing: its device, or an administrator, said so, and it was
    true; or it was switched on again."""
    begin_ns = _stopped(history, node, loss)
    for event in _words(history, node):
        if event.t_ns >= begin_ns and (event.kind == "power.on" or _was_off(history, node, begin_ns, event)):
            return event.t_ns
    return None


def _stopped(history: History, node: str, loss: Event) -> int:
    """Since when (ns) it may have been said that ``node`` stopped. One that is fenced while it is a member is seen
    to leave only afterwards."""
    begin_ns = loss.t_ns - loss.late_ns
    for interval in reversed(history.power.get(node, ())):
        if interval.value == OFF and interval.start.earliest_ns <= loss.t_ns and not _joined(
                history, node, interval.start.latest_ns, loss.t_ns):
            begin_ns = min(begin_ns, interval.start.earliest_ns - SAID_NS)
    return begin_ns


def _words(history: History, node: str) -> Iterable[Event]:
    by_hand = {record.id for record in fault_records(history)
               if record.name == "manual-fencing" and node in record.targets}
    for event in history.kinds("bmc.done", "power.on", "fault.injected"):
        if event.kind == "fault.injected":
            counts = str(event.data.get("id")) in by_hand
        elif event.kind == "power.on":
            counts = event.node == node and not event.data.get("baseline")
        else:
            counts = event.node == node and event.data.get("ok") and event.data.get("action") in {"status", *CUTTING}
        if counts:
            yield event


def _was_off(history: History, node: str, begin_ns: int, said: Event) -> bool:
    """Whether ``node`` was off at some time from ``begin_ns`` until ``said``, give or take a second."""
    return any(interval.value == OFF and interval.start.earliest_ns <= said.t_ns + SAID_NS
               and (interval.end is None or interval.end.latest_ns >= begin_ns)
               for interval in history.power.get(node, ()))


def _back(history: History, survivor: str, lost: str, loss: Event) -> int | None:
    """When ``survivor`` had ``lost`` back among its members."""
    return next((event.t_ns for event in history.by_kind.get("quorum", ()) if event.node == survivor
                 and event.t_ns > loss.t_ns and lost in (event.data.get("members") or ())), None)


@promise("same on every node", order=130, safety=True,
         breaks="a shared ledger, read through two nodes, was not the same, or the later reading did not begin "
                "with the earlier one")
def same_everywhere(history: History) -> Finding:
    """What was read of a shared ledger through one node is what was read through the others: the earlier reading is the
    beginning of the later one."""
    tally = Tally("same on every node")
    notes = []
    for name, service in history.topology.services.items():
        if service.active != "all":
            continue
        reads = sorted((event for event in history.by_kind.get("ledger.read", ())
                        if event.data.get("service") == name), key=lambda event: event.data["sent_ns"])
        for earlier, later in zip(reads, reads[1:], strict=False):
            one, other = earlier.data.get("records") or [], later.data.get("records") or []
            at = next((index for index, record in enumerate(one) if other[index:index + 1] != [record]), None)
            if at is not None:
                there = other[at] if at < len(other) else "nothing"
                tally.add(Verdict.FAIL, later.t_ns, f"the ledger of {name} differs: read through "
                          f"{earlier.data.get('from')} at {history.at(earlier.t_ns)}, line {at + 1} is {one[at]}, and "
                          f"through {later.data.get('from')} at {history.at(later.t_ns)} it is {there}",
                          without_records(earlier), without_records(later))
        through = sorted({str(event.data.get("from")) for event in reads})
        if reads:
            notes.append(f"{name}, read {len(reads)} times through {', '.join(through)}, was the same")
    return tally.finding("; ".join(notes) or "not judged: no shared ledger was read")
