"""The command's words, errors and exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fenceline import cli
from fenceline.cli import main, make_parser
from fenceline.commands import faults as fault_commands
from fenceline.core.errors import FaultError
from fenceline.faults import FAULTS
from fenceline.faults.parameters import help_of, types_of
from fenceline.lab import control
from tests.fakecluster import ROOT


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FENCELINE_DEBUG", raising=False)


def words_of(parser, prefix=()):
    """Every command's words."""
    for action in parser._actions:
        if (
            getattr(action, "choices", None)
            and not action.option_strings
            and isinstance(action.choices, dict)
        ):
            for name, sub in action.choices.items():
                yield (*prefix, name)
                yield from words_of(sub, (*prefix, name))


ALL_WORDS = sorted(words_of(make_parser()))


# -- words ---------------------------------------------------------------------------------------------------


def test_every_promised_command_is_there():
    assert set(ALL_WORDS) == {
        ("doctor",),
        ("import",),
        ("adopt",),
        ("accept",),
        ("report",),
        ("compare",),
        ("matrix",),
        ("worker",),
        ("chaos",),
        ("chaos", "run"),
        ("chaos", "replay"),
        ("chaos", "coverage"),
        ("chaos", "nightly"),
        ("chaos", "shrink"),
        ("image",),
        ("image", "build"),
        ("image", "path"),
        ("image", "key"),
        ("kernel",),
        ("kernel", "build"),
        ("kernel", "path"),
        ("kernel", "key"),
        ("init",),
        ("up",),
        ("status",),
        ("ssh",),
        ("console",),
        ("fault",),
        ("fault", "list"),
        ("fault", "inject"),
        ("fault", "heal"),
        ("down",),
        ("judge",),
        ("reap",),
        ("topology",),
        ("topology", "check"),
        ("topology", "schema"),
        ("topology", "list"),
    }


@pytest.mark.parametrize("words", [
    "fault inject {} network-cut node=a networks=b", "fault inject network-cut {} node=a networks=b",
    "fault inject network-cut node=a {} networks=b", "fault inject network-cut node=a networks=b {}"])
@pytest.mark.parametrize("option", ["-c web", "--cluster web", "--cluster=web", "-c web --json", "--json -c web"])
def test_options_go_anywhere(words, option):
    args = make_parser().parse_args(words.format(option).split())
    assert (args.name, args.parameters, args.cluster) == ("network-cut", ["node=a", "networks=b"], "web")
    assert args.json is ("--json" in option)


@pytest.mark.parametrize(("words", "wanted"), [
    ("fault inject maintenance -c web", {"name": "maintenance", "parameters": [], "cluster": "web"}),
    ("fault heal -c web 3", {"fault": "3", "cluster": "web"}),
    ("fault heal 3 -c web", {"fault": "3", "cluster": "web"}),
    ("fault heal -c web", {"fault": "all", "cluster": "web"}),
    ("console rs-01 -n 3 -c web", {"node": "rs-01", "lines": 3}),
    ("status --json web", {"cluster": "web", "json": True}), ("down --all", {"all": True, "cluster": None}),
    ("ssh -c web rs-01 ls -c x", {"cluster": "web", "node": "rs-01", "command": ["ls", "-c", "x"]}),
])
def test_words_between_options(words, wanted):
    args = vars(make_parser().parse_args(words.split()))
    assert {key: args[key] for key in wanted} == wanted


@pytest.mark.parametrize("words", ["fault inject", "fault inject -c web", "fault inject a=b -x", "fault heal 1 2",
                                   "console"])
def test_what_is_no_command_is_still_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(words.split())
    assert ended.value.code == 2 and "KEY=VALUE" not in capsys.readouterr().err.split("error:")[1]


@pytest.mark.parametrize("words", [(), *ALL_WORDS], ids=" ".join)
def test_help_is_there_for_every_command(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {' '.join(['fenceline', *words])}")
    assert "None" not in said


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["up"],
        ["fault"],
        ["judge"],
        ["up", "x", "--driver", "vmware"],
        ["console", "n", "-n", "many"],
        ["topology", "check"],
    ],
    ids=" ".join,
)
def test_wrong_words_are_a_usage_error(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: fenceline" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [words for words in ALL_WORDS if words not in [("image",), ("kernel",), ("fault",), ("topology",), ("chaos",)]],
    ids=" ".join,
)
def test_every_command_leads_to_a_function(words):
    rest = {"up": ["t"], "ssh": ["n"], "console": ["n"], "judge": ["r"], "inject": ["f"], "check": ["f"],
            "compare": ["a", "b"], "import": ["a", "b"], "run": ["t"], "replay": ["s"],
            "shrink": ["s"], "nightly": ["p"], "worker": ["tcp://x:1"], "adopt": ["f"]}
    args = make_parser().parse_args([*words, *rest.get(words[-1], [])])
    cell = dict(zip(args.run.__code__.co_freevars, args.run.__closure__, strict=True))
    module = __import__(f"fenceline.commands.{cell['module'].cell_contents}", fromlist=["x"])
    assert callable(getattr(module, cell["function"].cell_contents))


def test_the_options_of_a_command_on_a_node_are_its_own():
    args = make_parser().parse_args(["ssh", "-c", "web", "rs-01", "ls", "-l", "--cluster"])
    assert (args.cluster, args.node, args.command) == ("web", "rs-01", ["ls", "-l", "--cluster"])


