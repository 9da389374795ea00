"""What the timeline shows, read from the event log: states as spans, replies, faults. Nothing is drawn.

All times are in ns of the host's CLOCK_MONOTONIC, as they are in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Judgement, Verdict

SECOND = 1_000_000_000
LONG_LOG_S = 30.0  # a log that is longer is cut to its interesting part
WRITES_APART_S = 0.5  # writes that are no further apart are drawn as one bar
MARGIN_S = 5.0     # shown before the first fault and after the last recovery


@dataclass(frozen=True, slots=True)
class Span:
    """``state`` held from ``start_ns`` to ``end_ns``; ``label`` says more in words."""

    start_ns: int
    end_ns: int
    state: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """A fault in force; ``healed`` is False where the log ends before it was undone."""

    fault: str
    targets: tuple[str, ...]
    start_ns: int
    end_ns: int
    healed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the log that is shown; ``zero_ns`` is the log's start, the origin of all seconds."""

    zero_ns: int
    start_ns: int
    end_ns: int
    log_end_ns: int

    @property
    def is_cut(self) -> bool:
        """Whether some of the log is left out."""
        return self.start_ns > self.zero_ns or self.end_ns < self.log_end_ns

    def seconds(self, t_ns: int) -> float:
        """``t_ns`` in s since the log's start."""
        return (t_ns - self.zero_ns) / SECOND


def in_order(events: Iterable[Event]) -> list[Event]:
    """``events`` by time; those of one moment stay in the log's order."""
    return sorted(events, key=lambda event: event.t_ns)


def window_of(events: Sequence[Event], judgement: Judgement) -> Window:
    """The interesting part of ``events`` (in order): all of a short log; of a long one what lies between 5 s
    before the first fault and 5 s after the last recovery. A broken promise or an outage is never cut off."""
    if not events:
        return Window(0, 0, SECOND, SECOND)
    zero, end = events[0].t_ns, max(events[-1].t_ns, events[0].t_ns + SECOND)
    moments = [event.t_ns for event in events if event.kind.startswith("fault.")]
    for outage in judgement.outages:
        moments += [outage.start_ns, end if outage.end_ns is None else outage.end_ns]
    moments += [finding.at_ns for finding in judgement.findings
                if finding.at_ns is not None and (finding.verdict is not Verdict.PASS
                                                  or finding.reason.startswith(BROKEN_AS_EXPECTED))]
    if not moments or end - zero <= LONG_LOG_S * SECOND:
        return Window(zero, zero, end, end)
    margin = int(MARGIN_S * SECOND)
    shown_end = min(end, max(moments) + margin)
    start = min(max(zero, min(moments) - margin), shown_end - SECOND)
    return Window(zero, start, shown_end, end)


def scenario_of(events: Iterable[Event]) -> dict[str, object]:
    """The data of ``scenario.begin`` (name, feature, tags, seed); empty where there is none."""
    return next((event.data for event in events if event.kind == "scenario.begin"), {})


class _Tracker:
    """Collects spans of one state: ``set`` ends the span before; None is "not known"."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: tuple[int, str, str] | None = None

    def set(self, t_ns: int, state: str | None, label: str = "") -> None:
        if self._open is not None:
            start, old, old_label = self._open
            if (old, old_label) == (state, label):
                return
            if t_ns > start:
                self.spans.append(Span(start, t_ns, old, old_label))
        self._open = None if state is None else (t_ns, state, label)

    def done(self, end_ns: int) -> list[Span]:
        # a state that was seen last in the very last event still deserves a visible span
        self.set(max(end_ns, self._open[0] + 1) if self._open else end_ns, None)
        return self.spans


def power_spans(events: Sequence[Event], node: str, end_ns: int) -> list[Span]:
    """States "on", "paused" and "off" of ``node``; the label of "off" says why."""
    tracker = _Tracker()
    for event in events:
        if event.node != node:
            continue
        if event.kind in ("power.on", "power.resumed"):
            tracker.set(event.t_ns, "on")
        elif event.kind == "power.paused":
            tracker.set(event.t_ns, "paused", "paused")
        elif event.kind == "power.off":
            why = event.data.get("why")
            tracker.set(event.t_ns, "off", f"off ({why})" if why else "off")
    return tracker.done(end_ns)


def link_spans(events: Sequence[Event], node: str, end_ns: int) -> list[Span]:
    """State "cut" while any cable of ``node`` was cut; the label names the networks."""
    tracker, cut = _Tracker(), []
    for event in events:
        if event.node != node or event.kind not in ("link.down", "link.up"):
            continue
        network = str(event.data.get("network", "?"))
        cut = [name for name in cut if name != network] + ([network] if event.kind == "link.down" else [])
        tracker.set(event.t_ns, "cut" if cut else None, f"{', '.join(cut)} cut" if cut else "")
    return tracker.done(end_ns)


def _forgotten(event: Event, node: str) -> bool:
    """Whether ``event`` voids what the guest's agent had said: it was restarted, or its machine stopped."""
    return event.node == node and event.kind in ("agent.start", "power.off")


