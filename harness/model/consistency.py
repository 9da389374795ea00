"""What must hold between the fields of a topology. Each problem starts with the path to its field."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from fenceline.model.addressing import CLIENT_NAME, MAX_CLUSTER_NODES, MAX_HELPERS, VIP_FIRST, address
from fenceline.model.cluster_rules import cluster_problems
from fenceline.model.declared_rules import declared_problems
from fenceline.model.fencing_rules import fencing_problems
from fenceline.model.placement import placement_problems
from fenceline.model.stack import kinds_with
from fenceline.model.stack_rules import stack_problems

if TYPE_CHECKING:
    from fenceline.model.topology import Service, Topology

_MARIADB_AGENTS = ("ocf:heartbeat:mysql", "systemd:mariadb", "lsb:mariadb")
_MARIADB_SIZE = 128 * 2**20


def problems(topology: Topology) -> list[str]:
    """Everything that is inconsistent in ``topology``, one line each; empty if nothing is."""
    return [*_networks(topology), *_nodes(topology), *_addresses(topology), *_storage(topology),
            *fencing_problems(topology),
            *_services(topology), *_databases(topology), *declared_problems(topology), *placement_problems(topology),
            *cluster_problems(topology), *stack_problems(topology)]


def _networks(topology: Topology) -> list[str]:
    found = []
    for role in ("heartbeat", "management"):
        if not topology.networks_with(role):
            found.append(f"networks: no network has the role {role}")
    if topology.services and not topology.networks_with("service"):
        found.append("networks: services need a network with the role service")
    for role in ("management", "storage", "service"):
        if len(topology.networks_with(role)) > 1:
            found.append(f"networks: more than one network has the role {role}")
    for name, network in topology.networks.items():
        if network.subnet.prefixlen > 24:
            found.append(f"networks.{name}.subnet: {network.subnet} is too small, take a /24")
        if not network.subnet.is_private:
            found.append(f"networks.{name}.subnet: {network.subnet} is not a private range")
        if network.subnet.is_loopback:
            found.append(f"networks.{name}.subnet: {network.subnet} is the loopback range")
    for (one, a), (other, b) in combinations(topology.networks.items(), 2):
        if a.subnet.overlaps(b.subnet):
            found.append(f"networks.{other}.subnet: {b.subnet} overlaps with networks.{one}.subnet {a.subnet}")
    return found


def _own_addresses(topology: Topology, network: str) -> dict[object, str]:
    """{address: the machine that has it of its own}."""
    return {address(topology, node, network): node for node in topology.nodes if network in topology.networks_of(node)}


def _addresses(topology: Topology) -> list[str]:
    found = []
    for name, node in topology.nodes.items():
        for network, told in node.addresses.items():
            path = f"nodes.{name}.addresses.{network}"
            if network not in topology.networks_of(name):
                found.append(f"{path}: {name} is not plugged into {network!r}")
            elif told not in topology.networks[network].subnet:
                found.append(f"{path}: {told} is not in {topology.networks[network].subnet}")
    if found:
        return found
    for network in topology.networks:
        seen: dict[object, str] = {}
        for node in topology.nodes:
            if network in topology.networks_of(node):
                own = address(topology, node, network)
                if seen.setdefault(own, node) != node:
                    found.append(f"nodes.{node}.addresses.{network}: {own} is {seen[own]}'s already")
    return found


def _nodes(topology: Topology) -> list[str]:
    found = []
    if not topology.cluster_nodes:
        found.append("nodes: no node has the role cluster")
    if len(topology.cluster_nodes) > MAX_CLUSTER_NODES:
        found.append(f"nodes: {len(topology.cluster_nodes)} cluster nodes, at most {MAX_CLUSTER_NODES} are supported")
    for role in ("remote", "storage", "quorum-device", "real-server"):
        count = len(topology.nodes_with(role))
        if count > MAX_HELPERS:
            found.append(f"nodes: {count} machines with the role {role}, at most {MAX_HELPERS} are supported")
    if CLIENT_NAME in topology.nodes:
        found.append(f"nodes.{CLIENT_NAME}: this name means Fenceline's own address among the clients")
    for name, node in topology.nodes.items():
        for network in node.networks or ():
            if network not in topology.networks:
                found.append(f"nodes.{name}.networks: there is no network {network!r}; "
                             f"there are {', '.join(topology.networks)}")
        if node.networks is not None:
            for management in topology.networks_with("management"):
                if management not in node.networks:
                    found.append(f"nodes.{name}.networks: {management!r} (management) is missing; "
                                 "the harness reaches the node through it")
        if node.memory < 192 * 2**20:
            found.append(f"nodes.{name}.memory: {node.memory // 2**20}M is too little to boot, take at least 256M")
    return found


def _storage(topology: Topology) -> list[str]:
    found = []
    iscsi, nfs = topology.storage.iscsi, topology.storage.nfs
    if iscsi is not None:
        found += _storage_host(topology, "storage.iscsi", "target", iscsi.target)
        found += _twice("storage.iscsi.luns", [lun.name for lun in iscsi.luns])
    if nfs is not None:
        found += _storage_host(topology, "storage.nfs", "server", nfs.server)
        found += _twice("storage.nfs.exports", [export.name for export in nfs.exports])
    if iscsi is not None and nfs is not None and iscsi.target == nfs.server:
        found.append(f"storage.nfs.server: {nfs.server!r} is the iSCSI target already; its disks are numbered once")
    return found + _drbd(topology)


def _drbd(topology: Topology) -> list[str]:
    resources = topology.storage.drbd
    found = _twice("storage.drbd", [one.name for one in resources])
    if resources and len(topology.cluster_nodes) != 2:
        found.append(f"storage.drbd: DRBD 8.4 mirrors between two cluster nodes, there are "
                     f"{len(topology.cluster_nodes)}")
    if resources and topology.stack.moves_addresses_only:
        found.append(f"storage.drbd: {topology.stack.kind} promotes nothing")
    for index, one in enumerate(resources):
        path = f"storage.drbd.{index}"
        if one.network is None and not topology.networks_with("storage"):
            found.append(f"{path}.network: no network has the role storage: say which one carries the replication")
        elif one.network is not None and one.network not in topology.networks:
            found.append(f"{path}.network: there is no network {one.network!r}; there are "
                         f"{', '.join(topology.networks)}")
        else:
            network = one.network or topology.networks_with("storage")[0]
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
    return found


def _storage_host(topology: Topology, path: str, field: str, host: str) -> list[str]:
    found = []
    if host not in topology.nodes:
        found.append(f"{path}.{field}: there is no node {host!r}; there are {', '.join(topology.nodes)}")
    elif topology.nodes[host].role != "storage":
        found.append(f"{path}.{field}: {host!r} has the role {topology.nodes[host].role}, not storage")
    if not topology.networks_with("storage"):
        found.append(f"{path}: no network has the role storage")
    return found


def _twice(path: str, names: list[str]) -> list[str]:
    return [f"{path}: {name!r} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]


def _real_servers(topology: Topology, path: str, names: tuple[str, ...]) -> list[str]:
    if not names:
        return [f"{path}.real_servers: needs at least one machine with the role real-server"]
    return [f"{path}.real_servers: there is no machine {name!r} with the role real-server; there are "
            f"{', '.join(topology.nodes_with('real-server')) or 'none'}"
            for name in names if name not in topology.nodes_with("real-server")]


def _databases(topology: Topology) -> list[str]:
    found, seen = [], []
    sizes = {("lun", lun.name): lun.size for lun in (topology.storage.iscsi.luns if topology.storage.iscsi else ())}
    sizes |= {("drbd", one.name): one.size for one in topology.storage.drbd}
    for name, service in topology.services.items():
        for index, part in enumerate(service.group):
            if part.kind != "daemon" or part.name != "mariadb":
                continue
            path = f"services.{name}.group.{index}"
            seen.append(name)
            if service.filesystem is None:
                found.append(f"{path}: mariadb keeps its data on the group's file system, and there is none")
            elif index < service.group.index(service.filesystem):
                found.append(f"{path}: mariadb starts after the file system that it keeps its data on")
            if part.document_root is not None:
                found.append(f"{path}.document_root: mariadb keeps its data on the group's file system")
            for kind in ("lun", "drbd") if service.filesystem else ():
                volume = getattr(service.filesystem, kind)
                if sizes.get((kind, volume), _MARIADB_SIZE) < _MARIADB_SIZE:
                    place = service.group.index(service.filesystem)
                    found.append(f"services.{name}.group.{place}.{kind}: mariadb needs a file system of "
                                 f"{_MARIADB_SIZE // 2**20}M at least, {volume!r} has "
                                 f"{sizes[kind, volume] // 2**20}M")
            if part.agent not in _MARIADB_AGENTS:
                found.append(f"{path}.agent: {part.agent} does not start mariadb; take one of "
                             f"{', '.join(_MARIADB_AGENTS)}")
    if len(seen) > 1:
        found.append(f"services: {' and '.join(seen)} have a mariadb each, and a node has one configuration of it")
    return found


def _export(topology: Topology, path: str, service: Service, index: int) -> list[str]:
    found = []
    if not topology.stack.manages_resources:
        found.append(f"{path}: an export is for the stack {kinds_with('manages_resources')}")
    if service.daemon is None or service.daemon.name != "nfs-server":
        found.append(f"{path}: needs a daemon nfs-server in the group")
    elif index < service.group.index(service.daemon):
        found.append(f"{path}: starts after the nfs-server that exports it")
    if service.filesystem is None:
        found.append(f"{path}: there is no file system in the group that could be exported")
    elif service.filesystem.export is not None:
        found.append(f"{path}: what is mounted by NFS can't be exported again")
    return found


def _client(topology: Topology, name: str) -> list[str]:
    service, path = topology.services[name], f"services.{name}"
    is_server = service.daemon is not None and service.daemon.name == "nfs-server"
    found = []
    if is_server and service.export is None:
        found.append(f"{path}.group: an nfs-server needs an export beside it")
    if is_server and service.client is None:
        found.append(f"{path}.client: needed: nobody but a machine can be the client of an nfs-server")
    if service.client is not None:
        if not is_server:
            found.append(f"{path}.client: is for an nfs-server; other services are asked by Fenceline itself")
        if service.client.node not in topology.nodes_with("client"):
            found.append(f"{path}.client.node: there is no machine {service.client.node!r} with the role client; there "
                         f"are {', '.join(topology.nodes_with('client')) or 'none'}")
        elif not set(topology.networks_of(service.client.node)) & set(topology.networks_with("service")):
            found.append(f"{path}.client.node: {service.client.node} is not plugged into the service network")
        if service.vip is None:
            found.append(f"{path}.client: the group has no vip that it could mount from")
    return found


def _services(topology: Topology) -> list[str]:
    found = []
    luns = {lun.name: lun for lun in topology.storage.iscsi.luns} if topology.storage.iscsi else {}
    exports = {export.name for export in topology.storage.nfs.exports} if topology.storage.nfs else set()
    drbd = {one.name: one for one in topology.storage.drbd}
    services = topology.networks_with("service")
    seen_vips: dict[object, str] = {}
    seen_mounts: dict[str, str] = {}
    seen_disks: dict[tuple[str, str], str] = {}
    for name, service in topology.services.items():
        for index, part in enumerate(service.group):
            path = f"services.{name}.group.{index}"
            if part.kind == "vip" and services:
                subnet = topology.networks[services[0]].subnet
                if part.address not in subnet:
                    found.append(f"{path}.address: {part.address} is not in the service network {subnet}")
                elif part.address in (own := _own_addresses(topology, services[0])):
                    found.append(f"{path}.address: {part.address} is {own[part.address]}'s own; those of .{VIP_FIRST} "
                                 "and above are free")
                elif part.address == subnet.broadcast_address:
                    found.append(f"{path}.address: {part.address} is the broadcast address of the service network")
                if part.address in seen_vips:
                    found.append(f"{path}.address: {part.address} is {seen_vips[part.address]}'s already")
                seen_vips[part.address] = name
            if part.kind == "filesystem":
                # mounts are told apart by where they are
                if part.mountpoint in seen_mounts:
                    found.append(f"{path}.mountpoint: {part.mountpoint} is {seen_mounts[part.mountpoint]}'s already")
                seen_mounts[part.mountpoint] = name
                for what in ("lun", "export", "drbd"):
                    disk = (what, getattr(part, what))
                    if disk[1] is not None and seen_disks.setdefault(disk, name) != name:
                        found.append(f"{path}.{what}: {disk[1]!r} is {seen_disks[disk]}'s already")
                if sum(one is not None for one in (part.lun, part.export, part.drbd)) != 1:
                    found.append(f"{path}: say one of lun, export and drbd")
                elif part.drbd is not None:
                    if part.drbd not in drbd:
                        found.append(f"{path}.drbd: there is no resource {part.drbd!r} in storage.drbd")
                    elif drbd[part.drbd].filesystem is None:
                        found.append(f"{path}.drbd: the resource {part.drbd!r} has no file system")
                elif part.export is not None:
                    if part.export not in exports:
                        found.append(f"{path}.export: there is no export {part.export!r} in storage.nfs.exports")
                elif part.lun not in luns:
                    found.append(f"{path}.lun: there is no LUN {part.lun!r} in storage.iscsi.luns")
                elif luns[part.lun].filesystem is None:
                    found.append(f"{path}.lun: the LUN {part.lun!r} has no file system")
            if part.kind == "daemon" and part.name == "haproxy" and not topology.stack.moves_addresses_only:
                found.append(f"{path}.name: haproxy is for the stack {kinds_with('moves_addresses_only')}")
            if part.kind == "virtual-server" and not topology.stack.moves_addresses_only:
                found.append(f"{path}: a virtual-server is for the stack {kinds_with('moves_addresses_only')}")
            if part.kind == "virtual-server" or (part.kind == "daemon" and part.name == "haproxy"):
                found += _real_servers(topology, path, part.real_servers)
            elif part.kind == "daemon" and part.real_servers:
                found.append(f"{path}.real_servers: nginx answers itself")
            elif part.kind == "daemon" and part.name == "nfs-server" and service.filesystem is None:
                found.append(f"{path}: an nfs-server keeps its state on the group's file system, and there is none")
            elif part.kind == "daemon" and part.document_root is None and service.filesystem is None:
                found.append(f"{path}.document_root: needed, as the group has no file system")
            if part.kind == "export":
                found += _export(topology, path, service, index)
        if service.daemon and service.virtual_server:
            found.append(f"services.{name}.group: either a daemon or a virtual-server")
        found += _client(topology, name)
        for node in service.domain.nodes:
            if node not in topology.service_nodes:
                found.append(f"services.{name}.domain.nodes: there is no cluster node {node!r}")
        if service.domain.restricted and not service.domain.nodes:
            found.append(f"services.{name}.domain.restricted: needs nodes")
    return found
