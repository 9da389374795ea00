"""The bridge, seen from outside: throwaway features are run by a pytest of their own, and the result files of
Allure are read."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from fenceline.model.verdict import Finding, Judgement, Verdict
from fenceline.reports.allure_bridge import attach_run, severity_of


def labels(result: dict[str, Any], name: str) -> list[str]:
    return sorted(label["value"] for label in result["labels"] if label["name"] == name)


def steps(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["name"], step["status"]) for step in result.get("steps", [])]


def parameters(result: dict[str, Any]) -> dict[str, str]:
    return {parameter["name"]: parameter["value"] for parameter in result.get("parameters", [])}


PASSING = """
    @fencing
    Feature: Heartbeat loss
      The cable is cut.

      @smoke
      Scenario: Cut triggers <fence>
        Only one may go on.
        Given the topology "web-iscsi" is up
        When the heartbeat is cut
        Then it is fenced within 20 seconds
"""


def test_a_passing_scenario_shows_its_steps_labels_and_parameters(run):
    report = run(PASSING)
    result = report.one()
    assert report.code == 0, report.output
    assert result["name"] == "Cut triggers <fence>" and result["status"] == "passed"
    assert steps(result) == [('Given the topology "web-iscsi" is up', "passed"),
                             ("When the heartbeat is cut", "passed"),
                             ("Then it is fenced within 20 seconds", "passed")]
    assert all(step["start"] <= step["stop"] for step in result["steps"])
    assert [step["name"] for step in result["steps"][1]["steps"]] == ["link down"]  # nested, by allure.step
    assert labels(result, "feature") == ["Heartbeat loss"]
    assert labels(result, "story") == ["Cut triggers <fence>"]
    assert labels(result, "severity") == ["critical"]
    assert labels(result, "tag") == ["fencing", "smoke"]
    assert "The cable is cut." in result["description"] and "Only one may go on." in result["description"]
    assert parameters(result) == {"driver": "'uml'", "topology": "'web-iscsi'", "seed": "7"}


def test_the_history_goes_on_when_the_seed_changes_but_not_when_the_driver_does(run):
    first = run(PASSING).one()["historyId"]
    ids = []
    for option in ("--fenceline-seed=8", "--fenceline-driver=libvirt"):
        report = run(PASSING, option, "--clean-alluredir")
        ids.append(report.one()["historyId"])
        shutil.rmtree(report.folder)
    assert ids[0] == first
    assert ids[1] != first


def test_a_broken_promise_is_failed_and_later_steps_are_shown_as_skipped(run):
    result = run("""
        Feature: F
          Scenario: S
            When the heartbeat is cut
            Then it is fenced within 3 seconds
            And it is fenced within 20 seconds
    """).one()
    assert result["status"] == "failed"
    assert "not fenced within 3 s" in result["statusDetails"]["message"]
    assert [status for _, status in steps(result)] == ["passed", "failed", "skipped"]
    assert "not fenced within 3 s" in result["steps"][1]["statusDetails"]["message"]


@pytest.mark.parametrize(("given", "reason"), [
    ("a machine that does not boot", "rs-01 never booted"), ("a fixture that fails", "no disk"),
    ("a precondition that does not hold", "web never answered")])
def test_a_scenario_whose_set_up_failed_stays_in_the_report_as_broken(run, given, reason):
    result = run(f"""
        Feature: F
          Scenario: S
            Given {given}
            Then it is fenced within 20 seconds
    """).one()
    assert result["name"] == "S" and result["status"] == "broken"
    assert reason in result["statusDetails"]["message"]
    assert steps(result) == [(f"Given {given}", "broken"), ("Then it is fenced within 20 seconds", "skipped")]


@pytest.mark.parametrize("error", ["MachineError('no host')", "AssertionError('no host')"])
def test_a_fixture_that_fails_before_the_first_step_is_broken_too_and_keeps_name_and_labels(run, error):
    report = run(PASSING, conftest=f"""
@pytest.fixture(autouse=True)
def host():
    raise {error}
