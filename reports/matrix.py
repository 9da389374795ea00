"""Which check catches which planted defect: saved runs, judged again without what their scenarios expected.

A run of a scenario with the tag @known_bad must turn some check red; a run of any other scenario that does is a false
alarm, unless its verdict was not a pass anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fenceline.judge import judge, load_run
from fenceline.judge.promise import promises
from fenceline.model.load import TopologyError
from fenceline.model.verdict import Verdict

TAG = "known_bad"
#: What tells of a defect; the rest tells of the run itself.
CHECKS = tuple(one.name for one in promises())


@dataclass
class Row:
    """The runs of one scenario; ``red`` counts in how many of them each check failed."""

    scenario: str
    topology: str
    is_bad: bool
    runs: int = 0
    caught: int = 0
    red: dict[str, int] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Every run of a defect was caught; no run of a clean cluster raised an alarm."""
        return self.caught == (self.runs if self.is_bad else 0)


def matrix(folders: Iterable[Path]) -> list[Row]:
    """A row per scenario and topology, the defects first. Folders that are no finished runs are left out, and so are
    runs that say nothing about a cluster (BROKEN, INVALID)."""
    rows: dict[tuple[str, str], Row] = {}
    for folder in folders:
        try:
            info = json.loads((folder / "run.json").read_text())
            events, topology = load_run(folder)
        except (OSError, ValueError, TopologyError):
            continue
        if not any(event.kind == "scenario.end" for event in events):
            continue
        expects = any("break" in event.data for event in events if event.kind == "expect")
        plain = [event for event in events if not (event.kind == "expect" and "break" in event.data)]
        judgement = judge(plain, topology)
        if judgement.verdict in (Verdict.BROKEN, Verdict.INVALID):
            continue
        key = (info["scenario"], topology.name)
        row = rows.setdefault(key, Row(*key, TAG in info["tags"] or expects))
        red = [finding.check for finding in judgement.findings
               if finding.verdict is Verdict.FAIL and finding.check in CHECKS]
        row.runs += 1
        row.caught += bool(red)
        for check in red:
            row.red[check] = row.red.get(check, 0) + 1
    return sorted(rows.values(), key=lambda row: (not row.is_bad, row.scenario))


def matrix_markdown(rows: list[Row], command: str) -> str:
    """The table for the docs; ``command`` is what printed it."""
    lines = ["# What catches what", "",
             f"Printed by `{command}`: runs of real clusters, judged again without what their scenarios expected.",
             "A number says in how many of the runs a check was red.", "",
             "| defect | runs | caught by | answer |", "|---|---|---|---|"]
    for row in (row for row in rows if row.is_bad):
        red = ", ".join(f"{check} {row.red[check]}" for check in CHECKS if check in row.red)
        lines.append(f"| {row.scenario} ({row.topology}) | {row.runs} | {red or '-'} | {_answer(row)} |")
    lines += ["", "| clean | runs | alarms | answer |", "|---|---|---|---|"]
    for row in (row for row in rows if not row.is_bad):
        red = ", ".join(f"{check} {row.red[check]}" for check in CHECKS if check in row.red)
        lines.append(f"| {row.scenario} ({row.topology}) | {row.runs} | {red or '-'} | {_answer(row)} |")
    return "\n".join([*lines, "", _sum(rows) + "."])


def _answer(row: Row) -> str:
    if row.is_bad:
        return "caught" if row.is_right else f"MISSED in {row.runs - row.caught}"
    return "clean" if row.is_right else f"FALSE ALARM in {row.caught}"


def _sum(rows: list[Row]) -> str:
    bad, clean = [row for row in rows if row.is_bad], [row for row in rows if not row.is_bad]
    return (f"{len(bad)} defects in {sum(row.runs for row in bad)} runs, "
            f"{sum(row.runs - row.caught for row in bad)} missed; {len(clean)} clean scenarios in "
            f"{sum(row.runs for row in clean)} runs, {sum(row.caught for row in clean)} false alarms")


def matrix_text(rows: list[Row]) -> str:
    """The table for the terminal: per check in how many runs it was red."""
    if not rows:
        return "no runs"
    wide = max(len(f"{row.scenario} ({row.topology})") for row in rows)
    heads = [f"[{number}]" for number in range(1, len(CHECKS) + 1)]
    lines = [f"{'':{wide}}  runs  " + " ".join(f"{head:>4}" for head in heads) + "  answer"]
    for row in rows:
        cells = " ".join(f"{row.red.get(check, 0) or '.':>4}" for check in CHECKS)
        lines.append(f"{f'{row.scenario} ({row.topology})':{wide}}  {row.runs:4}  {cells}  {_answer(row)}")
    lines += [f"{head} {check}" for head, check in zip(heads, CHECKS, strict=True)]
    return "\n".join([*lines, _sum(rows)])
