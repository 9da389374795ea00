"""A pytest of its own for throwaway features, and what it leaves in Allure's results folder."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

CONFTEST = """
import os, pathlib, pytest, allure
from pytest_bdd import given, when, then, parsers
from fenceline.core.errors import MachineError
from fenceline.model.verdict import Finding, Judgement, Verdict
from fenceline.reports.allure_bridge import AllureBridge, attach_run

def pytest_addoption(parser):
    parser.addoption("--fenceline-driver", default="uml")
    parser.addoption("--fenceline-seed", type=int, default=7)

def pytest_configure(config):
    bridge = AllureBridge(config)
    if os.environ.get("SABOTAGE"):
        bridge._begin = None
    config.pluginmanager.register(bridge, "fenceline-allure")

@given(parsers.parse('the topology "{name}" is up'))
def up(name): pass

@given("a machine that does not boot")
def no_boot(): raise MachineError("rs-01 never booted")

@given("a precondition that does not hold")
def not_held(): assert False, "web never answered"

@given("a fixture that fails")
def needs(broken_fixture): pass

@pytest.fixture
def broken_fixture(): raise MachineError("no disk")

@when("the heartbeat is cut")
def cut():
    with allure.step("link down"): pass

@when("these are cut:")
def cut_all(datatable, docstring=None): pass

@then(parsers.parse("it is fenced within {seconds:d} seconds"))
def fenced(seconds): assert seconds > 5, f"not fenced within {seconds} s"

@then("the machine is lost")
def lost(): raise MachineError("rs-02 vanished")

@then("it is skipped")
def skipped(): pytest.skip("not today")

@then(parsers.parse("the run is judged {verdict} and raises {kind}"))
def judged(verdict, kind):
    attach_run(pathlib.Path(os.environ["RUN"]), Judgement(Verdict(verdict), (
        Finding("single mount", Verdict(verdict), "two nodes at 50.20 s"),)))
    if kind == "nothing": return
    raise {"AssertionError": AssertionError, "MachineError": MachineError}[kind]("as raised")
"""


@dataclass
class Report:
    """What a session left: its exit code, its output, Allure's results by test name."""

    code: int
    output: str
    folder: Path
    results: dict[str, dict[str, Any]]

    def one(self) -> dict[str, Any]:
        assert len(self.results) == 1, self.output
        return next(iter(self.results.values()))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Runs a feature; ``allure=False`` leaves --alluredir out."""

    def go(feature: str, *options: str, allure: bool = True, conftest: str = "") -> Report:
        (tmp_path / "conftest.py").write_text(CONFTEST + conftest)
        (tmp_path / "some.feature").write_text(textwrap.dedent(feature))
        (tmp_path / "test_some.py").write_text("from pytest_bdd import scenarios\nscenarios('some.feature')\n")
        results = tmp_path / "allure"
        arguments = ["-p", "no:fenceline", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-rA",
                     *(["--alluredir", str(results)] if allure else []), *options]
        monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=tmp_path, capture_output=True,
                              text=True, timeout=120, check=False)
        parsed = [json.loads(path.read_text()) for path in sorted(results.glob("*-result.json"))]
        return Report(done.returncode, done.stdout + done.stderr, results, {one["name"]: one for one in parsed})

    return go
