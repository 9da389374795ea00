"""A cluster without machines: it remembers what it was told, and does what a test makes it do.

Whatever can be the real thing is: the event log, the journal, the fault control, and the methods of ``Cluster`` that
need no machine.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fenceline.cluster.cluster import Cluster
from fenceline.core.errors import ClusterError, FencelineError, MachineError
from fenceline.core.progress import Progress
from fenceline.faults import FaultControl
from fenceline.fencing.bmc import BmcMode
from fenceline.guest.ssh import Result
from fenceline.journal.journal import Journal
from fenceline.machines.protocol import AgentStream, Power
from fenceline.machines.rules import BridgeRules
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog
from fenceline.scenario.pool import ClusterPool
from fenceline.scenario.run import Run, RunInfo
from fenceline.scenario.scene import Scene
from fenceline.stacks.state import ClusterState, MemberState, ResourceState
from tests.clocks import now_ns


def heard(stream: AgentStream, within: float = 10.0) -> bytes:
    """What ``stream`` says next; b"" at its end."""
    until = time.monotonic() + within
    while True:
        try:
            return stream.read(2**20)
        except BlockingIOError:
            assert time.monotonic() < until, "nothing came"
            time.sleep(0.005)



class FastLog(EventLog):
    """An event log whose deadlines are ``pace`` of what they say: for what waits for seconds to be sure. What the test
    lets come (``coming``: such events) is waited for in full, however slow the host is about it."""

    pace = 0.04

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path)
        self.coming: Callable[[], list[Event]] = list

    def wait_for(self, predicate: Callable[[Event], bool], within: float, what: str,
                 since_ns: int = 0) -> tuple[Event, float]:
        comes = any(predicate(event) for event in self.coming())
        return super().wait_for(predicate, within if comes else within * self.pace, what, since_ns)


class FakeLink:
    def __init__(self, machine: FakeMachine, network: str) -> None:
        self.machine, self.network = machine, network

    def down(self) -> None:
        self.machine.cut.add(self.network)
        self._told("link.down")

    def up(self) -> None:
        if self.machine.stuck != "link":
            self.machine.cut.discard(self.network)
        self._told("link.up")

    def _told(self, kind: str) -> None:
        if self.machine.stuck != "quiet":
            self.machine.log.record("fabric", self.machine.name, kind, {"network": self.network})

    def is_up(self) -> bool:
        return self.network not in self.machine.cut


class FakeMachine:
    """A machine that tells the log of its power, as the drivers do (tests/machines/test_contract.py). ``stuck`` names
    what it does not do, or does only in words: "quiet" (nothing is told to the log), "link", "start"."""

    def __init__(self, name: str, topology: Topology, log: EventLog) -> None:
        self.name, self.topology, self.log = name, topology, log
        self.state = Power.ON
        self.cut: set[str] = set()
        self.calls: list[str] = []
        self.stuck = ""
        self._stopped_at = 0

    def _told(self, kind: str, **data: Any) -> int:
        stamp = now_ns()
        if self.stuck != "quiet":
            self.log.record("machine", self.name, kind, data, stamp)
        return stamp

    def _running(self) -> None:
        if self.state is Power.OFF:
            raise MachineError(f"{self.name} is off")

    def power(self) -> Power:
        return self.state

    def processes(self) -> tuple[int, ...]:
        return ()

    def agent_stream(self) -> AgentStream | None:
        return None

    def start(self) -> None:
        self.calls.append("start")
        if self.stuck == "start":
            raise MachineError(f"{self.name} does not start")
        if self.state is not Power.OFF:
            raise MachineError(f"{self.name} is running already")
        self.state = Power.ON
        self._told("power.on")

    def power_off(self, why: str = "power_off") -> int:
        self.calls.append(f"power_off {why}")
        if self.state is not Power.OFF:
            self.state = Power.OFF
            self._stopped_at = self._told("power.off", why=why)
        return self._stopped_at

    def reset(self, why: str = "reset") -> None:
        self.power_off(why)
        self.start()

    def pause(self) -> None:
        self.calls.append("pause")
        self._running()
        if self.state is Power.ON:
            self.state = Power.PAUSED
            self._told("power.paused")

    def resume(self) -> None:
        self.calls.append("resume")
        self._running()
        if self.state is Power.PAUSED:
            self.state = Power.ON
            self._told("power.resumed")

    def panic(self) -> None:
        self.calls.append("panic")
        self._running()
        if self.state is Power.PAUSED:
            raise MachineError(f"{self.name} is paused: it can't panic")
        self.state = Power.OFF
        self._stopped_at = self._told("power.off", why="panic")

    def close(self) -> None:
        self.power_off()

    def link(self, network: str) -> FakeLink:
        if network not in self.topology.networks_of(self.name):
            raise MachineError(f"{self.name} is not plugged into {network}")
        return FakeLink(self, network)


class FakeSession:
    """What a node answers to commands: ``answer`` gets the command and returns a status, or (status, output), or
    raises."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.commands: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda command: 0

    def wait(self, within: float) -> float:
        return 0.0

    def run(self, command: Any, within: float = 30.0, check: bool = True, text: str | None = None) -> Result:
        self.commands.append(command)
        given = self.answer(command)
        status, out = given if isinstance(given, tuple) else (given, "")
        if check and status:
            raise ClusterError(f"{self.node}: `{command}` gave {status}", out)
        return Result(str(command), status, out, "", 0.0)


