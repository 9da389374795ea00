"""The plane on which lanes are drawn: where a moment lies, where a label still has room."""

from __future__ import annotations

import math
from typing import ClassVar

from fenceline.reports import palette
from fenceline.reports.lanes import SECOND, Window
from fenceline.reports.svg import Canvas, fit, text_width

WIDTH, LEFT, RIGHT_EDGE = 1200, 178, 1184
PLOT_WIDTH = RIGHT_EDGE - LEFT
MIN_TICK_PX = 62


class Frame:
    """A canvas with a time axis. ``y`` is where the next lane begins; ``plot_top`` where the lanes begin."""

    # white around the letters: text stays readable on bands and dashed lines
    HALO: ClassVar[dict[str, object]] = {
        "stroke": "#ffffff", "stroke_width": 3, "stroke_linejoin": "round", "paint_order": "stroke"}

    def __init__(self, window: Window) -> None:
        self.window = window
        self.canvas = Canvas()
        self.y = 0.0
        self.plot_top = 0.0
        self._bands: list[tuple[float, float]] = []
        self._tall_lines: list[tuple[float, str, dict[str, object]]] = []
        self._taken: list[list[tuple[float, float]]] = []  # per row of the lane the spans that hold a label

    def x(self, t_ns: float) -> float:
        """Where the moment ``t_ns`` lies (px); outside of the window: on its edge."""
        share = (t_ns - self.window.start_ns) / (self.window.end_ns - self.window.start_ns)
        return LEFT + PLOT_WIDTH * min(max(share, 0.0), 1.0)

    def shows(self, t_ns: float) -> bool:
        """Whether ``t_ns`` is in the window."""
        return self.window.start_ns <= t_ns <= self.window.end_ns

    def tick_seconds(self) -> float:
        """A round distance (s) between marks on the axis that leaves room for their numbers."""
        span = (self.window.end_ns - self.window.start_ns) / SECOND
        wanted = span * MIN_TICK_PX / PLOT_WIDTH
        power = 10.0 ** math.floor(math.log10(wanted))
        return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted)

    def lane_name(self, name: str, bold: bool = False, y: float | None = None) -> None:
        """The name of the lane at ``y``, in the left margin."""
        shown = fit(name, LEFT - 18, 11, bold)
        self.canvas.text(LEFT - 10, (self.y if y is None else y) + 12, shown, 11, bold=bold, anchor="end",
                         fill=palette.INK if bold else palette.MUTED)

    def end_lane(self, height: float) -> None:
        """Go on below a lane of ``height``, and below the rows of labels that it got."""
        self.y += height + max(0, len(self._taken) - 1) * 14
        self._taken = []

    def reserve_mark(self, x: float) -> None:
        """Keep labels off the mark at ``x``. To be called for all marks of a lane before the first label."""
        self._take(0, (x - 6, x + 6))

    def mark_label(self, x: float, text: str, rows: int, colour: str = palette.INK, bold: bool = False) -> None:
        """``text`` beside the mark at ``x``, or below it in one of ``rows`` rows, with a line that leads to it.
        Where there is no room the label is left out: the mark's tool tip has it."""
        width = text_width(text, 10.5, bold)
        for row in range(rows):
            # beside the mark in its own row; below, the text begins or ends where the mark is
            gap = 8 if row == 0 else -3
            for left in (x + gap, x - gap - width):
                fits = left >= LEFT and left + width <= RIGHT_EDGE and self._is_free(row, (left, left + width))
                if fits and all(self._is_free(above, (x - 2, x + 2)) for above in range(1, row)):
                    self._take(row, (left - 3, left + width + 3))
                    for above in range(1, row):
                        self._take(above, (x - 2, x + 2))
                    base = self.y + 12 + 14 * row
                    if row:
                        self.canvas.line(x, self.y + 13, x, base - 8, colour, stroke_width=0.7)
                    self.canvas.text(left, base, text, 10.5, bold=bold, fill=colour, **self.HALO)
                    return

    def _is_free(self, row: int, span: tuple[float, float]) -> bool:
        taken = self._taken[row] if row < len(self._taken) else []
        return all(right <= span[0] or span[1] <= left for left, right in taken)

    def _take(self, row: int, span: tuple[float, float]) -> None:
        while len(self._taken) <= row:
            self._taken.append([])
        self._taken[row].append(span)

    def label_in(self, x: float, width: float, base: float, choices: list[str], colour: str) -> None:
        """The first of ``choices`` that fits into a bar of ``width`` at ``x``, in its middle, or nothing."""
        for text in choices:
            if text and text_width(text, 10.5) + 6 <= width:
                self.canvas.text(x + width / 2, base, text, 10.5, anchor="middle", fill=colour)
                return

    def band(self, left: float, right: float) -> None:
        """A fault's band behind all lanes."""
        self._bands.append((left, right))

    def tall_line(self, x: float, stroke: str, **style: object) -> None:
        """A vertical line behind all lanes."""
        self._tall_lines.append((x, stroke, style))

    def close_plot(self) -> None:
        """Draw bands and tall lines: only now the height of the lanes is known. Bands that overlap are drawn
        as one: two hatches on each other would look like something else."""
        height = self.y - self.plot_top
        merged: list[tuple[float, float]] = []
        for left, right in sorted(self._bands):
            if merged and left <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], right))
            else:
                merged.append((left, right))
        for left, right in merged:
            self.canvas.rect(left, self.plot_top, max(right - left, 1.5), height, "url(#fault)", behind=True)
        for x in sorted({edge for band in self._bands for edge in band}):
            self.canvas.line(x, self.plot_top, x, self.y, palette.FAULT_EDGE, behind=True, stroke_width=0.7)
        for x, stroke, style in self._tall_lines:
            self.canvas.line(x, self.plot_top, x, self.y, stroke, behind=True, **style)

    def separator(self) -> None:
        """A thin line between two groups of lanes."""
        self.canvas.line(8, self.y, RIGHT_EDGE, self.y, palette.FAINT, stroke_width=0.8)
        self.y += 4

    def document(self, title: str, definitions: str) -> str:
        """The SVG text."""
        return self.canvas.document(WIDTH, self.y + 4, title, definitions)
