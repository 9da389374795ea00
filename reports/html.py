"""One run as one static page that needs nothing but itself; made from the run folder alone, so at any time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fenceline.judge import judge, load_run
from fenceline.model.event import Event
from fenceline.reports import lanes
from fenceline.reports.pages import render
from fenceline.reports.tables import closing_text, headline
from fenceline.reports.timeline import timeline_svg, write_timeline

PAGE = "report.html"
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
    asked = any(event.kind == "reply" for event in events)
    path = folder / PAGE
    path.write_text(render(
        "run.html.j2", name=str(lanes.scenario_of(events).get("name") or folder.name), judgement=judgement,
        picture=picture,
        told=[judgement.reason, headline(judgement, asked), *closing_text(judgement).splitlines()],
        faults=_faults(events), files=_files(folder),
        counts=sorted(Counter(event.kind for event in events).items())), encoding="utf-8")
    return path


def _faults(events: list[Event]) -> list[tuple[str, ...]]:
    """A row a fault: its name, targets, when it was injected and healed (s of the picture), and a note."""
    ordered = lanes.in_order(events)
    if not ordered:
        return []
    window = lanes.Window(ordered[0].t_ns, ordered[0].t_ns, ordered[-1].t_ns, ordered[-1].t_ns)
    return [(span.fault, ", ".join(span.targets), f"{window.seconds(span.start_ns):.2f}",
             f"{window.seconds(span.end_ns):.2f}" if span.healed else "never", span.note)
            for span in lanes.fault_spans(ordered, window.end_ns)]


def _files(folder: Path) -> list[str]:
    """What lies beside the page; relative, so that the folder can be moved."""
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != PAGE]
