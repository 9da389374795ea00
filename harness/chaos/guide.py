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
from fenceline.chaos.states import course_key

#: So many of the schedules (share) grow from another, as long as there is one.
GROWN = 0.5


class Guide:
    """``hits`` and ``courses`` are what is known so far: see ``fenceline.chaos.memory``."""

    def __init__(self, hits: Counter[Hit] | None = None, courses: Iterable[tuple[Schedule, int]] = ()) -> None:
        self.hits: Counter[Hit] = Counter(hits or ())
        self._faults: Counter[str] = Counter()
        for hit, count in self.hits.items():
            self._faults[hit.fault] += count
        self._corpus: list[Schedule] = []
        self._seen: Counter[str] = Counter()
        self._course_of: dict[str, str] = {}
        for schedule, seen in courses:
            self._corpus.append(schedule)
            self._course_of[schedule.key] = schedule.key
            self._seen[schedule.key] = seen

    def prefer(self, hit: Hit) -> float:
        """How much ``hit`` is worth: the less, the more often it, and its fault at all, was hit."""
        return 1.0 / (1 + self.hits[hit]) + 0.25 / (1 + self._faults[hit.fault])

    def schedule(self, repertoire: Repertoire, seed: int, length: float, driver: str = "auto") -> Schedule:
        """The next schedule, from ``seed``."""
        chance = Chance(seed, "guide")
        fitting = [one for one in self._corpus if one.topology == repertoire.topology.name and one.actions]
        if fitting and chance.is_so(GROWN):
            # a course that is seldom seen leads to places that others don't
            base = chance.weighed(fitting, [1.0 / self._seen[self._course_of[one.key]] for one in fitting])
            return repertoire.grow(base, seed, self.prefer)
        return repertoire.draw(seed, length, driver, self.prefer)

    def learn(self, schedule: Schedule, hits: Sequence[tuple[str, str, str]], course: Sequence[str]) -> bool:
        """Takes in what an episode came to; returns whether its course was new here."""
        for hit in hits:
            self.hits[Hit(*hit)] += 1
            self._faults[hit[1]] += 1
        if not course:
            return False
        key = course_key(course)
        self._seen[key] += 1
        if self._seen[key] > 1:
            return False
        self._corpus.append(schedule)
        self._course_of[schedule.key] = key
        return True
