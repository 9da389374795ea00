"""The acceptance report: one page that an engineer hands to his manager; made of saved runs and of what the adoption
told. It needs nothing but itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fenceline.judge import judge, load_run
from fenceline.model.load import TopologyError
from fenceline.model.verdict import Judgement, Verdict
from fenceline.reports.pages import render
from fenceline.reports.tables import worst_failover
from fenceline.reports.timeline import timeline_svg

#: What a verdict means to somebody who did not write the scenario.
MEANS = {Verdict.PASS: "survived", Verdict.FAIL: "not survived", Verdict.UNKNOWN: "not decided",
         Verdict.INVALID: "could not be tried", Verdict.BROKEN: "could not be tried"}


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario: ``outage`` (s) and its bound, None where no client lost anything; ``redundancy`` (s) until a standby
    was there again; ``picture`` is the SVG of a run that was not survived; ``blame`` are lines of the configuration."""

    scenario: str
    verdict: Verdict
    reason: str
    outage: float | None = None
    plus_minus: float = 0.0
    is_over: bool = True
    redundancy: float | None = None
    folder: str = ""
    picture: str = ""
    blame: tuple[dict[str, Any], ...] = ()
    versions: dict[str, Any] = field(default_factory=dict)

    @property
    def outage_text(self) -> str:
        """In the table."""
        if self.outage is None:
            return "none"
        return f"{self.outage:.2f} ± {self.plus_minus:.2f}" + ("" if self.is_over else ", not over")


def read_row(folder: Path, shows: dict[str, list[dict[str, Any]]]) -> Row | None:
    """The run in ``folder``; None where it is no whole run."""
    try:
        events, topology = load_run(folder)
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TopologyError):
        return None
    judgement = judge(events, topology)
    name = str(info.get("scenario", folder.name))
    outage, plus_minus, is_over = _worst(judgement)
    redundancy = (judgement.figures.get("redundancy") or {}).get("restored_s")
    bad = judgement.verdict is not Verdict.PASS
    return Row(name, judgement.verdict, judgement.reason, outage, plus_minus, is_over,
               redundancy and (judgement.figures["redundancy"].get("seconds")), str(folder),
               timeline_svg(events, topology, judgement) if bad else "",
               tuple(shows.get(name, ())) if judgement.verdict is Verdict.FAIL else (), info.get("versions") or {})


def _worst(judgement: Judgement) -> tuple[float | None, float, bool]:
    worst = worst_failover(judgement)
    if worst is None:
        return None, 0.0, True
    return worst.seconds, worst.plus_minus, worst.end_ns is not None


def sentence(name: str, rows: Sequence[Row], planned: int, findings: int, budget: float) -> str:
    """The verdict in one sentence."""
    failed = [row for row in rows if row.verdict is Verdict.FAIL]
    open_ = [row for row in rows if row.verdict not in (Verdict.PASS, Verdict.FAIL)]
    missing = max(0, planned - len(rows))
    told = f"{findings} mistake{'s' * (findings != 1)} can be seen in its text" if findings else (
        "no mistake can be seen in its text")
    if not rows:
        return f"{name} was not tried: no scenario was run; {told}."
    if failed:
        first = failed[0].scenario[:1].lower() + failed[0].scenario[1:]
        return (f"{name} does not survive what it must: {len(failed)} of {len(rows)} scenarios were not survived, "
                f"first of all: {first}; {told}.")
    if open_ or missing:
        lost = " and ".join(filter(None, (
            f"{len(open_)} of {len(rows)} scenarios did not come to an answer" if open_ else "",
            f"{missing} of {planned} were not run" if missing else "")))
        survived = len(rows) - len(open_)
        others = f"the other {survived} were survived; " if survived else ""
        return f"{name} is not accepted yet: {lost}; {others}{told}."
    times = [row.outage for row in rows if row.outage is not None]
    worst = f"the longest outage was {max(times):.1f} s of {budget:g} s" if times else "no client lost anything"
    if findings:
        return (f"{name} survived all {len(rows)} scenarios, {worst}; but {told}, which these scenarios did not bring "
                "to light.")
    return f"{name} survives what it must: all {len(rows)} scenarios were survived, {worst}, and {told}."


def acceptance_page(told: dict[str, Any], rows: Sequence[Row], planned: int, base: Path) -> str:
    """The page; ``told`` is adoption.json, ``base`` the folder that it will lie in, for its links."""
    mistakes = [one for one in told["findings"] if not one["remark"]]
    failed = any(row.verdict is Verdict.FAIL for row in rows)
    accepted = bool(rows) and len(rows) >= planned and all(row.verdict is Verdict.PASS for row in rows)
    verdict = Verdict.FAIL if failed else Verdict.PASS if accepted and not mistakes else Verdict.UNKNOWN
    versions: dict[str, Any] = {}
    for row in rows:
        versions |= row.versions
    return render(
        "acceptance.html.j2", name=told["topology"], verdict=verdict, told=told, mistakes=mistakes,
        sentence=sentence(told["topology"], rows, planned, len(mistakes), told["budget"]),
        rows=[(row, MEANS[row.verdict], _link(row, base)) for row in rows],
        broken=[(row, MEANS[row.verdict], _link(row, base)) for row in rows if row.verdict is not Verdict.PASS],
        remarks=[one for one in told["findings"] if one["remark"]],
        versions=[(name, str(version)) for name, version in sorted(versions.items())])


def _link(row: Row, base: Path) -> str:
    try:
        return str(Path(row.folder).relative_to(base)) + "/"
    except ValueError:
        return ""
