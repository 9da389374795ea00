"""A night of chaos as one page that needs nothing but itself: findings first."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fenceline.reports.pages import render
from fenceline.reports.stats import distribution


@dataclass(frozen=True)
class Line:
    """One episode: what it was, its ``verdict``, its run folder (relative to the page) and its picture as SVG."""

    number: int
    topology: str
    profile: str
    seed: int
    verdict: str
    reason: str
    course: str
    href: str
    picture: str = ""


@dataclass(frozen=True)
class Row:
    """A finding: whether it is "new", "known" or "gone"."""

    state: str
    topology: str
    kind: str
    count: int
    first: str
    last: str
    href: str


def chaos_page(name: str, rows: Sequence[Row], lines: Sequence[Line], coverage: str, coverage_words: str,
               times: Sequence[tuple[str, Sequence[float], Sequence[float]]], notes: Sequence[str]) -> str:
    """The page of the night ``name``. ``times`` are (what, seconds tonight, seconds in earlier nights); ``coverage`` is
    an SVG picture."""
    return render("chaos.html.j2", name=name, rows=rows, lines=lines, coverage=coverage, notes=notes,
                  coverage_words=coverage_words, times=[(what, *map(_words, both)) for what, *both in times])


def _words(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    known = distribution(list(seconds))
    return (f"n={known.n}, median {known.median:.2f} s ({known.low:.2f} to {known.high:.2f}), p95 {known.p95:.2f} s, "
            f"most {known.most:.2f} s")


def picture_of(folder: Path, number: int) -> str:
    """The picture in a run ``folder``, with names of its own so that many of them may stand on one page; "" without."""
    try:
        text = (folder / "timeline.svg").read_text()
    except OSError:
        return ""
    text = re.sub(r"<\?xml[^>]*\?>", "", text)
    for identity in sorted(set(re.findall(r'\bid="([^"]+)"', text))):
        own = html.escape(f"e{number}-{identity}")
        text = (text.replace(f'id="{identity}"', f'id="{own}"').replace(f"url(#{identity})", f"url(#{own})")
                .replace(f'href="#{identity}"', f'href="#{own}"'))
    return text
