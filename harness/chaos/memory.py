"""What chaos has hit so far, night after night: in the history, beside the figures of the runs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from fenceline.chaos.draw import Hit
from fenceline.chaos.outcome import Outcome
from fenceline.chaos.schedule import Schedule, ScheduleError, dump_schedule, parse_schedule
from fenceline.chaos.states import course_key
from fenceline.reports import history

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chaos_episode (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, begun TEXT NOT NULL, topology TEXT NOT NULL,
    profile TEXT NOT NULL, seed INTEGER NOT NULL, schedule TEXT NOT NULL, verdict TEXT NOT NULL, course TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chaos_injection (
    episode INTEGER NOT NULL REFERENCES chaos_episode(id) ON DELETE CASCADE,
    state TEXT NOT NULL, fault TEXT NOT NULL, role TEXT NOT NULL, beside TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chaos_course (
    topology TEXT NOT NULL, course TEXT NOT NULL, schedule TEXT NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (topology, course));
CREATE TABLE IF NOT EXISTS chaos_finding (
    kind TEXT NOT NULL, night TEXT NOT NULL, topology TEXT NOT NULL, count INTEGER NOT NULL, folder TEXT NOT NULL,
    PRIMARY KEY (kind, topology, night));
CREATE INDEX IF NOT EXISTS chaos_injection_what ON chaos_injection (state, fault, role);
"""


class Memory:
    """The part of a history (``fenceline.reports.history``) that tells what was hit; ``db`` is one that is open."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_SCHEMA)

    def learn(self, schedule: Schedule, outcome: Outcome, begun: str) -> bool:
        """Adds an episode that began at ``begun`` (ISO time); one that is there already is left as it is. Returns
        whether its course was new for its topology."""
        made = self._db.execute(
            "INSERT OR IGNORE INTO chaos_episode VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            (outcome.folder, begun, schedule.topology, schedule.profile or "", schedule.seed, schedule.key,
             str(outcome.verdict), " > ".join(outcome.course)))
        if not made.rowcount:
            return False
        self._db.executemany("INSERT INTO chaos_injection VALUES (?, ?, ?, ?, ?)",
                             [(made.lastrowid, *hit) for hit in outcome.hits])
        if not outcome.course:
            return False
        key = course_key(outcome.course)
        known = self._db.execute("UPDATE chaos_course SET seen = seen + 1 WHERE topology = ? AND course = ?",
                                 (schedule.topology, key)).rowcount
        if not known:
            self._db.execute("INSERT INTO chaos_course VALUES (?, ?, ?, 1)",
                             (schedule.topology, key, dump_schedule(schedule)))
        return not known

    def hits(self, topology: str | None = None) -> Counter[Hit]:
        """How often each state, fault and role were hit together, with what was in force: on ``topology``, or
        anywhere."""
        rows = self._db.execute(
            "SELECT state, fault, role, beside, count(*) FROM chaos_injection JOIN chaos_episode ON episode = id "
            "WHERE ? IS NULL OR topology = ? GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4", (topology, topology))
        return Counter({Hit(state, fault, role, tuple(filter(None, beside.split("+")))): count
                        for state, fault, role, beside, count in rows})

    def triples(self, topology: str | None = None) -> Counter[tuple[str, str, str]]:
        """The same, whatever else was in force."""
        found: Counter[tuple[str, str, str]] = Counter()
        for hit, count in self.hits(topology).items():
            found[hit.state, hit.fault, hit.role] += count
        return found

    def courses(self, topology: str) -> list[tuple[Schedule, int]]:
        """The schedules whose course was new on ``topology`` when they were played, the oldest first, and how often
        that course was seen since. One that an older version wrote and that can't be read any more is left out."""
        found = []
        for text, seen in self._db.execute("SELECT schedule, seen FROM chaos_course WHERE topology = ? ORDER BY rowid",
                                           (topology,)):
            try:
                found.append((parse_schedule(yaml.safe_load(text), "history"), seen))
            except (ScheduleError, yaml.YAMLError):
                continue
        return found

    def found(self, night: str, topology: str, kind: str, count: int, folder: str) -> None:
        """That in ``night`` a finding of ``kind`` was made so often, last in ``folder``; told again, it is replaced."""
        self._db.execute("INSERT OR REPLACE INTO chaos_finding VALUES (?, ?, ?, ?, ?)",
                         (kind, night, topology, count, folder))

    def findings(self) -> list[tuple[str, str, str, int, str]]:
        """(night, topology, kind, count, folder) of every finding of every night, the oldest first."""
        return list(self._db.execute("SELECT night, topology, kind, count, folder FROM chaos_finding "
                                     "ORDER BY night, topology, kind"))

    def failovers(self, topology: str, before: str) -> list[float]:
        """The failover times (s) that chaos saw on ``topology`` in runs that began before ``before`` (ISO time)."""
        rows = self._db.execute(
            "SELECT outage.seconds FROM outage JOIN run ON outage.run = run.id WHERE run.topology = ? AND "
            "run.begun < ? AND run.scenario LIKE 'chaos:%' AND outage.finished ORDER BY run.begun, outage.number",
            (topology, before))
        return [seconds for seconds, in rows]

    def episodes(self) -> list[tuple[str, str, str, str]]:
        """(begun, topology, profile, verdict) of each, the oldest first."""
        return list(self._db.execute("SELECT begun, topology, profile, verdict FROM chaos_episode ORDER BY begun, id"))


@contextmanager
def remembered(path: Path | str) -> Iterator[Memory]:
    """The memory in the history file ``path``; what is learned is kept when the block ends.

    Raises:
        sqlite3.Error: it is no SQLite file, or can't be written.
    """
    with history.opened(path) as db:
        yield Memory(db)
