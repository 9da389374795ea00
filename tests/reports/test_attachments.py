"""What of a run is attached to the report, and that nothing about it can fail a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.judge import judgement_to_json
from harness.model.load import dump_topology
from tests.reports import sample
from tests.reports.conftest import Report


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "consoles").mkdir(parents=True)
    (folder / "logs" / "rs-01").mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(event.to_json() + "\n" for event in sample.heartbeat_cut()))
    (folder / "topology.yaml").write_text(dump_topology(sample.web_iscsi()))
    (folder / "verdict.json").write_text(judgement_to_json(sample.passed()))
    (folder / "consoles" / "rs-01.log").write_text("boot\n")
    (folder / "consoles" / "gone.log").symlink_to(tmp_path / "nowhere")
    (folder / "logs" / "rs-01" / "pacemaker.log").write_text("fence\n")
    return folder


def attached(report: Report) -> dict[str, bytes]:
    found = report.one()["steps"][0]["attachments"]
    return {one["name"]: (report.folder / one["source"]).read_bytes() for one in found}


JUDGED = """
    Feature: F
      Scenario: S
        Then the run is judged {} and raises {}
"""


def test_a_run_is_attached_with_picture_tables_and_data(run, run_folder, monkeypatch):
    monkeypatch.setenv("RUN", str(run_folder))
    files = attached(run(JUDGED.format("PASS", "nothing")))
    assert files["timeline"].startswith(b"<svg")
    assert b"single mount" in files["verdict and checks"] and "failover phases" in files
    assert len(files["events.jsonl"].splitlines()) == len(sample.heartbeat_cut())
    assert {"verdict.json", "topology.yaml"} <= set(files)
    assert not [name for name in files if "consoles" in name or "logs" in name]


def test_consoles_and_logs_are_attached_unless_it_passed(run, run_folder, monkeypatch):
    monkeypatch.setenv("RUN", str(run_folder))
    files = attached(run(JUDGED.format("FAIL", "AssertionError")))
    assert files["consoles/rs-01.log"] == b"boot\n" and files["logs/rs-01/pacemaker.log"] == b"fence\n"
    assert "consoles/gone.log" not in files


def test_a_run_that_cannot_be_drawn_does_not_fail_the_test_and_says_so(run, run_folder, monkeypatch):
    (run_folder / "events.jsonl").write_text("no event\nno event\n{}\n")
    monkeypatch.setenv("RUN", str(run_folder))
    report = run(JUDGED.format("PASS", "nothing"))
    assert report.one()["status"] == "passed"
    files = attached(report)
    assert b"events.jsonl:1" in files["attachment missing"]
    assert "timeline" not in files and "verdict and checks" in files


def test_of_a_huge_console_only_the_end_is_attached(tmp_path, monkeypatch):
    import allure

    from reports import attachments
    seen: dict[str, bytes] = {}
    monkeypatch.setattr(attachments, "WHOLE_FILE_LIMIT", 100)
    monkeypatch.setattr(attachments, "TAIL", 30)
    monkeypatch.setattr(allure, "attach", lambda body, name, kind: seen.update({name: body}))
    console = tmp_path / "rs-01.log"
    console.write_text("".join(f"line {number:04d}\n" for number in range(100)))
    attachments._attach_file(console, "console", attachments.AttachmentType.TEXT)
    assert seen["console (end)"].endswith(b"line 0098\nline 0099\n")
    assert b"of 1000 bytes" in seen["console (end)"] and b"line 0050" not in seen["console (end)"]
