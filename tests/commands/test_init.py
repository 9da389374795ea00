"""What ``fenceline init`` makes works as it is: it is collected and run, and what its CI files call is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fenceline.cli import main, make_parser
from fenceline.commands.init import CI
from fenceline.host.info import host_packages
from fenceline.model.load import load_topology
from tests.scenario.test_plugin import CHECKOUT, CONFTEST

#: A fake cluster has no cable that could be cut: its scenario ends there, and waits for no fencing that can't come.
NO_CABLES = """
from fenceline.faults.network import NetworkCut

def _no_cable(*_):
    raise FaultError("a fake cluster has no cables")

NetworkCut.inject = _no_cable
"""
ALWAYS = {"features/first.feature", "topologies/my-web.yaml", "pytest.ini", ".gitignore"}


@pytest.fixture
def made(tmp_path, capsys):
    """Makes a project; its folder."""
    def make(*words: str) -> Path:
        assert main(["init", str(tmp_path / "new"), *words]) == 0
        capsys.readouterr()
        return tmp_path / "new"
    return make


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def ran(folder: Path, command: list[str], **environment: str) -> subprocess.CompletedProcess:
    """pytest's own ``command`` in the project, on fake clusters: a plugin from outside of it puts them there."""
    outside = folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "fakes_for_init.py").write_text(CONFTEST + NO_CABLES)
    kept = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "fakes_for_init", *command], cwd=folder, text=True, timeout=180,
        env={**kept, "PYTHONPATH": f"{outside}:{CHECKOUT}", "FENCELINE_STATE": str(folder.parent / "state"),
             **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def commands(text: str) -> list[list[str]]:
    """Every call of ours in a CI file: its words, as a shell splits them."""
    found = re.findall(r"\b(?:fenceline|pytest) [a-z-][^\n')]*", text)
    return [shlex.split(line) for line in found if "github.io" not in line]


# -- what is made ----------------------------------------------------------------------------------------------


def test_a_project(made):
    assert files(made()) == ALWAYS


@pytest.mark.parametrize("place", CI)
def test_a_project_with_ci(made, place):
    folder = made("--ci", place)
    assert files(folder) == ALWAYS | {CI[place][0]}
    assert "@" not in (folder / CI[place][0]).read_text().replace("actions/checkout@", "").replace(
        "actions/cache@", "").replace("actions/upload-artifact@", "")


def test_here_if_no_folder_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    said = capsys.readouterr()
    assert files(tmp_path) == ALWAYS == set(said.out.split())
    assert "fenceline doctor" in said.err


@pytest.mark.parametrize("name", [*sorted(ALWAYS), "Jenkinsfile"])
def test_nothing_is_written_over(tmp_path, capsys, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert main(["init", str(tmp_path), "--ci", "jenkins"]) == 1
    said = capsys.readouterr().err
    assert f"in the way in {tmp_path}: {name}; nothing was written" in said and said.count("\n") == 1
    assert files(tmp_path) == {name} and (tmp_path / name).read_text() == "mine"


def test_everything_that_is_in_the_way_is_said_at_once(made, capsys):
    folder = made()
    assert main(["init", str(folder)]) == 1
    said = capsys.readouterr().err
    assert all(name in said for name in ALWAYS)


def test_settings_of_pytest_are_not_hidden(tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-q'\n")
    assert main(["init", str(tmp_path)]) == 1
    assert "pyproject.toml (pytest.ini would hide its pytest settings)" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert main(["init", str(tmp_path)]) == 0


def test_a_place_that_is_none(capsys):
    with pytest.raises(SystemExit):
        main(["init", "--ci", "cron"])
    assert "invalid choice: 'cron'" in capsys.readouterr().err


# -- it works --------------------------------------------------------------------------------------------------


def test_its_topology_is_web_iscsi_with_more_words(made, monkeypatch, capsys):
    folder = made()
    monkeypatch.chdir(folder / "features")
    assert main(["topology", "check", "my-web"]) == 0
    own = load_topology(str(folder / "topologies" / "my-web.yaml"))
    assert own.model_copy(update={"name": "web-iscsi"}) == load_topology("web-iscsi")


def test_its_feature_is_collected_and_run(made):
    folder = made()
    done = ran(folder, ["--collect-only", "-q"])
    assert "features/first.feature::test_heartbeat_cut_triggers_fence_then_relocate" in done.stdout, done.stdout
    done = ran(folder, ["-q", "--fenceline-driver=uml"])
    # the fake cluster knows no network that could be cut: what it lacks is a machine, and not a word
    assert "no step says" not in done.stdout and "1 failed" in done.stdout, done.stdout
    assert len(list((folder / "reports" / "runs").iterdir())) == 1


# -- CI --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", CI)
def test_the_commands_of_a_ci_file_are_there(made, place):
    folder = made("--ci", place)
    found = commands((folder / CI[place][0]).read_text())
    ours = [words[1:] for words in found if words[0] == "fenceline"]
    assert {" ".join(words) for words in ours} >= {"image build", "doctor", "report"}
    for words in ours:
        assert callable(make_parser().parse_args(words).run)
    runs = [words[1:] for words in found if words[0] == "pytest"]
    assert len(runs) == 2 and all({"--junitxml=junit.xml", "--alluredir=allure-results"} <= {*words} for words in runs)
    nightly, = (words for words in runs if any(word.startswith("--fenceline-repeat=") for word in words))
    assert any(word.startswith("--fenceline-seed=$") for word in nightly)


@pytest.mark.parametrize("place", CI)
def test_a_night_as_it_stands_there(made, place):
    folder = made("--ci", place)
    *_, nightly = (words for words in commands((folder / CI[place][0]).read_text()) if "--fenceline-repeat=5" in words)
    words = [re.sub(r"\$\w+", "77", word) for word in nightly[1:]]
    done = ran(folder, [*words, "--fenceline-driver=uml", "-q"])
    assert "5 failed" in done.stdout, done.stdout  # each on a fake cluster: see above
    assert (folder / "junit.xml").is_file() and list((folder / "allure-results").glob("*-result.json"))
    runs = list((folder / "reports" / "runs").iterdir())
    assert len(runs) == 5 and all('"seed": 77' in (run / "run.json").read_text() for run in runs)


def test_github(made):
    folder = made("--ci", "github")
    flow = yaml.safe_load((folder / ".github/workflows/fenceline.yml").read_text())
    assert set(flow[True]) == {"push", "pull_request", "schedule"}  # YAML takes the word "on" for a truth value
    job = flow["jobs"]["features"]
    steps = job["steps"]
    assert job["container"]["options"] == "--privileged"
    assert set(host_packages()) <= set(shlex.split(steps[1]["run"]))
    cache, = (step["with"] for step in steps if step.get("uses", "").startswith("actions/cache@"))
    assert cache["path"] == ".fenceline/images" and "steps.image.outputs.key" in cache["key"]
    upload = steps[-1]
    assert upload["if"] == "always()" and upload["with"]["path"].split() == ["junit.xml", "allure-results", "reports"]


def test_gitlab(made):
    jobs = yaml.safe_load((made("--ci", "gitlab") / ".gitlab-ci.yml").read_text())
    common = jobs[".fenceline"]
    assert set(host_packages()) <= set(shlex.split(common["before_script"][1]))
    assert common["artifacts"]["reports"] == {"junit": "junit.xml"} and common["artifacts"]["when"] == "always"
    assert common["cache"]["paths"] == [".fenceline/images"]
    rules = {name: jobs[name]["rules"][0]["if"] for name in ("features", "nightly")}
    assert rules == {"features": '$CI_PIPELINE_SOURCE != "schedule"', "nightly": '$CI_PIPELINE_SOURCE == "schedule"'}
    assert all(jobs[name]["extends"] == ".fenceline" for name in rules)


def test_jenkins(made):
    """As far as text goes."""
    text = (made("--ci", "jenkins") / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}") and text.count("(") == text.count(")")
    assert set(host_packages()) <= set(text.split("install -y")[1].split("'")[0].split())
    assert "junit 'junit.xml'" in text and "triggers { cron(" in text and "TimerTrigger" in text
