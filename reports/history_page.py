"""The history as one static page: nothing but itself is needed to read it, and it links into the run folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fenceline.reports import palette
from fenceline.reports.history import Figures, Series, by_series, versions_text
from fenceline.reports.pages import render
from fenceline.reports.stats import distribution

WIDTH, LEFT, RIGHT = 1000, 60, 20
PLOT_HEIGHT, STACK_HEIGHT = 170, 26


def history_page(found: Sequence[Figures], base: Path) -> str:
    """The page for the runs ``found``, oldest first; links are relative to the folder ``base``."""
    groups = sorted(by_series(found).items(), key=lambda item: str(item[0]))
    # what the short names of the software stand for
    software = {run.series.software: versions_text(run.versions) for run in found if run.series.software}
    return render("history.html.j2", found=found, counts=Counter(run.verdict for run in found),
                  summary=[_summary(series, runs) for series, runs in groups], software=sorted(software.items()),
                  groups=[_section(series, runs, base) for series, runs in groups])


def _times(runs: Iterable[Figures]) -> list[float]:
    """The failover times of the runs that have one."""
    return [run.failover for run in runs if run.failover is not None]


def _summary(series: Series, runs: list[Figures]) -> list[str]:
    values = _times(runs)
    figures = ["", "", "", ""]
    if values:
        known = distribution(values)
        spread = [f"{known.low:.2f} to {known.high:.2f}", f"{known.p95:.2f}"] if known.n > 1 else ["", ""]
        figures = [f"{known.median:.2f}", *spread, f"{known.most:.2f}"]
    return [str(series), f"{sum(run.verdict == 'PASS' for run in runs)} of {len(runs)}", *figures]


def _section(series: Series, runs: list[Figures], base: Path) -> dict[str, Any]:
    """What ``history.html.j2`` shows of the ``runs`` of one series."""
    timed = [run for run in runs if run.outage > 0]
    values = _times(runs)
    told = ""
    if values:
        known = distribution(values)
        told = (f"median {known.median:.2f} s (95 % interval {known.low:.2f} to {known.high:.2f} s), p95 "
                f"{known.p95:.2f} s, n={known.n}" if known.n > 1 else f"{known.median:.2f} s in the one run")
    return {"series": series, "counts": Counter(run.verdict for run in runs), "runs": runs, "told": told,
            "pictures": [_over_time(timed, base), _phases(timed)] if timed else [],
            "newest": [{"href": _href(run, base), "begun": run.begun, "verdict": run.verdict,
                        "away": f"{run.outage:.3f} s ± {run.plus_minus:.3f} s" if run.outage else "",
                        "reason": run.reason[:160]} for run in reversed(runs[-50:])]}


def _over_time(runs: list[Figures], base: Path) -> str:
    """A dot per run with its error bound, in the order of the runs; at the right how they are distributed."""
    top = max(run.outage + run.plus_minus for run in runs) * 1.08
    plot_right = WIDTH - RIGHT - 110

    def y(seconds: float) -> float:
        return 10 + (PLOT_HEIGHT - 20) * (1 - max(seconds, 0.0) / top)

    step = (plot_right - LEFT) / max(len(runs), 1)
    parts = [f'<svg viewBox="0 0 {WIDTH} {PLOT_HEIGHT + 6}" role="img" aria-label="failover time of each run">']
    for tick in range(5):
        seconds = top * tick / 4
        parts.append(f'<line x1="{LEFT}" x2="{plot_right}" y1="{y(seconds):.1f}" y2="{y(seconds):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(seconds) + 4:.1f}" font-size="11" text-anchor="end">'
                     f"{seconds:.1f} s</text>")
    for index, run in enumerate(runs):
        x = LEFT + step * (index + 0.5)
        passed = run.verdict == "PASS"
        fill = "#1b6ca8" if passed else "#ffffff"
        tip = f"{run.begun}: {run.verdict}, {run.outage:.3f} s ± {run.plus_minus:.3f} s"
        parts.append(
            f'<a href="{escape(_href(run, base))}"><line x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{y(run.outage + run.plus_minus):.1f}" y2="{y(run.outage - run.plus_minus):.1f}" stroke="#111"/>'
            f'<circle cx="{x:.1f}" cy="{y(run.outage):.1f}" r="4" fill="{fill}" stroke="#111">'
            f"<title>{escape(tip)}</title></circle></a>")
    values = sorted(_times(runs))
    if values:
        known, x = distribution(values), plot_right + 55
        parts.append(f'<rect x="{x - 16}" width="32" y="{y(known.high):.1f}" '
                     f'height="{max(y(known.low) - y(known.high), 1):.1f}" fill="#cfe3f2" stroke="#111"/>'
                     f'<line x1="{x - 16}" x2="{x + 16}" y1="{y(known.median):.1f}" y2="{y(known.median):.1f}" '
                     'stroke="#111" stroke-width="2"><title>median and its 95 % interval</title></line>')
        parts += [f'<circle cx="{x + 28 + 5 * (index % 4)}" cy="{y(value):.1f}" r="2" fill="#444"/>'
                  for index, value in enumerate(values)]
    parts.append("</svg>")
    return "".join(parts)


def _phases(runs: list[Figures]) -> str:
    """The phases of each run's longest outage stacked, the newest dozen."""
    shown = [run for run in runs if run.phases][-12:]
    if not shown:
        return ""
    widest = max(sum(seconds for _, seconds in run.phases) for run in shown) or 1.0
    parts = [f'<svg viewBox="0 0 {WIDTH} {STACK_HEIGHT * len(shown) + 22}" role="img" aria-label="phases">']
    names: dict[str, int] = {}
    for row, run in enumerate(shown):
        x, y = float(LEFT), row * STACK_HEIGHT
        parts.append(f'<text x="{LEFT - 6}" y="{y + 16}" font-size="11" text-anchor="end">{run.outage:.2f} s</text>')
        for index, (name, seconds) in enumerate(run.phases):
            fill, colour = palette.phase_style(name, index)
            width = seconds / widest * (WIDTH - LEFT - RIGHT)
            if width <= 0:
                continue
            names[name] = index
            parts.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{STACK_HEIGHT - 6}" fill="{fill}" '
                         f'stroke="#fff"><title>{escape(name)} {seconds:.2f} s</title></rect>')
            if width > 12 + 6.5 * len(name) + 26:
                parts.append(f'<text x="{x + 5:.1f}" y="{y + 17}" font-size="11" fill="{colour}">{escape(name)} '
                             f"{seconds:.1f}</text>")
            x += width
    x, y = float(LEFT), STACK_HEIGHT * len(shown) + 6
    for name, index in names.items():
        fill, _ = palette.phase_style(name, index)
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="10" height="10" fill="{fill}" stroke="#111"/>'
                     f'<text x="{x + 14:.1f}" y="{y + 9}" font-size="11">{escape(name)}</text>')
        x += 34 + 6.5 * len(name)
    parts.append("</svg>")
    return "".join(parts)


def _href(run: Figures, base: Path) -> str:
    folder = Path(run.folder)
    page = folder / "report.html"
    return quote(os.path.relpath(page if page.exists() else folder, base))
