"""What of a run is attached to the report, and that nothing about it can fail a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fenceline.judge import judgement_to_json
from fenceline.model.event import Event
from fenceline.model.load import dump_topology
from fenceline.model.verdict import Finding, Judgement, Verdict
from fenceline.reports import attachments
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
    note, *events = files["events"].decode().splitlines()
    assert f"of {len(sample.heartbeat_cut())}: " in note and str(run_folder / "events.jsonl") in note
    told = [json.loads(line) for line in events]
    assert [event for event in told if event["kind"] == "fault.injected"] and len(told) < len(sample.heartbeat_cut())
    assert not [event for event in told if event["kind"] == "tick"]
    assert "timeline (PNG)" not in files  # it is the same picture, in the run folder
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


@pytest.fixture
def seen(monkeypatch):
    """What is attached, by its name; and the links."""
    import allure
    found: dict[str, bytes] = {}
    monkeypatch.setattr(allure, "attach", lambda body, name, kind: found.update(
        {name: body.encode() if isinstance(body, str) else body}))
    monkeypatch.setattr(allure.dynamic, "link", lambda url, name: found.update({"link": url.encode()}))
    return found


def failed() -> Judgement:
    return Judgement(Verdict.FAIL, (Finding("single mount", Verdict.FAIL, "two nodes"),))


def test_of_a_huge_console_only_the_end_is_attached(tmp_path, seen):
    console = tmp_path / "rs-01.log"
    console.write_text("".join(f"line {number:05d}\n" for number in range(10000)))
    run = attachments._Run(tmp_path)
    attachments._attach_file(run, console, "console", attachments.AttachmentType.TEXT, 3000)
    assert seen["console (end)"].endswith(b"line 09998\nline 09999\n")
    assert b"of 110000 bytes" in seen["console (end)"] and str(console).encode() in seen["console (end)"]
    assert b"line 09000" not in seen["console (end)"] and len(seen["console (end)"]) < 3200
    assert run.left == attachments.BUDGET - len(seen["console (end)"])


@pytest.mark.parametrize("size", [10, 10**4, 3 * 10**6])
def test_a_run_takes_up_no_more_than_its_share(run_folder, seen, size):
    """240 scenarios are one page: each must keep to its part of it, however much a run has left behind."""
    for name in ("consoles/rs-01.log", "consoles/rs-02.log", "logs/rs-01/pacemaker.log", "logs/rs-01/corosync.log",
                 "logs/rs-01/journal.txt", "timeline.svg"):
        with (run_folder / name).open("a") as file:
            file.write(f"{'x' * 99}\n" * (1 + size // 100))
    with (run_folder / "events.jsonl").open("a") as file:
        file.write(Event(10**12, "guest", "rs-01", "log", {"line": "x" * 90}).to_json() * (size // 100) + "\n")
        file.write((Event(10**12, "guest", "rs-01", "log", {"line": "y" * 90}).to_json() + "\n") * (size // 100))
    attachments.attach_run_files(run_folder, failed())
    assert sum(map(len, seen.values())) < attachments.BUDGET + 8000
    assert {"verdict and checks", "verdict.json", "events"} <= set(seen)
    logs = [name for name in seen if name.startswith(("consoles/", "logs/"))]
    assert len(logs) == 5  # each has its share
    assert (size < 10**6) == ("timeline" in seen)
    assert seen["link"].decode() == run_folder.resolve().as_uri()


def test_what_fits_is_attached_whole(run_folder, seen):
    attachments.attach_run_files(run_folder, failed())
    assert seen["consoles/rs-01.log"] == b"boot\n" and not [name for name in seen if "(end)" in name]
    (run_folder / "report.html").write_text("<p>")
    attachments.attach_run_files(run_folder, failed())
    assert seen["link"].decode().endswith("/run/report.html")


def test_answers_are_told_where_they_become_others(tmp_path, seen):
    def reply(number, ok, node):
        return Event(number, "client", node, "reply", {"service": "web", "ok": ok, "sent_ns": 0, "from": node})
    events = [reply(number, True, "rs-01") for number in range(100)]
    events += [reply(100 + number, False, None) for number in range(100)]
    events += [Event(200, "machine", "rs-01", "power.off", {"why": "fence"}), Event(201, "guest", "rs-02", "tick")]
    events += [reply(300 + number, True, "rs-02") for number in range(100)]
    (tmp_path / "events.jsonl").write_text("".join(event.to_json() + "\n" for event in events) + "half a li")
    attachments._attach_events(attachments._Run(tmp_path))
    note, *lines = seen["events"].decode().splitlines()
    assert [json.loads(line)["t_ns"] for line in lines[:-1]] == [0, 100, 200, 300] and lines[-1] == "half a li"
    assert "the last 5 of 5 events that tell something, of 303" in note
