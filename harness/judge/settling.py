"""What is still open in a log that goes on: an outage, a fencing, a fault that can't have shown yet.

Each matter is due at a moment that follows from the topology. Who plays waits for it before the log is closed; a matter
that is past its moment is none: then the checks have all that they need to decide. Times in ns of the host's
CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fenceline.judge.announcements import awaited
from fenceline.judge.demand import cut_off, obstacle, unfenceable
from fenceline.judge.exclusive import CUTTING
from fenceline.judge.faultlog import (
    FaultRecord,
    Impairment,
    ends_ns,
    fault_records,
    impairments,
    serves_clients,
    was_off,
)
from fenceline.judge.history import OFF, SECOND, History
from fenceline.judge.liveness import due_ns, expected_outages, slowdown
from fenceline.judge.outages import outages
from fenceline.judge.requests import Request, served
from fenceline.judge.routed import still_away
from fenceline.model.cost import Cost
from fenceline.model.event import Event, is_fencing
from fenceline.model.fencing import SBD
from fenceline.model.topology import Topology

#: What a client waits for an answer, and a little more (ns): a service that hangs shows by then.
SHOWN_NS = 3 * SECOND // 2
#: What the cluster software takes (s) from a lost node to its first act, beside its own timers.
_ACT_S = 2.0
#: Events that may close a matter, or open one, beside good answers.
_TELLING = frozenset({"power.on", "power.off", "power.paused", "power.resumed", "bmc.request", "bmc.done", "quorum",
                      "mount", "address", "arp.sent", "listen", "agent.start", "fault.healed", "drbd.role",
                      "drbd.disk"})


@dataclass(frozen=True, slots=True)
class Matter:
    """``what`` is open, in words, and worth waiting for until ``due_ns``."""

    what: str
    due_ns: int


def open_matters(history: History, now_ns: int) -> list[Matter]:
    """What is open at ``now_ns``, the end of ``history``; empty where everything has settled."""
    impaired = impairments(history)[-1][1]
    records = [record for record in fault_records(history) if record.injected_ns is not None and not record.unconfirmed]
    found = [*_timed(history, records), *_unshown(history, records), *_fencings(history, impaired),
             *_unanswered(history, records, impaired), *_stopped(history), *_away(history),
             *(Matter(f"the announcement of {ip} by {node}", due_ns) for ip, node, due_ns in awaited(history))]
    return [matter for matter in found if matter.due_ns > now_ns]


def tells(event: Event) -> bool:
    """Whether ``event`` may have closed a matter, or opened one."""
    return event.kind in _TELLING or (event.kind in ("reply", "reply.routed", "append") and bool(event.data["ok"]))


def detection_s(topology: Topology) -> float:
    """Within what time (s) the cluster of ``topology`` notices that a member is gone, and begins to act."""
    return topology.stack.detection_s + _ACT_S


def _timed(history: History, records: Iterable[FaultRecord]) -> Iterable[Matter]:
    """Faults that end by themselves, and have not."""
    for record in records:
        end_ns = ends_ns(record)
        if end_ns is not None and record.healed_ns is None and not was_off(history, record):
            yield Matter(f"{record.title}, which lasts {float(record.begin.data['lasts_s']):g} s", end_ns)


def _unshown(history: History, records: Iterable[FaultRecord]) -> Iterable[Matter]:
    """Faults so young that what they do can't have shown: who was lost is not yet missed, nor fenced."""
    topology = history.topology
    scale = slowdown(history)
    for record in records:
        since_ns, cost = record.injected_ns or 0, record.cost
        fenced = {node for node in topology.cluster_nodes if _was_fenced(history, node, since_ns)}
        gone = _gone(topology, cost, fenced)
        moves = cost.left | cost.unfit | {node for _, node in cost.unfit_for}
        if not (gone or moves or cost.disturbed or cost.stopped):
            continue
        waits = [SHOWN_NS] + [_fenced_by(topology, node, scale) for node in gone]
        if moves:
            waits.append(round(detection_s(topology) * scale * SECOND))
        yield Matter(f"{record.title}, which may not have shown yet", since_ns + max(waits))


def _gone(topology: Topology, cost: Cost, fenced: Collection[str]) -> frozenset[str]:
    """The members whom the cluster may have to make safe yet, for what a fault ``cost``, after it fenced ``fenced``.

    With them a split is decided: of two that don't hear each other, there is nothing to be done with the one that is
    left.
    """
    apart = cut_off(topology, cost | Cost(lost=frozenset(fenced)))
    return frozenset(topology.service_nodes) & (cost.lost | cost.victims | apart) - frozenset(fenced)


