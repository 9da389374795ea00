"""A campaign: episodes after each other and side by side, for a night; it can be ended at any time, and goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from fenceline.chaos.crew import Crew, News, Order
from fenceline.chaos.disk import keep_within, trim
from fenceline.chaos.draw import Repertoire
from fenceline.chaos.fleet import Fleet
from fenceline.chaos.guide import Guide
from fenceline.chaos.ledger import Ledger
from fenceline.chaos.outcome import Outcome, outcome_of_json
from fenceline.chaos.plan import Plan
from fenceline.chaos.schedule import dump_schedule, parse_schedule
from fenceline.chaos.worker import OUTCOME
from fenceline.core.errors import HostError
from fenceline.model.verdict import Verdict

#: So many workers that die in a row, and none that plays, end it: something is wrong with all of them.
_MOST_GONE = 3
#: So often (s) the time that was spent is written down, and what is going on is told.
_TICK_S = 15.0
EPISODES = "episodes"


@dataclass
class Campaign:
    """The campaign of ``plan`` in ``folder``. ``repertoire(topology, profile)`` gives what is drawn of; ``reap``
    removes what a worker left that was killed; ``say`` takes a line of progress."""

    folder: Path
    plan: Plan
    ledger: Ledger
    crew: Crew | Fleet
    repertoire: Callable[[str, str], Repertoire]
    guide: Guide | None = None
    reap: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda line: None
    clock: Callable[[], float] = time.monotonic
    _ticked: float = 0.0
    _gone: int = 0

    def run(self) -> list[Outcome]:
        """Plays until the time, or the episodes, are over; returns what all of them came to, of earlier sessions too.
        Ctrl-C ends it, and what is being played is played again when it goes on."""
        self._ticked = self.clock()
        waiting = [entry.number for entry in self.ledger.open_ones() if not self._is_known(entry.number)]
        if waiting:
            self.say(f"goes on: {len(waiting)} episodes were begun and are played again")
            self.reap()
        known = [entry for entry in self.ledger.entries() if entry.outcome is not None]
        for entry in known:
            self._learn(entry.schedule, entry.outcome)
        following = self.ledger.next_number
        try:
            while True:
                while self.crew.free and (waiting or self._has_more(following)):
                    if waiting:
                        self._give(waiting.pop(0))
                    else:
                        self._give(following)
                        following += 1
                if not self.crew.busy and not waiting and not self._has_more(following):
                    break
                news = self.crew.news(1.0)
                if news is not None:
                    self._take(news)
                self._tick()
        finally:
            self._tick(at_once=True)
            self.crew.close()
        return [entry.outcome for entry in self.ledger.entries() if entry.outcome is not None]

    def _has_more(self, number: int) -> bool:
        if self.plan.episodes and number >= self.plan.episodes:
            return False
        return self.ledger.spent + self.clock() - self._ticked < self.plan.time

    # -- one episode ---------------------------------------------------------------------------------------

    def _place(self, number: int) -> Path:
        return self.folder / EPISODES / f"{number:05d}"

    def _give(self, number: int) -> None:
        topology, profile, seed = self.plan.what(number)
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        entry = next((one for one in self.ledger.open_ones() if one.number == number), None)
        if entry is None:
            repertoire = self.repertoire(topology, profile)
            schedule = (self.guide.schedule(repertoire, seed, self.plan.length, self.plan.driver) if self.guide else
                        repertoire.draw(seed, self.plan.length, self.plan.driver))
            text = dump_schedule(schedule)
            self.ledger.begin(number, text, begun)
        else:
            text = entry.schedule
        shutil.rmtree(self._place(number), ignore_errors=True)  # of a try that was cut off
        self.crew.give(self.crew.best_for(topology), Order(
            number, topology, text, self._place(number), f"fenceline chaos nightly, episode {number}",
            self.plan.length + self.plan.hang))

    def _is_known(self, number: int) -> bool:
        """Whether its outcome is in its folder though the campaign did not live to write it down; it is then."""
        try:
            outcome = outcome_of_json((self._place(number) / OUTCOME).read_text())
        except (OSError, ValueError):
            return False
        return self.ledger.end(number, outcome, outcome.seconds)

    def _take(self, news: News) -> None:
        """Takes in what a worker told.

        Raises:
            HostError: one worker after the other dies.
        """
        if news.gone:
            self._gone += not news.hung
            if news.number is not None:
                self.say(f"episode {news.number}: {news.say}")
                self.reap()
                self._end(news.number, Outcome(Verdict.BROKEN, news.say, folder=str(self._place(news.number))))
            if self._gone >= _MOST_GONE:
                raise HostError(f"{self._gone} workers after each other ended before they had played: the last one, "
                                f"{news.say}; what was played is kept: {self.folder}")
        elif news.outcome and news.number is not None:
            self._gone = 0
            self._end(news.number, outcome_of_json(news.outcome))
        elif news.say:
            self.say(f"  {news.worker}: {news.say}")

    def _end(self, number: int, outcome: Outcome) -> None:
        if not self.ledger.end(number, outcome, outcome.seconds):
            return
        entry = next(one for one in self.ledger.entries() if one.number == number)
        is_new = self._learn(entry.schedule, outcome)
        self.say(f"episode {number}: {outcome.verdict}: {outcome.reason}" + (" (a new course)" if is_new else ""))
        if outcome.verdict is Verdict.PASS:
            trim(self._place(number))
        for removed in keep_within(self.folder / EPISODES, self.plan.disk, self._important()):
            self.say(f"  the disk's budget: what was big of episode {removed} is removed")

    def _important(self) -> list[str]:
        """The folders of episodes, what can be spared first: those that passed, then those that failed like others."""
        seen: set[tuple[str, ...]] = set()
        first, repeated, rest = [], [], []
        for entry in self.ledger.entries():
            if entry.outcome is None:
                continue
            name = f"{entry.number:05d}"
            if not entry.outcome.failed:
                rest.append(name)
            elif entry.outcome.broken in seen:
                repeated.append(name)
            else:
                seen.add(entry.outcome.broken)
                first.append(name)
        return [*rest, *repeated, *first]

    def _learn(self, text: str, outcome: Outcome) -> bool:
        if self.guide is None:
            return False
        return self.guide.learn(parse_schedule(yaml.safe_load(text), "campaign"), outcome.hits, outcome.course)

    # -- what a person sees --------------------------------------------------------------------------------

    def _tick(self, at_once: bool = False) -> None:
        now = self.clock()
        if now - self._ticked < _TICK_S and not at_once:
            return
        self.ledger.spend(now - self._ticked)
        self._ticked = now
        done = [entry.outcome for entry in self.ledger.entries() if entry.outcome is not None]
        spent = self.ledger.spent
        found = len({outcome.broken for outcome in done if outcome.failed})
        running = "; ".join(f"{order.number} on {order.topology}" for order in self.crew.busy.values()) or "nothing"
        self.say(f"{len(done)} episodes, {len(done) * 3600 / max(spent, 1.0):.0f} an hour; {found} kinds of findings; "
                 f"running: {running}; {max(0.0, self.plan.time - spent) / 60:.0f} min left")