class FakeFabric(BridgeRules):
    """``arp``: who answers ARP where, as (node, network); None: whoever's cable is in. ``commands``: what was run in
    it; ``run`` is given ``answer``'s word."""

    namespace = "fl-00000000"

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.arp: set[tuple[str, str]] | None = None
        self.commands: list[tuple[tuple[str, ...], str | None]] = []
        self.answer: Callable[[list[str]], str] = lambda arguments: ""
        self.prefix: list[str] = []

    def answers_arp(self, node: str, network: str, within: float) -> bool:
        if self.arp is not None:
            return (node, network) in self.arp
        return self.cluster.is_running(node) and self.cluster.machine(node).link(network).is_up()

    def tap(self, node: str, network: str) -> str:
        topology = self.cluster.topology
        return f"t{list(topology.nodes).index(node)}n{list(topology.networks).index(network)}"

    def command(self, arguments: list[str]) -> list[str]:
        return [*self.prefix, *arguments]

    def run(self, arguments: list[str], text: str | None = None) -> str:
        self.commands.append((tuple(arguments), text))
        return self.answer(arguments)


class FakeObserver:
    """The capture, the ledger and the client: they do nothing; ``broken`` makes their end fail. The client asks
    ``services``: what it got, a test says."""

    services: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.broken: Exception | None = None

    def start(self, folder: Path) -> None:
        """Nothing."""

    def stop(self) -> None:
        if self.broken is not None:
            raise self.broken


class FakePdus:
    """Power distribution units that only remember who is dead."""

    def __init__(self) -> None:
        self.dead: set[str] = set()

    def kill(self, unit: str, dead: bool) -> None:
        (self.dead.add if dead else self.dead.discard)(unit)

    def is_dead(self, unit: str) -> bool:
        return unit in self.dead

    def reset(self, node: str) -> None:
        pass


class FakeBmcs:
    def __init__(self) -> None:
        self.modes: dict[str, BmcMode] = {}

    def set_mode(self, node: str, mode: BmcMode) -> None:
        self.modes[node] = mode

    def mode(self, node: str) -> BmcMode:
        return self.modes.get(node, BmcMode.NORMAL)


