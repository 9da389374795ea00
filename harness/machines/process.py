"""Processes that we started, told apart from a stranger that later got the same pid.

Two ways of killing, and no third: the group of a child of ours that was not waited for yet, whose number is therefore
nobody else's; and everything else through a pidfd, which is tied to a process, not to its number.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import MachineError
from fenceline.core.wait import Deadline

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """From now on what our children started, and left behind when they ended, is our child (prctl(2)): we learn of its
    end at once, and ``reap`` it, however long the host's init takes for that."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(pid: int) -> None:
    """Takes away the zombie of ``pid``, if it is one, and ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """While it lasts the calling thread is as nice as our main thread: what it starts inherits that. The observers'
    thread goes before all others, and its children, and theirs, would (sched(7))."""
    own, usual = threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, os.getpid())
    before = os.getpriority(os.PRIO_PROCESS, own)
    if before == usual:
        yield
        return
    os.setpriority(os.PRIO_PROCESS, own, usual)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # who may not be before others any more
            os.setpriority(os.PRIO_PROCESS, own, before)


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
    """SIGKILL to every process of ``group``, at one instant; returns when none executes any more. Its leader is a
    child of ours that has not been waited for.

    Raises:
        MachineError: some are still there after ``within`` seconds.
    """
    deadline = Deadline(HOST_CLOCK, within)
    while True:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        members = group_members(group)
        if not members:
            return
        if deadline.is_over:
            raise MachineError(f"process group {group} survives SIGKILL for {within:g} s: pids {members}")
        # a killed process has gone when its pidfd becomes readable; no polling by sleep
        for pid in members:
            wait_exit(pid, 0.5)


def stop_group(group: int, within: float = 5.0) -> None:
    """SIGSTOP to every process of ``group``, as for ``kill_group``; returns when no thread of it executes any more.

    Raises:
        MachineError: some still do after ``within`` seconds; the group goes on.
    """
    deadline = Deadline(HOST_CLOCK, within)
    os.killpg(group, signal.SIGSTOP)
    while running := [pid for pid in group_members(group) if _executes(pid)]:
        if deadline.is_over:
            os.killpg(group, signal.SIGCONT)
            raise MachineError(f"process group {group} is not stopped {within:g} s after SIGSTOP: pids {running}")
        HOST_CLOCK.sleep(0.001)  # nobody tells of the stop of a child's child


def _executes(pid: int) -> bool:
    """Whether a thread of ``pid`` is neither stopped (T, or t: by its tracer) nor dead."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return False
    for thread in threads:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return True
    return False


def signal_one(pid: int, started: int | None, number: signal.Signals) -> int | None:
    """Sends ``number`` to ``pid`` if it is still the process that started at ``started`` (clock ticks). Returns a
    pidfd of that process, the caller's to close; None: it has gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # the descriptor is tied to the process before its identity is looked at: no other can slip in between
    try:
        if started is not None and is_ours(pid, started):
            signal.pidfd_send_signal(fd, number)
            return fd
    except ProcessLookupError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def kill(pid: int, started: int | None, within: float = 5.0) -> bool:
    """SIGKILL to ``pid`` if it is still the process that started at ``started`` (clock ticks); returns when it executes
    no more: whether it was there.

    Raises:
        MachineError: it still does after ``within`` seconds.
    """
    fd = signal_one(pid, started, signal.SIGKILL)
    if fd is None:
        return False
    try:
        if not _ended(fd, within):
            raise MachineError(f"process {pid} survives SIGKILL for {within:g} s")
    finally:
        os.close(fd)
    return True


def kill_all(find: Callable[[], Collection[int]], within: float = 5.0) -> list[int]:
    """SIGKILL to every process that ``find`` lists, until it lists none; returns their pids.

    Raises:
        MachineError: it still lists some after ``within`` seconds.
    """
    deadline = Deadline(HOST_CLOCK, within)
    killed: list[int] = []
    while pids := find():
        if deadline.is_over:
            raise MachineError(f"processes survive SIGKILL for {within:g} s: pids {sorted(pids)}")
        with contextlib.ExitStack() as stack:
            held = {}
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    held[pid] = os.pidfd_open(pid)
                    stack.callback(os.close, held[pid])
            # listed again: what got the number of one that ended since is not on this list, or not behind the pidfd
            chosen = set(find()) & set(held)
            for pid in chosen:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(held[pid], signal.SIGKILL)
            for pid in chosen:
                _ended(held[pid], 0.5)
            killed += chosen - set(killed)
    return killed


def wait_exit(pid: int, within: float) -> bool:
    """Waits up to ``within`` seconds for ``pid`` to stop executing; True if it did."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _ended(fd, within)
    finally:
        os.close(fd)


def _ended(pidfd: int, within: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(within * 1000))
