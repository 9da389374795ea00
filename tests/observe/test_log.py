"""The event log."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fenceline.core.errors import HostError, Timeout
from fenceline.model.event import Event
from fenceline.observe.log import EventLog
from tests.clocks import now_ns


def test_each_event_is_in_memory_at_once_and_soon_in_the_file(log):
    event = log.record("guest", "n1", "listen", {"port": 80, "present": True}, late_ns=5)
    assert log.events() == [event]
    until = time.monotonic() + 5
    while not log.path.read_text() and time.monotonic() < until:
        time.sleep(0.01)
    assert Event.from_json(log.path.read_text()) == event


def test_a_slow_disk_does_not_make_an_observer_late(tmp_path, monkeypatch):
    write, may_write = os.write, threading.Event()

    def slow(fd, raw):
        if raw.startswith(b"{"):
            assert may_write.wait(10)
        return write(fd, raw)
    log = EventLog(tmp_path / "events.jsonl")
    monkeypatch.setattr("fenceline.observe.log_file.os.write", slow)
    for _ in range(100):
        log.record("client", "n1", "tick")  # would wait for ever if it wrote
    assert len(log.events()) == 100 and not log.path.read_text()
    may_write.set()
    assert len(log.seal()) == len(log.path.read_text().splitlines()) == 100


def test_a_disk_that_takes_nothing_any_more_ends_the_log(tmp_path, monkeypatch):
    write, may_write = os.write, threading.Event()

    def stuck(fd, raw):
        if b"listen" in raw:
            may_write.wait(10)
            return len(raw)  # its file is closed by then
        return write(fd, raw)
    log = EventLog(tmp_path / "events.jsonl")
    monkeypatch.setattr("fenceline.observe.log_file._DRAIN_S", 0.1)
    monkeypatch.setattr("fenceline.observe.log_file.os.write", stuck)
    log.record("guest", "n1", "listen", {"port": 80, "present": True})
    assert [event.kind for event in log.seal()] == ["broken"]
    assert "did not take the last lines" in log.events()[0].data["reason"]
    may_write.set()


def test_a_switch_begins_an_empty_segment(log, tmp_path):
    log.record("guest", "n1", "tick")
    first, segment = log.path, log.segment
    log.switch(tmp_path / "second" / "events.jsonl")
    log.record("guest", "n2", "tick")
    assert [event.node for event in log.events()] == ["n2"]
    assert len(first.read_text().splitlines()) == 1
    assert log.segment != segment


def test_wait_for_finds_what_is_there_and_what_comes(log):
    log.record("guest", "n1", "tick")
    assert log.wait_for(lambda e: e.kind == "tick", 0, "a tick")[0].node == "n1"
    since = now_ns()
    timer = threading.Timer(0.1, lambda: log.record("guest", "n2", "tick"))
    timer.start()
    event, waited = log.wait_for(lambda e: e.kind == "tick", 5, "a tick", since)
    assert event.node == "n2"
    assert 0.05 < waited < 1


def test_wait_for_says_what_it_waited_for(log):
    log.record("guest", "n1", "tick")
    with pytest.raises(Timeout, match="for rs-01 to be fenced") as caught:
        log.wait_for(lambda e: e.kind == "power.off", 0.1, "rs-01 to be fenced")
    assert 0.1 <= caught.value.waited < 1


def test_wait_for_survives_a_switch(log):
    log.record("guest", "n1", "tick")

    def later():
        log.switch(None)
        log.record("guest", "n2", "quorum")
    threading.Timer(0.1, later).start()
    assert log.wait_for(lambda e: e.kind == "quorum", 5, "quorum")[0].node == "n2"


def test_many_threads_lose_nothing(log):
    def work(number):
        for _ in range(200):
            log.record("client", str(number), "tick")
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin < 5
    assert len(log.events()) == 1600
    assert log.seal() == [Event.from_json(line) for line in log.path.read_text().splitlines()]


def test_a_listener_that_fails_makes_the_run_broken(log):
    heard = []
    log.listeners += [lambda event: 1 / 0, heard.append]
    log.record("guest", "n1", "tick")
    assert [event.kind for event in heard] == ["tick"]
    assert "ZeroDivisionError" in log.events()[1].data["reason"]


def test_a_full_disk_makes_the_run_broken_and_nothing_is_lost():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    log = EventLog(full)
    for _ in range(3):
        log.record("guest", "n1", "tick")
    assert log.seal() == []
    assert [event.kind for event in log.events()] == ["broken", "tick", "tick", "tick"]


FULL_DISK = """
import subprocess, sys
from pathlib import Path
from fenceline.judge.verdict import judge, judge_folder, judgement_to_json
from fenceline.model.load import dump_topology
from fenceline.observe.log import EventLog
from tests.judge.logs import green
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(sys.argv[2])}k", "none", str(disk)], check=True)
told = green()
(disk / "topology.yaml").write_text(dump_topology(told.topology))
log = EventLog(disk / "events.jsonl")
for event in told.events:
    log.emit(event)
sealed = log.seal()
judgement = judge(sealed, told.topology)
print(len(told.events), len(sealed), sealed[-1].kind, judgement.verdict)
print(sum(event.kind == "broken" for event in log.events()), len(log.events()), judgement.reason)
assert judgement_to_json(judgement) == judgement_to_json(judge_folder(disk))
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, for a small disk")
def test_the_verdict_on_a_log_whose_disk_was_full_is_the_same_again(tmp_path):
    def told(kib):
        done = subprocess.run(["unshare", "--mount", sys.executable, "-c", FULL_DISK, str(tmp_path), str(kib)],
                              capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        return first.split(), second.split(" ", 2)
    (events, sealed, *last), _ = told(4096)
    assert events == sealed and last == ["scenario.end", "PASS"]
    (events, sealed, *last), (broken, in_memory, reason) = told(128)
    assert int(sealed) < int(events) and last == ["broken", "BROKEN"]
    assert broken == "1" and int(in_memory) == int(events) + 1  # nothing is lost to who waits for events
    assert "can't write the event log: No space left on device" in reason


def test_a_line_that_was_half_written_is_taken_back(tmp_path, monkeypatch):
    log = EventLog(tmp_path / "events.jsonl")
    log.record("guest", "n1", "tick")
    while not log.path.read_text():
        time.sleep(0.01)
    write = os.write

    def half(fd, raw):
        if b"listen" in raw:
            write(fd, raw[:10])
        raise OSError(5, "Input/output error")
    monkeypatch.setattr("fenceline.observe.log_file.os.write", half)
    log.record("guest", "n1", "listen", {"port": 80, "present": True})
    until = time.monotonic() + 5
    while log.events()[1].kind != "broken" and time.monotonic() < until:
        time.sleep(0.01)
    monkeypatch.undo()
    log.record("scenario", None, "scenario.end")
    assert [event.kind for event in log.seal()] == ["tick"]
    assert [json.loads(line)["kind"] for line in (tmp_path / "events.jsonl").read_text().splitlines()] == ["tick"]


def test_a_path_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="event log"):
        EventLog(tmp_path / "file" / "events.jsonl")


def test_what_is_sealed_is_what_the_file_holds(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.record("test", None, "one")
    sealed = log.seal()
    log.record("test", None, "two")
    assert [event.kind for event in sealed] == ["one"]
    assert [Event.from_json(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()] == sealed
    assert [event.kind for event in log.events()] == ["one", "two"]
