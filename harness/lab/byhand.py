"""What people do to a cluster by hand, as far as it shows: it is in the log as the fault that it is.

In a scenario nobody has a hand on the machines, and a node that leaves though nothing was done to it is a finding. A
cluster of ``fenceline up`` is there to be played with: who types ``reboot -f`` or ``poweroff`` in a guest has taken a
node out.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

from fenceline.model.damage import machine_lost
from fenceline.model.event import Event, left_by_itself
from fenceline.observe.log import EventLog


class ByHand:
    """Listens to the log of ``cluster`` from now on: a reboot or shutdown that its guest made, while no fault of ours
    is in force, becomes the fault "by-hand" on that node, healed when its agent speaks again."""

    def __init__(self, cluster: Any, log: EventLog) -> None:
        self._cluster, self._log = cluster, log
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._out: dict[str, str] = {}  # node: the id of its fault
        log.listeners.append(self._listen)

    def _listen(self, event: Event) -> None:
        if left_by_itself(event):
            self._taken_out(event)
        elif event.kind == "agent.start":
            with self._lock:
                name = self._out.pop(event.node, None)
            if name is not None:
                self._tell(event.t_ns, "fault.healed", name, evidence={"agent": "speaks again"})

    def _taken_out(self, event: Event) -> None:
        with self._lock:
            # what follows from a fault that was injected is that fault's
            if self._cluster.faults.active or event.node in self._out:
                return
            name = self._out[event.node] = f"by hand {next(self._numbers)}"
        self._tell(event.t_ns - 1, "fault.begin", name, fault="by-hand", targets=[event.node],
                   params={"node": event.node, "what": event.data["why"]},
                   cost=machine_lost(self._cluster.topology, event.node).as_dict())
        self._tell(event.t_ns, "fault.injected", name)
        self._tell(event.t_ns, "fault.confirmed", name, evidence={"power": "its guest ended by itself"})

    def _tell(self, at_ns: int, kind: str, name: str, **data: Any) -> None:
        self._log.record("fault", None, kind, {"id": name} | data, t_ns=at_ns)
