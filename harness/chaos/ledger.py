"""What a campaign has done: an SQLite file that survives kill -9, so that no episode is lost and none is counted twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fenceline.chaos.outcome import Outcome, outcome_of_json, outcome_to_json
from fenceline.chaos.plan import Plan
from fenceline.core.errors import FencelineError

NAME = "campaign.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS episode (
    number INTEGER PRIMARY KEY, schedule TEXT NOT NULL, begun TEXT NOT NULL, outcome TEXT, seconds REAL);
"""


class NoCampaign(FencelineError):
    """The file is of another plan, or no campaign at all."""

    status = 2


@dataclass(frozen=True)
class Entry:
    """The episode ``number``: its ``schedule`` as text, and its ``outcome``, None until it has one."""

    number: int
    schedule: str
    begun: str
    outcome: Outcome | None
    seconds: float


class Ledger:
    """The campaign in ``folder``, of ``plan``; made if there is none.

    Raises:
        NoCampaign: the one that is there is of another plan, or the file is none.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # each change is on the disk before it is acted upon
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO fact VALUES ('plan', ?)", (plan.key,))
            self._db.execute("INSERT OR IGNORE INTO fact VALUES ('spent', '0')")
        except (sqlite3.Error, OSError) as error:
            raise NoCampaign(f"{self.path}: not a usable campaign: {error}") from error
        if self._fact("plan") != plan.key:
            raise NoCampaign(f"{self.path}: this campaign was begun with another plan: name another folder with "
                             "--output, or take the plan of that one")

    def _fact(self, name: str) -> str:
        return self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()[0]

    @property
    def spent(self) -> float:
        """The seconds for which it has run, in all sessions."""
        return float(self._fact("spent"))

    def spend(self, seconds: float) -> None:
        """Adds to it."""
        self._db.execute("UPDATE fact SET value = ? WHERE name = 'spent'", (repr(self.spent + seconds),))

    def begin(self, number: int, schedule: str, begun: str) -> None:
        """The episode ``number`` is about to be played; one that is there already keeps its schedule."""
        self._db.execute("INSERT OR IGNORE INTO episode VALUES (?, ?, ?, NULL, NULL)", (number, schedule, begun))

    def end(self, number: int, outcome: Outcome, seconds: float) -> bool:
        """What it came to; returns False, and changes nothing, where that is known already."""
        return bool(self._db.execute(
            "UPDATE episode SET outcome = ?, seconds = ? WHERE number = ? AND outcome IS NULL",
            (outcome_to_json(outcome), seconds, number)).rowcount)

    def entries(self) -> Iterator[Entry]:
        """Every episode, by its number."""
        for number, schedule, begun, outcome, seconds in self._db.execute(
                "SELECT number, schedule, begun, outcome, seconds FROM episode ORDER BY number"):
            yield Entry(number, schedule, begun, outcome_of_json(outcome) if outcome else None, seconds or 0.0)

    def open_ones(self) -> list[Entry]:
        """Those that were begun and have no outcome: they are played first."""
        return [entry for entry in self.entries() if entry.outcome is None]

    @property
    def next_number(self) -> int:
        """Of the first episode that was not begun."""
        last = self._db.execute("SELECT max(number) FROM episode").fetchone()[0]
        return 0 if last is None else last + 1

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
