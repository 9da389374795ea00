"""The plugin in other people's projects: their options, their features, their topologies."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fenceline.model.load import TOPOLOGY_DIR

OURS = """
    Feature: Ours
      Scenario: A cut
        Given the topology "{topology}" is up and "web" is answering
        When the power of the active node is cut
        Then nobody is fenced
"""
THEIRS = """
    Feature: Theirs
      Scenario: Cucumbers
        Given there are 5 cucumbers
        When I eat 3 of them
        Then I am full
"""
THEIR_TESTS = """
    from pytest_bdd import given, scenarios, then, when
    scenarios("theirs.feature")
    @given("there are 5 cucumbers")
    def there(): pass
    @when("I eat 3 of them")
    def eat(): pass
    @then("I am full")
    def full(): pass
"""


@pytest.fixture
def project(tmp_path):
    """Writes files into a project of its own and runs pytest there, with whatever plugins are installed."""
    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip())

    def run(*options: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
        return subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options], cwd=cwd,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                              check=False)
    run.write, run.folder = write, tmp_path
    return run


def test_other_peoples_features_are_theirs(project):
    project.write(theirs_dot_feature=THEIRS, test_theirs_dot_py=THEIR_TESTS)
    done = project("--runxfail")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    project.write(ours_dot_feature=OURS.format(topology="web-iscsi"))
    done = project("--collect-only")
    assert "ours.feature::test_a_cut" in done.stdout and "test_theirs.py::test_cucumbers" in done.stdout, done.stdout
    assert "2 tests collected" in done.stdout


def test_a_broken_feature_of_other_people_is_not_ours_to_report(project):
    project.write(theirs_dot_feature="Feature: T\n  Scenario: S\n    Given rain\n    Whenever it rains\n",
                  test_own_dot_py="def test_own(): pass\n")
    done = project()
    assert done.returncode == 0, done.stdout


def test_where_the_project_says_that_all_are_ours_none_is_lost(project):
    lost = OURS.replace("the topology", "a topology").replace("the power", "power").replace("nobody", "no one")
    project.write(features__lost_dot_feature=lost, pytest_dot_ini="[pytest]\nfenceline_features = features\n")
    done = project("--collect-only")
    assert done.returncode == 2
    assert "lost.feature:3: no step says: Given a topology" in done.stdout, done.stdout


def test_the_sentences_take_no_name_that_others_may_have(project):
    """A fixture ``scene`` of the project's own, in use in a feature of ours."""
    project.write(ours_dot_feature=OURS.format(topology="web-iscsi"), conftest_dot_py="""
        import pytest
        @pytest.fixture
        def scene(): raise RuntimeError("the project's own")
        @pytest.fixture
        def fenceline_scene():
            class Scene:
                def __getattr__(self, name): raise KeyboardInterrupt(f"asked for {name}")
            return Scene()
    """)
    done = project("--fenceline-driver=uml")
    assert "asked for bring_up" in done.stdout and "the project's own" not in done.stdout, done.stdout


# -- options ---------------------------------------------------------------------------------------------------

OTHER = """
    def pytest_addoption(parser):
        parser.addoption("--driver", help="of a browser")
        parser.addoption("--rebuild", action="store_true", help="of the house")
"""
ASKS = """
    import pytest
    def pytest_configure(config):
        names = ("driver", "rebuild", "repeat", "fenceline_driver", "fenceline_repeat", "fenceline_rebuild")
        print({name: config.getoption(name, "none") for name in names})
        pytest.exit("enough", 0)
"""


@pytest.mark.parametrize("where", ["plugin", "conftest"])
def test_short_names_that_others_have_are_theirs(project, where):
    project.write(other_dot_py=OTHER, asks_dot_py=ASKS)
    if where == "conftest":
        project.write(conftest_dot_py=OTHER)
    plugins = ["-p", "other"] if where == "plugin" else []
    done = project("-s", *plugins, "-p", "asks", "--driver", "firefox", "--fenceline-driver=uml", "--rebuild",
                   "--repeat", "3")
    assert done.returncode == 0, done.stdout
    assert ("{'driver': 'firefox', 'rebuild': True, 'repeat': 'none', 'fenceline_driver': 'uml', "
            "'fenceline_repeat': 3, 'fenceline_rebuild': False}") in done.stdout


def test_short_names_that_are_free_are_ours(project):
    project.write(asks_dot_py=ASKS)
    done = project("-s", "-p", "asks", "--driver=libvirt", "--repeat", "3")
    assert "'fenceline_driver': 'libvirt', 'fenceline_repeat': 3" in done.stdout, done.stdout
    done = project("-s", "-p", "asks")
    assert "'fenceline_driver': 'auto', 'fenceline_repeat': None" in done.stdout, done.stdout
    assert "short for --fenceline-repeat" in project("--help").stdout


def test_a_wrong_driver_is_refused_by_either_name(project):
    for name in ("--driver", "--fenceline-driver"):
        done = project(f"{name}=vmware")
        assert done.returncode == 4 and "invalid choice: 'vmware'" in done.stdout, done.stdout


# -- topologies ------------------------------------------------------------------------------------------------

def mine(name: str) -> str:
    return (TOPOLOGY_DIR / "web-iscsi.yaml").read_text().replace("name: web-iscsi", f"name: {name}")


def test_the_projects_own_topologies_come_first_then_the_shipped(project):
    hidden = mine("web-iscsi").replace("  web:", "  shop:")
    project.write(topologies__mine_dot_yaml=mine("mine"), a_dot_feature=OURS.format(topology="mine"),
                  b_dot_feature=OURS.format(topology="web-iscsi-3").replace('"web"', '"webservice"'))
    done = project("--collect-only")
    assert "2 tests collected" in done.stdout, done.stdout
    project.write(topologies__web_iscsi_dot_yaml="")
    (project.folder / "topologies" / "web-iscsi.yaml").write_text(hidden)
    project.write(c_dot_feature=OURS.format(topology="web-iscsi"))
    done = project("--collect-only", "c.feature")
    assert "the topology 'web-iscsi' has no service 'web'; it has shop" in done.stdout, done.stdout


def test_other_folders_may_be_named_and_errors_name_every_place(project):
    project.write(clusters__mine_dot_yaml=mine("mine"), a_dot_feature=OURS.format(topology="mine"),
                  more__b_dot_feature=OURS.format(topology="nonsense"),
                  pytest_dot_ini="[pytest]\nfenceline_topologies = clusters spare\n")
    done = project("--collect-only", cwd=project.folder / "more")
    assert done.returncode == 2
    said = " ".join(done.stdout.split())
    assert f"no topology 'nonsense': neither a file nor in {project.folder}/clusters (there: mine), nor in " \
           f"{project.folder}/spare (there: none), nor in the shipped {TOPOLOGY_DIR} (there: " in said, done.stdout
    done = project("--collect-only", "a.feature")
    assert "1 test collected" in done.stdout, done.stdout
