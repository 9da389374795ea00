"""The plugin, seen from outside: a pytest of its own runs features on fake clusters; what each scenario raised, and in
which phase, is written down by its conftest. The judge is replaced: a tag says what it finds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

CONFTEST = """
import json, pathlib, pytest
from pytest_bdd import given, then, when, parsers
import fenceline.scenario.closing, fenceline.scenario.pool, fenceline.scenario.run
from fenceline.core.errors import ClusterError, FaultError, HostError
from fenceline.model.verdict import Finding, Judgement, Outage, Verdict
from tests.fakes import FakeCluster

from fenceline.judge.verdict import judge as real_judge

HERE = pathlib.Path(__file__).parent
MADE = []

def make(topology, log, consoles, options, progress):
    consoles.mkdir(parents=True, exist_ok=True)
    MADE.append(FakeCluster(topology, log, consoles, options, progress))
    MADE[-1].pace = 0.01
    return MADE[-1]

def judge(events, topology):
    events = list(events)
    tags = events[0].data["tags"]
    real = real_judge(events, topology)
    if "verdict-own" in tags:
        return real
    verdict = next((Verdict(tag[8:]) for tag in tags if tag.startswith("verdict-")), Verdict.PASS)
    if any(event.kind == "broken" for event in events):
        verdict = Verdict.BROKEN
    figures = {} if "bare" in tags else real.figures
    outages = (Outage("web", 0, 10**9, 1.0 * len(topology.nodes), 0.1),) if "away" in tags else ()
    return Judgement(verdict, (Finding("single mount", verdict, "as the tag says"),), outages, figures)

fenceline.scenario.pool.Cluster = make
fenceline.scenario.run.judge = fenceline.scenario.closing.judge = judge
fenceline.scenario.closing.configurations = lambda cluster: {}

@pytest.fixture
def bad_fixture():
    raise HostError("the fixture has no disk")

@given("a fixture that fails")
def needs_it(bad_fixture): pass

@given("a cluster that does not come up")
def no_cluster(fenceline_scene, monkeypatch):
    def up(self): raise ClusterError("it never formed")
    monkeypatch.setattr(FakeCluster, "up", up)
    fenceline_scene.bring_up("web-iscsi-3", "webservice")

@when(parsers.parse("a step raises {kind}"))
def step_raises(fenceline_scene, kind):
    raise {"AssertionError": AssertionError, "FaultError": FaultError, "ZeroDivisionError": ZeroDivisionError,
           "ClusterError": ClusterError}[kind]("as raised")

@when("it can't be healed")
def cant(fenceline_scene): fenceline_scene.cluster.stack.deaf = True

@when("the log can't be judged")
def unjudged(fenceline_scene, monkeypatch):
    def fail(*_): raise RuntimeError("the judge has a bug")
    monkeypatch.setattr(fenceline.scenario.run, "judge", fail)

@when("it takes long")
def long(fenceline_scene):
    import time
    cluster, down = fenceline_scene.cluster, fenceline_scene.cluster.down
    cluster.down = lambda: (down(), (HERE / "down").touch())
    (HERE / "waiting").touch()
    time.sleep(60)

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    error = call.excinfo.value if call.excinfo else None
    clusters = [cluster.calls for cluster in MADE]
    line = {"test": item.name, "when": call.when, "outcome": report.outcome,
            "kind": type(error).__name__ if error else None, "assertion": isinstance(error, AssertionError),
            "text": str(error) if error else "", "clusters": clusters,
            "sections": [text for name, text in report.sections if "fenceline" in name]}
    with (HERE / "reports.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")
    return report
"""


@dataclass
class Session:
    """What a session left."""

    code: int
    output: str
    folder: Path
    reports: list[dict]

    def phase(self, test: str, when: str = "call") -> dict:
        """The report of a phase of ``test``; there must be exactly one."""
        found = [report for report in self.reports if report["test"] == f"test_{test}" and report["when"] == when]
        assert len(found) == 1, self.output
        return found[0]

    def events(self, slug: str) -> list[dict]:
        folder, = self.folder.glob(f"runs/*-{slug}")
        return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def session(folder: Path, *features: str, options: tuple[str, ...] = (), conftest: str = CONFTEST) -> Session:
    """Runs ``features`` in ``folder``."""
    (folder / "conftest.py").write_text(conftest)
    for number, feature in enumerate(features):
        (folder / f"f{number}.feature").write_text(textwrap.dedent(feature))
    done = started(folder, options)
    output, _ = done.communicate(timeout=120)
    return finished(folder, done.returncode, output)


def started(folder: Path, options: tuple[str, ...]) -> subprocess.Popen:
    """A pytest of its own in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "FENCELINE_STATE": str(folder / "state")}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--rootdir", str(folder), "-p", "no:cacheprovider", "--runs-dir",
         str(folder / "runs"), "--driver=uml", "-ra", *options, str(folder)], cwd=folder, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(folder: Path, code: int, output: str) -> Session:
    """What the session in ``folder`` left."""
    path = folder / "reports.jsonl"
    reports = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return Session(code, output, folder, reports)


