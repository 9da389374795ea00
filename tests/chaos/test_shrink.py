"""Shrinking, on fake episodes that fail by a planted rule."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from fenceline.chaos.draw import Repertoire
from fenceline.chaos.outcome import Outcome
from fenceline.chaos.profile import load_profile
from fenceline.chaos.schedule import Schedule, parse_schedule
from fenceline.chaos.shrink import NotAgain, Rate, Shrinker
from fenceline.model.verdict import Verdict

PROMISE = "single mount"


class Fake:
    """Plays nothing: fails by ``rule``, at ``rate``; some runs come to ``nothing``."""

    def __init__(self, rule: Callable[[Schedule], bool], rate: float = 1.0, nothing: float = 0.0,
                 promise: str = PROMISE) -> None:
        self.rule, self.rate, self.nothing, self.promise = rule, rate, nothing, promise
        self.played: list[Schedule] = []
        self.chance = random.Random(7)

    def __call__(self, schedule: Schedule) -> Outcome:
        self.played.append(schedule)
        if self.chance.random() < self.nothing:
            return Outcome(Verdict.INVALID, "nothing was confirmed")
        if self.rule(schedule) and self.chance.random() < self.rate:
            return Outcome(Verdict.FAIL, self.promise, (self.promise, "one instance"))
        return Outcome(Verdict.PASS, "every promise was kept")


def faults(schedule: Schedule) -> list[str]:
    return [action.fault for action in schedule.actions]


def long_one(web, *planted: dict) -> Schedule:
    """Drawn, with ``planted`` actions among the others."""
    profile = load_profile("network").model_copy(update={"anchored": 0.0})
    drawn = Repertoire(web, profile).draw(11, 200)
    made = parse_schedule({"topology": "web-iscsi", "actions": list(planted)}, "planted").actions
    actions = sorted([*drawn.actions, *made], key=lambda action: action.at)
    assert len(actions) >= 10
    return drawn.with_actions(actions)


POWER = {"fault": "power-off", "with": {"node": "rs-01"}, "at": 61.3, "for": 17.3}
STEP = {"fault": "clock-step", "with": {"node": "rs-02", "seconds": 77}, "at": 93.7, "for": 3.3}


def test_one_of_many_is_found(web):
    fake = Fake(lambda schedule: "power-off" in faults(schedule))
    shrunk = Shrinker(fake).shrink(long_one(web, POWER))
    assert faults(shrunk.schedule) == ["power-off"] and shrunk.promise == PROMISE
    assert shrunk.schedule.actions[0].lasts == 2 and shrunk.schedule.actions[0].at == 2
    assert shrunk.before == Rate(5, 5) == shrunk.after
    assert shrunk.runs == len(fake.played) < 30  # where one run takes a minute


def test_two_that_must_come_together_are_found(web):
    fake = Fake(lambda schedule: {"power-off", "clock-step"} <= set(faults(schedule)))
    shrunk = Shrinker(fake).shrink(long_one(web, POWER, STEP))
    assert faults(shrunk.schedule) == ["power-off", "clock-step"]
    assert len(fake.played) < 60


def test_order_and_time_are_kept_where_they_matter(web):
    def rule(schedule: Schedule) -> bool:
        at = {action.fault: action for action in schedule.actions}
        return {"power-off", "clock-step"} <= set(at) and at["clock-step"].at - at["power-off"].at >= 10 and (
            at["power-off"].lasts or 0) > 5
    shrunk = Shrinker(Fake(rule)).shrink(long_one(web, POWER, STEP))
    power, step = shrunk.schedule.actions
    assert 10 <= step.at - power.at < 21 and 5 < power.lasts <= 18
    assert step.parameters == {"node": "rs-02"}


def test_one_that_fails_now_and_then_is_still_found_and_its_rate_is_told(web):
    fake = Fake(lambda schedule: "power-off" in faults(schedule), rate=0.6)
    shrunk = Shrinker(fake, times=10).shrink(long_one(web, POWER))
    assert faults(shrunk.schedule) == ["power-off"]
    assert 0 < shrunk.before.count < 10 and not shrunk.after.is_lower(shrunk.before)
    assert "%" in str(shrunk.after)


def test_what_makes_it_rarer_is_not_kept(web):
    """Alone it fails in one of ten runs, with the other one always: the other one is part of it."""
    chance = random.Random(3)

    def rule(schedule: Schedule) -> bool:
        return "power-off" in faults(schedule) and ("clock-step" in faults(schedule) or chance.random() < 0.1)
    shrunk = Shrinker(Fake(rule), times=8).shrink(long_one(web, POWER, STEP))
    assert faults(shrunk.schedule) == ["power-off", "clock-step"]


def test_another_promise_is_another_finding(web):
    def play(schedule: Schedule) -> Outcome:
        if "power-off" in faults(schedule):
            return Outcome(Verdict.FAIL, "x", (PROMISE,))
        return Outcome(Verdict.FAIL, "x", ("liveness at the end",))
    shrunk = Shrinker(play).shrink(long_one(web, POWER), PROMISE)
    assert faults(shrunk.schedule) == ["power-off"]


def test_runs_that_say_nothing_are_no_answer(web):
    fake = Fake(lambda schedule: "power-off" in faults(schedule), nothing=0.2)
    shrunk = Shrinker(fake).shrink(long_one(web, POWER))
    assert "power-off" in faults(shrunk.schedule) and len(shrunk.schedule.actions) <= 3
    assert shrunk.before == Rate(5, 5)


def test_one_that_does_not_fail_again_is_told(web):
    with pytest.raises(NotAgain, match=r"no promise broke in none of 5 runs \(the rate is below 43 %\)") as error:
        Shrinker(Fake(lambda schedule: False)).shrink(long_one(web, POWER))
    assert error.value.status == 3


def test_the_bound_on_time_keeps_what_was_found(web):
    runs = [0]
    fake = Fake(lambda schedule: "power-off" in faults(schedule))
    whole = long_one(web, POWER)

    def left() -> float:
        runs[0] += 1
        return 9 - runs[0]
    shrunk = Shrinker(fake, left).shrink(whole)
    assert shrunk.ended and len(fake.played) <= 9
    assert "power-off" in faults(shrunk.schedule) and len(shrunk.schedule.actions) < len(whole.actions)


def test_a_time_is_anchored_where_a_moment_came_before(web):
    def rule(schedule: Schedule) -> bool:
        return {"power-off", "clock-step"} <= set(faults(schedule))
    asked = []

    def moments(outcome: Outcome, number: int):
        asked.append(number)
        return [("fencing starts", 0.234)]
    shrunk = Shrinker(Fake(rule), moments=moments).shrink(long_one(web, POWER, STEP))
    assert shrunk.schedule.actions[0].at == 2 and asked == [1]
    assert shrunk.schedule.actions[1].when == "230 ms after fencing starts"


def test_the_steps_are_told(web):
    said = []
    shrunk = Shrinker(Fake(lambda schedule: "power-off" in faults(schedule)), say=said.append).shrink(
        long_one(web, POWER))
    assert said[0] == "single mount breaks in 5 of 5 (57 to 100 %) runs"
    assert any(step.kept for step in shrunk.steps) and any(not step.kept for step in shrunk.steps)
    assert sum("kept" in line for line in said) == sum(step.kept for step in shrunk.steps)
