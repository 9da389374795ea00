"""The lanes of one machine: power, fencing, cables, quorum, mounts, addresses, ports, replicas."""

from __future__ import annotations

from fenceline.model.event import Event
from fenceline.reports import lanes, palette
from fenceline.reports.frame import Frame
from fenceline.reports.svg import text_width

LANE, BAR = 17, 12  # height of a lane and of the bar in it, px
FENCE_LABEL_ROWS = 3


def draw_node(frame: Frame, events: list[Event], node: str, watched: list[tuple[str, str, object, str]],
              is_member: bool) -> None:
    """The lanes of ``node``; one that is no cluster member has only power, fencing and cables."""
    end_ns = frame.window.log_end_ns
    frame.separator()
    frame.canvas.text(12, frame.y + 12, _short(node), 12, bold=True)
    _bars(frame, "power", "power", lanes.power_spans(events, node, end_ns))
    _fencing(frame, events, node)
    cut = [span for span in lanes.link_spans(events, node, end_ns) if _is_shown(frame, span)]
    if cut:
        _bars(frame, "cables", "link", cut)
    if not is_member:
        return
    _bars(frame, "quorum, members", "quorum", lanes.quorum_spans(events, node, end_ns))
    agent_knows = {event.data.get("ip") for event in events if event.kind == "address"}
    for kind, key, value, name in watched:
        spans = lanes.guest_spans(events, node, kind, key, value, end_ns)
        if kind == "address" and value not in agent_knows:
            # no agent said anything: the wire is the next best witness
            spans = lanes.arp_owner_spans(events, node, str(value), end_ns)
        _bars(frame, name, kind, spans)
        if kind == "address":
            _gratuitous_arps(frame, events, node, value)
    for resource in dict.fromkeys(event.data.get("resource") for event in events if event.kind == "drbd.role"):
        _bars(frame, f"DRBD {resource}", "drbd", lanes.drbd_spans(events, node, resource, end_ns))
    _writes(frame, events, node)


def _writes(frame: Frame, events: list[Event], node: str) -> None:
    """A bar per disk while the storage network saw ``node`` write to it; below it nothing, where nobody writes."""
    for lun in dict.fromkeys(event.data.get("lun") for event in events if event.kind == "write"):
        _bars(frame, f"writes {lun}", "write", lanes.write_spans(events, node, lun))


def _short(node: str) -> str:
    return node if len(node) <= 14 else node[:13] + "…"


def _is_shown(frame: Frame, span: lanes.Span) -> bool:
    return span.end_ns >= frame.window.start_ns and span.start_ns <= frame.window.end_ns


def _bars(frame: Frame, name: str, group: str, spans: list[lanes.Span]) -> None:
    frame.lane_name(name)
    for span in spans:
        if not _is_shown(frame, span):
            continue
        left, right = frame.x(span.start_ns), frame.x(span.end_ns)
        fill, stroke, colour = palette.STATES[group, span.state]
        begin, end = (frame.window.seconds(moment) for moment in (span.start_ns, span.end_ns))
        frame.canvas.rect(left, frame.y + 2, max(right - left, 1.5), BAR, fill, stroke=stroke,
                          stroke_width=0.8,
                          tip=f"{name}: {span.label or span.state}, {begin:.2f} s to {end:.2f} s")
        choices = [span.label, f"{len(span.label.split())} members"] if group == "quorum" else [span.label]
        if fill.startswith("url"):  # letters on a hatch need a plain ground
            _label_on_hatch(frame, left, right - left, span.label)
        else:
            frame.label_in(left, right - left, frame.y + 12, choices, colour)
    frame.end_lane(LANE)


def _label_on_hatch(frame: Frame, x: float, width: float, text: str) -> None:
    if text and text_width(text, 10.5) + 8 <= width:
        frame.canvas.text(x + width / 2, frame.y + 12, text, 10.5, anchor="middle", **frame.HALO)


def _gratuitous_arps(frame: Frame, events: list[Event], node: str, ip: object) -> None:
    """Triangles at the lower edge of the lane that was drawn last."""
    for event in events:
        if (event.kind == "arp" and event.node == node and event.data.get("ip") == ip
                and event.data.get("how") == "gratuitous" and frame.shows(event.t_ns)):
            x, base = frame.x(event.t_ns), frame.y
            frame.canvas.path(f"M{x:.1f} {base - 8:.1f}l-4 7h8z", fill=palette.INK, stroke="#ffffff",
                              tip=f"gratuitous ARP at {frame.window.seconds(event.t_ns):.2f} s")


def _fencing(frame: Frame, events: list[Event], node: str) -> None:
    """A diamond per thing that the node's BMC was asked for and did; asking for the status is no news."""
    marks = [event for event in events if event.kind in ("bmc.request", "bmc.done") and event.node == node
             and event.data.get("action") != "status" and frame.shows(event.t_ns)]
    if not marks:
        return
    frame.lane_name("fencing (BMC)")
    for event in marks:
        frame.reserve_mark(frame.x(event.t_ns))
    for event in marks:
        x, y = frame.x(event.t_ns), frame.y + 8.5
        action, when = str(event.data.get("action")), f"{frame.window.seconds(event.t_ns):.2f} s"
        if event.kind == "bmc.request":
            frame.canvas.path(f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", fill="#ffffff", stroke=palette.INK,
                              tip=f"{action} asked for at {when} by {event.data.get('from', '?')}")
        elif event.data.get("ok"):
            frame.canvas.path(f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", fill=palette.INK, stroke=palette.INK,
                              tip=f"{action} done at {when}")
            frame.mark_label(x, f"{action} done {when}", FENCE_LABEL_ROWS)
        else:
            frame.canvas.path(f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", stroke=palette.FLAG, stroke_width=2,
                              fill="none", tip=f"{action} failed at {when}: {event.data.get('error', '')}")
            frame.mark_label(x, f"{action} FAILED {when}", FENCE_LABEL_ROWS, colour=palette.FLAG, bold=True)
    frame.end_lane(LANE + 1)
