"""One picture per run: what each node did, what the client saw, which faults were in force; one time axis.

``timeline_svg`` is a pure function of the log, the topology and the judgement; the SVG is written by hand, so
that no plotting library is needed. Lengths are in px, times in the picture in s since the log's start.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Finding, Judgement, Outage, Verdict
from fenceline.reports import lanes, palette
from fenceline.reports.client_lane import draw_client
from fenceline.reports.frame import LEFT, PLOT_WIDTH, RIGHT_EDGE, WIDTH, Frame
from fenceline.reports.node_lanes import draw_node
from fenceline.reports.svg import FONT, clean, fit, text_width, wrap
from fenceline.reports.tables import away_text, gap_text, headline, shown_seconds

MAX_FAULT_ROWS = 12
MAX_OUTAGE_SUMS = 4
PNG_ZOOM = 1.5
SVG_FILE, PNG_FILE = "timeline.svg", "timeline.png"


def timeline_svg(events: Iterable[Event], topology: Topology | None, judgement: Judgement) -> str:
    """The picture of a run as the text of an SVG file.

    ``topology`` may be None: the lanes then come from the log alone.
    """
    ordered = lanes.in_order(events)
    frame = Frame(lanes.window_of(ordered, judgement))
    title = _header(frame, ordered, topology, judgement)
    frame.plot_top = frame.y
    _findings(frame, judgement)
    _faults(frame, ordered)
    for outage in judgement.outages:
        _outage_edges(frame, outage)
    _outages(frame, judgement)
    for service in lanes.services_of(ordered, topology):
        draw_client(frame, ordered, service)
    for node, is_member in lanes.shown_nodes(ordered, topology):
        draw_node(frame, ordered, node, lanes.watched(ordered, topology) if is_member else [], is_member)
    _axis(frame)
    _legend(frame)
    return frame.document(title, palette.DEFINITIONS)


def timeline_png(svg: str, zoom: float = PNG_ZOOM) -> bytes | None:
    """``svg`` as a PNG, ``zoom`` times its size; None where no converter is there, or none that finds a font."""
    try:
        import resvg_py
    except ImportError:
        return None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom)) if _can_write_text() else None


def write_timeline(folder: Path, svg: str) -> list[Path]:
    """Saves the picture in ``folder`` as timeline.svg, and as timeline.png where that can be made; the paths."""
    written = [folder / SVG_FILE]
    written[0].write_text(svg, encoding="utf-8")
    png = timeline_png(svg)
    if png is not None:
        written.append(folder / PNG_FILE)
        written[1].write_bytes(png)
    return written


@functools.cache
def _can_write_text() -> bool:
    """Whether the converter finds a font: without one it leaves all text out, and says nothing."""
    import resvg_py
    probe = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" font-family="{FONT}">%s</svg>'
    with_text = resvg_py.svg_to_bytes(svg_string=probe % '<text y="15">W</text>')
    return bytes(with_text) != bytes(resvg_py.svg_to_bytes(svg_string=probe % ""))


def _header(frame: Frame, events: list[Event], topology: Topology | None, judgement: Judgement) -> str:
    canvas, scenario = frame.canvas, lanes.scenario_of(events)
    name = clean(scenario.get("name") or "run without a scenario")
    badge = str(judgement.verdict)
    badge_width = text_width(badge, 16, bold=True) + 24
    fill, colour = palette.VERDICTS[judgement.verdict]
    left = RIGHT_EDGE - badge_width
    canvas.rect(left, 12, badge_width, 28, fill, stroke=palette.INK, stroke_width=1.5, rx=4)
    canvas.text(left + badge_width / 2, 32, badge, 16, bold=True, anchor="middle", fill=colour)
    canvas.text(16, 33, fit(name, left - 32, 19, bold=True), 19, bold=True)
    parts = [clean(scenario["feature"])] if scenario.get("feature") else []
    parts += [f"topology {topology.name}"] if topology else []
    parts += [f"seed {scenario['seed']}"] if scenario.get("seed") is not None else []
    frame.y = 53
    if parts:
        canvas.text(16, frame.y, fit(" · ".join(parts), WIDTH - 32, 12), 12, fill=palette.MUTED)
        frame.y += 22
    failover = headline(judgement, any(event.kind == "reply" for event in events))
    canvas.text(16, frame.y, fit(failover, WIDTH - 32, 15, bold=True), 15, bold=True)
    frame.y += 19
    for line in wrap(f"{judgement.verdict}: {judgement.reason}", WIDTH - 32, 12, 2):
        canvas.text(16, frame.y, line, 12)
        frame.y += 16
    if not events:
        canvas.text(16, frame.y, "The event log is empty.", 12, bold=True)
        frame.y += 16
    window = frame.window
    if window.is_cut:
        begin, end, whole = map(window.seconds, (window.start_ns, window.end_ns, window.log_end_ns))
        canvas.text(16, frame.y, f"Shown: {begin:.1f} s to {end:.1f} s of a log of {whole:.1f} s: from "
                    f"{lanes.MARGIN_S:g} s before the first fault to {lanes.MARGIN_S:g} s after the last recovery.",
                    11, fill=palette.MUTED)
        frame.y += 16
    return f"{name}: {judgement.verdict}, {failover}"


def _findings(frame: Frame, judgement: Judgement) -> None:
    """A flag where a check was decided that is not a pass, or where a promise broke as expected."""
    bad = [finding for finding in judgement.findings if _is_flagged(finding)
           and finding.at_ns is not None and frame.shows(finding.at_ns)]
    if not bad:
        return
    frame.lane_name("findings", bold=True)
    for finding in bad:
        frame.reserve_mark(frame.x(finding.at_ns))
    for finding in bad:
        x = frame.x(finding.at_ns)
        frame.tall_line(x, palette.FLAG, stroke_width=1.4, stroke_dasharray="2 3")
        frame.mark_label(x, f"{_flag(finding)}: {finding.check}", rows=4, colour=palette.FLAG, bold=True)
        frame.canvas.path(f"M{x:.1f} {frame.y + 13:.1f}l-4 -8h8z", fill=palette.FLAG, tip=finding.reason)
    frame.end_lane(18)


def _is_flagged(finding: Finding) -> bool:
    return finding.verdict is not Verdict.PASS or finding.reason.startswith(BROKEN_AS_EXPECTED)


def _flag(finding: Finding) -> str:
    return str(finding.verdict) if finding.verdict is not Verdict.PASS else "broken"


def _faults(frame: Frame, events: list[Event]) -> None:
    """A band behind everything from inject to heal, and on top a bar with its name."""
    spans = [span for span in lanes.fault_spans(events, frame.window.log_end_ns)
             if span.end_ns >= frame.window.start_ns and span.start_ns <= frame.window.end_ns]
    if not spans:
        return
    frame.lane_name("faults", bold=True)
    rows: list[float] = []  # the x where each row is free again
    left_out = 0
    for span in spans:
        left, right = frame.x(span.start_ns), frame.x(span.end_ns)
        frame.band(left, right)
        name = " ".join(filter(None, [span.fault, ", ".join(span.targets), span.note]))
        seconds = f"{frame.window.seconds(span.start_ns):.1f} s to " + (
            f"{frame.window.seconds(span.end_ns):.1f} s" if span.healed else "the end")
        text = fit(f"{name} · {seconds}", PLOT_WIDTH - 12, 11)
        width = text_width(text, 11) + 10
        inside = right - left >= width
        text_x = left + 5 if inside else min(right + 4, RIGHT_EDGE - width)
        begin = min(left, text_x)
        row = next((index for index, free in enumerate(rows) if free <= begin), len(rows))
        if row == MAX_FAULT_ROWS:
            left_out += 1
            continue
        free = max(right, text_x + width) + 4
        rows[row:row + 1] = [free]
        y = frame.y + row * 19
        frame.canvas.rect(left, y + 1, max(right - left, 2.0), 15, "url(#faultbar)",
                          stroke=palette.FAULT_EDGE, tip=f"{name}: {seconds}")
        frame.canvas.text(text_x, y + 13, text, 11, **frame.HALO)
    frame.end_lane(19 * len(rows) + 3)
    if left_out:
        frame.canvas.text(LEFT, frame.y + 9, f"and {left_out} more faults, as bands only", 11, **frame.HALO)
        frame.end_lane(14)


def _outage_edges(frame: Frame, outage: Outage) -> None:
    for t_ns in (outage.start_ns, outage.end_ns):
        if t_ns is not None and frame.shows(t_ns):
            frame.tall_line(frame.x(t_ns), palette.OUTAGE_EDGE, stroke_width=1.0, stroke_dasharray="6 3")


def _outages(frame: Frame, judgement: Judgement) -> None:
    """Per service a bar that is as long as the outage, parted in phases; below it the sum of the phases."""
    for service in dict.fromkeys(outage.service for outage in judgement.outages):
        outages = [outage for outage in judgement.outages if outage.service == service]
        frame.lane_name(f"outage {service}", bold=True)
        for outage in outages:
            _outage_bar(frame, outage)
        frame.end_lane(25)
        split = [outage for outage in outages if outage.phases]
        summed = sorted(split, key=lambda outage: -outage.seconds)[:MAX_OUTAGE_SUMS]
        for outage in sorted(summed, key=lambda outage: outage.start_ns):
            _phase_sum(frame, outage)
        if len(split) > len(summed):
            frame.canvas.text(LEFT, frame.y + 10, f"the {len(summed)} longest of {len(split)} outages",
                              11, **frame.HALO)
            frame.end_lane(15)


def _outage_bar(frame: Frame, outage: Outage) -> None:
    end_ns = frame.window.end_ns if outage.end_ns is None else outage.end_ns
    left, right = frame.x(outage.start_ns), max(frame.x(end_ns), frame.x(outage.start_ns) + 2)
    frame.canvas.rect(left, frame.y + 1, right - left, 20, "#ffffff", stroke=palette.OUTAGE_EDGE,
                      stroke_dasharray="3 2" if outage.end_ns is None else None, tip=away_text(outage))
    at_ns = float(outage.start_ns)
    for index, phase in enumerate(outage.phases):
        fill, colour = palette.phase_style(phase.name, index)
        begin = frame.x(at_ns)
        at_ns += phase.seconds * lanes.SECOND
        width = frame.x(at_ns) - begin
        if width <= 0:
            continue
        frame.canvas.rect(begin, frame.y + 1, width, 20, fill, stroke="#ffffff", stroke_width=0.8,
                          tip=f"{phase.name} {phase.seconds:.2f} s ± {phase.plus_minus:.2f} s")
        frame.label_in(begin, width, frame.y + 15,
                       [f"{phase.name} {phase.seconds:.1f} s", phase.name, f"{phase.seconds:.1f}"], colour)
    if not outage.phases:
        frame.label_in(left, right - left, frame.y + 15, [f"{outage.seconds:.2f} s"], palette.INK)


def _phase_sum(frame: Frame, outage: Outage) -> None:
    """The phases as an equation, each with the colour of its part of the bar."""
    x, size = float(LEFT), 11
    warning = gap_text(outage)
    total = f"{'≠' if warning else '='} {outage.seconds:.2f} s ± {outage.plus_minus:.2f} s"
    total += " so far" if outage.end_ns is None else ""
    _white_line(frame)
    words = [f"{phase.name} {seconds:.2f}" + (" +" if phase is not outage.phases[-1] else "")
             for phase, seconds in zip(outage.phases, shown_seconds(outage), strict=True)] + [total]
    for index, word in enumerate(words):
        is_total = index == len(outage.phases)
        width = text_width(word, size, bold=is_total) + (6 if is_total else 22)
        if x > LEFT and x + width > RIGHT_EDGE:
            frame.end_lane(15)
            _white_line(frame)
            x = float(LEFT)
        if not is_total:
            fill, _ = palette.phase_style(outage.phases[index].name, index)
            frame.canvas.rect(x, frame.y + 2, 10, 9, fill, stroke=palette.INK, stroke_width=0.6)
        frame.canvas.text(x + (0 if is_total else 14), frame.y + 11, word, size, bold=is_total,
                          fill=palette.FLAG if is_total and warning else palette.INK, **frame.HALO)
        x += width
    frame.end_lane(18)


def _white_line(frame: Frame) -> None:
    """Plain ground for a line of text, over bands and dashed lines."""
    frame.canvas.rect(LEFT - 3, frame.y - 1, PLOT_WIDTH + 3, 15, "#ffffff", fill_opacity=0.85)


def _axis(frame: Frame) -> None:
    window, canvas = frame.window, frame.canvas
    frame.close_plot()
    canvas.line(LEFT, frame.y, RIGHT_EDGE, frame.y, palette.INK)
    step = frame.tick_seconds()
    first = int(-(-window.seconds(window.start_ns) // step))
    for index in range(first, int(window.seconds(window.end_ns) / step + 1e-9) + 1):
        x = frame.x(window.zero_ns + index * step * lanes.SECOND)
        canvas.line(x, frame.plot_top, x, frame.y, palette.GRID, behind=True)
        canvas.line(x, frame.y, x, frame.y + 4, palette.INK)
        canvas.text(x, frame.y + 16, f"{index * step:g}", 11, anchor="middle")
    canvas.text(LEFT - 26, frame.y + 16, "s since the log's start", 11, anchor="end", fill=palette.MUTED)
    frame.y += 30


def _legend(frame: Frame) -> None:
    entries = [(label, palette.STATES[key][:2]) for label, key in (
        ("power on", ("power", "on")), ("paused", ("power", "paused")), ("off", ("power", "off")),
        ("cable cut", ("link", "cut")), ("quorate", ("quorum", "quorate")),
        ("no quorum", ("quorum", "inquorate")), ("mounted", ("mount", "yes")),
        ("has the VIP", ("address", "yes")), ("listening", ("listen", "yes")), ("writing", ("write", "yes")))]
    entries.append(("fault in force", ("url(#fault)", palette.FAULT_EDGE)))
    x, size = 16.0, 11
    for label, (fill, stroke) in entries:
        frame.canvas.rect(x, frame.y, 16, 10, fill, stroke=stroke)
        frame.canvas.text(x + 21, frame.y + 9.5, label, size)
        x += text_width(label, size) + 36
    x, frame.y = 16.0, frame.y + 17
    for label in ("◇ BMC was asked", "◆ BMC did it", "✕ BMC failed", "▲ gratuitous ARP",
                  "▼ a check was decided", "┆ an outage begins, ends"):
        frame.canvas.text(x, frame.y + 9.5, label, size)
        x += text_width(label, size) + 24
    frame.y += 22
