"""A run's folder: all that a verdict needs, so that it can be judged again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.cluster.cluster import Cluster
from fenceline.core.errors import HostError, MachineError
from fenceline.judge.verdict import judge_folder
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from fenceline.observe.log import EventLog
from fenceline.scenario.run import Run, RunInfo
from tests.judge import logs

INFO = RunInfo("Heartbeat cut: fence & relocate!", "features/x.feature::test_x", ("smoke",), 42, "uml")


@pytest.fixture
def run(tmp_path):
    made = Run(Run.new_folder(tmp_path / "runs", INFO.scenario), INFO, EventLog())
    yield made
    made.log.close()


def test_a_folders_name_sorts_and_reads_well(run):
    stamp, _, slug = run.folder.name.partition("-")
    assert len(stamp) == len("20261121T044409.464") and slug == "heartbeat-cut-fence-relocate"


def test_two_runs_never_share_a_folder(tmp_path, monkeypatch):
    import fenceline.scenario.run as module

    class Frozen:
        @staticmethod
        def now(zone):
            from datetime import UTC, datetime
            return datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(module, "datetime", Frozen)
    Run.new_folder(tmp_path, "a")
    Run.new_folder(tmp_path, "a")
    Run.new_folder(tmp_path, "a")
    assert sorted(path.name[-2:] for path in tmp_path.iterdir()) == ["-2", "-3", "-a"]


def test_a_long_or_strange_title_is_still_a_name(tmp_path):
    assert len(Run.new_folder(tmp_path, "x" * 300).name) < 90
    assert Run.new_folder(tmp_path, "../../etc").parent == tmp_path
    assert Run.new_folder(tmp_path, "日本").parent == tmp_path


def test_what_is_about_to_be_run_is_written_down_first(run, web):
    run.log.record("test", None, "before")
    run.begin(web, {"pacemaker": "2.1.5"})
    assert sorted(path.name for path in run.folder.iterdir()) == ["events.jsonl", "run.json", "topology.yaml"]
    raw = json.loads((run.folder / "run.json").read_text())
    assert {**raw, "scenario": INFO.scenario, "origin": INFO.origin, "tags": ["smoke"], "seed": 42, "driver": "uml",
            "topology": "web-iscsi", "versions": {"pacemaker": "2.1.5"}} == raw
    assert raw["begun"].startswith("20") and raw["host_kernel"]
    assert load_topology(str(run.folder / "topology.yaml")) == web
    event, = run.log.events()
    assert (event.kind, event.data["seed"]) == ("scenario.begin", 42)
    run.log.close()  # its writer is a thread, and may be a moment behind
    assert json.loads((run.folder / "events.jsonl").read_text())["kind"] == "scenario.begin"


def test_the_verdict_is_written_down_and_the_folder_judges_to_the_same(run):
    run.begin(logs.topology(), {})
    run.log.record("guest", logs.A, "mount", {"mountpoint": logs.MOUNT, "source": "/dev/sda", "fstype": "ext4",
                                              "mounted": True})
    judgement = run.end()
    assert judgement is run.judgement and judgement.verdict is not Verdict.PASS  # a run without load proves nothing
    raw = json.loads((run.folder / "verdict.json").read_text())
    assert raw["verdict"] == judgement.verdict and raw["reason"] == judgement.reason
    assert judge_folder(run.folder) == judgement
    assert run.log.events()[-1].kind == "scenario.end"


@pytest.mark.parametrize(("error", "reason"), [
    (MachineError("rs-01 never booted", "the console's tail"), "rs-01 never booted"),
    (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero")])
def test_a_broken_harness_is_said_and_decides(run, error, reason):
    run.begin(logs.topology(), {})
    run.broken(error)
    judgement = run.end()
    assert judgement.verdict is Verdict.BROKEN and reason in judgement.reason
    assert judge_folder(run.folder).verdict is Verdict.BROKEN


def test_what_fails_when_looking_back_costs_no_verdict(run):
    def fail():
        raise HostError("tcpdump survives SIGKILL for 3 s: pids 4711")
    run.begin(logs.topology(), {})
    run.look_back(SimpleNamespace(ledger=SimpleNamespace(services=()), capture=SimpleNamespace(stop=fail)))
    judgement = run.end()
    assert judgement.verdict is Verdict.BROKEN and "tcpdump survives" in judgement.reason


def test_a_verdict_that_can_not_be_written_is_a_verdict(run, monkeypatch):
    run.begin(logs.topology(), {})

    def full(path, text):
        path.write_bytes(text.encode()[:10])
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_text", full)
    assert run.end().verdict is not Verdict.PASS
    assert not (run.folder / "verdict.json").exists()


@pytest.mark.parametrize(("driver", "kernel"), [("uml", "7.2.7"), ("libvirt", "6.1.0-56-amd64")])
def test_the_kernel_that_is_written_down_is_that_of_the_machines(tmp_path, driver, kernel):
    packages = tmp_path / "packages.txt"
    packages.write_text("corosync=3.1.7-1\nlinux-image-6.1.0-56-amd64=6.1.192-2\n")
    image = SimpleNamespace(packages=packages, uml_kernel_version="7.2.7", key="k")
    told = Cluster.versions(SimpleNamespace(image=image, driver=SimpleNamespace(name=driver)))
    assert told == {"image": "k", "kernel": kernel, "corosync": "3.1.7-1"}
