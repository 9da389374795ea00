"""What confirmed each fault, gathered from run folders."""

from __future__ import annotations

import json

import pytest

from fenceline.faults import FAULTS
from fenceline.steps import fault_evidence
from fenceline.steps.fault_evidence import gather, load, of_run, words

HANG = [{"kind": "fault.begin", "data": {"id": 1, "fault": "hang", "params": {"node": "rs-01"}}},
        {"kind": "tick", "data": {}},
        {"kind": "fault.confirmed", "data": {"id": 1, "evidence": {"agent": "silent for 0.6 s"}}}]


def run(folder, events, begun="2026-01-01T00:00:00+00:00", kernel="7.2.7", driver="uml"):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"scenario": "S", "begun": begun, "versions": {"kernel": kernel},
                                                 "driver": "auto", "driver_used": driver}))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_what_was_confirmed_is_kept(tmp_path):
    found = of_run(run(tmp_path / "r", HANG))
    assert found["hang uml"]["evidence"] == {"agent": "silent for 0.6 s"}
    assert found["hang uml"]["kernel"] == "7.2.7" and found["hang uml"]["params"] == {"node": "rs-01"}


def test_it_is_of_the_machines_that_there_were(tmp_path):
    assert list(of_run(run(tmp_path / "r", HANG, driver="libvirt", kernel="6.1.0-56-amd64"))) == ["hang libvirt"]
    assert of_run(run(tmp_path / "none", HANG, driver=None)) == {}


def test_what_was_not_confirmed_is_not(tmp_path):
    unconfirmed = {"kind": "fault.unconfirmed", "data": {"id": 1, "reason": "it ticks"}}
    assert of_run(run(tmp_path / "r", [HANG[0], unconfirmed])) == {}


def test_what_is_no_finished_run(tmp_path):
    assert of_run(tmp_path / "none") == {}
    folder = run(tmp_path / "r", HANG)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"kind":"fault.heal')
    assert "hang uml" in of_run(folder)


def test_the_latest_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(fault_evidence, "FILE", tmp_path / "known.json")
    late = [HANG[0], {"kind": "fault.confirmed", "data": {"id": 1, "evidence": {"agent": "late"}}}]
    run(tmp_path / "runs" / "a", late, "2026-02-01T00:00:00+00:00")
    run(tmp_path / "runs" / "b", HANG)
    assert gather([tmp_path / "runs"])["hang uml"]["evidence"] == {"agent": "late"}
    (tmp_path / "known.json").write_text(json.dumps({"hang uml": {"begun": "2027", "evidence": "newer"}}))
    assert gather([tmp_path / "runs"])["hang uml"]["evidence"] == "newer"


@pytest.mark.parametrize(("evidence", "line"), [
    ({"a": 1, "b": {"c": [1, 2]}}, "a 1, b c 1/2"), ({"x": []}, "x none"), ("a\n b", "a b")])
def test_in_one_line(evidence, line):
    assert words(evidence) == line


def test_what_is_known_is_of_faults_that_there_are():
    assert load() and {key.split()[0] for key in load()} <= set(FAULTS)


def test_it_is_added_to_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(fault_evidence, "FILE", tmp_path / "known.json")
    (tmp_path / "known.json").write_text(json.dumps({"panic uml": {"begun": "2026", "evidence": "old"}}))
    run(tmp_path / "runs" / "a", HANG)
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "runs")])
    assert fault_evidence.main() == 0
    assert list(load()) == ["hang uml", "panic uml"]
