"""A cable with a loose contact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError
from harness.faults.background import start_worker, stop_worker
from harness.faults.base import fault, is_event, observed
from harness.faults.network import NetworkCut
from harness.faults.parameters import check_seconds, parameter

if TYPE_CHECKING:
    from harness.cluster import Cluster


@fault
@dataclass(frozen=True)
class LinkFlap(NetworkCut):
    """The cables of ``node`` in ``networks`` are pulled and put back, again and again."""

    down: float = parameter("s (or 500ms) without the cable, from 0.1 to 60", 0.5)
    up: float = parameter("s (or 500ms) with it, from 0.1 to 60", 0.5)
    name: ClassVar[str] = "link-flap"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seconds(self, "down", 0.1, 60)
        check_seconds(self, "up", 0.1, 60)

    def inject(self, cluster: Cluster) -> None:
        links = [cluster.machine(self.node).link(network) for network in self.known(cluster)]
        worker_pause = min(self.down, self.up)
        state = {"down": False, "left": 0.0}

        def turn() -> None:
            state["left"] -= worker_pause
            if state["left"] > 1e-9:
                return
            state["down"] = not state["down"]
            state["left"] = self.down if state["down"] else self.up
            for link in links:
                link.down() if state["down"] else link.up()

        start_worker(cluster, self, turn, worker_pause)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        within = 2 * (self.down + self.up) + 2
        seen = {}
        for kind in ("link.down", "link.up"):
            seen[kind] = round(observed(cluster, is_event(kind, self.node), within, f"a {kind} of {self.node}",
                                        since_ns), 3)
        # by what the other side of the cable notices: no answer, and then one again
        network = self.networks[0]
        silent = any(not cluster.fabric.answers_arp(self.node, network, 0.05)
                     for _ in range(max(4, round(within / 0.05))))
        if not silent or not cluster.fabric.answers_arp(self.node, network, within):
            raise FaultError(f"not confirmed: {self.node} {'never answers' if silent else 'always answers'} ARP on "
                             f"{network}")
        return {"arp": "comes and goes", **seen}

    def heal(self, cluster: Cluster) -> None:
        try:
            stop_worker(cluster, self)
        finally:
            super().heal(cluster)
