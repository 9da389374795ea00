"""What is seldom hit is preferred, courses are grown from, and both are remembered over nights."""

from __future__ import annotations

from collections import Counter

import pytest

from fenceline.chaos.draw import Hit, Repertoire
from fenceline.chaos.guide import Guide
from fenceline.chaos.memory import remembered
from fenceline.chaos.outcome import Outcome
from fenceline.chaos.profile import load_profile
from fenceline.chaos.schedule import dump_schedule
from fenceline.model.verdict import Verdict
from fenceline.reports.coverage import coverage_svg, coverage_text

STEADY, FENCING = Hit("steady", "stun", "serves"), Hit("fencing", "stun", "serves")


@pytest.fixture
def repertoire(web):
    return Repertoire(web, load_profile("everything"), title="everything")


def test_what_was_hit_often_is_worth_less():
    guide = Guide(Counter({STEADY: 5, FENCING: 1}))
    assert guide.prefer(FENCING) > guide.prefer(STEADY)
    assert guide.prefer(Hit("fencing", "hang", "serves")) > guide.prefer(FENCING)


def test_a_pair_that_never_was_is_worth_more_than_one_that_was():
    known = Hit("steady", "stun", "serves", ("disk-full",))
    guide = Guide(Counter({known: 4}))
    assert guide.prefer(Hit("steady", "stun", "serves", ("io-load",))) > guide.prefer(known) > 0


def test_guided_schedules_hit_other_states_than_rest(repertoire):
    def rare(schedules) -> float:
        found = [draft for schedule in schedules for draft in schedule.actions]
        return sum(action.at is None for action in found) / len(found)
    guide = Guide(Counter({STEADY: 50}))
    guided = [guide.schedule(repertoire, seed, 60) for seed in range(15)]
    assert rare(guided) > rare([repertoire.draw(seed, 60) for seed in range(15)])


def test_the_same_seed_and_memory_give_the_same_schedule(repertoire):
    texts = {dump_schedule(Guide(Counter({STEADY: 3})).schedule(repertoire, 5, 60)) for _ in range(3)}
    assert len(texts) == 1


def test_a_new_course_is_grown_from_and_a_known_one_is_not(repertoire):
    guide, base = Guide(), repertoire.draw(1, 60)
    assert guide.learn(base, [("steady", "stun", "serves", "")], ["steady", "fencing"])
    assert not guide.learn(repertoire.draw(2, 60), [], ["steady", "fencing"])
    grown = [schedule for seed in range(12) if (schedule := guide.schedule(repertoire, seed, 60)).actions[:1]
             == base.actions[:1]]
    assert 2 <= len(grown) <= 10  # half of them


def test_it_is_remembered(tmp_path, repertoire):
    path, base = tmp_path / "history.sqlite", repertoire.draw(1, 60)
    outcome = Outcome(Verdict.PASS, "kept", folder="/a", hits=(("fencing", "stun", "serves", "disk-full+hang"),),
                      course=("steady", "fencing"))
    with remembered(path) as memory:
        assert memory.learn(base, outcome, "2026-01-01")
        assert not memory.learn(base, outcome, "2026-01-01"), "one episode counts once"
    with remembered(path) as memory:
        assert memory.hits("web-iscsi") == {Hit("fencing", "stun", "serves", ("disk-full", "hang")): 1}
        assert memory.hits("ledger-drbd") == {} and memory.triples() == {("fencing", "stun", "serves"): 1}
        assert memory.courses("web-iscsi") == [(base, 1)] and memory.courses("ledger-drbd") == []


# --- coverage ---------------------------------------------------------------------------------------------------------

COUNTS = Counter({("steady", "stun", "serves"): 7, ("fencing", "stun", "stands by"): 1,
                  ("steady", "hang", "serves"): 2})


def test_coverage_says_what_was_hit_and_what_never():
    text = coverage_text(COUNTS, ["steady", "fencing", "electing"], ["stun", "hang", "panic"])
    assert "10 hits of 2 faults in 2 states; 3 of 9 pairs of state and fault, 3 with the role" in text
    assert "never hit, of 3 faults that may be drawn: 1\n  panic" in text
    assert "only ever hit while all was well: hang" in text
    assert any(line.split() == ["electing", "0", "0", "-"] for line in text.splitlines())


def test_coverage_is_drawn():
    picture = coverage_svg(COUNTS, ["steady", "fencing"], ["stun", "panic"])
    assert picture.startswith("<svg") and "stun, fencing: stands by 1" in picture and "panic, steady: never" in picture
