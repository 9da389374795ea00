"""DRBD: what the rest must know of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fenceline.model.cost import Cost, Link
from fenceline.model.damage import services_on
from fenceline.model.filesystems import CLUSTER_FILESYSTEMS, journal_problems
from fenceline.model.stack import kinds_with
from fenceline.model.storage import STORAGE, Disk, Mount, StorageKind, twice
from fenceline.storage.drbd.model import Drbd

if TYPE_CHECKING:
    from fenceline.guest.seed import Seed
    from fenceline.model.topology import Filesystem, Topology

_WATCH = Path(__file__).with_name("watch.py")


class DrbdKind(StorageKind):
    """See ``StorageKind``."""

    name = "drbd"
    order = 30
    section = (tuple[Drbd, ...], ())
    disk_word, disk_title, listed = "drbd", "a resource", "storage.drbd"
    packets = "drbd"
    is_block = True
    promotes = True

    def disks(self, topology: Topology) -> tuple[Disk, ...]:
        return tuple(Disk(one.name, one.size, one.filesystem) for one in self.said(topology))

    def network(self, topology: Topology, one: Drbd) -> str:
        """The network that ``one`` replicates through."""
        return one.network or topology.networks_with("storage")[0]

    def problems(self, topology: Topology) -> list[str]:
        resources = self.said(topology)
        found = twice(self.listed, [one.name for one in resources])
        if len(topology.cluster_nodes) != 2:
            found.append(f"{self.listed}: DRBD 8.4 mirrors between two cluster nodes, there are "
                         f"{len(topology.cluster_nodes)}")
        if topology.stack.moves_addresses_only:
            found.append(f"{self.listed}: {topology.stack.kind} promotes nothing")
        for index, one in enumerate(resources):
            found += self._resource(topology, f"{self.listed}.{index}", one)
        return found

    def _resource(self, topology: Topology, path: str, one: Drbd) -> list[str]:
        found = []
        if one.network is None and not topology.networks_with("storage"):
            found.append(f"{path}.network: no network has the role storage: say which one carries the replication")
        elif one.network is not None and one.network not in topology.networks:
            found.append(f"{path}.network: there is no network {one.network!r}; there are "
                         f"{', '.join(topology.networks)}")
        else:
            network = self.network(topology, one)
            found += [f"{path}.network: {node} is not plugged into {network!r}" for node in topology.cluster_nodes
                      if network not in topology.networks_of(node)]
        found += [f"{path}.{name}: {getattr(one, name):g} s is not longer than timeout, {one.timeout:g} s"
                  for name in ("connect_int", "ping_int") if getattr(one, name) <= one.timeout]
        if one.size < 4 * 2**20:
            found.append(f"{path}.size: {one.size} bytes is too little, take at least 4M")
        if one.fencing != "dont-care" and not topology.stack.manages_resources:
            found.append(f"{path}.fencing: {one.fencing} asks the stack {kinds_with('manages_resources')}; "
                         f"with {topology.stack.kind} say dont-care")
        if one.fencing == "resource-and-stonith" and topology.fencing.method == "none":
            found.append(f"{path}.fencing: resource-and-stonith waits for a fencing that fencing.method none never "
                         "does")
        if one.filesystem in CLUSTER_FILESYSTEMS:
            if not one.dual_primary:
                found.append(f"{path}.dual_primary: {one.filesystem} is mounted on both nodes at once: say true")
            found += journal_problems(path, one.size, len(topology.cluster_nodes))
        return found

    def offers(self, topology: Topology) -> Iterable[str]:
        for one in self.said(topology):
            yield from ("DRBD", f"DRBD resource {one.name}")
            if one.fencing != "dont-care":
                yield "DRBD fencing"

    def replication_lost(self, topology: Topology, resource: str) -> Cost:
        """The replicas of ``resource`` don't hear each other: the primary goes on, after it waited for its peer. A dual
        primary that calls the cluster for it waits until its peer is fenced."""
        services = services_on(topology, resource)
        shoots = any(one.name == resource and one.dual_primary and one.fencing == "resource-and-stonith"
                     for one in self.said(topology))
        return Cost(disturbed=services, victims=frozenset(topology.cluster_nodes if shoots else ()))

    def links_lost(self, topology: Topology, links: frozenset[Link]) -> Cost:
        members, cost = set(topology.cluster_nodes), Cost()
        for one in self.said(topology):
            if any(network == self.network(topology, one) and {a, b} <= members for network, a, b in links):
                cost |= self.replication_lost(topology, one.name)
        return cost

    def packets_lost(self, topology: Topology) -> Cost:
        return reduce(or_, (self.replication_lost(topology, one.name) for one in self.said(topology)), Cost())

    def device(self, topology: Topology, name: str) -> str:
        from fenceline.storage.drbd.resources import device
        return device(topology, name)

    def make_disks(self, topology: Topology, node: str, folder: Path) -> tuple[Path, ...]:
        from fenceline.storage.drbd import resources
        return resources.make_disks(topology, node, folder) if node in topology.cluster_nodes else ()

    def seed(self, topology: Topology, node: str, seed: Seed, secret: str) -> None:
        from fenceline.storage.drbd import resources
        if node in topology.cluster_nodes:
            resources.seed_node(topology, node, seed, secret)
            seed.add("/usr/lib/fenceline/drbdwatch.py", _WATCH.read_text())

    def watched(self, topology: Topology, node: str) -> dict[str, Any]:
        if node not in topology.cluster_nodes:
            return {}
        return {"drbd": {one.name: number for number, one in enumerate(self.said(topology))}}

    def up_lines(self, topology: Topology) -> list[str]:
        from fenceline.storage.drbd import resources
        return resources.up_lines(topology)

    def mount(self, topology: Topology, part: Filesystem, name: str) -> Mount:
        resource = next(one for one in self.said(topology) if one.name == name)
        return Mount(self.device(topology, name), resource.filesystem, part.options)

    def unwell(self, cluster: Any) -> list[str]:
        """Resources that a node does not say to be connected and up to date."""
        found = []
        for one in self.said(cluster.topology):
            for node in cluster.topology.cluster_nodes:
                state = cluster.drbd_of(node, one.name)
                said = state.get("connection", "not known"), state.get("disk", "not known")
                if said != ("Connected", "UpToDate"):
                    found.append(f"{one.name} on {node} is {said[0]}, its disk {said[1]}")
                elif state.get("kib"):
                    found.append(f"{one.name} on {node} differs from its peer by {state['kib']} KiB")
        return found


STORAGE.register(DrbdKind.name, DrbdKind())
