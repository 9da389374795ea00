"""From a schedule that broke a promise to the shortest one that still does.

First it is repeated, to know how often it fails; then actions are taken out (delta debugging), parameters made simpler,
times earlier or anchored. A change is kept only where the same promise breaks again, at a rate that is not lower but by
chance. Nothing here knows a cluster: ``play`` plays a schedule once and says what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fenceline.chaos.outcome import Outcome
from fenceline.chaos.schedule import Action, Schedule
from fenceline.core.errors import FencelineError
from fenceline.faults import FAULTS
from fenceline.faults.parameters import default_of, types_of
from fenceline.model.verdict import Verdict
from fenceline.reports.stats import lower_by_chance, share_interval

#: A rate that is as low as this by chance alone (p) is taken for lower.
_ALPHA = 0.05
#: A change is tried no more often than this: a rate that needs more is hardly there.
_MOST_TRIES = 12
#: So many answers in a row that say nothing (the harness failed, nothing was confirmed) end a try.
_NO_ANSWERS = 2
#: The first action need not come sooner (s), nor two be closer.
_SOON = 2.0
_CLOSE = 1.0

Play = Callable[[Schedule], Outcome]
#: For the action of this number in the run of an outcome: moments shortly before it, as (words, s from it).
Moments = Callable[[Outcome, int], Sequence[tuple[str, float]]]


class NotAgain(FencelineError):
    """The schedule did not break a promise again, so that there is nothing to shrink. ``rate`` is what was seen."""

    status = 3


@dataclass(frozen=True)
class Rate:
    """``count`` of ``of`` broke the promise."""

    count: int
    of: int

    def __str__(self) -> str:
        low, high = share_interval(self.count, self.of)
        return f"{self.count} of {self.of} ({100 * low:.0f} to {100 * high:.0f} %)"

    def is_lower(self, than: Rate) -> bool:
        """Whether it is lower than ``than``, and not by chance."""
        return lower_by_chance(self.count, self.of, than.count, than.of) < _ALPHA

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.count + other.count, self.of + other.of)


@dataclass(frozen=True)
class Step:
    """One change that was tried: what, what of it was seen, and whether it was kept."""

    what: str
    rate: Rate
    kept: bool
    actions: int


@dataclass
class Shrunk:
    """What became of a schedule: ``promise`` is the one that breaks, ``before`` how often at first, ``after`` how often
    of the ``schedule`` that is left. ``ended``: the bound on time ended it."""

    schedule: Schedule
    promise: str
    before: Rate
    after: Rate
    steps: list[Step] = field(default_factory=list)
    last: Outcome | None = None
    runs: int = 0
    ended: bool = False


class OutOfTime(Exception):
    """The bound on time: what was found so far is kept."""


class Shrinker:
    """Shrinks with ``play``. ``left`` says how many seconds are left; ``say`` takes a line of progress; ``moments``
    where times may be anchored."""

    def __init__(self, play: Play, left: Callable[[], float] = lambda: math.inf,
                 say: Callable[[str], None] = lambda line: None, moments: Moments | None = None,
                 times: int = 5) -> None:
        self._play, self._left, self._say, self._moments, self._times = play, left, say, moments, times
        self._known: dict[str, Rate] = {}
        self._shrunk: Shrunk | None = None
        self.promise = ""
        self._runs = 0
        self._last: Outcome | None = None

    def shrink(self, schedule: Schedule, promise: str | None = None) -> Shrunk:
        """The shortest schedule found that still breaks ``promise`` (default: what breaks first when it is repeated).

        Raises:
            NotAgain: it did not break again.
        """
        self.promise = promise or ""
        before = self.repeat(schedule)
        if not before.count:
            raise NotAgain(f"{promise or 'no promise'} broke in none of {before.of} runs (the rate is below "
                           f"{100 * share_interval(0, before.of)[1]:.0f} %): nothing to shrink; play it more often: "
                           "--times")
        self._say(f"{self.promise} breaks in {before} runs")
        shrunk = self._shrunk = Shrunk(schedule, self.promise, before, before, last=self._last)
        accepted = [schedule]
        try:
            for change in (self._fewer, self._simpler, self._earlier, self._anchored):
                for smaller in change(shrunk):
                    shrunk.schedule = smaller
                    shrunk.last = self._last
                    accepted.append(smaller)
            self._confirm(shrunk, accepted)
        except OutOfTime:
            shrunk.ended = True
            shrunk.after = self._known.get(shrunk.schedule.key, before)
            self._say("the time is over: what was kept so far")
        shrunk.runs = self._runs
        return shrunk

    def repeat(self, schedule: Schedule) -> Rate:
        """How often ``schedule`` breaks the promise, in as many runs as were asked for; what is left of the time bounds
        it."""
        rate = self._known.get(schedule.key, Rate(0, 0))
        silent = 0
        while rate.of < self._times and silent <= _NO_ANSWERS:
            try:
                answer = self._once(schedule)
            except OutOfTime:
                if rate.of:
                    break
                raise
            silent = silent + 1 if answer is None else 0
            rate = self._count(schedule, answer)
        return rate

    # -- one try -------------------------------------------------------------------------------------------

    def _once(self, schedule: Schedule) -> bool | None:
        """Plays it; whether the promise broke; None where the run says nothing."""
        if self._left() <= 0:
            raise OutOfTime
        outcome = self._play(schedule)
        self._runs += 1
        if outcome.verdict is Verdict.FAIL and not self.promise:
            self.promise = outcome.broken[0] if outcome.broken else ""
        if outcome.verdict is Verdict.FAIL and self.promise in outcome.broken:
            self._last = outcome
            return True
        return False if outcome.verdict in (Verdict.PASS, Verdict.FAIL) else None

    def _count(self, schedule: Schedule, answer: bool | None) -> Rate:
        rate = self._known.get(schedule.key, Rate(0, 0))
        if answer is not None:
            rate = self._known[schedule.key] = rate + Rate(int(answer), 1)
        return rate

    def _still_fails(self, schedule: Schedule, what: str) -> bool:
        """Whether ``schedule`` breaks the promise no less often than the first one, as far as chance lets one tell:
        played until it does, or until that it does not would be unlikely."""
        shrunk = self._shrunk
        share = shrunk.before.count / shrunk.before.of
        # that often it would have failed at least once, if its rate were the same
        most = 1 if share == 1 else min(_MOST_TRIES, math.ceil(math.log(_ALPHA) / math.log(1 - min(share, 0.95))))
        rate, silent = self._known.get(schedule.key, Rate(0, 0)), 0
        while not rate.count and rate.of < most and silent < _NO_ANSWERS:
            answer = self._once(schedule)
            silent += answer is None
            rate = self._count(schedule, answer)
        kept = rate.count > 0 and not rate.is_lower(shrunk.before)
        shrunk.steps.append(Step(what, rate, kept, len(schedule.actions)))
        self._say(f"  {what}: {rate.count} of {rate.of}{': kept' if kept else ''}")
        return kept

    # -- fewer actions -------------------------------------------------------------------------------------

    def _fewer(self, shrunk: Shrunk) -> Iterator[Schedule]:
        """Delta debugging (Zeller's ddmin) over the actions."""
        actions, parts = list(shrunk.schedule.actions), 2
        while len(actions) >= 2:
            size = math.ceil(len(actions) / parts)
            chunks = [actions[first:first + size] for first in range(0, len(actions), size)]
            for number, chunk in enumerate(chunks):
                rest = [action for other, part in enumerate(chunks) if other != number for action in part]
                for tried, next_parts, what in ((chunk, 2, "only"), (rest, max(parts - 1, 2), "without")):
                    if what == "without" and len(chunks) == 2:
                        continue  # that is the other half
                    told = ", ".join(action.fault for action in chunk)
                    smaller = shrunk.schedule.with_actions(tried)
                    if self._still_fails(smaller, f"{what} {told}"):
                        yield smaller
                        actions, parts = list(tried), next_parts
                        break
                else:
                    continue
                break
            else:
                if parts >= len(actions):
                    return
                parts = min(len(actions), parts * 2)

    # -- simpler parameters --------------------------------------------------------------------------------

    def _simpler(self, shrunk: Shrunk) -> Iterator[Schedule]:
        for number in range(len(shrunk.schedule.actions)):
            tried: set[str] = set()
            while True:
                left = [one for one in _simpler(shrunk.schedule.actions[number]) if one[0] not in tried]
                if not left:
                    break
                what, action = left[0]
                tried.add(what)
                actions = list(shrunk.schedule.actions)
                actions[number] = action
                smaller = shrunk.schedule.with_actions(actions)
                if self._still_fails(smaller, f"{action.fault}: {what}"):
                    yield smaller

    # -- earlier, anchored ---------------------------------------------------------------------------------

    def _earlier(self, shrunk: Shrunk) -> Iterator[Schedule]:
        """All as soon as may be; then each gap by half as long as that is kept."""
        smaller = _moved(shrunk.schedule, 0, _SOON)
        if smaller is not None and self._still_fails(smaller, "all earlier"):
            yield smaller
        for number in range(1, len(shrunk.schedule.actions)):
            while True:
                gap = _gap(shrunk.schedule, number)
                if gap is None or gap <= _CLOSE:
                    break
                smaller = _moved(shrunk.schedule, number, shrunk.schedule.actions[number].at - round(
                    max(gap / 2, gap - _CLOSE if gap < 2 * _CLOSE else 0), 1))
                if smaller is None or not self._still_fails(
                        smaller, f"{shrunk.schedule.actions[number].fault} sooner, "
                                 f"at {smaller.actions[number].at:g} s"):
                    break
                yield smaller

    def _anchored(self, shrunk: Shrunk) -> Iterator[Schedule]:
        if self._moments is None or shrunk.last is None:
            return
        for number, action in enumerate(shrunk.schedule.actions):
            if action.at is None or not number:
                continue  # what comes first waits for nothing
            for words, after in self._moments(shrunk.last, number)[:2]:
                anchored = action.model_copy(update={"at": None, "after": words, "delay": round(after, 2)})
                actions = list(shrunk.schedule.actions)
                actions[number] = anchored
                smaller = shrunk.schedule.with_actions(actions)
                if self._still_fails(smaller, f"{action.fault} {anchored.when}"):
                    yield smaller
                    break

    # -- the end -------------------------------------------------------------------------------------------

    def _confirm(self, shrunk: Shrunk, accepted: list[Schedule]) -> None:
        """What is left is repeated; where it fails less often than the first one, and not by chance, the last change
        that did not is gone back to."""
        while True:
            shrunk.schedule = accepted.pop()
            shrunk.after = self.repeat(shrunk.schedule)
            if not accepted or shrunk.after.count and not shrunk.after.is_lower(shrunk.before):
                return
            self._say(f"  the last change made it rarer ({shrunk.after}): taken back")


def _simpler(action: Action) -> Iterator[tuple[str, Action]]:
    """Simpler forms of ``action``: a default for a parameter, rounder numbers, shorter."""
    cls = FAULTS[action.fault]
    for name, value in action.parameters.items():
        if default_of(cls, name) is not None:
            left = {other: one for other, one in action.parameters.items() if other != name}
            yield f"{name} as by default", action.model_copy(update={"parameters": left})
        if isinstance(value, int | float) and not isinstance(value, bool):
            rounder = float(f"{value:.1g}")
            if rounder != value and name in types_of(cls):
                yield f"{name}={rounder:g}", action.model_copy(
                    update={"parameters": {**action.parameters, name: rounder}})
    if action.lasts is not None and action.lasts > 2:
        yield "for 2 s", action.model_copy(update={"lasts": 2.0})
        rounder = float(math.ceil(action.lasts))
        if rounder != action.lasts:
            yield f"for {rounder:g} s", action.model_copy(update={"lasts": rounder})


def _gap(schedule: Schedule, number: int) -> float | None:
    """The seconds from the action before to that of this ``number``; None where one of them waits for a moment."""
    one, other = schedule.actions[number - 1], schedule.actions[number]
    return None if one.at is None or other.at is None else round(other.at - one.at, 3)


def _moved(schedule: Schedule, number: int, at: float) -> Schedule | None:
    """``schedule`` with the action ``number`` at ``at`` s, and all that come later as much sooner; None where it would
    be no sooner."""
    action = schedule.actions[number] if schedule.actions else None
    if action is None or action.at is None or at >= action.at:
        return None
    by = action.at - at
    moved = [one if one.at is None or index < number else one.model_copy(update={"at": round(one.at - by, 1)})
             for index, one in enumerate(schedule.actions)]
    return schedule.with_actions(moved)
