"""Feature files as test modules: every step is known to exist, once, before anything is run."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from pytest_bdd.feature import get_feature

from fenceline.scenario.features import known_contexts, nearest, step_problems, tag_problems, title_problems
from tests.scenario.test_plugin import session

UP = 'Given the topology "web-iscsi" is up and "web" is answering'


@pytest.fixture
def check(tmp_path):
    """The problems of a feature's text, each with its line; the sentences that are proposed instead are left out."""
    def go(text):
        path = tmp_path / "x.feature"
        path.write_text(textwrap.dedent(text).lstrip())
        feature = get_feature(str(tmp_path), path.name)
        found = [*title_problems(path), *tag_problems(path, feature), *step_problems(path, feature)]
        assert all(problem.startswith(f"{path}:") for problem in found)
        return [problem.removeprefix(f"{path}:").partition("\n")[0] for problem in found]
    return go


def test_nothing_is_wrong(check):
    assert check(f"""
        Feature: F
          Scenario: S
            {UP}
            When the power of the active node is cut
            Then "web" relocates to the standby within 30 seconds
            And nobody is fenced
    """) == []


def test_a_number_of_times_that_is_none(check):
    scenarios = "".join(f"""
          @{tag}
          Scenario: {tag}
            {UP}""" for tag in ("repeat(0)", "repeat", "repeat(many)", "repeat(5)", "slow"))
    assert check(f"""
        Feature: F{scenarios}
    """) == ["3: no number of times: @repeat(0); say @repeat(5): repeat(0)",
             "6: no number of times: @repeat; say @repeat(5): repeat",
             "9: no number of times: @repeat(many); say @repeat(5): repeat(many)"]


def test_what_is_put_off_must_be_known_too(check):
    assert check(f"""
        Feature: F
          Scenario: S
            {UP}
            When 200 ms after fencing starts: the power of the standby is cut
            And 200 ms after fencing starts: the moon is cut
    """) == ["5: no step says: When the moon is cut"]


def test_a_step_that_nobody_says(check):
    assert check(f"""
        Feature: F
          Scenario: S
            {UP}
            When the power of the active node is cutt
            Then "web" is fine
    """) == ["4: no step says: When the power of the active node is cutt", '5: no step says: Then "web" is fine']


@pytest.mark.parametrize(("kind", "text", "near"), [
    ("when", "the power of the active node is cutt", "When the power of NODE is cut"),
    ("when", 'the "ring-a" network of node rs-01 is cut', "When the NETWORK of NODE is cut"),
    ("given", "the power of the active node is cut", "When the power of NODE is cut"),
    ("then", '"web" relocates to the standby in 30 seconds', 'Then "SERVICE" relocates to NODE within N seconds'),
    ("when", "10 percent of packets on the storage network are dropped", "When PERCENT % of the packets on the NETWORK "
                                                                        "are dropped"),
    ("then", "no one is fenced", "Then nobody is fenced"),
])
def test_the_nearest_sentence_comes_first(kind, text, near):
    assert nearest(kind, text, known_contexts())[0] == near


def test_what_is_like_nothing_gets_no_proposal():
    assert nearest("when", "xyzzy", known_contexts()) == []


def test_the_nearest_stand_under_the_problem(tmp_path):
    path = tmp_path / "x.feature"
    path.write_text(f"Feature: F\n  Scenario: S\n    {UP}\n    When the power of the active node is cutt\n")
    (problem,) = step_problems(path, get_feature(str(tmp_path), path.name))
    first, *proposed = problem.splitlines()
    assert first.endswith("no step says: When the power of the active node is cutt")
    assert proposed[0] == "    nearest: When the power of NODE is cut" and len(proposed) <= 3


def test_a_step_of_another_kind(check):
    assert check("""
        Feature: F
          Scenario: S
            Given the power of the active node is cut
    """) == ["3: no step says: Given the power of the active node is cut"]


def test_and_goes_on_with_the_kind_before_it(check):
    assert check("""
        Feature: F
          Scenario: S
            When the active node hangs
            And nobody is fenced
    """) == ["4: no step says: When nobody is fenced"]


