"""Guidance: what has seldom been hit is preferred, and schedules grow from those that took the cluster on a new course.

It only weighs what chance draws: the seed still decides, and the schedule that comes of it is written down whole. The
same seed and the same memory give the same schedule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fenceline.chaos.chance import Chance
from fenceline.chaos.draw import Hit, Repertoire
from fenceline.chaos.schedule import Schedule
from fenceline.chaos.states import State, course_key

#: So many of the schedules (share) grow from another, as long as there is one.
GROWN = 0.5


class Guide:
    """``hits`` and ``courses`` are what is known so far: see ``fenceline.chaos.memory``."""

    def __init__(self, hits: Counter[Hit] | None = None, courses: Iterable[tuple[Schedule, int]] = ()) -> None:
        self.hits: Counter[Hit] = Counter(hits or ())
        self._faults: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._triples: Counter[tuple[str, str, str]] = Counter()
        for hit, count in list(self.hits.items()):
            self._count(hit, count)
        self._corpus: list[Schedule] = []
        self._seen: Counter[str] = Counter()
        self._course_of: dict[str, str] = {}
        for schedule, seen in courses:
            self._corpus.append(schedule)
            self._course_of[schedule.key] = schedule.key
            self._seen[schedule.key] = seen

    def prefer(self, hit: Hit) -> float:
        """How much ``hit`` is worth: the less, the more often it, its fault at all, and its fault beside what is in
        force then were hit."""
        known = self._triples[hit.state, hit.fault, hit.role]
        worth = 1.0 / (1 + known) ** 2 + 0.1 / (1 + self._faults[hit.fault])
        if hit.beside:
            worth += max(1.0 / (1 + self._pairs[hit.fault, other]) ** 2 for other in hit.beside)
        # at rest everything is hit by itself: what is rare there need not be looked for
        return worth if hit.state != State.STEADY or hit.beside else 0.3 * worth

    def _count(self, hit: Hit, count: int) -> None:
        self._faults[hit.fault] += count
        self._triples[hit.state, hit.fault, hit.role] += count
        for other in hit.beside:
            self._pairs[hit.fault, other] += count

    def schedule(self, repertoire: Repertoire, seed: int, length: float, driver: str = "auto") -> Schedule:
        """The next schedule, from ``seed``."""
        chance = Chance(seed, "guide")
        fitting = [one for one in self._corpus if one.topology == repertoire.topology.name and one.actions]
        if fitting and chance.is_so(GROWN):
            # a course that is seldom seen leads to places that others don't
            base = chance.weighed(fitting, [1.0 / self._seen[self._course_of[one.key]] for one in fitting])
            return repertoire.grow(base, seed, self.prefer)
        return repertoire.draw(seed, length, driver, self.prefer)

    def learn(self, schedule: Schedule, hits: Sequence[tuple[str, str, str, str]], course: Sequence[str]) -> bool:
        """Takes in what an episode came to; returns whether its course was new here."""
        for state, fault, role, beside in hits:
            hit = Hit(state, fault, role, tuple(filter(None, beside.split("+"))))
            self.hits[hit] += 1
            self._count(hit, 1)
        if not course:
            return False
        key = course_key(course)
        self._seen[key] += 1
        if self._seen[key] > 1:
            return False
        self._corpus.append(schedule)
        self._course_of[schedule.key] = key
        return True
