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
from fenceline.model.storage import StorageKind, kinds_in, storage_kinds

if TYPE_CHECKING:
    from fenceline.model.shape import Filesystem, Service, Shape

_MARIADB_AGENTS = ("ocf:heartbeat:mysql", "systemd:mariadb", "lsb:mariadb")
_MARIADB_SIZE = 128 * 2**20


def problems(topology: Shape) -> list[str]:
    """Everything that is inconsistent in ``topology``, one line each; empty if nothing is."""
    return [*_networks(topology), *_nodes(topology), *_addresses(topology), *_storage(topology),
            *fencing_problems(topology),
            *_services(topology), *_databases(topology), *declared_problems(topology), *placement_problems(topology),
            *cluster_problems(topology), *stack_problems(topology)]


def _networks(topology: Shape) -> list[str]:
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


def _own_addresses(topology: Shape, network: str) -> dict[object, str]:
    """{address: the machine that has it of its own}."""
    return {address(topology, node, network): node for node in topology.nodes if network in topology.networks_of(node)}


def _addresses(topology: Shape) -> list[str]:
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


def _nodes(topology: Shape) -> list[str]:
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


def _storage(topology: Shape) -> list[str]:
    found = [problem for kind in kinds_in(topology) for problem in kind.problems(topology)]
    served: dict[str, StorageKind] = {}
    for kind in kinds_in(topology):
        host = kind.host(topology)
        if host in served:
            found.append(f"storage.{kind.name}.{kind.host_field}: {host!r} is {served[host].host_title} already; its "
                         "disks are numbered once")
        elif host is not None:
            served[host] = kind
    return found


def _real_servers(topology: Shape, path: str, names: tuple[str, ...]) -> list[str]:
    if not names:
        return [f"{path}.real_servers: needs at least one machine with the role real-server"]
    return [f"{path}.real_servers: there is no machine {name!r} with the role real-server; there are "
            f"{', '.join(topology.nodes_with('real-server')) or 'none'}"
            for name in names if name not in topology.nodes_with("real-server")]


def _databases(topology: Shape) -> list[str]:
    found, seen = [], []
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
            kind, disk = (topology.disk_of(service.filesystem) if service.filesystem else None) or (None, None)
            if kind is not None and kind.is_block and disk.size < _MARIADB_SIZE:
                place = service.group.index(service.filesystem)
                found.append(f"services.{name}.group.{place}.{kind.disk_word}: mariadb needs a file system of "
                             f"{_MARIADB_SIZE // 2**20}M at least, {disk.name!r} has {disk.size // 2**20}M")
            if part.agent not in _MARIADB_AGENTS:
                found.append(f"{path}.agent: {part.agent} does not start mariadb; take one of "
                             f"{', '.join(_MARIADB_AGENTS)}")
    if len(seen) > 1:
        found.append(f"services: {' and '.join(seen)} have a mariadb each, and a node has one configuration of it")
    return found


def _export(topology: Shape, path: str, service: Service, index: int) -> list[str]:
    found = []
    if not topology.stack.manages_resources:
        found.append(f"{path}: an export is for the stack {kinds_with('manages_resources')}")
    if service.daemon is None or service.daemon.name != "nfs-server":
        found.append(f"{path}: needs a daemon nfs-server in the group")
    elif index < service.group.index(service.daemon):
        found.append(f"{path}: starts after the nfs-server that exports it")
    if service.filesystem is None:
        found.append(f"{path}: there is no file system in the group that could be exported")
    elif topology.filesystem_type(service.filesystem) == "nfs":
        found.append(f"{path}: what is mounted by NFS can't be exported again")
    return found


def _client(topology: Shape, name: str) -> list[str]:
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


def _disk(topology: Shape, path: str, part: Filesystem) -> list[str]:
    words = [kind.disk_word for kind in storage_kinds()]
    if len(part.disks) != 1:
        return [f"{path}: say one of {', '.join(words[:-1])} and {words[-1]}"]
    (word, name), = part.disks.items()
    kind = next(kind for kind in storage_kinds() if kind.disk_word == word)
    found = topology.disk_of(part)
    if found is None:
        return [f"{path}.{word}: there is no {kind.disk_noun} {name!r} in {kind.listed}"]
    return [f"{path}.{word}: the {kind.disk_noun} {name!r} has no file system"] if found[1].filesystem is None else []


def _services(topology: Shape) -> list[str]:
    found = []
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
                for disk in part.disks.items():
                    if seen_disks.setdefault(disk, name) != name:
                        found.append(f"{path}.{disk[0]}: {disk[1]!r} is {seen_disks[disk]}'s already")
                found += _disk(topology, path, part)
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