SCENARIOS = """
    Feature: Verdicts

      @verdict-PASS
      Scenario: Passes
        Given the topology "web-iscsi" is up and "web" is answering
        When the active node is put into standby

      @verdict-FAIL
      Scenario: Fails
        Given the topology "web-iscsi" is up and "web" is answering

      @verdict-FAIL @bare
      Scenario: Not to be shown
        Given the topology "web-iscsi" is up and "web" is answering

      @verdict-UNKNOWN
      Scenario: Unknown
        Given the topology "web-iscsi" is up and "web" is answering

      @verdict-INVALID
      Scenario: Invalid
        Given the topology "web-iscsi" is up and "web" is answering

      @verdict-BROKEN
      Scenario: Broken
        Given the topology "web-iscsi" is up and "web" is answering

      @verdict-FAIL
      Scenario: Step fails
        Given the topology "web-iscsi" is up and "web" is answering
        When a step raises AssertionError

      @verdict-INVALID
      Scenario: Fault fails
        Given the topology "web-iscsi" is up and "web" is answering
        When a step raises FaultError

      Scenario: Harness fails
        Given the topology "web-iscsi" is up and "web" is answering
        When a step raises ZeroDivisionError

      @verdict-PASS
      Scenario: Step fails in a run that kept its promises
        Given the topology "web-iscsi" is up and "web" is answering
        When a step raises AssertionError

      Scenario: Never formed
        Given a cluster that does not come up

      Scenario: Fixture fails
        Given a fixture that fails

      @verdict-own
      Scenario: Nothing was observed
        Given the topology "web-iscsi" is up and "web" is answering

      Scenario: Not judged
        Given the topology "web-iscsi" is up and "web" is answering
        When the log can't be judged

      Scenario: Neither passed nor judged
        Given the topology "web-iscsi" is up and "web" is answering
        When the log can't be judged
        And a step raises AssertionError

      Scenario: Can not be healed
        Given the topology "web-iscsi" is up and "web" is answering
        When the active node is put into standby
        And it can't be healed

      @libvirt
      Scenario: Elsewhere
        Given the topology "web-iscsi" is up and "web" is answering
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return session(tmp_path_factory.mktemp("plugin"), SCENARIOS, options=("--fenceline-seed=7",))


def test_a_scenario_that_passes(run):
    report = run.phase("passes")
    assert (report["outcome"], report["kind"]) == ("passed", None), run.output
    assert "verdict PASS" in report["sections"][0] and "run folder: " in report["sections"][0]


def test_a_broken_promise_is_a_failed_assertion(run):
    report = run.phase("fails")
    assert (report["outcome"], report["kind"], report["assertion"]) == ("failed", "PromiseBroken", True)
    assert "verdict FAIL: single mount: as the tag says" in report["text"]
    assert "judge it again: fenceline judge " in report["text"]


def test_what_can_not_be_shown_is_judged_all_the_same(run):
    """The tables and the history want figures, and get none."""
    assert run.phase("not_to_be_shown")["kind"] == "PromiseBroken"
    assert "the run can't be shown: " in run.output


@pytest.mark.parametrize("verdict", ["unknown", "invalid", "broken"])
def test_what_says_nothing_of_the_cluster_is_an_error_and_no_failed_assertion(run, verdict):
    report = run.phase(verdict)
    assert (report["outcome"], report["kind"], report["assertion"]) == ("failed", "NotJudged", False)
    assert f"verdict {verdict.upper()}: single mount: as the tag says" in report["text"]


@pytest.mark.parametrize(("test", "kind", "assertion"), [
    ("step_fails", "AssertionError", True), ("fault_fails", "FaultError", False),
    ("harness_fails", "ZeroDivisionError", False),
    ("step_fails_in_a_run_that_kept_its_promises", "AssertionError", True)])
def test_a_steps_own_error_is_kept(run, test, kind, assertion):
    report = run.phase(test)
    assert (report["outcome"], report["kind"], report["assertion"]) == ("failed", kind, assertion)
    assert report["text"] == "as raised"
    assert report["sections"]  # its verdict is shown all the same


def test_only_a_failure_of_the_harness_makes_the_run_broken(run):
    def broken(slug):
        return [event["data"]["reason"] for event in run.events(slug) if event["kind"] == "broken"]
    assert broken("harness-fails") == ["ZeroDivisionError: as raised"]
    assert broken("never-formed") == ["it never formed"]
    assert broken("step-fails") == broken("fault-fails") == broken("passes") == []


def test_steps_are_in_the_log_with_what_became_of_them(run):
    steps = [(event["data"]["text"], event["data"]["status"]) for event in run.events("step-fails")
             if event["kind"] == "step"]
    assert steps[-2:] == [("When a step raises AssertionError", word) for word in ("begin", "failed")]
    # the log begins within the Given step, when its topology is known
    assert steps[0] == ('Given the topology "web-iscsi" is up and "web" is answering', "passed")
    status = [event["data"]["status"] for event in run.events("fault-fails") if event["kind"] == "step"][-1]
    assert status == "error"


@pytest.mark.parametrize(("test", "kind", "text"), [
    ("never_formed", "ClusterError", "it never formed"),
    ("fixture_fails", "HostError", "the fixture has no disk")])
def test_a_set_up_that_failed_stays_reported(run, test, kind, text):
    report = run.phase(test)
    assert (report["outcome"], report["kind"], report["assertion"]) == ("failed", kind, False)
    assert text in report["text"]


def test_a_run_that_observed_nothing_is_no_pass(run):
    """By the real judge."""
    report = run.phase("nothing_was_observed")
    assert (report["outcome"], report["kind"]) == ("failed", "NotJudged")


def test_a_bug_in_the_judge_is_no_pass(run):
    report = run.phase("not_judged")
    assert (report["outcome"], report["kind"]) == ("failed", "RuntimeError")


def test_a_bug_in_the_judge_does_not_hide_the_steps_own_error(run):
    report = run.phase("neither_passed_nor_judged")
    assert (report["kind"], report["assertion"], report["text"]) == ("AssertionError", True, "as raised")
    assert "and the run could not be judged: RuntimeError('the judge has a bug')" in run.output


def test_what_is_in_force_is_healed_after_the_scenario(run):
    healed = [event["kind"] for event in run.events("passes") if event["kind"].startswith("fault.")]
    assert healed == ["fault.begin", "fault.injected", "fault.confirmed", "fault.healed"]
    assert [event["kind"] for event in run.events("passes")][-5:] == [
        "fault.healed", "state", "whole", "settled", "scenario.end"]
    assert run.phase("passes", "teardown")["outcome"] == "passed"
    assert run.phase("fails")["clusters"][0].count("down") == 0  # and the cluster was used again


def test_what_can_not_be_healed_is_taken_down_and_said(run):
    assert run.phase("can_not_be_healed")["outcome"] == "passed"
    assert run.phase("can_not_be_healed", "teardown")["outcome"] == "passed"
    assert "the cluster was taken down, as it could not be healed: standby: " in run.output


def test_a_scenario_for_another_driver_is_skipped_saying_so(run):
    assert run.phase("elsewhere", "setup")["outcome"] == "skipped"
    assert "needs machines of the libvirt driver: --fenceline-driver=libvirt (now: uml)" in run.output


def test_every_scenario_was_run(run):
    assert len({report["test"] for report in run.reports}) == SCENARIOS.count("Scenario:")
    assert "driver uml, seed 7" in run.output
    assert run.code == 1


def test_logs_of_a_run_that_went_wrong_are_saved(run):
    folders = {folder.name.partition("-")[2]: folder for folder in (run.folder / "runs").iterdir()}
    assert (folders["fails"] / "logs").is_dir() and not (folders["passes"] / "logs").exists()
    for name in ("passes", "fails", "never-formed"):
        assert {"run.json", "topology.yaml", "events.jsonl", "verdict.json"} <= {
            path.name for path in folders[name].iterdir()}
    assert json.loads((folders["passes"] / "run.json").read_text())["seed"] == 7


def test_no_cluster_outlives_the_session_and_rebuild_means_it(tmp_path):
    feature = """
        Feature: Two
          @verdict-PASS
          Scenario: One
            Given the topology "web-iscsi" is up and "web" is answering
          @verdict-PASS
          Scenario: Another
            Given the topology "web-iscsi" is up and "web" is answering
    """
    done = session(tmp_path, feature, options=("--rebuild",))
    assert done.code == 0, done.output
    clusters = done.phase("another", "teardown")["clusters"]
    assert len(clusters) == 2
    assert clusters[0] == ["up", "down"]
    assert not list((tmp_path / "runs").glob("*/*.jsonl.lock"))


def test_a_runs_folder_that_can_not_be_made_is_reported(tmp_path):
    (tmp_path / "runs").touch()
    done = session(tmp_path, """
        Feature: F
          Scenario: One
            Given the topology "web-iscsi" is up and "web" is answering
    """)
    assert done.code == 1
    assert done.phase("one")["kind"] in ("NotADirectoryError", "FileExistsError"), done.output


REPEATED = """
    Feature: Repeated

      @repeat(3)
      Scenario: Three times
        Given the topology "web-iscsi" is up and "web" is answering

      Scenario: Once
        Given the topology "web-iscsi" is up and "web" is answering
