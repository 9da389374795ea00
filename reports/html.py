"""One run as one static page that needs nothing but itself; made from the run folder alone, so at any time."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from urllib.parse import quote

from fenceline.judge import judge, load_run
from fenceline.model.event import Event
from fenceline.model.verdict import Judgement
from fenceline.reports import lanes, palette
from fenceline.reports.tables import closing_text, findings_table_html, headline, phases_table_html, table_html
from fenceline.reports.timeline import timeline_svg, write_timeline

PAGE = "report.html"
_CSS = ("body{font:15px/1.45 sans-serif;margin:24px;color:#111;background:#fff}"
        ".verdict{padding:10px 16px;border:2px solid #111;border-radius:4px}"
        ".picture{overflow-x:auto}h2{margin-top:28px}")


def _page(folder: Path, events: list[Event], judgement: Judgement, picture: str) -> str:
    scenario = lanes.scenario_of(events)
    name = escape(str(scenario.get("name") or folder.name))
    fill, colour = palette.VERDICTS[judgement.verdict]
    asked = any(event.kind == "reply" for event in events)
    counts = sorted(Counter(event.kind for event in events).items())
    return "\n".join([
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{judgement.verdict}: {name}</title><style>{_CSS}</style></head><body>",
        f"<h1>{name}</h1>",
        f'<p class="verdict" style="background:{fill};color:{colour}"><b>{judgement.verdict}</b> '
        "<br>".join(map(escape, [judgement.reason, headline(judgement, asked),
                                 *closing_text(judgement).splitlines()])) + "</p>",
        f'<div class="picture">{picture}</div>',
        "<h2>Failover phases</h2>", phases_table_html(judgement),
        "<h2>Checks</h2>", findings_table_html(judgement),
        "<h2>Faults</h2>", _faults(events),
        "<h2>Files</h2>", _files(folder),
        "<h2>Events</h2>", table_html(("kind", "events"), counts),
        "</body></html>\n"])


def write_run_page(folder: Path | str) -> Path:
    """Writes the page of the run in ``folder`` (events.jsonl, topology.yaml) and its picture, as files of its own, into
    it; returns the page's path.

    Raises:
        OSError, ValueError, fenceline.model.load.TopologyError: as ``fenceline.judge.load_run``.
    """
    folder = Path(folder)
    events, topology = load_run(folder)
    judgement = judge(events, topology)
    picture = timeline_svg(events, topology, judgement)
    write_timeline(folder, picture)
    path = folder / PAGE
    path.write_text(_page(folder, events, judgement, picture), encoding="utf-8")
    return path


def _faults(events: list[Event]) -> str:
    ordered = lanes.in_order(events)
    if not ordered:
        return "<p>none</p>"
    window = lanes.Window(ordered[0].t_ns, ordered[0].t_ns, ordered[-1].t_ns, ordered[-1].t_ns)
    rows = [(span.fault, ", ".join(span.targets), f"{window.seconds(span.start_ns):.2f}",
             f"{window.seconds(span.end_ns):.2f}" if span.healed else "never", span.note)
            for span in lanes.fault_spans(ordered, window.end_ns)]
    return table_html(("fault", "targets", "injected at s", "healed at s", ""), rows) if rows else "<p>none</p>"


def _files(folder: Path) -> str:
    """Links to what lies beside the page; relative, so that the folder can be moved."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != PAGE]
    links = "".join(f'<li><a href="{quote(str(path.relative_to(folder)))}">'
                    f"{escape(str(path.relative_to(folder)))}</a></li>" for path in found)
    return f"<ul>{links}</ul>"
