"""Faults of an NFS server: restarted, hanging, its exports exchanged under the clients' file handles."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.bridge_rule import BridgeRule
from fenceline.faults.claims import Claim
from fenceline.faults.node import wait_running
from fenceline.faults.parameters import Seconds
from fenceline.faults.says import Says
from fenceline.model import damage
from fenceline.model.addressing import management_address
from fenceline.model.cost import Cost
from fenceline.storage.nfs import server as nfs

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Storage, NFS", "on the NFS server; its hang outside: rules on the switch",
    "the server is started, the rules are deleted, the exports put back")

#: RFC 5531: a NULL call of version 4 of NFS, as one fragment; and how an answer to it begins.
_NULL = struct.pack("!IIIIIIIIIII", 0x80000000 | 40, 0xFE9CE, 0, 2, 100003, 4, 0, 0, 0, 0, 0)
_ANSWER = struct.pack("!II", 0xFE9CE, 1)
_PATIENCE = 1.0  # s that an answer to a NULL call may take
_STALE_FSID = 1000  # added to an export's number: no handle that was given out begins like that
_NOTICED = 20.0  # s within which a client notices
_BACK = 60.0  # s within which all is as before


def answers(cluster: Cluster, address: str) -> bool:
    """Whether an NFS server answers a NULL call at ``address``, asked by the harness itself."""
    with cluster.fabric.tcp_socket() as sock:
        sock.settimeout(_PATIENCE)
        try:
            sock.connect((address, nfs.PORT))
            sock.sendall(_NULL)
            return sock.recv(64)[4:12] == _ANSWER
        except OSError:
            return False


def _all_out(topology: Topology) -> Cost:
    server = topology.storage.nfs.server if topology.storage.nfs else ""
    return damage.storage_out(topology, damage.services_of(topology, server))


@dataclass(frozen=True)
class _ServerFault(OnCluster):
    needs: ClassVar[tuple[str, ...]] = ("nfs",)

    def _server(self, cluster: Cluster) -> str:
        if cluster.topology.storage.nfs is None:
            raise FaultError(f"{cluster.topology.name} has no NFS storage")
        return cluster.topology.storage.nfs.server

    def _address(self, cluster: Cluster) -> str:
        # the harness has no address in the storage network; the server answers in every network
        return str(management_address(cluster.topology, self._server(cluster)))

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        waited = cluster.poll(lambda: answers(cluster, self._address(cluster)), _BACK,
                              f"{self._server(cluster)} to answer as an NFS server", FaultError)
        return {"null_call": "answered", "waited_s": round(waited, 3)}


@fault
@dataclass(frozen=True)
class NfsRestart(_ServerFault):
    """The NFS server is restarted: it forgets what its clients have open, and lets only former ones in for a while."""

    seconds: Annotated[float, Seconds(0, 300), "that it is away"] = 0.0
    name: ClassVar[str] = "nfs-restart"
    samples: ClassVar[tuple[str, ...]] = ("seconds=5",)
    says: ClassVar[tuple[Says, ...]] = (
        Says("the NFS server is restarted"),
        Says("the NFS server is away for <seconds>"),
    )

    def costs(self, topology: Topology) -> Cost:
        # one that has just started lets only former clients in for its grace time
        own = topology.storage.nfs
        if own is None:
            return Cost()
        return Cost(slower_s=self.seconds + own.grace, disturbed=damage.services_of(topology, own.server))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim("the daemon of the NFS server")})

    @property
    def lasts(self) -> float:
        return self.seconds

    def inject(self, cluster: Cluster) -> None:
        start = nfs.start_command(cluster.topology.storage.nfs) if self._server(cluster) else ""
        # in the background: who asks need not stay for it
        cluster.session(self._server(cluster)).run(
            f"rpc.nfsd 0 || exit 1; (sleep {self.seconds:g}; {start}) </dev/null >/dev/null 2>&1 &", within=30)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        """By the age of the kernel's threads; none while it is away."""
        ages: list[int] = []

        def is_young() -> bool:
            out = cluster.session(self._server(cluster)).run("ps -o etimes= -C nfsd", within=15, check=False).out
            ages[:] = [int(age) for age in out.split()]
            return not any(age > (cluster.clock.now_ns() - since_ns) / 1e9 + 1 for age in ages)
        cluster.poll(is_young, _NOTICED, "every nfsd that is older than the fault to end", FaultError)
        if ages and self.seconds >= 1:
            raise FaultError("not confirmed: the NFS server is there already")
        return {"nfsd_threads": len(ages)}

    def heal(self, cluster: Cluster) -> None:
        """It comes back by itself; whoever can't wait starts it."""
        if wait_running(cluster, self._server(cluster)):
            cluster.session(self._server(cluster)).run(
                f"pgrep -x nfsd >/dev/null || {nfs.start_command(cluster.topology.storage.nfs)}", within=30)


