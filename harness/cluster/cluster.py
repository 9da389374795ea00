"""One cluster, standing: fabric, machines, storage, stack, BMCs and observers, built from a topology and taken
down again without a trace."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fenceline.cluster import waits
from fenceline.cluster.builder import Plan, Secrets, make_folder, ssh_connector
from fenceline.cluster.health import is_quorate_and_complete, problems_of
from fenceline.core.clock import Clock
from fenceline.core.errors import ClusterError, ClusterSilent, FencelineError, MachineError
from fenceline.core.progress import Progress
from fenceline.core.wait import until
from fenceline.faults.site import Faults
from fenceline.fencing.bmc import BmcRack
from fenceline.fencing.pdu import PduRack
from fenceline.fencing.progress import is_being_fenced
from fenceline.guest.ssh import Session
from fenceline.journal.journal import Journal, open_entries, state_dir
from fenceline.machines.drivers import DRIVERS, make_driver, make_fabric
from fenceline.machines.image import ensure_image
from fenceline.machines.protocol import DriverContext, Machine, Power
from fenceline.model.topology import Topology
from fenceline.observe.capture import Capture
from fenceline.observe.client import ClientObserver, RoutedClientObserver
from fenceline.observe.guests import GuestObserver
from fenceline.observe.host import HostObserver
from fenceline.observe.ledger import LedgerClient
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.wire import WireObserver
from fenceline.observe.writes import WriteObserver
from fenceline.stacks.base import make_stack
from fenceline.stacks.state import ClusterState

_TELLING_PACKAGES = ("pacemaker", "corosync", "resource-agents", "fence-agents", "open-iscsi", "drbd-utils",
                     "heartbeat", "keepalived", "nfs-kernel-server", "nginx-light", "mariadb-server")

@dataclass(frozen=True)
class ClusterOptions:
    """How to stand a cluster up: the driver of its machines, that one's libvirt, and the seed of what is chance where
    nothing but the seed is."""

    driver: str = "auto"
    uri: str | None = None
    seed: int = 0


class Cluster:
    """The cluster of ``topology``. ``up`` builds it; ``down`` removes every trace of it, also of half of it.

    Observations go to ``log``; consoles to ``consoles``/NODE.log.
    """

    def __init__(self, topology: Topology, log: EventLog, consoles: Path, options: ClusterOptions | None = None,
                 progress: Progress | None = None) -> None:
        self.topology = topology
        self.log = log
        self.options = options or ClusterOptions()
        self.progress = progress or Progress()
        self.identity = secrets.token_hex(4)
        self.consoles = consoles
        self.machines: dict[str, Machine] = {}
        self._secrets = Secrets()
        self.bmc_password = self._secrets.bmc_password
        self._undo = contextlib.ExitStack()
        self._sessions: dict[str, Session] = {}
        self._guests: dict[str, GuestObserver] = {}
        self._is_down = False
        self.faults: Faults | None = None  # who plays with it hands them in

    # -- building ------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Builds the cluster and waits until it is formed, healthy and answering.

        Raises:
            FencelineError: it can't; everything that was made has been removed again.
        """
        try:
            self._build()
            self.wait_whole(self._stretched(self.topology.boot_deadline + self.topology.form_deadline), cleans=True)
        except FencelineError:
            if self._sessions:
                self.progress("it did not come up: saving the guests' logs before taking it down")
                self.collect_logs(self.consoles.parent / "logs")
            self.down()
            raise
        except BaseException:
            self.down()
            raise

    def _build(self) -> None:
        topology = self.topology
        image = self.image = ensure_image(self.progress, topology.packages)
        self.journal = Journal(state_dir() / "journal" / f"{self.identity}.jsonl")
        self._undo.callback(self._close_journal)
        self.folder = make_folder(topology, self.identity, self.journal, self._secrets, self._undo)
        self.consoles.mkdir(parents=True, exist_ok=True)
        self.fabric = make_fabric(self.options.driver, self.options.uri, self.identity, topology, self.journal,
                                  self.clock)
        self._undo.callback(self.fabric.close)
        self.fabric.create()
        self.router = self.fabric.router()
        self._undo.callback(self.router.close)
        self.router.create()
        self.loop = ObserverLoop(self.log, self.fabric)
        self._undo.callback(self.loop.stop)
        context = DriverContext(image, self.fabric, self.journal, self._on_power, self.folder, self.clock)
        self.driver = make_driver(self.options.driver, context, self.options.uri)
        self._undo.callback(self.driver.close)
        self.progress(f"{topology.name}: {len(topology.nodes)} machines on {self.driver.name}")
        self._make_sessions()
        self.stack = make_stack(topology, self._sessions, self.bmc_password, self.is_running,
                                    self.driver.slowdown)
        self._make_machines()
        self.pdus = PduRack(self.fabric, topology, self.log, self.bmc_password, self.machines.__getitem__)
        self._undo.callback(self.pdus.close)
        self.bmcs = BmcRack(self.fabric, topology, self.log, self.bmc_password,
                            {node: self.machines[node] for node in topology.service_nodes}, self._press_power,
                            self.pdus.has_supply)
        self._undo.callback(self.bmcs.close)
        self.client = ClientObserver(self.fabric, topology, self.log, self.loop)
        self.routed_client = RoutedClientObserver(self.router, topology, self.log, self.loop)
        self.wire = WireObserver(self.fabric, topology, self.log, self.loop)
        self.writes = WriteObserver(self.fabric, topology, self.log, self.loop)
        self.capture = Capture(self.fabric, topology)
        self._undo.callback(self.capture.stop)
        self.ledger = LedgerClient(self.fabric, topology, self.log, self.loop)
        host = HostObserver(self._tasks, self.log)
        for observer in (self.client, self.routed_client, self.wire, self.writes, self.ledger, host):
            observer.start()
            self._undo.callback(observer.stop)
        # the storage host has the least to do and is waited for by all: first
        for node in sorted(topology.nodes, key=lambda name: topology.nodes[name].role == "cluster"):
            self.machines[node].start()

    def _tasks(self) -> dict[str, tuple[int, ...]]:
        return {node: machine.processes() for node, machine in self.machines.items()}

    def _close_journal(self) -> None:
        # what could not be removed stays written down, for `fenceline reap`; faults went with their machines
        left = [entry for entry in open_entries(self.journal.path) if entry.kind != "fault"]
        self.journal.close(remove=not left)

    def _make_sessions(self) -> None:
        for node in self.topology.nodes:
            session = self.driver.session(node) or Session(
                node, ssh_connector(self.topology, self.fabric, node), self._secrets.key, self._secrets.host_key,
                self.clock)
            self._sessions[node] = session
            self._undo.callback(session.close)

    def _make_machines(self) -> None:
        plan = Plan(self.topology, self._secrets, self.image, self.fabric, self.stack, self.driver, self.folder,
                    self.consoles)
        for spec in plan.specs():
            self._guests[spec.name] = GuestObserver(spec.name, self.log, self.loop)
            self.machines[spec.name] = self.driver.create(spec)

    # -- power ---------------------------------------------------------------------------------------------

    def _press_power(self, node: str) -> None:
        """What a short press of the power button comes to: the node shuts itself down. No driver of ours has ACPI."""
        with contextlib.suppress(MachineError):  # it may hang up on us before it has answered
            self._sessions[node].run("systemctl poweroff --no-block", within=10, check=False)

    def _on_power(self, node: str, kind: str, stamp: int, data: dict) -> None:
        if kind == "power.off" and data.get("why") in ("crash", "poweroff") and self.bmcs.has_pressed(node):
            data = {**data, "why": "fence", "how": "it shut itself down, as its fencing device told it to"}
        self.log.record("fabric" if kind.startswith("link") else "machine", node, kind, data, t_ns=stamp)
        if kind == "power.on":
            stream = self.machines[node].agent_stream()
            if stream is not None:
                self._guests[node].attach(stream)
        elif kind == "power.off":
            self._sessions[node].close()

    def is_running(self, node: str) -> bool:
        """Whether ``node``'s CPUs execute."""
        return self.machines[node].power() is Power.ON

    def power_on(self, node: str) -> None:
        """Switches ``node`` on, unless somebody else (its BMC) does: a fencing that reboots first looks whether the
        power is off, and waits for that in vain where a hand was quicker."""
        with contextlib.suppress(ClusterError):  # a device that never comes to its end: by hand after all
            self.poll(lambda: (self.is_running(node)
                               or not is_being_fenced(self.log.events(), node, self.clock.now_ns())),
                      self.topology.fencing.timeout * self.driver.slowdown, f"the fencing of {node} to come to its end")
        self.pdus.reset(node)
        try:
            self.machines[node].start()
        except MachineError:
            if not self.is_running(node):
                raise

    # -- use -----------------------------------------------------------------------------------------------

    def machine(self, node: str) -> Machine:
        """The machine ``node``.

        Raises:
            ClusterError: there is none.
        """
        if node not in self.machines:
            raise ClusterError(f"no node {node!r} in {self.topology.name}; there are {', '.join(self.machines)}")
        return self.machines[node]

    def session(self, node: str) -> Session:
        """The SSH session to ``node``."""
        self.machine(node)
        return self._sessions[node]

    @property
    def clock(self) -> Clock:
        """The clock of all that happens in it."""
        return self.log.clock

    @property
    def boot_deadline(self) -> float:
        """By when a machine must have booted (s), stretched where it is emulated."""
        return self.topology.boot_time + self._stretched(self.topology.boot_deadline)

    def _stretched(self, seconds: float) -> float:
        return seconds * self.driver.slowdown

    def state(self, node: str | None = None) -> ClusterState:
        """The cluster's own view, or ``node``'s; recorded in the log, and that there was none too.

        Raises:
            ClusterError: nobody could be asked.
            ClusterSilent: nobody who was asked could tell.
        """
        begun = self.clock.now_ns()
        try:
            state = self.stack.state(node)
        except ClusterSilent as silent:
            self.log.record("stack", node, "state.unknown", {
                "asked_ns": begun, "nodes": silent.nodes, "unreachable": silent.unreachable, "error": str(silent)})
            raise
        self.log.record("stack", state.seen_by, "state", state.as_dict())
        return state

    def versions(self) -> dict[str, str]:
        """What the cluster runs: the image and its kernel, and the packages that decide about a failover."""
        packages = dict(line.partition("=")[::2] for line in self.image.packages.read_text().splitlines())
        kernel = DRIVERS.find(self.driver.name).kernel(self.image)
        return {"image": self.image.key, "kernel": kernel} | {
            name: packages[name] for name in _TELLING_PACKAGES if name in packages}

    def owner(self, service: str) -> str:
        """The node that ``service`` runs on, as the cluster says; see ``fenceline.cluster.waits``."""
        return waits.owner(self, service)

    def serving(self, service: str) -> str:
        """The node that serves ``service`` now, as those outside see it; see ``fenceline.cluster.waits``."""
        return waits.serving(self, service)

    def quorum_of(self, node: str) -> dict | None:
        """What ``node`` itself last said of quorum: {quorate, members}; None where it has said nothing."""
        return self._guests[node].current.get(("quorum",))

    def drbd_of(self, node: str, resource: str) -> dict:
        """What DRBD on ``node`` last said of ``resource``: {role, connection, peer_role, disk, peer_disk, replication,
        kib}; empty where it has said nothing."""
        told: dict = {}
        for kind in ("drbd.role", "drbd.connection", "drbd.disk", "drbd.oos"):
            told |= self._guests[node].current.get((kind, resource), {})
        return told

    def holdings_of(self, node: str) -> list[str]:
        """The parts of services that ``node`` holds, as its agent last told: mounts, addresses and open ports."""
        return [f"{kind} {key[0]}" for (kind, *key), data in self._guests[node].current.items()
                if data.get("mounted") or (kind in ("address", "listen") and data["present"])]

    def is_answering(self, service: str) -> bool:
        """Whether a client of ``service`` gets an answer to what it asks now; see ``fenceline.cluster.waits``."""
        return waits.is_answering(self, service)

    def poll(self, condition: Callable[[], bool], within: float, what: str,
             error: type[FencelineError] = ClusterError) -> float:
        """Waits for a ``condition`` that no event announces; returns the seconds waited.

        Raises:
            error: it was not so within ``within`` seconds.
        """
        return until(self.clock, condition, within, what, lambda text, waited: error(text))

    def problems(self) -> list[str]:
        """What keeps the cluster from being whole: formed, healthy, answering; empty if nothing does."""
        return problems_of(self)

    def wait_members(self, within: float) -> float:
        """Waits until every node sees every other and quorum; returns the seconds it took.

        Raises:
            ClusterError: some node doesn't within ``within`` seconds.
        """
        return self.poll(lambda: all(is_quorate_and_complete(self, node) for node in self.topology.cluster_nodes),
                         within, "every node to see every other, with quorum")

    def wait_whole(self, within: float, cleans: bool = False) -> float:
        """Waits until nothing is wrong with the cluster any more; returns the seconds it took. ``cleans``: what failed
        meanwhile is cleaned up, once, where nothing else is wrong.

        Raises:
            ClusterError: something still is after ``within`` seconds: what, and the tail of the console.
        """
        return waits.wait_whole(self, within, cleans)

    def wait_routed(self, within: float) -> None:
        """Waits until the client behind a router is answered by every service that it asks.

        Raises:
            Timeout: some service does not answer it within ``within`` seconds.
        """
        since = self.clock.now_ns()
        for service in self.routed_client.services:
            self.routed_client.wait_answering(service, within, since)

    def baseline(self) -> None:
        """Writes what is the case into a log that has just begun: power, mounts, addresses, quorum. The router, which
        may have missed a move between two scenarios, begins anew too."""
        self.router.forget()
        for node, machine in self.machines.items():
            if machine.power() is Power.OFF:
                self.log.record("machine", node, "power.off", {"baseline": True, "why": "baseline"})
            else:
                self.log.record("machine", node, "power.on", {"baseline": True})
            if machine.power() is Power.PAUSED:
                self.log.record("machine", node, "power.paused", {"baseline": True})
            self._guests[node].baseline()

    def link_consoles(self, folder: Path) -> None:
        """Makes the consoles, one file for the cluster's life, seen in ``folder`` of a further scenario."""
        folder.mkdir(parents=True, exist_ok=True)
        for node in self.topology.nodes:
            link = folder / f"{node}.log"
            if not link.exists():
                link.symlink_to(os.path.relpath(self.consoles / f"{node}.log", folder))

    def collect_logs(self, folder: Path) -> None:
        """Copies the guests' cluster logs into ``folder``/NODE/; what can't be had is said in a file there."""
        for node in self.topology.cluster_nodes:
            target = folder / node
            target.mkdir(parents=True, exist_ok=True)
            if node not in self.machines or not self.is_running(node):
                (target / "missing.txt").write_text(f"{node} does not run\n")
                continue
            try:
                for path in self.stack.logs:
                    result = self._sessions[node].run(f"tail -c 2000000 {path}", within=20, check=False)
                    (target / Path(path).name).write_text(result.out)
                journal = self._sessions[node].run("journalctl -b --no-pager -o short-monotonic | tail -n 3000",
                                                   within=20, check=False)
                (target / "journal.txt").write_text(journal.out)
            except FencelineError as error:
                (target / "missing.txt").write_text(f"{error}\n")

    # -- the end -------------------------------------------------------------------------------------------

    def down(self) -> None:
        """Removes the cluster: machines, BMCs, observers, namespace, files, and at last the journal."""
        if not self._is_down:
            self._is_down = True
            self._undo.close()
