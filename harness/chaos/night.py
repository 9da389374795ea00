"""What a night came to: its findings, new, known and gone, and whether enough was proven."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from fenceline.chaos.ledger import Entry
from fenceline.chaos.memory import Memory
from fenceline.model.verdict import Verdict

#: What a night is told to be by its exit status.
NOTHING_NEW, BROKE, TOO_LITTLE = 0, 1, 3


@dataclass(frozen=True)
class Finding:
    """Failures of one ``kind`` (promise, state, faults) on one topology: how often in this night, in which other nights
    first and last, and the run folder of the last one."""

    topology: str
    kind: str
    count: int
    folder: str
    first: str
    last: str
    nights: int

    @property
    def is_new(self) -> bool:
        """Whether no earlier night knew it."""
        return self.first == self.last


@dataclass(frozen=True)
class Night:
    """A night called ``name``. ``gone`` are findings of the night before that were not made again."""

    name: str
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    least: int

    @property
    def counts(self) -> Counter[Verdict]:
        """How many episodes came to which verdict."""
        return Counter(entry.outcome.verdict for entry in self.entries if entry.outcome is not None)

    @property
    def too_little(self) -> str | None:
        """Why too little was proven, in words; None if enough was."""
        counts = self.counts
        proven = counts[Verdict.PASS] + counts[Verdict.FAIL]
        if proven >= self.least:
            return None
        rest = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()
                         if verdict not in (Verdict.PASS, Verdict.FAIL))
        return f"{proven} of {len(self.entries)} episodes passed or failed; at least {self.least} were wanted" + (
            f" ({rest})" if rest else "")

    @property
    def status(self) -> int:
        """The exit status: 1 a promise broke in a way that no earlier night knew, 3 too little was proven, else 0."""
        if any(finding.is_new for finding in self.findings):
            return BROKE
        return TOO_LITTLE if self.too_little else NOTHING_NEW


def topology_of_entry(entry: Entry) -> str:
    """The topology of an episode."""
    return str(yaml.safe_load(entry.schedule)["topology"])


def take_stock(name: str, entries: Sequence[Entry], memory: Memory, least: int = 1) -> Night:
    """The night ``name`` (names sort by time) of ``entries``; what it found is added to ``memory``."""
    kinds: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.outcome is not None and entry.outcome.failed:
            kinds.setdefault((topology_of_entry(entry), entry.outcome.kind), []).append(entry)
    for (topology, kind), found in kinds.items():
        memory.found(name, topology, kind, len(found), found[-1].outcome.folder)
    every = memory.findings()
    earlier = sorted({night for night, *_ in every if night < name})
    findings = [_finding(every, topology, kind, name) for topology, kind in sorted(kinds)]
    before = [(topology, kind) for night, topology, kind, *_ in every if earlier and night == earlier[-1]]
    gone = [_finding(every, topology, kind, earlier[-1]) for topology, kind in before if (topology, kind) not in kinds]
    return Night(name, tuple(entries), tuple(sorted(findings, key=lambda one: (not one.is_new, -one.count))),
                 tuple(gone), least)


def _finding(every: Iterable[tuple[str, str, str, int, str]], topology: str, kind: str, night: str) -> Finding:
    mine = [row for row in every if row[1:3] == (topology, kind) and row[0] <= night]
    last = mine[-1]
    return Finding(topology, kind, last[3], last[4], mine[0][0], last[0], len(mine))


def junit(night: Night) -> str:
    """The night as JUnit's XML: each episode a test; a broken promise is a failure, what proves nothing a skip, what
    the harness broke an error."""
    suite = ET.Element("testsuite", name=f"fenceline chaos {night.name}", tests=str(len(night.entries)),
                       failures=str(night.counts[Verdict.FAIL]), errors=str(night.counts[Verdict.BROKEN]),
                       skipped=str(night.counts[Verdict.INVALID] + night.counts[Verdict.UNKNOWN]))
    words = {Verdict.FAIL: "failure", Verdict.BROKEN: "error", Verdict.INVALID: "skipped", Verdict.UNKNOWN: "skipped"}
    for entry in night.entries:
        schedule = yaml.safe_load(entry.schedule)
        case = ET.SubElement(suite, "testcase", classname=f"chaos.{schedule['topology']}",
                             name=f"episode {entry.number}: {schedule.get('profile', 'by hand')}, "
                                  f"seed {schedule.get('seed', 0)}", time=f"{entry.seconds:.3f}")
        outcome = entry.outcome
        if outcome is None:
            ET.SubElement(case, "skipped", message="it was not played to its end")
        elif outcome.verdict in words:
            what = ET.SubElement(case, words[outcome.verdict], message=_printable(outcome.reason))
            what.text = f"run folder: {outcome.folder}"
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """``text`` without what XML can't hold."""
    return "".join(char for char in text if char.isprintable())
