"""Processes of ours, told apart from strangers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from harness.errors import MachineError
from harness.machines import process


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


def test_a_group_and_its_end(start):
    leader = start("sh", "-c", "sleep 100 & sleep 100 & wait")
    for _ in range(200):
        if len(process.group_members(leader.pid)) == 3:
            break
        time.sleep(0.01)
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
from harness.machines import process
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
