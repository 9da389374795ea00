"""Processes that we started, told apart from a stranger that later got the same pid."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from pathlib import Path

from harness.errors import MachineError

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """From now on what our children started, and left behind when they ended, is our child (prctl(2)): we learn of its
    end at once, and ``reap`` it, however long the host's init takes for that."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(pid: int) -> None:
    """Takes away the zombie of ``pid``, if it is one, and ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def start_time(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot (field 22 of /proc/PID/stat, see proc(5)); None: no such
    process, or only its zombie is left."""
    try:
        # the command's name, in parentheses, may hold spaces: count from its end
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_ours(pid: int, started: int) -> bool:
    """Whether ``pid`` is still the process that started at ``started`` (clock ticks)."""
    return start_time(pid) == started


def group_members(group: int) -> list[int]:
    """Pids of the living processes whose process group is ``group``."""
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                members.append(int(entry))
    return members


def kill_group(group: int, within: float = 5.0) -> None:
    """SIGKILL to every process of ``group``; returns when none executes any more.

    Raises:
        MachineError: some are still there after ``within`` seconds.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        members = group_members(group)
        if not members:
            return
        if time.monotonic() > deadline:
            raise MachineError(f"process group {group} survives SIGKILL for {within:g} s: pids {members}")
        # a killed process has gone when its pidfd becomes readable; no polling by sleep
        for pid in members:
            wait_exit(pid, 0.5)


def wait_exit(pid: int, within: float) -> bool:
    """Waits up to ``within`` seconds for ``pid`` to stop executing; True if it did."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(within * 1000))
    finally:
        os.close(fd)
