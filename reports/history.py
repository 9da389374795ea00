"""The figures of all runs, in one SQLite file: what a run folder says, so that nights can be compared.

Keyed by topology, scenario, driver, versions and host. Only run folders are read: a file that was lost is made again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

NAME = "history.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, begun TEXT NOT NULL, scenario TEXT NOT NULL,
    origin TEXT NOT NULL, topology TEXT NOT NULL, topology_key TEXT NOT NULL, driver TEXT NOT NULL, host TEXT NOT NULL,
    kernel TEXT NOT NULL, versions TEXT NOT NULL, seed INTEGER, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    outage REAL NOT NULL, plus_minus REAL NOT NULL, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS outage (
    run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, number INTEGER NOT NULL, service TEXT NOT NULL,
    seconds REAL NOT NULL, plus_minus REAL NOT NULL, finished INTEGER NOT NULL, phases TEXT NOT NULL,
    PRIMARY KEY (run, number));
CREATE INDEX IF NOT EXISTS run_key ON run (topology, scenario, driver, begun);
"""


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that are alike, and by what. ``software`` stands for the versions of kernel and packages in the guests."""

    topology: str
    scenario: str
    driver: str
    host: str = ""
    software: str = ""

    @property
    def place(self) -> Series:
        """The same without its software: what a newer version can be compared with."""
        return replace(self, software="")

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.topology, self.driver, self.host)))
        return f"{self.scenario} ({where})" + (f" [{self.software}]" if self.software else "")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. ``outage`` is its longest, s, 0 without one; ``phases`` those of that outage: (name, s); ``is_over``
    whether its end was seen: else it is no failover time."""

    series: Series
    begun: str
    folder: str
    verdict: str
    reason: str
    outage: float
    plus_minus: float
    phases: tuple[tuple[str, float], ...]
    host: str
    versions: dict[str, Any]
    is_over: bool = True

    @property
    def failover(self) -> float | None:
        """The failover time (s) of a run that passed; None where it has none."""
        return self.outage if self.verdict == "PASS" and self.outage > 0 and self.is_over else None


class _Names:
    """Short names for versions. Runs that tell the same of all that both tell of have the same software: an image built
    anew from the same packages, or a package that older runs said nothing of, makes no difference."""

    def __init__(self) -> None:
        self._known: list[tuple[str, dict[str, Any]]] = []

    def of(self, versions: dict[str, Any]) -> str:
        """The name for ``versions``; "" if they say nothing."""
        told = {name: version for name, version in versions.items() if name != "image"}
        if not told:
            return ""
        for name, known in self._known:
            both = told.keys() & known.keys()
            if both and all(told[one] == known[one] for one in both):
                known |= told
                return name
        name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:6]
        self._known.append((name, told))
        return name


def versions_text(versions: dict[str, Any]) -> str:
    """``versions`` in words."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if name != "image")


class NoRunFolder(ValueError):
    """Not a finished run: run.json or verdict.json is missing or broken."""


@contextmanager
def opened(path: Path | str) -> Iterator[sqlite3.Connection]:
    """The history in the file ``path``, made if there is none; committed at the end.

    Raises:
        sqlite3.Error: it is no SQLite file, or can't be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=30)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.executescript(_SCHEMA)
        with db:
            yield db


def record_run(db: sqlite3.Connection, folder: Path | str) -> bool:
    """Adds the run in ``folder``; one that is there already is replaced. Returns whether it was new.

    Raises:
        NoRunFolder: it is none.
    """
    folder = Path(folder).resolve()
    try:
        info = json.loads((folder / "run.json").read_text())
        verdict = json.loads((folder / "verdict.json").read_text())
        topology = (folder / "topology.yaml").read_bytes()
        figures = verdict["figures"]
        row = (str(folder), info["begun"], info["scenario"], info["origin"], info["topology"],
               hashlib.sha256(topology).hexdigest()[:16], info.get("driver_used") or info["driver"],
               info.get("host", ""), info["host_kernel"], json.dumps(info.get("versions") or {}, sort_keys=True),
               info.get("seed"), verdict["verdict"], verdict["reason"], float(figures["longest_outage_s"]),
               float(figures["longest_outage_plus_minus_s"]), float(figures["seconds"]))
        outages = [(number, outage["service"], outage["seconds"], outage["plus_minus"], outage["end_ns"] is not None,
                    json.dumps([[phase["name"], phase["seconds"], phase["plus_minus"]] for phase in outage["phases"]]))
                   for number, outage in enumerate(verdict["outages"]) if not outage.get("healing")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoRunFolder(f"{folder}: not a finished run: {error!r}") from error
    known = db.execute("DELETE FROM run WHERE folder = ?", (str(folder),)).rowcount
    made = db.execute(f"INSERT INTO run VALUES (NULL{', ?' * len(row)})", row)
    db.executemany("INSERT INTO outage VALUES (?, ?, ?, ?, ?, ?, ?)", [(made.lastrowid, *one) for one in outages])
    return not known


def gather(db: sqlite3.Connection, base: Path | str) -> int:
    """Adds every finished run below ``base`` that is not there yet; returns how many."""
    known = {row[0] for row in db.execute("SELECT folder FROM run")}
    count = 0
    for verdict in sorted(Path(base).glob("*/verdict.json")):
        if str(verdict.parent.resolve()) in known:
            continue
        try:
            count += record_run(db, verdict.parent)
        except NoRunFolder:
            continue  # one that is being written, or whose harness died: it has no figures
    return count


def runs(db: sqlite3.Connection) -> list[Figures]:
    """Every run, the oldest first."""
    phases, is_over = {}, {}
    for run, raw, finished in db.execute("SELECT run, phases, finished FROM outage ORDER BY run, seconds"):
        phases[run] = tuple((name, seconds) for name, seconds, _ in json.loads(raw))  # of the longest, the last
        is_over[run] = bool(finished)
    names = _Names()
    return [Figures(Series(topology, _with_row(scenario, origin, topology), driver, host,
                           names.of(json.loads(versions))), begun, folder, verdict, reason, outage, plus_minus,
                    phases.get(identity, ()), host, json.loads(versions), is_over.get(identity, True))
            for identity, topology, scenario, origin, driver, begun, folder, verdict, reason, outage, plus_minus, host,
            versions in db.execute("SELECT id, topology, scenario, origin, driver, begun, folder, verdict, reason, "
                                   "outage, plus_minus, host, versions FROM run ORDER BY begun, folder")]


def _with_row(scenario: str, origin: str, topology: str) -> str:
    """``scenario``, and which row of an outline it is where the topology alone does not tell: ``origin`` is pytest's
    name of it."""
    row = origin.partition("[")[2].removesuffix("]")
    return f"{scenario} [{row}]" if row and row != topology else scenario


def by_series(found: Iterable[Figures]) -> dict[Series, list[Figures]]:
    """The runs of each series, in their order."""
    grouped: dict[Series, list[Figures]] = {}
    for figures in found:
        grouped.setdefault(figures.series, []).append(figures)
    return grouped


def load(source: Path | str) -> list[Figures]:
    """The runs of a history file, or of a folder of run folders.

    Raises:
        OSError: there is no such file or folder.
        ValueError: it is neither.
    """
    source = Path(source)
    if source.is_dir():
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(_SCHEMA)
            gather(db, source)
            return runs(db)
    if not source.exists():
        raise FileNotFoundError(2, "no such history or folder of runs", str(source))
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as db:
            return runs(db)
    except sqlite3.Error as error:
        raise ValueError(f"{source}: not a history: {error}") from error
