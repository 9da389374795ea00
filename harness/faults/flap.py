"""A cable with a loose contact."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, Timeout
from fenceline.faults.background import start_worker, stop_worker
from fenceline.faults.base import fault, is_event
from fenceline.faults.claims import Claim, cable
from fenceline.faults.network import NetworkCut
from fenceline.faults.parameters import Seconds
from fenceline.faults.says import Says

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network, loose contact", "outside: rules on the switch's ports", "it ends, the cables are plugged in")


class Phases:
    """A cable that is out for ``down`` s and in for ``up`` s in turn, by a timetable: what one phase began late (a busy
    host) is not added to those that follow."""

    def __init__(self, down: float, up: float) -> None:
        self._lengths = {True: down, False: up}
        self._is_down = False
        self._due: float | None = None

    def next(self) -> bool:
        """The next phase begins; returns whether the cable is out in it."""
        self._is_down = not self._is_down
        return self._is_down

    def left(self, now: float) -> float:
        """The time (s) that the present phase has left at ``now``, when its cable has just been switched."""
        self._due = (now if self._due is None else self._due) + self._lengths[self._is_down]
        return max(0.0, self._due - now)


@fault
@dataclass(frozen=True)
class LinkFlap(NetworkCut):
    """The cables of ``node`` in ``networks`` are pulled and put back, again and again."""

    down: Annotated[float, Seconds(0.1, 60), "without the cable"] = 0.5
    up: Annotated[float, Seconds(0.1, 60), "with it"] = 0.5
    name: ClassVar[str] = "link-flap"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} networks={heartbeat-nets}",
        "node={active} networks={service-net}",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <networks> of <node> is down for <down> and up for <up>, again and again"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the <networks> of <node> stops flapping"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(cable(self.node, network, shared=False) for network in self.networks)

    def inject(self, cluster: Cluster) -> None:
        links = [cluster.machine(self.node).link(network) for network in self.known(cluster)]
        phases = Phases(self.down, self.up)

        def turn() -> float:
            is_down = phases.next()
            for link in links:
                link.down() if is_down else link.up()
            return phases.left(cluster.clock.now())

        start_worker(cluster, self, turn, 0.0)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        within = 2 * (self.down + self.up) + 2
        network = self.networks[0]
        # what the cable was seen to do, three times: once out and once in, from end to end
        stamps: list[int] = []
        for kind in ("link.down", "link.up", "link.down"):
            after = stamps[-1] + 1 if stamps else since_ns
            try:
                event, _ = cluster.log.wait_for(is_event(kind, self.node, network=network), within,
                                                f"a {kind} of {self.node}", after)
            except Timeout as error:
                raise FaultError(f"not confirmed: {error.message}") from error
            stamps.append(event.t_ns)
        out, back = ((after - before) / 1e9 for before, after in itertools.pairwise(stamps))
        # by what the other side of the cable notices: no answer, and then one again
        silent = any(not cluster.fabric.answers_arp(self.node, network, 0.05)
                     for _ in range(max(4, round(within / 0.05))))
        if not silent or not cluster.fabric.answers_arp(self.node, network, within):
            raise FaultError(f"not confirmed: {self.node} {'never answers' if silent else 'always answers'} ARP on "
                             f"{network}")
        return {"arp": "comes and goes", "down_s": round(out, 3), "up_s": round(back, 3)}

    def heal(self, cluster: Cluster) -> None:
        try:
            stop_worker(cluster, self)
        finally:
            super().heal(cluster)