@fault
@dataclass(frozen=True)
class NfsHang(BridgeRule, _ServerFault):
    """The NFS server hangs: nothing that is sent to its port, or from it, arrives; all else goes on."""

    name: ClassVar[str] = "nfs-hang"
    says: ClassVar[tuple[Says, ...]] = (Says("the NFS server hangs"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the NFS server goes on"),)
    _table: ClassVar[str] = "fl_nfs_hang"

    def costs(self, topology: Topology) -> Cost:
        return _all_out(topology)

    def inject(self, cluster: Cluster) -> None:
        server = self._server(cluster)
        taps = ", ".join(cluster.fabric.tap(server, network) for network in cluster.topology.networks_of(server))
        cluster.fabric.run(["nft", "-f", "-"], "\n".join([
            f"add table bridge {self._table}",
            f"add chain bridge {self._table} hang {{ type filter hook prerouting priority 0; }}",
            f"add rule bridge {self._table} hang iifname {{ {taps} }} tcp sport {nfs.PORT} drop",
            f"add rule bridge {self._table} hang tcp dport {nfs.PORT} drop",
            # what the harness sends enters the switch elsewhere
            f"add chain bridge {self._table} own {{ type filter hook output priority 0; }}",
            f"add rule bridge {self._table} own tcp dport {nfs.PORT} drop", ""]))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if answers(cluster, self._address(cluster)):
            raise FaultError(f"not confirmed: {self._server(cluster)} still answers a NULL call")
        network = cluster.topology.networks_with("storage")[0]
        try:
            heard = cluster.fabric.answers_arp(self._server(cluster), network, 1.0)
        except FencelineError as error:
            raise FaultError(f"not confirmed: {error.message}") from error
        if not heard:
            raise FaultError(f"not confirmed: {self._server(cluster)} does not answer ARP either: it is gone, and does "
                             "not hang")
        return {"null_call": f"no answer within {_PATIENCE:g} s", "arp": "answers"}


@fault
@dataclass(frozen=True)
class NfsStale(_ServerFault):
    """The exports of the NFS server are exchanged: every file handle that a client has is stale."""

    name: ClassVar[str] = "nfs-stale"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the file handles of the NFS server's clients are stale"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the NFS server has its old exports again"),)

    def costs(self, topology: Topology) -> Cost:
        # whoever mounts it anew is served; a stop may fail over what is mounted now
        return replace(_all_out(topology), stopped=frozenset(), disturbed=_all_out(topology).stopped)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim("the exports of the NFS server")})

    def _export(self, cluster: Cluster, added: int) -> None:
        topology = cluster.topology
        self._server(cluster)
        lines = ["exportfs -ua"]
        for number, name in nfs.fsids(topology.storage.nfs).items():
            who, _, options = nfs.export_options(topology, name, number + added).partition("(")
            lines.append(f"exportfs -o {options.rstrip(')')} {who}:{nfs.path(name)}")
        cluster.session(self._server(cluster)).run(" && ".join([*lines, "exportfs -f"]), within=30)

    def inject(self, cluster: Cluster) -> None:
        self._export(cluster, _STALE_FSID)

    def _states(self, cluster: Cluster) -> dict[str, str]:
        """What each node that has an export mounted is told by it: "stale", "there" or something else."""
        mountpoints = [service.filesystem.mountpoint for service in cluster.topology.services.values()
                       if service.filesystem and service.filesystem.export]
        found = {}
        for node in cluster.topology.cluster_nodes:
            for mountpoint in mountpoints:
                if cluster.is_running(node) and f"mount {mountpoint}" in cluster.holdings_of(node):
                    # a new name each time: what is known of the folder is no answer
                    name = f".fenceline-{cluster.clock.now_ns()}"
                    done = cluster.session(node).run(f"timeout 10 touch -c {mountpoint}/{name}", within=20,
                                                     check=False)
                    told = "stale" if "tale file handle" in done.err else done.err.strip()
                    found[node] = "there" if done.ok else told
        return found

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        seen: dict[str, str] = {}

        def is_stale() -> bool:
            seen.clear()
            seen.update(self._states(cluster))
            return bool(seen) and set(seen.values()) == {"stale"}
        cluster.poll(is_stale, _NOTICED, f"whoever has it mounted to be told so ({seen or 'nobody has'})", FaultError)
        return {"clients": dict(seen)}

    def heal(self, cluster: Cluster) -> None:
        if wait_running(cluster, self._server(cluster)):  # one that is off boots with its exports as they were
            self._export(cluster, 0)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        super().confirm_healed(cluster)
        cluster.poll(lambda: "stale" not in self._states(cluster).values(), _BACK,
                     "no client to have a stale file handle", FaultError)
        return {"clients": self._states(cluster)}