""")
    result = report.one()
    assert result["name"] == "Cut triggers <fence>" and result["status"] == "broken"
    assert "no host" in result["statusDetails"]["message"]
    assert labels(result, "feature") == ["Heartbeat loss"] and labels(result, "severity") == ["critical"]
    assert parameters(result)["topology"] == "'web-iscsi'"


def test_an_error_of_the_harness_in_a_then_step_is_broken(run):
    result = run("""
        Feature: F
          Scenario: S
            Then the machine is lost
    """).one()
    assert result["status"] == "broken" and "rs-02 vanished" in result["statusDetails"]["message"]


def test_a_skip_inside_a_step_closes_the_step(run):
    result = run("""
        Feature: F
          Scenario: S
            Then it is skipped
            And the machine is lost
    """).one()
    assert result["status"] == "skipped"
    assert [status for _, status in steps(result)] == ["skipped", "skipped"]


def test_an_undefined_step_is_shown_as_broken(run):
    result = run("""
        Feature: F
          Scenario: S
            When nobody knows this
            Then the machine is lost
    """).one()
    assert result["status"] == "broken"
    assert steps(result) == [("When nobody knows this", "broken"), ("Then the machine is lost", "skipped")]


def test_every_row_of_an_outline_has_a_name_and_its_values(run):
    report = run("""
        Feature: F
          Scenario Outline: Fenced in time
            Then it is fenced within <seconds> seconds
            Examples:
              | seconds |
              | 10      |
              | 20      |
    """)
    assert sorted(report.results) == ["Fenced in time (10)", "Fenced in time (20)"]
    result = report.results["Fenced in time (10)"]
    assert parameters(result) == {"seconds": "'10'", "driver": "'uml'", "seed": "7"}
    assert steps(result) == [("Then it is fenced within 10 seconds", "passed")]
    assert len({one["historyId"] for one in report.results.values()}) == 2


def test_a_rule_becomes_a_level_of_its_own_and_a_table_is_attached(run):
    report = run("""
        Feature: F
          Rule: R
            @severity:blocker
            Scenario: S
              When these are cut:
                | network   |
                | heartbeat |
    """)
    result = report.one()
    assert (labels(result, "epic"), labels(result, "feature"), labels(result, "story")) == (["F"], ["R"], ["S"])
    assert labels(result, "severity") == ["blocker"]
    [attachment] = result["steps"][0]["attachments"]
    assert "| heartbeat |" in (report.folder / attachment["source"]).read_text()


def test_labels_select(run):
    assert not run(PASSING, "--allure-features=Other").results
    assert run(PASSING, "--allure-features=Heartbeat loss").results


@pytest.mark.parametrize(("verdict", "kind", "status"), [
    ("FAIL", "AssertionError", "failed"), ("FAIL", "MachineError", "failed"), ("UNKNOWN", "MachineError", "broken"),
    ("INVALID", "MachineError", "broken"), ("INVALID", "AssertionError", "broken"),
    ("BROKEN", "MachineError", "broken"), ("PASS", "nothing", "passed"), ("PASS", "AssertionError", "failed")])
def test_the_verdict_decides_between_failed_and_broken(run, tmp_path, monkeypatch, verdict, kind, status):
    monkeypatch.setenv("RUN", str(tmp_path))
    result = run(f"""
        Feature: F
          Scenario: S
            Then the run is judged {verdict} and raises {kind}
    """).one()
    assert result["status"] == status
    assert labels(result, "verdict") == [verdict]
    if verdict != "PASS":
        assert f"verdict {verdict}: single mount: two nodes at 50.20 s" in result["statusDetails"]["message"]
        assert "as raised" in result["statusDetails"]["message"]


def test_without_alluredir_everything_runs_as_before(run, tmp_path, monkeypatch):
    monkeypatch.setenv("RUN", str(tmp_path))
    report = run(PASSING + """
      Scenario: T
        Given a machine that does not boot
      Scenario: U
        Then the run is judged PASS and raises nothing
    """, allure=False)
    assert "1 failed, 2 passed" in report.output and not report.folder.exists()
    assert "not complete" not in report.output


def test_it_also_runs_where_allure_pytest_is_switched_off(run):
    report = run(PASSING, "-p", "no:allure_pytest", "--strict-markers", "-o", "markers=smoke\nfencing", allure=False)
    assert "1 passed" in report.output, report.output


def test_a_problem_of_the_bridge_fails_no_test_and_is_shown_at_the_end(run, monkeypatch):
    monkeypatch.setenv("SABOTAGE", "1")
    report = run(PASSING)
    assert report.code == 0 and report.one()["status"] == "passed"
    assert "Allure report is not complete" in report.output and "pytest_bdd_before_step" in report.output


def test_attach_run_outside_of_any_test_is_harmless(tmp_path):
    attach_run(tmp_path, Judgement(Verdict.FAIL, (Finding("x", Verdict.FAIL, "y"),)))


@pytest.mark.parametrize(("tags", "severity"), [
    (set(), "normal"), ({"smoke"}, "critical"), ({"minor", "smoke"}, "minor"), ({"severity:trivial"}, "trivial"),
    ({"minor", "blocker"}, "blocker")])
def test_severity_comes_from_the_tags(tags, severity):
    assert severity_of(tags) == severity