class FakeStack:
    """Cluster software that obeys, unless ``deaf``. ``moves`` in force; ``standbys``."""

    name = "pacemaker"
    daemons = {"corosync": "corosync", "pacemaker-controld": "pacemaker-contr"}
    logs = ()

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.deaf = False
        self.moves: dict[str, str] = {}
        self.standbys: set[str] = set()
        self.maintained: set[str] = set()
        self.properties: dict[str, str] = {}
        self.copies: dict[str, dict[str, str]] = {}  # what a node's own copy has, where it is another
        self.calls: list[str] = []
        self.changes: dict[str, Any] = {}
        self.broken: FencelineError | None = None

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """A healthy state, with ``changes`` laid over it."""
        if self.broken is not None:
            raise self.broken
        cluster = self.cluster
        nodes = cluster.topology.cluster_nodes
        state = {
            "seen_by": node or nodes[0], "quorate": True, "coordinator": nodes[0],
            "members": tuple(MemberState(name, cluster.is_running(name), name in self.standbys,
                                         maintenance=name in self.maintained)
                             for name in cluster.topology.service_nodes),
            "resources": tuple(
                ResourceState(f"{service}-{part.kind}", "ocf:heartbeat:x", "Started", (cluster.owners[service],),
                              True, False, True, service)
                for service, settings in cluster.topology.services.items() for part in settings.group)}
        return ClusterState(**{**state, **self.changes})

    def members_seen_by(self, node: str) -> frozenset[str]:
        return frozenset(self.cluster.topology.cluster_nodes)

    def move(self, service: str, target: str) -> None:
        self.calls.append(f"move {service} {target}")
        if not self.deaf:
            self.moves[service] = target
            self.cluster.owners[service] = target

    def command(self, arguments: list[str], node: str | None = None, within: float = 60.0) -> str:
        """Knows of a fencing by hand; what it adds to the history is as in fenced-by-hand.xml."""
        self.calls.append(" ".join([*arguments, "on", node or "any"]))
        _, by_hand, target = arguments[-1].partition("stonith_admin --confirm ")
        if by_hand and not self.deaf:
            self.changes["fencing"] = ({"action": "off", "target": target, "status": "success",
                                        "delegate": "a human", "client": "stonith_admin.1543", "origin": node or "",
                                        "completed": "2026-11-21 09:14:40Z"}, *self.changes.get("fencing", ()))
        return ""

    def start_daemon(self, node: str, daemon: str) -> None:
        self.calls.append(f"start_daemon {node} {daemon}")

    def ban(self, service: str, node: str) -> None:
        self.calls.append(f"ban {service} {node}")
        if not self.deaf:
            self.moves[service] = f"not {node}"
            self.cluster.owners[service] = next(n for n in self.cluster.topology.cluster_nodes if n != node)

    def clear_moves(self, service: str) -> None:
        self.calls.append(f"clear_moves {service}")
        if not self.deaf:
            self.moves.pop(service, None)

    def set_property(self, name: str, value: str) -> None:
        self.calls.append(f"set_property {name} {value}")
        if not self.deaf:
            self.properties[name] = value

    def delete_property(self, name: str) -> None:
        self.calls.append(f"delete_property {name}")
        self.properties.pop(name, None)

    def property(self, name: str, node: str | None = None) -> str | None:
        return self.copies.get(node, self.properties).get(name)

    def has_moves(self, service: str) -> bool:
        return service in self.moves

    def standby(self, node: str, on: bool) -> None:
        self.calls.append(f"standby {node} {on}")
        if not self.deaf:
            (self.standbys.add if on else self.standbys.discard)(node)

    def node_maintenance(self, node: str, on: bool) -> None:
        self.calls.append(f"node_maintenance {node} {on}")
        if not self.deaf:
            (self.maintained.add if on else self.maintained.discard)(node)

    def cleanup(self) -> None:
        self.calls.append("cleanup")


