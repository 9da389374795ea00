"""A promise is one function: that it is judged, expected, said and on the page comes from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenceline.judge.findings import Tally
from fenceline.judge.promise import PROMISES, promise, promises
from fenceline.judge.verdict import judge
from fenceline.model.verdict import Verdict
from fenceline.steps.promise_reference import page
from tests.judge.logs import A, green

OWN = [one for one in promises() if one.check.__module__.startswith("fenceline.")]


def no_second_coffee(history):
    tally = Tally("no second coffee")
    cups = history.kinds("coffee")
    for cup in cups[1:]:
        tally.add(Verdict.FAIL, cup.t_ns, f"{cup.node} had another cup at {history.at(cup.t_ns)}", cup)
    return tally.finding(f"{len(cups)} cups")


@pytest.fixture
def coffee(monkeypatch):
    """A house with a promise more, that is one of safety."""
    PROMISES.load()
    monkeypatch.setattr(PROMISES, "_there", dict(PROMISES._there))
    promise("no second coffee", order=15, safety=True, says="nobody had a second coffee",
            breaks="somebody had two cups")(no_second_coffee)


def verdict(log):
    return judge(log.events, log.topology)


def test_it_is_judged_in_its_place(coffee):
    found = [finding.check for finding in verdict(green()).findings]
    assert found.index("no second coffee") == found.index("single mount") + 1


def test_its_break_is_fail_even_where_the_run_is_broken(coffee):
    log = green().add(20, "guest", A, "coffee").add(21, "guest", A, "coffee")
    assert verdict(log).verdict is Verdict.FAIL
    broken = log.add(22, "scenario", None, "broken", why="the host")
    assert verdict(broken).verdict is Verdict.FAIL
    assert verdict(broken).reason.startswith("no second coffee: rs-01 had another cup")


def test_it_may_be_expected_to_break(coffee):
    log = green().add(0.6, "scenario", None, "expect", **{"break": "no second coffee"})
    assert next(one for one in verdict(log).findings if one.check == "no second coffee").verdict is Verdict.FAIL
    log.add(20, "guest", A, "coffee").add(21, "guest", A, "coffee")
    assert next(one for one in verdict(log).findings if one.check == "no second coffee").verdict is Verdict.PASS


def test_a_name_can_be_had_once(coffee):
    with pytest.raises(TypeError, match="the promise 'single mount' is there twice"):
        promise("single mount", order=1, breaks="x")(no_second_coffee)


def test_it_is_on_the_page(coffee):
    assert "| no second coffee (**safety**) | somebody had two cups | `nobody had a second coffee` |" in page()


def test_the_page_is_up_to_date():
    written = Path(__file__).parents[2] / "docs" / "promises.md"
    assert written.read_text() == page(OWN), "python -m fenceline.steps.promise_reference > docs/promises.md"


def test_each_says_when_it_breaks_and_has_a_place_of_its_own():
    assert all(one.breaks for one in OWN)
    assert len({one.order for one in OWN}) == len(OWN)
