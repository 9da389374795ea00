"""Faults that must go on doing something: a thread each, that ends when the fault is healed or its cluster is gone."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fenceline.core.clock import Clock, Flag, Task
from fenceline.core.errors import FaultError, FencelineError

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster

_END_WITHIN = 10.0  # s that one turn of a loop may take to end


#: One round of a loop: False ends it, a number is the pause (s) to the next round where it is not the usual one.
Turn = Callable[[], bool | float | None]


class Worker:
    """Calls ``turn`` every ``pause`` seconds until it is stopped, ``turn`` fails, or returns False. What fails by a
    mistake is also told to ``broken``."""

    def __init__(self, name: str, turn: Turn, pause: float, broken: Callable[[str], None], clock: Clock) -> None:
        self._turn, self._pause, self._broken = turn, pause, broken
        self._name = name
        self._stop = Flag(clock)
        self.problem: str | None = None
        self._task = Task(clock, self._loop, name)

    def _loop(self) -> None:
        try:
            while (said := self._turn()) is not False:
                if self._stop.wait(self._pause if said is None or said is True else max(0.0, said)):
                    return
        except (FencelineError, OSError) as error:  # its cluster may be gone; whoever heals is told
            self.problem = str(error)
        except Exception as error:  # a mistake of ours: from here on the fault is not what it says
            self.problem = repr(error)
            self._broken(f"the {self._name} ended early: {error!r}")

    def stop(self) -> None:
        """Ends it and waits for its end.

        Raises:
            FaultError: it does not end, or had ended with a problem.
        """
        self._stop.set()
        if not self._task.join(_END_WITHIN):
            raise FaultError(f"{self._name} does not end")
        if self.problem:
            raise FaultError(f"{self._name} ended early: {self.problem}")

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return self._task.is_alive


# a fault is a frozen value and keeps nothing itself
_workers: weakref.WeakKeyDictionary[Any, dict[Any, Worker]] = weakref.WeakKeyDictionary()


def start_worker(cluster: Cluster, fault: Any, turn: Turn, pause: float) -> None:
    """Begins the background work of ``fault``.

    Raises:
        FaultError: the same fault is at work already.
    """
    mine = _workers.setdefault(cluster.faults, {})
    if fault in mine:
        raise FaultError(f"{fault.name} is in force already")
    def broken(reason: str) -> None:
        cluster.log.record("scenario", None, "broken", {"reason": reason})
    mine[fault] = Worker(f"fault {fault.name}", turn, pause, broken, cluster.clock)


def stop_worker(cluster: Cluster, fault: Any) -> None:
    """Ends the background work of ``fault``, if there is any.

    Raises:
        FaultError: it had ended early, or does not end.
    """
    worker = _workers.get(cluster.faults, {}).pop(fault, None)
    if worker is not None:
        worker.stop()


def worker_of(cluster: Cluster, fault: Any) -> Worker | None:
    """The background work of ``fault``, if it has begun."""
    return _workers.get(cluster.faults, {}).get(fault)