class FakeCluster:
    """The cluster; the attributes say what is the case. ``whole`` makes ``wait_whole`` raise when it is False."""

    machine = Cluster.machine
    is_running = Cluster.is_running
    power_on = Cluster.power_on
    state = Cluster.state
    owner = Cluster.owner
    serving = Cluster.serving
    _stretched = Cluster._stretched
    wait_members = Cluster.wait_members
    problems = Cluster.problems

    def __init__(self, topology: Topology, log: EventLog, consoles: Path, options: Any = None,
                 progress: Progress | None = None) -> None:
        self.topology, self.log, self.consoles, self.clock = topology, log, consoles, log.clock
        self.lines: list[str] = []
        self.progress = progress or Progress(self.lines.append)
        self.calls: list[str] = []
        self.machines = {node: FakeMachine(node, topology, log) for node in topology.nodes}
        self.sessions = {node: FakeSession(node) for node in topology.nodes}
        self.fabric = FakeFabric(self)
        self.bmcs = FakeBmcs()
        self.pdus = FakePdus()
        self.capture, self.ledger, self.client = FakeObserver(), FakeObserver(), FakeObserver()
        self.driver = SimpleNamespace(name="uml", slowdown=1.0)
        self.bmc_password = "secret"
        self.owners = {service: topology.preferred_nodes(service)[0] for service in topology.services}
        self.stack = FakeStack(self)
        self.quorum: dict[str, dict | None] = {
            node: {"quorate": True, "members": list(topology.cluster_nodes)} for node in topology.cluster_nodes}
        self.holdings: dict[str, list[str]] = {}
        self.drbd: dict[str, dict] = {
            node: {"role": role, "connection": "Connected", "disk": "UpToDate", "peer_disk": "UpToDate",
                   "replication": "Established", "kib": 0}
            for node, role in zip(topology.cluster_nodes, ("Primary", "Secondary"), strict=False)}
        self.answering: dict[str, bool] = dict.fromkeys(topology.services, True)
        self.boot_deadline = 0.2
        self.pace = 1.0
        self.journal = Journal(consoles.parent / f"{secrets.token_hex(4)}.jsonl")
        self.faults = FaultControl(self)

    def up(self) -> None:
        self.calls.append("up")

    def down(self) -> None:
        self.calls.append("down")
        self.journal.close(remove=True)

    def baseline(self) -> None:
        self.calls.append("baseline")
        self.log.record("machine", self.topology.cluster_nodes[0], "power.on", {"baseline": True})

    def link_consoles(self, folder: Path) -> None:
        self.calls.append("link_consoles")

    def versions(self) -> dict[str, str]:
        return {"pacemaker": "2.1.5"}

    def collect_logs(self, folder: Path) -> None:
        self.calls.append("collect_logs")
        folder.mkdir(parents=True, exist_ok=True)

    def session(self, node: str) -> FakeSession:
        self.machine(node)
        return self.sessions[node]

    def quorum_of(self, node: str) -> dict | None:
        return self.quorum[node]

    def drbd_of(self, node: str, resource: str) -> dict:
        return self.drbd[node]

    def holdings_of(self, node: str) -> list[str]:
        return self.holdings.get(node, [])

    def is_answering(self, service: str) -> bool:
        return self.answering[service]

    def poll(self, condition: Callable[[], bool], within: float, what: str,
             error: type[FencelineError] = ClusterError) -> float:
        return Cluster.poll(self, condition, within * self.pace, what, error)

    def wait_routed(self, within: float) -> None:
        pass

    def wait_whole(self, within: float) -> float:
        return self.poll(lambda: not self.problems(), within, f"a whole cluster; {self.problems()}")


@contextlib.contextmanager
def make_cluster(topology: Topology, folder: Path, log: EventLog | None = None) -> Iterator[FakeCluster]:
    """A fake cluster with its journal in ``folder``."""
    cluster = FakeCluster(topology, log or EventLog(), folder / "consoles")
    try:
        yield cluster
    finally:
        cluster.journal.close(remove=True)


def make_scene(cluster: FakeCluster, folder: Path, service: str) -> Scene:
    """A scene in which ``cluster`` has just been brought up; its last fault is now."""
    pool = ClusterPool(None, cluster.progress)
    pool.log = cluster.log
    pool._cluster = cluster
    run = Run(folder, RunInfo("a test", "x.feature:1", (), 1, "uml"), cluster.log)
    run.topology = cluster.topology
    scene = Scene(run, pool)
    scene._cluster = cluster
    scene._assign(cluster.topology, service)
    scene.last_fault_ns = now_ns()
    return scene