# -- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["status"], 1, "no cluster is up; bring one up: fenceline up TOPOLOGY"),
        (["status", "web"], 1, "no cluster 'web' is up"),
        (["down"], 1, "no cluster is up"),
        (["down", "web", "--all"], 1, "not both"),
        (["ssh", "rs-01"], 1, "no cluster is up"),
        (["console", "rs-01", "-f"], 1, "no cluster is up"),
        (["fault", "heal"], 1, "no cluster is up"),
        (["fault", "inject", "power-off", "node=rs-01"], 1, "no cluster is up"),
        (["fault", "inject", "nonsense"], 1, "no fault 'nonsense'; there are"),
        (["fault", "inject", "power-off"], 1, "power-off needs node; write: power-off node=NODE"),
        (["fault", "inject", "power-off", "nod=rs-01"], 1, "not key=value with a parameter of power-off"),
        (["fault", "inject", "power-off", "node"], 1, "not key=value"),
        (["fault", "inject", "power-off", "node=a", "node=b"], 1, "given twice"),
        (["fault", "inject", "packet-drop", "network=service", "percent=101"], 1, "at most 100"),
        (["fault", "inject", "packet-drop", "network=service", "percent=many"], 1, "many"),
        (["fault", "inject", "cpu-overload", "node=a", "seconds=11min"], 1, "660 s is not from 1 to 600"),
        (["image", "path"], 1, "fenceline image build"),
        (["kernel", "path"], 1, "fenceline kernel build"),
        (["judge", "/nonexistent"], 2, "no run '/nonexistent'"),
        (["up", "nonsense"], 2, "no topology 'nonsense'"),
        (["topology", "check", "nonsense"], 2, "no topology 'nonsense'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_one_line_with_the_way_out(words, status, error, capsys):
    assert main(words) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fenceline: ") and said.err.count("\n") == 1
    assert error in said.err


def test_a_mistake_in_fenceline_is_no_traceback_unless_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(control, "find", lambda *_: 1 / 0)
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert "a mistake in Fenceline: ZeroDivisionError" in said and "Traceback" not in said
    monkeypatch.setenv("FENCELINE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["status"])


def test_ctrl_c_is_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "find", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == "fenceline: interrupted\n"


def test_a_reader_that_has_enough_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m fenceline.cli topology schema | head -n 1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_folder_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["up", "web-iscsi", "--runs-dir", str(tmp_path / "file")]) == 1
    assert "--runs-dir" in capsys.readouterr().err


# -- faults and topologies -----------------------------------------------------------------------------------


def test_every_fault_is_listed_and_each_of_its_parameters_explained(capsys):
    assert main(["fault", "list"]) == 0
    said = capsys.readouterr().out
    listed = {line.split()[0] for line in said.splitlines() if line and not line[0].isspace()}
    for name, cls in FAULTS.items():
        assert name in listed
        for parameter in types_of(cls):
            assert f"      {parameter}: {help_of(cls, parameter)}\n" in said


def test_words_become_parameters_of_the_declared_types():
    cut = FAULTS["cut-one-by-one"]
    assert fault_commands.parameters_of(cut, ["nodes=a,b", "networks=x", "interval=500ms"]) == {
        "nodes": ("a", "b"), "networks": ("x",), "interval": 0.5}
    for words, said in (
        (["nodes=a,b", "networks="], "'networks=' is not key=value"),
        (["nodes=a,b"], "needs networks"),
        (["nodes=a,b", "networks=x", "interval=soon"], "interval: 'soon' is not a duration"),
        (["nodes=a", "nodes=b"], "nodes is given twice"),
        (["node=a"], "'node=a' is not key=value with a parameter of cut-one-by-one; write: cut-one-by-one nodes=NODES"),
    ):
        with pytest.raises(FaultError, match=said):
            fault_commands.parameters_of(cut, words)


def test_topologies_are_checked_listed_and_described(tmp_path, capsys):
    assert main(["topology", "check", "web-iscsi"]) == 0
    assert "2 cluster nodes" in capsys.readouterr().out
    assert main(["topology", "list"]) == 0
    assert "web-iscsi" in capsys.readouterr().out
    assert main(["topology", "schema"]) == 0
    assert "properties" in json.loads(capsys.readouterr().out)
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nnodes: {a: {memory: lots}}\nnetworks: {n: {role: x, subnet: 10.0.0.0/24}}\n")
    assert main(["topology", "check", str(bad)]) == 2
    said = capsys.readouterr().err
    assert "nodes.a.memory" in said and "networks.n.role" in said


# -- reap ----------------------------------------------------------------------------------------------------


def test_reap_removes_what_the_dead_left_and_says_so(tmp_path, capsys):
    assert main(["reap"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    journals = tmp_path / "state" / "journal"
    journals.mkdir(parents=True)
    folder = tmp_path / "fl-0badcafe"
    folder.mkdir()
    line = {"op": "do", "id": 1, "kind": "folder", "undo": {"path": str(folder)}}
    (journals / "0badcafe.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "state" / "clusters").mkdir()
    (tmp_path / "state" / "clusters" / "web.lock").touch()
    (tmp_path / "state" / "clusters" / "web.sock").touch()
    assert main(["reap"]) == 0
    said = capsys.readouterr().out
    assert f"removed 0badcafe: folder {folder}" in said and "removed cluster web" in said
    assert not folder.exists() and not list((tmp_path / "state" / "clusters").iterdir())


def test_reap_fails_when_something_is_left(tmp_path, capsys):
    journals = tmp_path / "state" / "journal"
    journals.mkdir(parents=True)
    line = {"op": "do", "id": 1, "kind": "moon", "undo": {}}
    (journals / "0badcafe.jsonl").write_text(json.dumps(line) + "\n")
    assert main(["reap"]) == 1
    assert "not removed:" in capsys.readouterr().err


def test_the_entry_point_is_this_main():
    assert 'fenceline = "fenceline.cli:main"' in (ROOT / "pyproject.toml").read_text()
    assert cli.main is main
