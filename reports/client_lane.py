"""The client's lanes: good and failed replies, who answered, how long it took."""

from __future__ import annotations

import math

from fenceline.model.event import Event
from fenceline.reports import palette
from fenceline.reports.frame import LEFT, RIGHT_EDGE, Frame
from fenceline.reports.lanes import SECOND, answering_spans

LATENCY_HEIGHT = 40
MIN_MS, MAX_MS = 1.0, 10_000.0
SCALE_MS = ((10.0, "10 ms"), (1000.0, "1 s"))
GAP_S = 0.5  # replies further apart than this are not joined by the latency line


def draw_client(frame: Frame, events: list[Event], service: str) -> None:
    """The lanes of ``service`` as its client saw it."""
    replies = [event for event in events if event.kind == "reply" and event.data.get("service") == service
               and frame.shows(event.t_ns)]
    frame.separator()
    frame.canvas.text(12, frame.y + 12, "client", 12, bold=True)
    good = [reply for reply in replies if reply.data.get("ok")]
    failed = [reply for reply in replies if not reply.data.get("ok")]
    # their height tells them apart in grey
    _ticks(frame, good, f"{service} ok", palette.GOOD_REPLY, 7)
    _ticks(frame, failed, "failed", palette.FAILED_REPLY, 13)
    _answering(frame, events, service)
    _ledger(frame, events, service)
    _latency(frame, good)


def _ticks(frame: Frame, replies: list[Event], name: str, colour: str, height: int) -> None:
    """A tick per reply; those that would fall on one pixel are drawn as one."""
    frame.lane_name(name)
    columns = sorted({round(frame.x(reply.t_ns)) for reply in replies})
    if columns:
        bottom = frame.y + 15
        frame.canvas.path("".join(f"M{x} {bottom:.0f}v-{height}" for x in columns), stroke=colour,
                          stroke_width=1, fill="none", tip=f"{name}: {len(replies)}")
    frame.end_lane(18)


def _ledger(frame: Frame, events: list[Event], service: str) -> None:
    """What a writing client got: records that were acknowledged, and those that were not."""
    appends = [event for event in events if event.kind == "append" and event.data.get("service") == service
               and frame.shows(event.t_ns)]
    if not appends:
        return
    _ticks(frame, [append for append in appends if append.data.get("ok")], "record acked", palette.GOOD_REPLY, 7)
    _ticks(frame, [append for append in appends if not append.data.get("ok")], "not acked", palette.FAILED_REPLY, 13)


def _answering(frame: Frame, events: list[Event], service: str) -> None:
    frame.lane_name("answered by")
    fill, stroke, colour = palette.STATES["answering", "node"]
    drawn_to = 0.0
    for span in answering_spans(events, service, frame.window.log_end_ns):
        if span.end_ns < frame.window.start_ns or span.start_ns > frame.window.end_ns:
            continue
        left, right = frame.x(span.start_ns), frame.x(span.end_ns)
        if right - drawn_to < 1:
            continue  # less than a pixel more: in an hour of flapping there would be thousands
        drawn_to = right
        frame.canvas.rect(left, frame.y + 2, right - left, 13, fill, stroke=stroke, stroke_width=0.8,
                          tip=span.label)
        frame.label_in(left, right - left, frame.y + 12.5, [span.label], colour)
    frame.end_lane(18)


def latency_ms(reply: Event) -> float | None:
    """How long the client waited for ``reply`` (ms); None where it is not said."""
    sent = reply.data.get("sent_ns")
    return None if sent is None else (reply.t_ns - int(sent)) / 1e6


def _latency(frame: Frame, replies: list[Event]) -> None:
    """The slowest good reply of each pixel, on a logarithmic scale: 2 ms and 2 s are both to be seen."""
    top, bottom = frame.y + 3, frame.y + LATENCY_HEIGHT - 3

    def height(ms: float) -> float:
        share = math.log10(min(max(ms, MIN_MS), MAX_MS) / MIN_MS) / math.log10(MAX_MS / MIN_MS)
        return bottom - share * (bottom - top)

    frame.canvas.text(LEFT - 46, frame.y + 24, "latency", 11, anchor="end", fill=palette.MUTED)
    for ms, label in SCALE_MS:
        frame.canvas.line(LEFT, height(ms), RIGHT_EDGE, height(ms), palette.FAINT, stroke_width=0.5,
                          stroke_dasharray="1 3")
        frame.canvas.text(LEFT - 5, height(ms) + 3, label, 8.5, anchor="end", fill=palette.MUTED)
    slowest: dict[int, tuple[float, int]] = {}
    for reply in replies:
        ms = latency_ms(reply)
        if ms is not None:
            column = round(frame.x(reply.t_ns))
            slowest[column] = (max(ms, slowest.get(column, (0.0, 0))[0]), reply.t_ns)
    path, last_ns = "", None
    for column in sorted(slowest):
        ms, t_ns = slowest[column]
        joined = last_ns is not None and t_ns - last_ns <= GAP_S * SECOND
        # a lone point becomes a short dash: a path of one point would be invisible
        path += f"{'L' if joined else 'M'}{column} {height(ms):.1f}" + ("" if joined else "h1")
        last_ns = t_ns
    if path:
        worst = max(ms for ms, _ in slowest.values())
        frame.canvas.path(path, stroke=palette.LATENCY, stroke_width=1.2, fill="none",
                          tip=f"latency of good replies, the slowest {worst:.1f} ms")
    frame.end_lane(LATENCY_HEIGHT)