def test_a_step_that_two_would_take(check, monkeypatch):
    from pytest_bdd import parsers
    from pytest_bdd.steps import StepFunctionContext, step_function_context_registry

    def also_hangs():
        """Never called."""
    monkeypatch.setitem(step_function_context_registry, also_hangs, StepFunctionContext(
        "when", also_hangs, parsers.re("the .* hangs$")))
    assert check("""
        Feature: F
          Scenario: S
            When the active node hangs
    """) == ["3: ambiguous (also_hangs, hang): When the active node hangs"]


def test_a_background_is_looked_at(check):
    assert check("""
        Feature: F
          Background:
            Given nothing at all
          Scenario: S
            When the active node hangs
    """) == ["3: no step says: Given nothing at all"]


def test_every_row_of_an_outline_is_looked_at(check):
    assert check("""
        Feature: F
          Scenario Outline: S
            When the active node hangs
            Then <who> is fenced within <n> seconds

            Examples:
              | who             | n    |
              | the active node | 5    |
              | somebody        | 5    |
              | the active node | soon |
    """) == ["4: no step says: Then somebody is fenced within 5 seconds",
             "4: no step says: Then the active node is fenced within soon seconds"]


@pytest.mark.parametrize(("first", "second"), [("S one", "S one"), ("S one", "S: one!"), ("S-one", "s  ONE")])
def test_a_scenario_that_would_be_lost_behind_another(check, first, second):
    found = check(f"""
        Feature: F
          Scenario: {first}
            When the active node hangs
          Scenario: T
            When the active node hangs
          Scenario: {second}
            When the active node hangs
    """)
    assert found == [f"6: the scenario in line 2 has the same title: {second}"]


def test_a_scenario_that_says_nothing_can_not_fail(check):
    assert check("""
        Feature: F
          Scenario: S
            Whenever it rains, one would think that this is a step.
    """) == ["2: no steps, so nothing that could fail: S"]


def test_rules_do_not_hide_scenarios(check):
    assert check("""
        Feature: F
          Rule: A
            Scenario: S
              When the active node hangs
          Rule: B
            Scenario: S
              When the active node hangs
    """) == ["6: the scenario in line 3 has the same title: S"]


GOOD = f"""
    Feature: Good
      @verdict-PASS
      Scenario: One thing
        {UP}
      @verdict-PASS
      Scenario Outline: Row of <n>
        {UP}
        When a step raises <n>
        Examples:
          | n              |
          | AssertionError |
          | FaultError     |
"""


def test_collected_from_the_files_alone(tmp_path):
    done = session(tmp_path, GOOD, options=("--collect-only", "-q"))
    assert "f0.feature::test_one_thing" in done.output
    assert "f0.feature::test_row_of_n[AssertionError]" in done.output
    assert "3 tests collected" in done.output and done.code == 0


def test_what_is_wrong_is_said_at_collection_and_nothing_is_run(tmp_path):
    done = session(tmp_path, GOOD, f"""
        Feature: Bad
          Scenario: S
            {UP}
            When the moon is cut
            Then nobody is fenced for ever
    """, f"Feature: Worse\n  Scenario: S\n    {UP}\n    Given rain\n    Whenever it rains\n")
    assert done.reports == [] and done.code == 2, done.output
    assert "f1.feature:5: no step says: When the moon is cut" in done.output
    assert "f1.feature:6: no step says: Then nobody is fenced for ever" in done.output
    assert "f2.feature" in done.output and "Whenever it rains" in done.output
    assert "Traceback" not in done.output


def test_a_feature_may_be_anywhere(tmp_path):
    """Outside of the checkout, in a folder that knows nothing of it: the steps come with the plugin."""
    (tmp_path / "my.feature").write_text(f"Feature: F\n  Scenario: S\n    {UP}\n    When the active node hangs\n"
                                         "    Then nobody is fenced\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "my.feature"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "my.feature::test_s" in done.stdout
