"""The package as people get it: the wheel, installed into an environment of its own and used in an empty folder.

What it depends on is lent by the environment that runs the tests (a .pth file), so that nothing is downloaded but what
builds a wheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from fenceline.machines.image import recipe_key
from tests.scenario.test_plugin import CONFTEST

CHECKOUT = Path(__file__).resolve().parents[1]
#: What the wheel is made of, and where it is in it.
PARTS = {"harness": "fenceline", "steps": "fenceline/steps", "reports": "fenceline/reports",
         "topologies": "fenceline/topologies", "features": "fenceline/features"}
#: What lies in those folders and is made by running, not written.
MADE = shutil.ignore_patterns("__pycache__", "runs", "*.sqlite*", "*.html")
FEATURE = """
Feature: Mine
  @verdict-PASS
  Scenario: A node loses its power
    Given the topology "web-iscsi" is up and "web" is answering
    When the power of the active node is cut
"""


def run(*command: str | Path, cwd: Path, within: float = 120, **environment: str) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTEST_ADDOPTS", "PYTHONPATH")}
    return subprocess.run([str(word) for word in command], cwd=cwd, env={**kept, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=within, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: what earlier builds left in the checkout would be in it too."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, source / part, ignore=MADE)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    done = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--disable-pip-version-check", "-w", out, source,
               cwd=out, within=300)
    if done.returncode and "No matching distribution found for setuptools" in done.stdout:
        pytest.skip("no package index can be reached, and a wheel is built with setuptools from there")
    assert done.returncode == 0, done.stdout
    found, = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory) -> Path:
    """An environment of its own with the wheel in it."""
    home = tmp_path_factory.mktemp("environment")
    done = run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    assert done.returncode == 0, done.stdout
    done = run(sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--no-deps", "--no-index",
               "--quiet", wheel, cwd=home)
    assert done.returncode == 0, done.stdout
    site, = home.glob("lib/python3*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


@pytest.fixture
def project(tmp_path) -> Path:
    """An empty folder, but for a feature."""
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.feature").write_text(FEATURE)
    return tmp_path


def installed(home: Path) -> dict[Path, int]:
    """Every file of the installed package, and when it was written; without what Python compiles."""
    site, = home.glob("lib/python3*/site-packages")
    return {path: path.stat().st_mtime_ns for path in (site / "fenceline").rglob("*")
            if "__pycache__" not in path.parts}


def test_the_wheel_holds_every_part_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = subprocess.run(["git", "ls-files", *PARTS], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout
    written = {PARTS[part] + "/" + rest for part, _, rest in (line.partition("/") for line in ours.splitlines())}
    if not written:  # not in a clone
        written = {f"{name}/{path.relative_to(CHECKOUT / part)}" for part, name in PARTS.items()
                   for path in (CHECKOUT / part).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert written - names == set()
    assert {name for name in names if not name.startswith("fenceline/")} == set()


def test_what_is_installed_is_what_is_run(home, project):
    done = run(home / "bin" / "python", "-c", "import fenceline, fenceline.steps; print(fenceline.__file__)\n"
               "print(fenceline.steps.__file__)", cwd=project)
    assert [line.startswith(str(home)) for line in done.stdout.splitlines()] == [True, True], done.stdout


@pytest.mark.parametrize(("words", "said"), [
    ("--help", "usage: fenceline"), ("topology list", "web-iscsi "), ("topology check web-iscsi", "2 cluster nodes"),
    ("fault list", "power-off"), ("status", "no cluster is up")])
def test_the_command_works(home, project, words, said):
    done = run(home / "bin" / "fenceline", *words.split(), cwd=project, FENCELINE_STATE=str(project / "state"))
    assert said in done.stdout, done.stdout


def test_the_guest_image_is_that_of_the_checkout(home, project):
    """Or else everybody would build it a second time."""
    done = run(home / "bin" / "python", "-c", "from fenceline.machines.image import recipe_key; print(recipe_key())",
               cwd=project)
    assert done.stdout.strip() == recipe_key()


def test_a_feature_of_the_project_is_collected(home, project):
    done = run(home / "bin" / "python", "-m", "pytest", "--collect-only", "-q", cwd=project)
    assert done.returncode == 0 and "features/mine.feature::test_a_node_loses_its_power" in done.stdout, done.stdout


def test_a_scenario_leaves_its_run_in_the_project_and_nothing_in_the_package(home, project):
    """On a fake cluster, which the project's conftest puts in the place of machines."""
    (project / "conftest.py").write_text(CONFTEST)
    before = installed(home)
    done = run(home / "bin" / "python", "-m", "pytest", "-q", "--driver=uml", cwd=project, PYTHONPATH=str(CHECKOUT),
               FENCELINE_STATE=str(project / "state"))
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    folder, = (project / "reports" / "runs").iterdir()
    assert (folder / "verdict.json").is_file() and (project / "reports" / "history.sqlite").is_file()
    assert installed(home) == before
    for words in (["judge", folder.name], ["report"]):
        done = run(home / "bin" / "fenceline", *words, cwd=project / "features")
        assert "no run" not in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert (project / "reports" / "history.html").is_file()
    assert installed(home) == before
