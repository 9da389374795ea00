"""A cluster without machines, for the supervisor's tests: it does what its topology's description says.

``fail``: does not come up. ``slow``: comes up until it is stopped. ``die``: kills its own process. ``stuck``:
can't be taken down.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

from fenceline.core.errors import ClusterError, FaultError, MachineError
from fenceline.faults import FaultControl
from fenceline.faults.base import fault
from fenceline.faults.parameters import Node, Seconds
from fenceline.lab import supervisor
from fenceline.machines.protocol import Power
from fenceline.model.cost import Cost
from fenceline.stacks.state import ClusterState, MemberState, ResourceState

ROOT = Path(__file__).resolve().parents[1]
#: What ``launch`` runs instead of the real supervisor: the same one, with this cluster.
COMMAND = (
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.fakecluster import main; sys.exit(main())",
)


@fault
@dataclass(frozen=True)
class Itch:
    """The ``node`` itches for ``seconds``."""

    node: Node
    seconds: Annotated[float, Seconds(0, 600), "of itching"] = 1.0
    name: ClassVar[str] = "itch"

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)

    def costs(self, topology: Any) -> Cost:
        return Cost()

    def inject(self, cluster: Any) -> None:
        pass

    def confirm(self, cluster: Any, since_ns: int) -> dict[str, Any]:
        if self.node == "san-01":
            raise FaultError(f"{self.node} does not feel it")
        return {"itching": True}

    def heal(self, cluster: Any) -> None:
        pass

    def confirm_healed(self, cluster: Any) -> dict[str, Any]:
        if self.seconds == 600:
            raise FaultError("it goes on")
        return {"itching": False}


class FakeCluster:
    """What the supervisor and the status need of a cluster."""

    def __init__(self, topology: Any, log: Any, consoles: Path, order: Any, say: Any) -> None:
        self.topology, self.log, self.consoles, self.say = topology, log, consoles, say
        self.clock = log.clock
        self.identity = "0badcafe"
        self.driver = SimpleNamespace(name="fake", slowdown=1.0)
        self.capture = SimpleNamespace(start=lambda folder: folder.mkdir(), stop=lambda: (consoles.parent / "stopped")
                                       .touch())
        self.ledger = SimpleNamespace(services=("web",), read_back=lambda service: log.record(
            "client", None, "ledger.unread", {"service": service, "error": "a fake"}))
        self.fabric = SimpleNamespace(namespace="fl-0badcafe")
        self.folder = "/nonexistent/fl-0badcafe"
        self.journal = SimpleNamespace(
            begin=lambda kind, **undo: 1, done=lambda entry: None, path=Path("/nonexistent/journal")
        )
        self.machines = {node: SimpleNamespace(power=lambda: Power.ON) for node in topology.nodes}
        self.faults = FaultControl(self)
        self.client = SimpleNamespace(services=tuple(self.topology.services))

    def up(self) -> None:
        words = self.topology.description.split()
        self.consoles.mkdir(parents=True)
        for node in self.topology.nodes:
            (self.consoles / f"{node}.log").write_text(f"one\ntwo\n{node} login:\n")
        self.say("machines are booting")
        try:
            if "fail" in words:
                raise ClusterError(
                    "it was not whole within 1 s: rs-01 has not joined", "last lines:\n  panic"
                )
            if "die" in words:
                os.kill(os.getpid(), signal.SIGKILL)
            while "slow" in words:
                time.sleep(0.05)
                self.say("still booting")
        except BaseException:
            self.down()
            raise

    def state(self) -> ClusterState:
        first, *others = self.topology.cluster_nodes
        return ClusterState(
            first,
            True,
            first,
            (MemberState(first, True), *(MemberState(node, True, standby=True) for node in others)),
            (
                ResourceState(
                    "web-vip", "ocf:heartbeat:IPaddr2", "Started", (first,), True, False, True, "web"
                ),
            ),
        )

    def versions(self) -> dict[str, str]:
        return {"pacemaker": "2.1.5"}

    def is_running(self, node: str) -> bool:
        return True

    def quorum_of(self, node: str) -> dict[str, Any] | None:
        members = list(self.topology.cluster_nodes)
        return {"quorate": True, "members": members} if node in members else None

    def holdings_of(self, node: str) -> list[str]:
        return ["address 192.168.98.244"] if node == self.topology.cluster_nodes[0] else []

    def is_answering(self, service: str) -> bool:
        return True

    def collect_logs(self, folder: Path) -> None:
        pass

    def down(self) -> None:
        time.sleep(0.1)
        (self.consoles.parent / "down").touch()
        if "stuck" in self.topology.description:
            raise MachineError("rs-01 survives SIGKILL")


def main() -> int:
    """The supervisor's process with this cluster."""
    return supervisor.main(FakeCluster)