"""


@pytest.mark.parametrize(("options", "runs"), [((), (3, 1)), (("--repeat", "2"), (2, 2)), (("--repeat", "1"), (1, 1))])
def test_a_scenario_is_repeated_as_its_tag_or_the_option_says(tmp_path, options, runs):
    done = session(tmp_path, REPEATED, options=options)
    assert tuple(len(list(tmp_path.glob(f"runs/*-{slug}"))) for slug in ("three-times", "once")) == runs, done.output
    assert "PytestUnknownMarkWarning" not in done.output


AWAY = """
    Feature: Away
      @away
      Scenario Outline: Away
        Given the topology "<topology>" is up and "<service>" is answering
        Examples:
          | topology    | service    |
          | web-iscsi   | web        |
          | web-iscsi-3 | webservice |
      @away
      Scenario: Once
        Given the topology "web-iscsi" is up and "web" is answering
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_the_summary_keeps_the_rows_of_an_outline_apart(tmp_path, workers):
    """Figures are one scenario's on one topology: no n=2 of two clusters."""
    summary = session(tmp_path, AWAY, options=workers).output.partition("failover times")[2]
    assert "Away" not in summary and "Once" not in summary
    summary = session(tmp_path, AWAY, options=(*workers, "--repeat", "2")).output.partition("failover times")[2]
    assert "Away (web-iscsi, web): n=2 median 3.00 s" in summary
    assert "Away (web-iscsi-3, webservice): n=2 median 4.00 s" in summary
    assert "Once (web-iscsi): n=2 median 3.00 s" in summary


