"""The command on a cluster without machines, from up to down."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress

import pytest

from fenceline.cli import main
from fenceline.commands import cluster as cluster_commands
from fenceline.lab import control
from tests.fakecluster import COMMAND, ROOT


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FENCELINE_DEBUG", raising=False)


@pytest.fixture
def fake_clusters(monkeypatch):
    import fenceline.lab.launch

    real = fenceline.lab.launch.launch
    monkeypatch.setattr(fenceline.lab.launch, "launch", lambda order, say: real(order, say, COMMAND))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for entry in control.living():
        with suppress(ProcessLookupError):
            os.kill(entry.pid, signal.SIGTERM)


def test_a_cluster_from_up_to_down(fake_clusters, tmp_path, capsys, monkeypatch):
    assert main(["up", "web-iscsi", "--runs-dir", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr()
    assert "web-iscsi is up after" in said.out and "fenceline fault list" in said.out
    assert "machines are booting" in said.err

    assert main(["up", "web-iscsi"]) == 1
    assert "is up already" in capsys.readouterr().err

    assert main(["status"]) == 0
    said = capsys.readouterr().out
    for words in (
        "quorum: yes; DC: rs-01",
        "rs-02   on     online, standby  yes: rs-01, rs-02",
        "storage host",
        "web      rs-01  192.168.98.244  rs-01        yes",
        "faults in force: none",
        "outages: none",
    ):
        assert words in said
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["owner"] == "rs-01"

    assert main(["fault", "inject", "itch", "node=rs-02", "seconds=2"]) == 0
    assert capsys.readouterr().out == "fault 1: itch node=rs-02 seconds=2.0  (confirmed: itching True)\n"
    assert main(["fault", "inject", "itch", "node=rs-07"]) == 1
    assert "no node 'rs-07'" in capsys.readouterr().err
    assert main(["fault", "heal", "1"]) == 0
    assert "healed 1: itch" in capsys.readouterr().out
    assert main(["fault", "heal"]) == 0
    assert capsys.readouterr().out == "no fault is in force\n"

    assert main(["console", "rs-01", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nrs-01 login:\n"
    assert main(["console", "rs-09"]) == 1
    assert "there are rs-01, rs-02, san-01" in capsys.readouterr().err

    ran = []
    monkeypatch.setattr(cluster_commands.os, "execvpe", lambda file, words, env: ran.append(words))
    monkeypatch.setattr(cluster_commands.os, "geteuid", lambda: 0)
    monkeypatch.setattr(cluster_commands.shutil, "which", lambda *_, **__: "/usr/bin/x")
    main(["ssh", "rs-02", "--", "uname", "-r"])
    assert ran[0][:5] == ["ip", "netns", "exec", "fl-0badcafe", "ssh"]
    assert ran[0][-3:] == ["root@10.71.4.12", "uname", "-r"]
    assert "/nonexistent/fl-0badcafe/id_ed25519" in ran[0]

    assert main(["down"]) == 0
    said = capsys.readouterr().out
    assert "web-iscsi has been taken down" in said and "verdict " in said and "fenceline judge" in said
    assert main(["down", "--all"]) == 0
    assert capsys.readouterr().out == "no cluster is up\n"


def test_what_is_left_at_the_end_is_said(fake_clusters, tmp_path, capsys):
    raw = (ROOT / "topologies" / "web-iscsi.yaml").read_text().replace("description:", "description: stuck #")
    (tmp_path / "stuck.yaml").write_text(raw)
    assert main(["up", str(tmp_path / "stuck.yaml"), "--runs-dir", str(tmp_path)]) == 0
    assert main(["down", "--all"]) == 1
    assert "not removed: rs-01 survives SIGKILL; try `fenceline reap`" in capsys.readouterr().err


def test_up_that_fails_shows_the_console_and_where_the_run_is(fake_clusters, tmp_path, capsys):
    raw = (ROOT / "topologies" / "web-iscsi.yaml").read_text().replace("description:", "description: fail #")
    (tmp_path / "fail.yaml").write_text(raw)
    assert main(["up", str(tmp_path / "fail.yaml"), "--runs-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "fenceline: it was not whole within 1 s: rs-01 has not joined\n  last lines:\n    panic" in said
    assert "run folder:" in said and "Traceback" not in said
