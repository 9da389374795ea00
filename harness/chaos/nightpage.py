"""Gathers what the page of a night shows: see ``fenceline.reports.chaos_page``."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from fenceline.chaos.ledger import Entry
from fenceline.chaos.memory import Memory
from fenceline.chaos.night import Finding, Night, topology_of_entry
from fenceline.chaos.states import State
from fenceline.reports.chaos_page import Line, Row, chaos_page, picture_of
from fenceline.reports.coverage import coverage_svg, coverage_text


def page_of(night: Night, memory: Memory, folder: Path) -> str:
    """The page of ``night``, to be written into ``folder``."""
    counts = memory.triples()
    states, faults = [str(state) for state in State], sorted({fault for _, fault, _ in counts})
    notes = [f"{len(night.entries)} episodes: " + ", ".join(
        f"{count} {verdict}" for verdict, count in night.counts.most_common())]
    if night.too_little:
        notes.append(f"Too little was proven: {night.too_little}.")
    rows = [_row(finding, "new" if finding.is_new else "known", folder) for finding in night.findings]
    rows += [_row(finding, "gone", folder) for finding in night.gone]
    return chaos_page(night.name, rows, [_line(entry, folder) for entry in night.entries],
                      coverage_svg(counts, states, faults), coverage_text(counts, states, faults),
                      _times(night, memory), notes)


def _row(finding: Finding, state: str, folder: Path) -> Row:
    return Row(state, finding.topology, finding.kind, finding.count, finding.first, finding.last,
               os.path.relpath(finding.folder, folder))


def _line(entry: Entry, folder: Path) -> Line:
    schedule, outcome = yaml.safe_load(entry.schedule), entry.outcome
    return Line(entry.number, schedule["topology"], schedule.get("profile", "by hand"), schedule.get("seed", 0),
                str(outcome.verdict) if outcome else "UNKNOWN", outcome.reason if outcome else "not played to its end",
                " > ".join(outcome.course) if outcome else "",
                os.path.relpath(outcome.folder, folder) if outcome and outcome.folder else "",
                picture_of(Path(outcome.folder), entry.number) if outcome and outcome.folder else "")


def _times(night: Night, memory: Memory) -> list[tuple[str, list[float], list[float]]]:
    """Failover time and time to redundancy by topology: of tonight, and of the nights before."""
    found = []
    begun = min((entry.begun for entry in night.entries), default="")
    for topology in sorted({topology_of_entry(entry) for entry in night.entries}):
        mine = [entry.outcome for entry in night.entries
                if topology_of_entry(entry) == topology and entry.outcome is not None]
        earlier = memory.failovers(topology, begun)
        found.append((f"{topology}: failover", [one for outcome in mine for one in outcome.failovers_s], earlier))
        found.append((f"{topology}: without redundancy",
                      [outcome.redundancy_s for outcome in mine if outcome.redundancy_s is not None], []))
    return found
