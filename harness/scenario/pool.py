"""Clusters between scenarios: reused while they are certainly whole, rebuilt when in doubt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fenceline.cluster.cluster import Cluster, ClusterOptions
from fenceline.cluster.waits import forgets_failures
from fenceline.core.errors import FencelineError
from fenceline.core.progress import Progress
from fenceline.faults import FaultControl
from fenceline.machines.drivers import make_clock
from fenceline.model.load import dump_topology
from fenceline.model.topology import Service, Topology
from fenceline.model.verdict import Judgement
from fenceline.observe.log import EventLog


class ClusterPool:
    """At most one standing cluster: machines of two would compete for the CPUs and blur each other's figures."""

    def __init__(self, options: ClusterOptions, progress: Progress, reuse: bool = True) -> None:
        self._options = options
        self.progress = progress
        self._reuse = reuse
        self._cluster: Cluster | None = None
        self.log = EventLog()
        self._is_whole = False
        self.built = 0
        self.reused = 0

    def acquire(self, topology: Topology, begin: Callable[[], None], consoles: Path) -> Cluster:
        """A whole cluster of ``topology``. ``begin`` switches ``log`` to the scenario's own segment: before a new
        cluster is built, so that its bring-up is judged too, or when an old one is ready to be used again.

        Raises:
            FencelineError: none could be built.
        """
        kept = self._cluster
        if kept is not None and dump_topology(kept.topology) == dump_topology(topology):
            try:
                self.log.switch(None)
                with self.progress.step(f"{topology.name}: made ready again"):
                    if not self._is_whole:
                        kept.wait_members(kept.boot_deadline)
                        kept.poll(lambda: forgets_failures(kept), kept.boot_deadline, "the cluster to forget failures")
                    prepare(kept)
                self._is_whole = False
                begin()
                kept.baseline()
                kept.link_consoles(consoles)
                self.reused += 1
                self.progress(f"{topology.name}: reused, as it is whole")
                return kept
            except FencelineError as error:
                self.progress(f"{topology.name}: rebuilt, as {error.message}")
        self.close()
        self._is_whole = False
        self.log.clock = make_clock(self._options.driver, self._options.uri, self._options.seed)
        begin()
        cluster = Cluster(topology, self.log, consoles, self._options, self.progress)
        cluster.faults = FaultControl(cluster)
        cluster.up()
        try:
            # one that had trouble while it formed may be whole, and its service elsewhere
            if any(cluster.owner(name) != topology.preferred_nodes(name)[0]
                   for name, service in topology.services.items() if has_home(service)):
                prepare(cluster)
        except BaseException:
            cluster.down()
            raise
        self._cluster = cluster
        self.built += 1
        return cluster

    def found_whole(self, cluster: Cluster) -> None:
        """``cluster`` was whole when its scenario ended: it need not be waited for again."""
        self._is_whole = cluster is self._cluster

    def release(self, cluster: Cluster, judgement: Judgement | None = None) -> list[str]:
        """Heals what is in force and keeps ``cluster``; returns what could not be healed, and keeps nothing then.

        Nor is anything kept where ``judgement`` says that a promise was broken, expected or not: a disk that two nodes
        wrote to looks whole and isn't. Whether what is kept becomes whole is waited for when it is asked for again: the
        next scenario may want another topology, and its own cluster sooner.
        """
        self.log.switch(None)
        if judgement is not None and not judgement.is_clean:
            self.close()
            return []
        problems = cluster.faults.heal_all()
        if problems or not self._reuse:
            self.close()
        return problems

    def close(self) -> None:
        """Takes the standing cluster down."""
        if self._cluster is not None:
            self.progress(f"{self._cluster.topology.name}: taken down")
            cluster, self._cluster = self._cluster, None
            cluster.down()


def prepare(cluster: Cluster) -> None:
    """Brings every service to its most preferred node, so that each scenario begins from the same place.

    Raises:
        FencelineError: the cluster isn't whole within its boot deadline.
    """
    cluster.wait_whole(cluster.boot_deadline)
    for service, settings in cluster.topology.services.items():
        home = cluster.topology.preferred_nodes(service)[0]
        if has_home(settings) and cluster.owner(service) != home:
            with cluster.progress.step(f"{service} goes home to {home}"):
                cluster.stack.move(service, home)
                cluster.poll(lambda service=service, home=home: cluster.state().owner(service) == home,
                             cluster.boot_deadline, f"{service} to move home to {home}")
                cluster.stack.clear_moves(service)
            cluster.wait_whole(cluster.boot_deadline)


def has_home(service: Service) -> bool:
    """Whether ``service`` belongs on one node rather than on the others."""
    return service.active == "one" and service.domain.ordered