def quorum_spans(events: Sequence[Event], node: str, end_ns: int) -> list[Span]:
    """States "quorate" and "inquorate" as ``node`` itself sees it; the label names the members."""
    tracker = _Tracker()
    for event in events:
        if _forgotten(event, node):
            tracker.set(event.t_ns, None)
        elif event.kind == "quorum" and event.node == node:
            members = [str(name) for name in event.data.get("members") or ()]
            quorate = bool(event.data.get("quorate"))
            tracker.set(event.t_ns, "quorate" if quorate else "inquorate",
                        " ".join(members) if quorate else "no quorum")
    return tracker.done(end_ns)


def guest_spans(events: Sequence[Event], node: str, kind: str, key: str, value: object,
                end_ns: int) -> list[Span]:
    """State "yes" while the agent on ``node`` said so, for ``kind`` mount, address or listen where data[key]
    is ``value``."""
    tracker, flag = _Tracker(), "mounted" if kind == "mount" else "present"
    for event in events:
        if _forgotten(event, node):
            tracker.set(event.t_ns, None)
        elif event.kind == kind and event.node == node and event.data.get(key) == value:
            tracker.set(event.t_ns, "yes" if event.data.get(flag) else None)
    return tracker.done(end_ns)


def arp_owner_spans(events: Sequence[Event], node: str, ip: str, end_ns: int) -> list[Span]:
    """State "yes" while the wire last named ``node`` as the owner of ``ip``."""
    tracker = _Tracker()
    for event in events:
        if event.kind == "arp" and event.data.get("ip") == ip:
            tracker.set(event.t_ns, "yes" if event.node == node else None)
    return tracker.done(end_ns)


def drbd_spans(events: Sequence[Event], node: str, resource: object, end_ns: int) -> list[Span]:
    """States "primary", "secondary" and "behind" (its disk is not up to date) of the replica on ``node``; the label
    says too when it is not connected."""
    tracker = _Tracker()
    told: dict[str, str] = {}
    for event in events:
        if _forgotten(event, node):
            told.clear()
        elif event.node == node and event.data.get("resource") == resource and event.kind in (
                "drbd.role", "drbd.connection", "drbd.disk"):
            told |= {key: str(event.data.get(key)) for key in ("role", "connection", "disk") if key in event.data}
        else:
            continue
        role, disk = told.get("role"), told.get("disk")
        if role not in ("Primary", "Secondary"):
            tracker.set(event.t_ns, None)
            continue
        words = [role.lower(), *(word for word in (disk, told.get("connection"))
                                 if word not in ("UpToDate", "Connected", "Unconfigured", None))]
        state = "primary" if role == "Primary" else "secondary" if disk == "UpToDate" else "behind"
        tracker.set(event.t_ns, state, ", ".join(words))
    return tracker.done(end_ns)


def write_spans(events: Sequence[Event], node: str, lun: object) -> list[Span]:
    """State "yes" while ``node`` was seen to write to ``lun``; the label counts the writes. Those that are no further
    apart than ``WRITES_APART_S`` are one span."""
    spans: list[Span] = []
    count = 0
    for event in events:
        if event.kind != "write" or event.node != node or event.data.get("lun") != lun:
            continue
        start, number = event.t_ns - event.late_ns, int(event.data.get("count", 1))
        if spans and start - spans[-1].end_ns <= WRITES_APART_S * SECOND:
            start, count = spans.pop().start_ns, count + number
        else:
            count = number
        spans.append(Span(start, event.t_ns, "yes", str(count)))
    return spans


