"""What the host itself takes: for how long machines that had something to do waited for one of its CPUs.

A budget is the cluster's promise on machines that run. On a host with more to do than it has CPUs a node that is well
is late all the same; the kernel counts that for every task (schedstats: the time that it was runnable and waited, field
2 of /proc/PID/schedstat, see the kernel's Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from fenceline.core.clock import Flag, Task
from fenceline.observe.log import EventLog

#: s between two looks.
INTERVAL = 1.0
#: What all machines waited less than (s) in that time is not worth an event.
LEAST = 0.05
Tasks = Callable[[], dict[str, Iterable[int]]]


class HostObserver:
    """Looks once a second, in a thread of its own, what the tasks of each machine waited (``tasks``: the pids of their
    processes, by the machine's name) and records an event ``host.waited`` {over, seconds: {machine: s}}: in the
    ``over`` seconds before it. Where the kernel counts nothing (no schedstats) it records nothing, and nothing is
    excused.
    """

    def __init__(self, tasks: Tasks, log: EventLog) -> None:
        self._tasks, self._log = tasks, log
        self._stopping = Flag(log.clock)
        self._task: Task | None = None

    def start(self) -> None:
        """Begins to look. May be repeated."""
        if self._task is None:
            stopping = self._stopping = Flag(self._log.clock)
            self._task = Task(self._log.clock, lambda: self._main(stopping), "fenceline-host")

    def stop(self) -> None:
        """Ends it. May be repeated."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            task.join(10)

    def _main(self, stopping: Flag) -> None:
        clock = self._log.clock
        before, looked = waited_ns(self._tasks()), clock.now()
        while not stopping.wait(INTERVAL):
            now, seen = clock.now(), waited_ns(self._tasks())
            seconds = waited_s(before, seen)
            if any(value >= LEAST for value in seconds.values()):
                self._log.record("host", None, "host.waited", {"over": round(now - looked, 3), "seconds": {
                    name: round(value, 3) for name, value in seconds.items()}})
            before, looked = seen, now


def waited_s(before: dict[str, dict[int, int]], after: dict[str, dict[int, int]]) -> dict[str, float]:
    """For how long (s) the tasks of each name waited between two looks (``waited_ns``). Of one that began in between
    all that it waited counts; of one that ended nothing that it waited since."""
    return {name: sum(max(0, ns - before.get(name, {}).get(task, 0)) for task, ns in tasks.items()) / 1e9
            for name, tasks in after.items()}


def waited_ns(tasks: dict[str, Iterable[int]], proc: str = "/proc") -> dict[str, dict[int, int]]:
    """By name and task (thread): for how long (ns) it waited for a CPU since it began. Those of the children of the
    processes ``tasks`` are among them: a UML guest's processes are that."""
    return {name: {task: ns for pid in pids for task, ns in _tree(pid, proc)} for name, pids in tasks.items()}


def _tree(pid: int, proc: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    try:
        threads = [int(name) for name in os.listdir(f"{proc}/{pid}/task")]
    except OSError:
        return found  # it has gone
    for thread in threads:
        folder = Path(f"{proc}/{pid}/task/{thread}")
        try:
            found.append((thread, int((folder / "schedstat").read_text().split()[1])))
        except (OSError, ValueError, IndexError):
            continue
        try:
            children = [int(word) for word in (folder / "children").read_text().split()]
        except (OSError, ValueError):  # a kernel without CONFIG_PROC_CHILDREN
            children = []
        for child in children:
            found += _tree(child, proc)
    return found
