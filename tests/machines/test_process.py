"""Processes of ours, told apart from strangers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fenceline.core.errors import MachineError
from fenceline.machines import process


@pytest.fixture
def start():
    made = []

    def go(*command, **options):
        made.append(subprocess.Popen(command, start_new_session=True, **options))
        return made[-1]
    yield go
    for child in made:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()


def test_when_a_process_started(start):
    first = start("sleep", "100")
    assert process.start_time(first.pid) == process.start_time(first.pid) > process.start_time(os.getpid()) > 0
    assert process.is_ours(first.pid, process.start_time(first.pid))
    assert not process.is_ours(first.pid, process.start_time(first.pid) - 1)


def test_a_command_whose_name_looks_like_the_fields_after_it(start, tmp_path):
    name = tmp_path / "a) S 1 (b"
    name.symlink_to("/bin/sleep")
    child = start(str(name), "100")
    assert process.group_members(child.pid) == [child.pid]
    assert process.start_time(child.pid) >= process.start_time(os.getpid())


def test_the_dead_have_no_start_even_as_zombies(start):
    child = start("true")
    assert process.wait_exit(child.pid, 5)
    assert process.start_time(child.pid) is None  # not waited for yet: a zombie
    child.wait()
    assert process.start_time(child.pid) is None
    assert not process.is_ours(child.pid, 1)


#: Two children, then a line.
FAMILY = ("sh", "-c", "sleep 100 & sleep 100 & echo ready; wait")


@pytest.fixture
def family(start):
    leader = start(*FAMILY, stdout=subprocess.PIPE)
    assert leader.stdout.readline() == b"ready\n"
    return leader


def test_a_group_and_its_end(family):
    leader = family
    assert len(process.group_members(leader.pid)) == 3
    process.kill_group(leader.pid)
    assert process.group_members(leader.pid) == []
    process.kill_group(leader.pid)  # a group of the dead
    leader.wait()
    process.kill_group(leader.pid)  # none at all


def test_a_stopped_group_ends_too(start):
    child = start("sleep", "100")
    os.killpg(child.pid, signal.SIGSTOP)
    process.kill_group(child.pid)
    assert child.wait(5) == -signal.SIGKILL


#: Three threads that work, and one that waits for them.
BUSY = """
import threading
def work():
    while True:
        pass
for _ in range(3):
    threading.Thread(target=work).start()
print("ready", flush=True)
"""


def test_a_group_is_stopped_when_nobody_of_it_executes(start):
    busy = start(sys.executable, "-c", BUSY, stdout=subprocess.PIPE)
    assert busy.stdout.readline() == b"ready\n"

    def used():
        return [path.read_text().rpartition(")")[2].split()[11:13] for path in sorted(
            Path(f"/proc/{busy.pid}/task").glob("*/stat"))]
    process.stop_group(busy.pid)
    stopped = used()
    assert len(stopped) == 4
    assert process.wait_exit(busy.pid, 0.2) is False and used() == stopped
    os.killpg(busy.pid, signal.SIGCONT)


def test_a_group_that_can_not_be_stopped_goes_on(family, monkeypatch):
    monkeypatch.setattr(process, "_executes", lambda pid: True)
    with pytest.raises(MachineError, match=f"group {family.pid} is not stopped 0.05 s after SIGSTOP"):
        process.stop_group(family.pid, within=0.05)
    monkeypatch.undo()
    deadline = time.monotonic() + 5
    while not all(process._executes(pid) for pid in process.group_members(family.pid)):
        assert time.monotonic() < deadline


def test_one_is_killed_only_if_it_is_the_one(start):
    child = start("sleep", "100")
    started = process.start_time(child.pid)
    assert process.kill(child.pid, started + 1) is False  # somebody else's: pids are used again
    assert process.kill(child.pid, None) is False
    assert child.poll() is None
    assert process.kill(child.pid, started) is True
    assert child.wait(1) == -signal.SIGKILL
    assert process.kill(child.pid, started) is False


def test_all_are_killed_until_there_are_none(family):
    members = process.group_members(family.pid)
    assert sorted(process.kill_all(lambda: process.group_members(family.pid))) == members
    assert process.group_members(family.pid) == []
    assert process.kill_all(list) == []


def test_who_got_the_number_of_one_that_ended_is_not_killed(start):
    mine, stranger = start("sleep", "100"), start("sleep", "100")
    lists = iter([[mine.pid, stranger.pid], [mine.pid], []])  # the stranger's number was on the list a moment ago
    assert process.kill_all(lambda: next(lists)) == [mine.pid]
    assert mine.wait(1) == -signal.SIGKILL and stranger.poll() is None


def test_all_that_survive_are_an_error(start, monkeypatch):
    child = start("sleep", "100")
    monkeypatch.setattr(process.signal, "pidfd_send_signal", lambda fd, number: None)
    monkeypatch.setattr(process, "_ended", lambda fd, within: False)
    with pytest.raises(MachineError, match=rf"survive SIGKILL for 0.05 s: pids \[{child.pid}\]"):
        process.kill_all(lambda: [child.pid], within=0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to go before others")
def test_what_a_hurried_thread_starts_is_not_hurried(start):
    nice, seen = os.getpriority(os.PRIO_PROCESS, os.getpid()), []

    def hurried():
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, -15)
        seen.append(os.getpriority(os.PRIO_PROCESS, start("sleep", "100").pid))
        with process.ordinary_priority():
            seen.append(os.getpriority(os.PRIO_PROCESS, start("sleep", "100").pid))
        seen.append(os.getpriority(os.PRIO_PROCESS, own))
    thread = threading.Thread(target=hurried)
    thread.start()
    thread.join()
    assert seen == [-15, nice, -15]
    with process.ordinary_priority():  # of who is no other than usual, nothing changes
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == nice


def test_other_groups_live_on(start):
    one, other = start("sleep", "100"), start("sleep", "100")
    process.kill_group(one.pid)
    assert other.poll() is None


def test_a_group_that_survives_is_an_error(start, monkeypatch):
    child = start("sleep", "100")
    monkeypatch.setattr(process.os, "killpg", lambda group, number: None)
    monkeypatch.setattr(process, "wait_exit", lambda pid, within: False)
    with pytest.raises(MachineError, match=rf"group {child.pid} survives SIGKILL for 0.05 s: pids \[{child.pid}"):
        process.kill_group(child.pid, within=0.05)
    monkeypatch.undo()


def test_waiting_for_an_end(start):
    child = start("sleep", "100")
    begun = time.monotonic()
    assert process.wait_exit(child.pid, 0.1) is False
    assert 0.09 <= time.monotonic() - begun < 2
    timer = threading.Timer(0.1, child.kill)
    timer.start()
    assert process.wait_exit(child.pid, 10) is True
    assert time.monotonic() - begun < 5
    timer.join()
    child.wait()
    assert process.wait_exit(child.pid, 0) is True  # gone for good


ORPHAN = """
import os, signal, subprocess
from fenceline.machines import process
process.adopt_orphans()
shell = ["sh", "-c", "sleep 100 > /dev/null & echo $!"]
orphan = int(subprocess.run(shell, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
assert f"PPid:\\t{os.getpid()}\\n" in open(f"/proc/{orphan}/status").read()
os.kill(orphan, signal.SIGKILL)
assert process.wait_exit(orphan, 5)
os.kill(orphan, 0)  # still there, as a zombie
process.reap(orphan)
try:
    os.kill(orphan, 0)
except ProcessLookupError:
    print("reaped")
process.reap(orphan)
"""


def test_what_a_child_leaves_behind_is_ours_to_reap():
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("reaped\n", "")
