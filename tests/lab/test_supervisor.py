"""The supervisor as a process of its own, with a cluster that has no machines; and its protocol."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fenceline.core.errors import FencelineError
from fenceline.lab import control
from fenceline.lab.launch import Order, launch
from tests.fakecluster import COMMAND, ROOT
from tests.judge.logs import topology


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state folder whose path is too long for a socket's name."""
    folder = tmp_path / ("long" * 30)
    monkeypatch.setenv("FENCELINE_STATE", str(folder))
    yield folder
    monkeypatch.setenv("FENCELINE_STATE", str(folder))
    for entry in control.living():
        with suppress(ProcessLookupError):
            os.kill(entry.pid, signal.SIGTERM)


def order(tmp_path: Path, name: str = "web", what: str = "") -> Order:
    raw = json.loads(topology().model_dump_json()) | {"description": what}
    run = tmp_path / f"run-{name}"
    run.mkdir()
    return Order(name, raw, str(run), "uml")


def brought_up(tmp_path: Path, name: str = "web", what: str = "") -> control.Standing:
    return launch(order(tmp_path, name, what), lambda line: None, COMMAND)


def eventually(condition, what: str, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not Path(f"/proc/{pid}").exists()


def test_up_tells_progress_and_down_gives_the_verdict_and_leaves_nothing(tmp_path, state):
    said = []
    entry = launch(order(tmp_path), said.append, COMMAND)
    assert said == ["machines are booting"]
    assert (entry.ready, entry.driver, entry.namespace) == (True, "fake", "fl-0badcafe")
    assert stat.S_IMODE((state / "clusters" / "web.sock").stat().st_mode) == 0o600
    result = control.ask(entry, "down")
    assert result["problems"] == []
    run = Path(entry.run)
    assert json.loads((run / "verdict.json").read_text()) == result["judgement"]
    assert {path.name for path in run.iterdir()} >= {"events.jsonl", "topology.yaml", "run.json", "down"}
    assert list((state / "clusters").iterdir()) == []
    eventually(lambda: is_gone(entry.pid), "the supervisor to end")


def test_the_log_ends_before_the_machines_do(tmp_path):
    entry = brought_up(tmp_path)
    control.ask(entry, "down")
    kinds = [json.loads(line)["kind"] for line in (Path(entry.run) / "events.jsonl").read_text().splitlines()]
    assert kinds == ["scenario.begin", "ready", "ledger.unread", "scenario.end"]


def test_a_run_of_up_has_what_a_scenarios_run_has(tmp_path):
    entry = brought_up(tmp_path)
    control.ask(entry, "down")
    run = Path(entry.run)
    info = json.loads((run / "run.json").read_text())
    assert (info["driver_used"], info["versions"]) == ("fake", {"pacemaker": "2.1.5"})
    assert (run / "captures").is_dir() and (run / "stopped").exists()
    assert (run / "report.html").is_file() and (run / "timeline.svg").read_text().startswith("<svg")


def test_a_cluster_that_does_not_come_up_is_an_error_and_leaves_nothing(tmp_path, state):
    with pytest.raises(FencelineError, match="rs-01 has not joined") as caught:
        brought_up(tmp_path, what="fail")
    assert "panic" in caught.value.detail
    assert (tmp_path / "run-web" / "down").exists()
    assert json.loads((tmp_path / "run-web" / "verdict.json").read_text())["verdict"] == "BROKEN"
    assert list((state / "clusters").iterdir()) == []


def test_a_supervisor_that_dies_is_said_and_its_name_is_free_again(tmp_path, state):
    with pytest.raises(FencelineError, match="fenceline reap"):
        brought_up(tmp_path, what="die")
    assert control.living() == []
    assert control.dead_names() == ["web"]
    with pytest.raises(control.ControlError, match="was killed.*fenceline reap"):
        control.find(None)
    assert control.remove_dead() == ["web"]
    assert list((state / "clusters").iterdir()) == []


def test_a_killed_supervisor_does_not_stop_the_next_up(tmp_path):
    entry = brought_up(tmp_path)
    os.kill(entry.pid, signal.SIGKILL)
    eventually(lambda: control.living() == [], "the dead to be noticed")
    (tmp_path / "second").mkdir()
    again = brought_up(tmp_path / "second")
    assert control.ask(again, "status")["pid"] == again.pid != entry.pid
    control.ask(again, "down")


def test_sigterm_takes_the_cluster_down(tmp_path, state):
    entry = brought_up(tmp_path)
    os.kill(entry.pid, signal.SIGTERM)
    eventually(lambda: is_gone(entry.pid), "the supervisor to end")
    assert (Path(entry.run) / "down").exists() and (Path(entry.run) / "verdict.json").exists()
    assert list((state / "clusters").iterdir()) == []


def up_process(tmp_path: Path, what: str) -> tuple[subprocess.Popen, control.Standing]:
    """``fenceline up`` in a process of its own, until its supervisor is coming up."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from fenceline.lab.launch import Order, launch; from tests.fakecluster import COMMAND\n"
        "launch(Order(**json.load(sys.stdin)), print, COMMAND)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT)],
        stdin=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # a shell's background job ignores Ctrl-C, and so would what it starts: here it is a terminal's
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wanted = order(tmp_path, what=what)
    json.dump(
        {"name": wanted.name, "topology": wanted.topology, "run": wanted.run, "driver": "uml"}, child.stdin
    )
    child.stdin.close()
    eventually(lambda: control.living() and (Path(wanted.run) / "consoles").exists(), "it to come up")
    return child, control.living()[0]


def test_ctrl_c_during_up_takes_everything_down(tmp_path, state):
    child, entry = up_process(tmp_path, "slow")
    child.send_signal(signal.SIGINT)
    assert child.wait(20) != 0
    eventually(lambda: is_gone(entry.pid), "the supervisor to end")
    assert (Path(entry.run) / "down").exists()
    assert list((state / "clusters").iterdir()) == []


def test_a_killed_up_takes_everything_down_too(tmp_path, state):
    child, entry = up_process(tmp_path, "slow")
    child.kill()
    child.wait()
    eventually(lambda: is_gone(entry.pid), "the supervisor to end")
    assert (Path(entry.run) / "down").exists()
    assert list((state / "clusters").iterdir()) == []


def test_who_asks_while_it_comes_up_is_told_to_wait(tmp_path):
    child, entry = up_process(tmp_path, "slow")
    with pytest.raises(control.ControlError, match="still coming up"):
        control.ask(entry, "status")
    child.send_signal(signal.SIGINT)
    child.wait(20)
    eventually(lambda: is_gone(entry.pid), "the supervisor to end")


def test_what_cannot_be_removed_is_said(tmp_path):
    entry = brought_up(tmp_path, what="stuck")
    assert control.ask(entry, "down")["problems"] == ["rs-01 survives SIGKILL"]


def test_two_clusters_need_two_names_and_then_a_choice(tmp_path):
    first = brought_up(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(FencelineError, match="'web' is up already.*--name"):
        brought_up(tmp_path / "b")
    second = brought_up(tmp_path, "other")
    with pytest.raises(control.ControlError, match="2 clusters are up, say which: other, web"):
        control.find(None)
    assert control.find("other") == second
    with pytest.raises(control.ControlError, match="no cluster 'x' is up; there are other, web"):
        control.find("x")
    control.ask(first, "down")
    assert control.find(None) == second
    control.ask(second, "down")
    with pytest.raises(control.ControlError, match="no cluster is up; bring one up: fenceline up"):
        control.find(None)


@pytest.fixture(scope="class")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FENCELINE_STATE", str(folder))
        entry = brought_up(folder)
    yield folder, entry
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FENCELINE_STATE", str(folder))
        control.ask(entry, "down")


class TestRequests:
    """One supervisor, many requests."""

    @pytest.fixture
    def entry(self, state, shared, monkeypatch):
        folder, entry = shared
        monkeypatch.setenv("FENCELINE_STATE", str(folder))
        yield entry
        with suppress(control.Refused):
            control.ask(entry, "heal", fault="all")

    def kinds(self, entry: control.Standing) -> list[str]:
        """Those in the file, once its writer has caught up."""
        path, before, text = Path(entry.run) / "events.jsonl", None, ""
        until = time.monotonic() + 5
        while text != before and time.monotonic() < until:
            before = text
            time.sleep(0.1)
            text = path.read_text()
        return [json.loads(line)["kind"] for line in text.splitlines()]

    def test_status(self, entry):
        found = control.ask(entry, "status")
        assert (found["quorate"], found["coordinator"], found["last_outage"]) == (True, "rs-01", None)
        assert [node["power"] for node in found["nodes"]] == ["on", "on", "on"]
        assert found["services"] == [
            {
                "name": "web",
                "owner": "rs-01",
                "owners": ["rs-01"],
                "vip": "192.168.98.244",
                "vip_holders": ["rs-01"],
                "port": 80,
                "answers": True,
            }
        ]

    def test_a_fault_lives_from_inject_to_heal(self, entry):
        done = control.ask(entry, "inject", fault="itch", parameters={"node": "rs-01"})
        first = done["id"]
        assert (done["evidence"], done["healed"]) == ({"itching": True}, False)
        assert [fault["id"] for fault in control.ask(entry, "status")["faults"]] == [first]
        control.ask(entry, "inject", fault="itch", parameters={"node": "rs-02"})
        assert [fault["id"] for fault in control.ask(entry, "heal", fault=str(first))] == [first]
        assert [fault["id"] for fault in control.ask(entry, "heal", fault="itch")] == [first + 1]
        assert control.ask(entry, "heal", fault="all") == []
        assert "fault.healed" in self.kinds(entry)

    def test_an_unconfirmed_fault_is_refused_and_stays_to_be_healed(self, entry):
        with pytest.raises(control.Refused, match="took no effect: san-01 does not feel it"):
            control.ask(entry, "inject", fault="itch", parameters={"node": "san-01"})
        assert control.ask(entry, "status")["faults"][0]["evidence"] is None

    @pytest.mark.parametrize(
        ("fault", "parameters", "error"),
        [
            ("itch", {"node": "rs-09"}, "no node 'rs-09' in web-iscsi; there are rs-01, rs-02, san-01"),
            (
                "network-cut",
                {"node": "rs-01", "networks": ["hartbeat"]},
                "no network 'hartbeat' in web-iscsi",
            ),
            ("service-kill", {"node": "rs-01", "service": "db"}, "no service 'db'"),
            ("power-off-several", {"nodes": ["rs-01", "rs-07"]}, "no node 'rs-07'"),
            ("disk-errors", {"lun": "wwww"}, "no LUN 'wwww' in web-iscsi; there are www"),
            ("partition", {"groups": "rs-01|rs-03", "networks": "heartbeat"}, "no node 'rs-03'"),
            ("manual-fencing", {"node": "rs-01", "by": "rs-08"}, "no node 'rs-08'"),
            ("network-cut", {"node": "san-01", "networks": "heartbeat"}, "san-01 is not plugged into 'heartbeat'"),
            ("quorum-device-stop", {}, "no quorum device"),
            ("itch", {"node": "rs-01", "seconds": 601}, "601 s is not from 0 to 600"),
            ("itch", {"hand": "left"}, "no parameter hand"),
            ("nonsense", {}, "no fault 'nonsense'"),
        ],
    )
    def test_a_slip_of_the_pen_is_refused_before_it_is_in_the_log(self, entry, fault, parameters, error):
        before = self.kinds(entry).count("fault.begin")
        with pytest.raises(control.Refused, match=error):
            control.ask(entry, "inject", fault=fault, parameters=parameters)
        assert self.kinds(entry).count("fault.begin") == before

    def test_nonsense_does_not_end_it(self, entry, state):
        with pytest.raises(control.Refused, match="not a request"):
            control.ask(entry, "explode")
        with pytest.raises(control.Refused, match="TypeError"):
            control.ask(entry, "heal", wrong=1)
        for text in (b"\n", b"[1]\n", b"{half", b"\xff\xfe\n"):
            with socket.socket(socket.AF_UNIX) as sock, control._short_path("web") as path:
                sock.connect(path)
                sock.sendall(text)
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(100) == b""
        assert control.ask(entry, "status")["name"] == "web"

    def test_a_status_is_told_while_somebody_says_nothing(self, entry):
        with socket.socket(socket.AF_UNIX) as silent, control._short_path("web") as path:
            silent.connect(path)
            assert control.ask(entry, "status", within=9)["name"] == "web"


def test_what_cannot_be_healed_is_said(tmp_path):
    entry = brought_up(tmp_path)
    control.ask(entry, "inject", fault="itch", parameters={"node": "rs-01", "seconds": 600})
    with pytest.raises(control.Refused, match=r"could not be healed: itch \(fault 1\): it goes on"):
        control.ask(entry, "heal", fault="all")
    with pytest.raises(control.Refused, match=r"no fault 7 is in force; there are: 1 \(itch\)"):
        control.ask(entry, "heal", fault="7")
    with pytest.raises(control.Refused, match=r"no fault hang is in force; there are: 1 \(itch\)"):
        control.ask(entry, "heal", fault="hang")


def test_everybody_who_asks_for_the_end_is_answered(tmp_path):
    entry = brought_up(tmp_path, "twice")
    results = []
    threads = [threading.Thread(target=lambda: results.append(control.ask(entry, "down"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 2 and results[0] == results[1]


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a" * 32, "-x", "a\n"])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(control.ControlError, match="can't name a cluster"):
        control.Claim(name)
