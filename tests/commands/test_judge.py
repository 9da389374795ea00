"""``fenceline judge``: saved runs, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fenceline.cli import main
from fenceline.model.load import dump_topology
from tests.judge.logs import A, B, Log, green, ns


def saved(folder: Path, log: Log) -> Path:
    folder.mkdir(parents=True)
    (folder / "topology.yaml").write_text(dump_topology(log.topology))
    (folder / "events.jsonl").write_text("".join(event.to_json() + "\n" for event in log.events))
    return folder


def failing() -> Log:
    return green().mount(16, A)


def silent() -> Log:
    log = green()
    log.events = [
        event for event in log.events if (event.source, event.node) != ("guest", B) or event.t_ns < ns(12)
    ]
    return log


@pytest.mark.parametrize(
    ("log", "status", "verdict"),
    [
        (green, 0, "PASS"),
        (failing, 1, "FAIL"),
        (lambda: green().add(3, "scenario", None, "broken", reason="the disk is full"), 2, "BROKEN"),
        (lambda: Log().baseline().end(5), 3, "INVALID"),
        (silent, 4, "UNKNOWN"),
    ],
)
def test_judge_exits_by_the_verdict(tmp_path, capsys, log, status, verdict):
    folder = saved(tmp_path / "run", log())
    assert main(["judge", str(folder)]) == status
    assert capsys.readouterr().out.startswith(f"verdict {verdict}: ")
    assert main(["judge", "run", "--runs-dir", str(tmp_path), "--json"]) == status
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict


def test_judge_shows_phases_and_findings_and_leaves_the_run_alone(tmp_path, capsys):
    folder = saved(tmp_path / "run", failing())
    (folder / "verdict.json").write_text('{"verdict": "PASS"}')
    main(["judge", str(folder)])
    said = capsys.readouterr()
    for word in (
        "outage of web:",
        "rs-01 -> rs-02",
        "\n  fence ",
        "\n  storage ",
        "±",
        "single mount",
        "FINDING",
    ):
        assert word in said.out
    assert "the saved verdict was PASS" in said.err
    assert (folder / "verdict.json").read_text() == '{"verdict": "PASS"}'


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("events.jsonl", "{}\n{}\n", "not an event log"),
        ("topology.yaml", "nodes: 3\n", "topology.yaml"),
        ("topology.yaml", None, "no topology.yaml"),
        ("events.jsonl", None, "no run"),
    ],
)
def test_a_run_folder_that_is_none_is_a_usage_error(tmp_path, capsys, name, text, error):
    folder = saved(tmp_path / "run", green())
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    assert main(["judge", str(folder)]) == 2
    said = capsys.readouterr().err
    assert error in said and "Traceback" not in said
