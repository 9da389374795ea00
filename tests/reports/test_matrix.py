"""The matrix of planted defects: caught, missed, clean, false alarm."""

from __future__ import annotations

import json

import pytest

from fenceline.cli import main
from fenceline.model.load import dump_topology
from fenceline.reports.matrix import matrix, matrix_text
from tests.judge.logs import B, Log, green


def save(base, name, log: Log, *tags: str):
    folder = base / name
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(event.to_json() + "\n" for event in log.events))
    (folder / "topology.yaml").write_text(dump_topology(log.topology))
    (folder / "run.json").write_text(json.dumps({"scenario": name.rstrip("0123456789"), "tags": list(tags)}))
    return folder


def twice() -> Log:
    return green().mount(6, B).mount(6.5, B, False)


@pytest.mark.parametrize(("log", "tags", "answer", "is_right"), [
    (twice, ("known_bad",), "caught", True),
    (lambda: twice().expect_break("single mount"), ("known_bad",), "caught", True),
    (green, ("known_bad",), "MISSED in 1", False),
    (green, (), "clean", True),
    (twice, (), "FALSE ALARM in 1", False),
])
def test_a_row(tmp_path, log, tags, answer, is_right):
    row, = matrix([save(tmp_path, "run", log(), *tags)])
    assert row.is_right is is_right
    assert answer in matrix_text([row])
    assert row.red.get("single mount", 0) == (answer in ("caught", "FALSE ALARM in 1"))


def test_runs_of_one_scenario_are_one_row_and_broken_ones_none(tmp_path):
    save(tmp_path, "bad1", twice(), "known_bad")
    save(tmp_path, "bad2", green(), "known_bad")
    save(tmp_path, "died", Log().baseline())
    save(tmp_path, "broken", green().add(9, "scenario", None, "broken", reason="no space"))
    (tmp_path / "empty").mkdir()
    rows = matrix(sorted(tmp_path.iterdir()))
    assert [(row.scenario, row.runs, row.caught) for row in rows] == [("bad", 2, 1)]
    assert "1 defects in 2 runs, 1 missed; 0 clean scenarios" in matrix_text(rows)


def test_the_command(tmp_path, capsys):
    save(tmp_path, "good", green())
    assert main(["matrix", "--runs-dir", str(tmp_path)]) == 0
    save(tmp_path, "bad", green(), "known_bad")
    assert main(["matrix", "--runs-dir", str(tmp_path)]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert main(["matrix", "--markdown", "--runs-dir", str(tmp_path)]) == 1
    table = capsys.readouterr().out
    assert "| bad (web-iscsi) | 1 | - | MISSED in 1 |" in table and "| good (web-iscsi) | 1 | - | clean |" in table
    assert table.endswith("1 defects in 1 runs, 1 missed; 1 clean scenarios in 1 runs, 0 false alarms.\n")
    assert main(["matrix", "--runs-dir", str(tmp_path / "nothing")]) == 1
