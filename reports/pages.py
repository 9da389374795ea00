"""Pages that need nothing but themselves, and tables for a report that is not ours: made from ``templates/`` by jinja2,
which escapes whatever a log tells.

A page of one's own extends ``page.html.j2``: it is readable on a narrow screen and in print, and loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fenceline.model.verdict import Judgement, Outage, Phase, Verdict
from fenceline.reports import palette
from fenceline.reports.tables import away_text, gap_text, headline, routed_texts, shown_seconds


def render(template: str, **values: Any) -> str:
    """The text of ``template``, a file in ``templates/``, with ``values``; all are escaped but those that the template
    calls safe.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    return _PAGES.get_template(template).render(values)


def findings_html(judgement: Judgement) -> str:
    """The verdict first, then each check with what it came to and why: a table with its style."""
    return _table("findings", judgement)


def phases_html(judgement: Judgement) -> str:
    """A table with its style for each outage: every phase with its bound, and their sum."""
    return _table("phases", judgement)


def _table(name: str, judgement: Judgement) -> str:
    macro: Callable[..., str] = getattr(_PAGES.get_template("tables.html.j2").module, name)
    return render("style.html.j2") + macro(judgement)


def _row_class(verdict: Verdict) -> str:
    if verdict is Verdict.PASS:
        return "good"
    return "bad" if verdict in (Verdict.FAIL, Verdict.BROKEN) else "open"


def _verdict_style(verdict: str) -> str:
    fill, colour = palette.VERDICTS[Verdict(verdict)]
    return f"background: {fill}; color: {colour}"


def _shown_phases(outage: Outage) -> list[tuple[Phase, float]]:
    return list(zip(outage.phases, shown_seconds(outage), strict=True))


_PAGES = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True,
                     undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
_PAGES.filters |= {"away_text": away_text, "gap_text": gap_text, "headline": headline, "routed_texts": routed_texts,
                   "row_class": _row_class, "shown_phases": _shown_phases, "verdict_style": _verdict_style}
