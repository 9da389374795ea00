"""The pages for people say what is so: the tutorial's commands, in their order, in a project that begins empty.

Nothing here has machines. What asks for a standing cluster (``up`` to ``down``) is given the fake one of
tests/fakecluster.py, pytest's first run that of tests/scenario/test_plugin.py, and its later ones ``--collect-only``.
Not run: what installs (tests/test_package.py does, from the wheel) and what builds the guest image.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fenceline.cli import main, make_parser
from fenceline.faults import make_fault
from tests.commands.test_cluster import fake_clusters  # noqa: F401  (a fixture)
from tests.fakecluster import ROOT
from tests.scenario.test_plugin import CONFTEST

DOCS = ROOT / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()
INSTALLS = ("python3 -m venv ", ". .venv/bin/activate", "pip install ")
IN_PROCESS = ("up", "status", "fault", "console", "down")
#: What the page says that some commands say, in their order; where it is an error, they fail.
SAID = [
    ("fenceline doctor", "drivers that work: "),
    ("pytest", "1 failed"),  # the fake cluster has no network that could be cut
    ('fenceline judge "$(ls reports/runs | tail -n 1)"', "verdict "),
    ("fenceline topology check shop", "services.web.group.1.address: 192.168.98.244 is not in the service network"),
    ("pytest --collect-only -q features/shop.feature", 'no step says: Then "web" relocates to the standby within 30 '
                                                       'secs\n    nearest: Then "SERVICE" relocates to NODE within N'),
    ("pytest features/shop.feature -k power", "1 test collected"),
    ("pytest features/shop.feature --fenceline-repeat 5", "5 tests collected"),
]


PLUGS_IN = """
import json, sys
from fenceline.faults import FAULTS, make_fault
from fenceline.scenario.features import known_contexts, problems
from pathlib import Path
from pytest_bdd.feature import get_feature
from tests.fakes import make_cluster
from tests.judge.logs import green
from fenceline.judge.verdict import judge
from fenceline.model.load import load_topology
path = Path("blink.feature")
assert problems(path, get_feature(".", path.name), ()) == []
with make_cluster(load_topology("web-iscsi"), Path.cwd()) as cluster:
    active = cluster.faults.inject(make_fault("blink", node="rs-01"))
    cluster.faults.heal(active)
    print(json.dumps(active.evidence))
for seconds, wanted in ((0.2, "PASS"), (2, "FAIL")):
    log = green().add(2, "machine", "rs-01", "power.paused").add(2 + seconds, "machine", "rs-01", "power.resumed")
    finding, = (one for one in judge(log.events, log.topology).findings if one.check == "short blinks")
    assert finding.verdict == wanted, finding
"""


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def commands(page: str) -> list[str]:
    return [line.partition("  #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines() if line]


def files(page: str) -> dict[str, str]:
    """The fenced blocks that name a file."""
    return {name: text for name, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.M | re.S)}


@pytest.fixture
def shell(tmp_path):
    """Runs a line in a folder as a user's shell would, with the commands of this environment."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "fakes_for_pages.py").write_text(CONFTEST)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                   "FENCELINE_STATE": str(tmp_path / "state"), "PYTHONPATH": f"{tmp_path / 'outside'}:{ROOT}"}

    def run(line: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", "-c", line], cwd=cwd, env={**environment, **extra}, text=True, timeout=180,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return run


def test_the_tutorial_from_its_begin_to_its_end(tmp_path, shell, monkeypatch, capfd, fake_clusters):  # noqa: F811
    monkeypatch.setenv("FENCELINE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    feature, = blocks(TUTORIAL, "gherkin")
    said = list(SAID)
    for line in commands(TUTORIAL):
        words = shlex.split(line)
        if line.startswith(INSTALLS):
            continue
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
        elif line == "fenceline image build":
            assert make_parser().parse_args(words[1:]).run
        elif words[0] == "fenceline" and words[1] in IN_PROCESS:
            if words[2:3] == ["inject"]:  # the fake cluster knows another fault only
                make_fault(words[3], **dict(word.split("=") for word in words[4:]))
                words[3] = "itch"
            assert main(words[1:]) == 0, (line, capfd.readouterr())
        else:
            fakes = "-p fakes_for_pages --fenceline-driver=uml" + ("" if line == "pytest" else " --collect-only")
            done = shell(line, Path.cwd(), PYTEST_ADDOPTS=fakes)
            if said and said[0][0] == line:
                assert said.pop(0)[1] in done.stdout, (line, done.stdout)
            else:
                assert done.returncode == 0, (line, done.stdout)
        if line.endswith("topology list"):
            Path("features/shop.feature").write_text(feature)
    assert said == []


def test_the_plug_in_of_the_page_is_found_and_works(tmp_path, shell):
    """As an installed package has it: modules beside the metadata that names its entry points."""
    page = (DOCS / "extend.md").read_text()
    parts = files(page)
    for name, text in parts.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    told = tomllib.loads(parts["pyproject.toml"])["project"]
    metadata = tmp_path / "site" / "fenceline_blink-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    (metadata / "entry_points.txt").write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in told["entry-points"].items()))
    feature, = blocks(page, "gherkin")
    (tmp_path / "blink.feature").write_text(feature)
    path = f"{tmp_path / 'site'}:{tmp_path / 'outside'}:{ROOT}"
    done = shell(f"python -c {shlex.quote(PLUGS_IN)}", tmp_path, PYTHONPATH=path)
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[-1]) == {"executes": True}, done.stdout
    done = shell("pytest --collect-only -q blink.feature", tmp_path, PYTHONPATH=path)
    assert "blink.feature::test_nobody_minds" in done.stdout, done.stdout
    assert "blink" in shell("fenceline fault list", tmp_path, PYTHONPATH=path).stdout


@pytest.mark.parametrize("page", sorted(path.name for path in [*DOCS.glob("*.md"), ROOT / "README.md"]))
def test_links_lead_somewhere(page):
    path = ROOT / page if page == "README.md" else DOCS / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_what_the_pages_name_of_the_code_is_there():
    named = re.findall(r"`((?:harness|steps|tests)/[\w/]+\.\w+)`", "".join(
        (DOCS / page).read_text() for page in ("architecture.md", "extend.md")))
    assert named and [name for name in named if not (ROOT / name).exists()] == []
