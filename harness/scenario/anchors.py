"""Faults that wait for a moment: "200 ms after fencing starts", "when the standby starts to mount".

An anchored action is armed before what it waits for happens. It then runs in a thread of its own, so long after the
event as asked. One whose moment never came, or that failed, leaves its trace in the log: the run is INVALID.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from fenceline.core.clock import Flag
from fenceline.core.errors import FaultError, FencelineError
from fenceline.judge.exclusive import CUTTING
from fenceline.model.event import Event, is_fencing
from fenceline.observe.log import EventLog

Predicate = Callable[[Event], bool]


def _of(kind: str, **data: Any) -> Callable[[str | None], Predicate]:
    def of_node(node: str | None) -> Predicate:
        return lambda event: (event.kind == kind and (node is None or event.node == node)
                              and all(event.data.get(key) == value for key, value in data.items()))
    return of_node


def _asked_to_fence(node: str | None) -> Predicate:
    return lambda event: (event.kind == "bmc.request" and event.data.get("action") in CUTTING
                          and (node is None or event.node == node))


#: What may be waited for, in words, and the predicate for a node (None: any) or a count.
MOMENTS: dict[str, Callable[[str | None], Predicate]] = {
    "fencing starts": _asked_to_fence,
    "NODE is about to be fenced": _asked_to_fence,
    "NODE has been fenced": lambda node: lambda event: is_fencing(event) and node in (None, event.node),
    "NODE starts to mount": _of("write"),  # the superblock and the journal are written before the mount is there
    "NODE has mounted": _of("mount", mounted=True),
    "NODE has the VIP": _of("address", present=True),
    "NODE loses quorum": _of("quorum", quorate=False),
    "NODE boots": _of("agent.start"),
    "NODE is promoted": _of("drbd.role", role="Primary"),
    "the replica is N blocks behind": lambda count: behind(int(count)),
}


def behind(blocks: int) -> Predicate:
    """A replica of DRBD lacks at least so many ``blocks`` of 4 KiB."""
    return lambda event: event.kind == "drbd.oos" and event.data["kib"] >= 4 * blocks


def moment(words: str, node_of: Callable[[str], str]) -> Predicate:
    """The predicate of a moment in words; ``node_of`` gives the node that a role means.

    Raises:
        FaultError: there is no such moment.
    """
    for pattern, predicate in MOMENTS.items():
        known = re.escape(pattern).replace("NODE", "(?P<node>.+?)").replace(r"\ N\ ", r"\ (?P<count>\d+)\ ")
        match = re.fullmatch(known, words)
        if match:
            found = match.groupdict()
            return predicate(node_of(found["node"]) if "node" in found else found.get("count"))
    raise FaultError(f"{words!r} is no moment that can be waited for; there are {', '.join(MOMENTS)}")


class Anchored:
    """``action``, to be run ``delay`` s after the next event that satisfies ``predicate``; ``what`` says which."""

    def __init__(self, log: EventLog, predicate: Predicate, delay: float, action: Callable[[], Any],
                 what: str) -> None:
        self.what = what
        self._log, self._predicate, self._delay, self._action = log, predicate, delay, action
        self._since = self._log.clock.now_ns()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._done = Flag(log.clock)
        self._is_over = False
        self.problem: str | None = None
        log.listeners.append(self._listen)

    def _listen(self, event: Event) -> None:
        if event.t_ns < self._since or not self._predicate(event):
            return
        with self._lock:
            if self._thread is not None or self._is_over:
                return
            self._thread = self._log.clock.thread(lambda: self._run(event), self.what)

    def _run(self, event: Event) -> None:
        # counted from the event, not from when it was told
        self._log.clock.sleep(self._delay - (self._log.clock.now_ns() - event.t_ns) / 1e9)
        after = (self._log.clock.now_ns() - event.t_ns) / 1e9
        self._log.record("fault", event.node, "anchor", {"what": self.what, "after_s": round(after, 4),
                                                         "wanted_s": self._delay, "event": event.kind})
        try:
            self._action()
        except FencelineError as error:
            self.problem = error.message
        except Exception as error:  # a step's own mistake must not vanish with its thread
            self.problem = repr(error)
        finally:
            self._done.set()

    def wait(self, within: float) -> None:
        """Waits until the action has been done.

        Raises:
            FaultError: its moment did not come, it did not end within ``within`` s, or it failed.
        """
        if not self._done.wait(within):
            state = "did not end" if self._thread is not None else "was not done: its moment did not come"
            raise FaultError(f"{self.what}: {state} within {within:g} s")
        if self.problem:
            raise FaultError(f"{self.what}: {self.problem}")

    def disarm(self, within: float = 60.0) -> str | None:
        """No longer waits for its moment; lets what has begun end, for at most ``within`` s. Returns what did not come
        to its end, in words; None where it did."""
        with self._lock:
            self._is_over = True
        if self._listen in self._log.listeners:
            self._log.listeners.remove(self._listen)
        try:
            self.wait(within if self._thread is not None else 0.0)
        except FaultError as error:
            return error.message
        return None

    def end(self) -> None:
        """As ``disarm``; what was never done, or failed, is told in the log as a fault that took no effect."""
        problem = self.disarm()
        if problem is not None:
            name = f"anchored {id(self)}"
            self._log.record("fault", None, "fault.begin", {
                "id": name, "fault": "anchored", "targets": [], "params": {"what": self.what}})
            self._log.record("fault", None, "fault.unconfirmed", {"id": name, "reason": problem})