def _fenced_by(topology: Topology, node: str, scale: float) -> int:
    """Within what time (ns) the fencing of ``node`` shows, if it comes."""
    seconds = detection_s(topology)
    fencing = topology.fencing
    if fencing.method != "none":
        seconds += fencing.delay.get(node, 0.0) + fencing.delay_max + fencing.priority_delay
    if SBD in fencing.devices and fencing.sbd is not None:
        seconds += fencing.sbd.message_wait  # nobody is seen to ask a device: the pill is read, or the watchdog fires
    return round(seconds * scale * SECOND)


def _was_fenced(history: History, node: str, since_ns: int) -> bool:
    return any(event.node == node and event.t_ns >= since_ns and is_fencing(event)
               for event in history.by_kind.get("power.off", ()))


def _fencings(history: History, impaired: Impairment) -> Iterable[Matter]:
    """Fencing devices that were told to cut a node's power, which is on still."""
    timeout_ns = round(history.topology.fencing.timeout * slowdown(history) * SECOND)
    last: dict[str, Event] = {}
    for event in history.kinds("bmc.request", "bmc.done", "power.off"):
        if event.kind == "bmc.request" and event.data.get("action") in CUTTING:
            last[str(event.node)] = event
        elif event.kind == "power.off" or (event.data.get("action") in CUTTING and event.data.get("ok")):
            last.pop(str(event.node), None)
    out = unfenceable(history.topology, impaired.cost)
    for node, event in last.items():
        # one that doesn't work answers nobody: its node is not waited for
        if node not in out and history.power_at(node, history.log_end_ns) != OFF:
            yield Matter(f"the fencing of {node}", event.t_ns + timeout_ns)


def _unanswered(history: History, records: Iterable[FaultRecord], impaired: Impairment) -> Iterable[Matter]:
    """Services whose node was lost to a fault in force, and which nobody who may serve has answered since."""
    out = impaired.cost.lost | impaired.cost.left | impaired.cost.unfit
    excused = expected_outages(history)
    for name, service in history.topology.services.items():
        if not serves_clients(service) or name in excused or obstacle(history.topology, name, impaired.cost):
            continue
        requests: list[Request] | None = None
        for record in records:
            if record.healed_ns is not None or record.injected_ns is None:
                continue
            requests = served(history, name) if requests is None else requests
            owner = _owner(history, name, requests, record.injected_ns)
            if owner not in record.cost.lost | record.cost.left:
                continue
            if not _is_answered(history, name, requests, record.injected_ns, out):
                seconds = service.failover_budget + impaired.cost.slower_s
                yield Matter(f"an answer of {name}, which {owner} had", record.injected_ns + round(seconds * SECOND))


def _stopped(history: History) -> Iterable[Matter]:
    """Machines that have stopped so lately that a client of theirs may wait for its answer still."""
    excused = expected_outages(history)
    for event in history.kinds("power.off", "power.paused"):
        due_ns = event.t_ns + SHOWN_NS
        if due_ns <= history.log_end_ns:
            continue
        for name, service in history.topology.services.items():
            if not serves_clients(service) or name in excused:
                continue
            requests, out = served(history, name), frozenset({event.node})
            if (_owner(history, name, requests, event.t_ns) == event.node
                    and not _is_answered(history, name, requests, event.t_ns, out)):
                yield Matter(f"the end of {event.node}, which may not have shown yet", due_ns)


def _owner(history: History, name: str, requests: list[Request], ns: int) -> str | None:
    """Who served ``name`` just before ``ns``."""
    service = history.topology.services[name]
    if service.real_servers and service.vip is not None:
        return history.holder(("address", str(service.vip.address)), ns)
    return next((request.event.data.get("from") for request in reversed(requests)
                 if request.ok and request.t_ns <= ns), None)


def _is_answered(history: History, name: str, requests: list[Request], since_ns: int, out: frozenset[str]) -> bool:
    """Whether somebody who may serve has answered what was asked after ``since_ns``."""
    service = history.topology.services[name]
    if service.real_servers and service.vip is not None:
        director = history.holder(("address", str(service.vip.address)), history.log_end_ns)
        if director is None or director in out:
            return False
    return any(request.ok and not request.slow and request.sent_ns > since_ns
               and request.event.data.get("from") not in out for request in reversed(requests))


def _away(history: History) -> Iterable[Matter]:
    """Outages that have not ended, until their budget is used up."""
    when = impairments(history)
    excused = expected_outages(history)
    for outage in outages(history):
        if outage.end_ns is None and outage.service not in excused:
            due = due_ns(history, outage, when)
            if due is not None:
                yield Matter(f"{outage.service}, which does not answer", due)
    for service, due in still_away(history):
        yield Matter(f"{service}, which does not answer clients behind a router", due)
