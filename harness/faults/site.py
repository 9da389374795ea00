"""What faults, and the look at a cluster's health, use of one. They know no more of it, and not who builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fenceline.core.clock import Clock
    from fenceline.core.errors import FencelineError
    from fenceline.guest.ssh import Session
    from fenceline.journal.journal import Journal
    from fenceline.machines.fabric import Fabric
    from fenceline.machines.protocol import Machine
    from fenceline.model.topology import Topology
    from fenceline.observe.log import EventLog
    from fenceline.stacks.state import ClusterState


class Faults(Protocol):
    """The faults in force: see ``fenceline.faults.FaultControl``."""

    active: Sequence[Any]

    def in_force(self, name: str) -> Sequence[Any]: ...


class Cluster(Protocol):
    """A cluster that stands: see ``fenceline.cluster.cluster.Cluster`` for what each of these does."""

    topology: Topology
    clock: Clock
    log: EventLog
    journal: Journal
    fabric: Fabric
    machines: Mapping[str, Machine]
    #: Its faults in force; who plays with the cluster hands them in, None where nobody does.
    faults: Faults | None
    bmc_password: str
    #: What can be told to its stack differs by the stack's kind: ``fenceline.stacks.offers`` says what.
    stack: Any
    driver: Any
    bmcs: Any
    pdus: Any

    @property
    def boot_deadline(self) -> float: ...
    def machine(self, node: str) -> Machine: ...
    def session(self, node: str) -> Session: ...
    def is_running(self, node: str) -> bool: ...
    def power_on(self, node: str) -> None: ...
    def poll(self, condition: Callable[[], bool], within: float, what: str,
             error: type[FencelineError] = ...) -> float: ...
    def state(self) -> ClusterState: ...
    def owner(self, service: str) -> str: ...
    def is_answering(self, service: str) -> bool: ...
    def quorum_of(self, node: str) -> dict | None: ...
    def drbd_of(self, node: str, resource: str) -> dict: ...
    def holdings_of(self, node: str) -> list[str]: ...