def answering_spans(events: Sequence[Event], service: str, end_ns: int) -> list[Span]:
    """Which node the good replies of ``service`` came from, as state; a failed reply ends a span."""
    tracker, last_ns = _Tracker(), None
    for event in events:
        if event.kind == "reply" and event.data.get("service") == service:
            good, sender = bool(event.data.get("ok")), event.data.get("from")
            if last_ns is not None and (not good or event.t_ns - last_ns > SECOND):
                tracker.set(last_ns, None)  # silence is no answer: the span ends with the last good reply
            if good:
                tracker.set(event.t_ns, str(sender or "?"), str(sender or "?"))
                last_ns = event.t_ns
            else:
                last_ns = None
    return tracker.done(end_ns if last_ns is None else last_ns)


def fault_spans(events: Sequence[Event], end_ns: int) -> list[FaultSpan]:
    """Every fault from its injection to its heal, in the order of injection."""
    begun: dict[object, Event] = {}
    injected: dict[object, Event] = {}
    ended: dict[object, Event] = {}
    notes: dict[object, str] = {}
    for event in events:
        if not event.kind.startswith("fault."):
            continue
        ident = event.data.get("id")
        if event.kind == "fault.begin":
            begun.setdefault(ident, event)
        elif event.kind == "fault.injected":
            injected.setdefault(ident, event)
        elif event.kind == "fault.healed":
            ended.setdefault(ident, event)
        elif event.kind == "fault.unconfirmed":
            notes[ident] = "NOT CONFIRMED"
        elif event.kind == "fault.unhealed":
            notes[ident] = "NOT HEALED"
    spans = []
    for ident in dict.fromkeys([*begun, *injected]):
        start = injected.get(ident) or begun[ident]
        data = begun[ident].data if ident in begun else {}
        end = ended.get(ident)
        name = str(data.get("fault") or ident or "fault")
        targets = tuple(str(target) for target in data.get("targets") or ())
        spans.append(FaultSpan(name, targets, start.t_ns, max(end.t_ns if end else end_ns, start.t_ns),
                               end is not None, notes.get(ident, "")))
    return sorted(spans, key=lambda span: span.start_ns)


def services_of(events: Iterable[Event], topology: Topology | None) -> list[str]:
    """The services that have a client lane: the topology's, then what else the log has replies of."""
    seen = [str(event.data.get("service")) for event in events if event.kind == "reply"]
    return list(dict.fromkeys([*(topology.services if topology else ()), *seen]))


def watched(events: Iterable[Event], topology: Topology | None) -> list[tuple[str, str, object, str]]:
    """What of each node is shown: shared mounts, addresses, ports; as (kind, key in its data, value, lane's
    name)."""
    events = list(events)
    found: list[tuple[str, str, object]] = []
    for service in topology.services.values() if topology else ():
        found += [("mount", "mountpoint", part.mountpoint) for part in service.filesystems]
        found += [("address", "ip", str(part.address)) for part in service.vips]
        if service.daemon:
            found.append(("listen", "port", service.daemon.port))
    if topology is None:
        keys = {"mount": "mountpoint", "address": "ip", "arp": "ip", "listen": "port"}
        for event in events:
            if event.kind in keys:
                key = keys[event.kind]
                found.append(("address" if event.kind == "arp" else event.kind, key, event.data.get(key)))
    names = {"mount": "mount", "address": "VIP", "listen": "port"}
    order = list(names)
    return [(*item, f"{names[item[0]]} {item[2]}")
            for item in sorted(dict.fromkeys(found), key=lambda item: order.index(item[0]))]


def shown_nodes(events: Sequence[Event], topology: Topology | None) -> list[tuple[str, bool]]:
    """The nodes that have lanes, each with whether it is a cluster member. A machine that is none (a storage
    host) is shown only if something happened to it."""
    if topology is None:
        told = {event.node for event in events if event.kind in ("quorum", "mount", "address", "listen", "arp")}
        return [(name, name in told) for name in dict.fromkeys(event.node for event in events if event.node)]
    hit = {event.node for event in events
           if event.kind in ("power.off", "power.paused", "power.resumed", "link.down")}
    return [(name, node.role == "cluster") for name, node in topology.nodes.items()
            if node.role == "cluster" or name in hit]