def test_two_features_may_have_a_scenario_of_the_same_name(tmp_path):
    summary = session(tmp_path, AWAY, AWAY, options=("-k", "Once")).output.partition("failover times")[2]
    assert "Once" not in summary


def test_the_picture_is_saved_beside_the_page(tmp_path):
    session(tmp_path, REPEATED, options=("-k", "once"))
    folder, = tmp_path.glob("runs/*-once")
    assert (folder / "timeline.svg").read_text().startswith("<svg")
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG") and (folder / "report.html").is_file()


LONG = """
    Feature: Long
      Scenario: Long
        Given the topology "web-iscsi" is up and "web" is answering
        When it takes long
"""


def until(path: Path, child: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline and child.poll() is None, f"no {path.name}"
        time.sleep(0.02)


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "worker"])
def test_sigterm_takes_the_cluster_down_like_ctrl_c(tmp_path, options):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "f.feature").write_text(textwrap.dedent(LONG))
    child = started(tmp_path, options)
    until(tmp_path / "waiting", child)
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=60)
    deadline = time.monotonic() + 20  # a worker ends a moment after the process that has it
    while not (tmp_path / "down").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "down").exists(), output
    assert child.returncode == pytest.ExitCode.INTERRUPTED, output


def test_a_session_without_features_keeps_its_signals(tmp_path):
    """The plugin is loaded wherever it is installed."""
    (tmp_path / "test_own.py").write_text(
        "import signal\ndef test_own(): assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n")
    assert session(tmp_path).code == 0


def test_two_workers_say_who_they_are_and_their_figures_meet(tmp_path):
    features = [textwrap.dedent(REPEATED).replace("Three times", f"Three times {name}") for name in ("here", "there")]
    done = session(tmp_path, *features, options=("-n", "2", "--dist", "loadfile"))
    assert done.code == 0, done.output
    said = re.findall(r"  (gw\d): \[.*Given the topology", done.output)
    assert sorted(set(said)) == ["gw0", "gw1"] and len(said) == 8
    assert len(list(tmp_path.glob("runs/*"))) == 8


def test_a_fault_that_the_host_can_not_inject_is_refused_before_a_cluster_is_built(tmp_path):
    feature = """
        Feature: F
          @verdict-PASS
          Scenario: Put off
            Given the topology "web-iscsi" is up and "web" is answering
            And 0 ms after fencing starts: the active node panics
          @verdict-PASS
          Scenario: Without it
            Given the topology "web-iscsi" is up and "web" is answering
    """
    plain = CONFTEST + """
from fenceline.host.info import Host
Host.which = lambda self, program: None
"""
    done = session(tmp_path, feature, conftest=plain)
    refused = done.phase("put_off")
    assert refused["kind"] == "NotJudged" and not refused["assertion"]
    assert "the fault panic can't be injected: this host has no uml_mconsole" in refused["text"]
    assert refused["clusters"] == [] and done.phase("without_it")["outcome"] == "passed"
