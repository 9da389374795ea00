"""What the loss of machines, cables, packets and disks takes away from a topology: the costs that faults share.

Pure, and lenient to names that there are not: a fault that names one is refused by its own check, in its own words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from fenceline.model.cost import Cost, Link
from fenceline.model.fencing import SBD
from fenceline.model.storage import StorageKind, kinds_in, storage_kinds

if TYPE_CHECKING:
    from fenceline.model.topology import Topology

#: A network that loses this share of its packets (%) is as good as cut.
CUT_PERCENT = 50.0
#: Up to this share (%) every stack goes on as if nothing was. Corosync is the most sensitive: by its own figures
#: (``fenceline.model.totem``) two members with a token of 1 s lose each other within a minute with a chance of 1 % at
#: 1 %, and of 9 % at 2 %. heartbeat misses six in a row, VRRP three.
BORNE_PERCENT = 1.0
#: Exchanges with the disk, one after the other, that a takeover makes: a journal replayed, a mount, a daemon's start.
TAKEOVER_TRIPS = 100
#: Exchanges of one check of a file system that writes (OCF_CHECK_LEVEL 20), and its timeout (s).
CHECK_TRIPS, CHECK_S = 20, 20.0
#: Exchanges of a client until it has its answer, from the ARP question on.
CLIENT_TRIPS = 5
#: A client waits so long (s) for one of them.
CLIENT_PATIENCE_S = 1.0
#: TCP sends again what was lost after about so long (s).
RESENT_S = 0.3
#: What (kbit) a node reads from its disk in a takeover.
TAKEOVER_KBIT = 8 * 4096
#: With less (kbit/s) the questions of the clients, 125 a second, don't all arrive.
CLIENTS_KBIT = 500
HTTP = 80
#: Of the time that the others wait for a silent member: it was not heard at the very moment before.
NEARLY = 0.8
#: Commands of one fencing: fence_ipmilan asks for the power, switches it off, asks until it is off, and to reboot
#: switches it on and asks once more; the cluster waits for its end. Counted at the virtual BMCs in a dozen runs.
FENCING_COMMANDS = {"off": 3, "reboot": 5}
#: Packets of one such command, there and back, and how long ipmitool waits (s) before it sends one again.
IPMI_PACKETS, IPMI_AGAIN_S = 14, 2.0


def heartbeats(topology: Topology) -> tuple[str, ...]:
    """The networks over which the members hear each other."""
    return topology.stack.heartbeat_networks(topology)


def patience_s(topology: Topology) -> float:
    """For how long (s) a member may be silent before the others take it for dead."""
    return topology.stack.patience_s


def services_of(topology: Topology, host: str) -> frozenset[str]:
    """The services whose file system is on the storage host ``host``."""
    return frozenset(name for name in topology.services if topology.storage_host(name) == host)


def _kinds_on(topology: Topology, host: str) -> list[StorageKind]:
    return [kind for kind in kinds_in(topology) if kind.host(topology) == host]


def services_on(topology: Topology, disk: str) -> frozenset[str]:
    """The services whose file system is on the block device ``disk`` of the storage."""
    words = [kind.disk_word for kind in storage_kinds() if kind.is_block]
    return frozenset(name for name, service in topology.services.items()
                     if any(disk == part.disks.get(word) for part in service.filesystems for word in words))


def users(topology: Topology, services: Iterable[str]) -> frozenset[str]:
    """The nodes that may run one of ``services``."""
    return frozenset(node for service in services for node in topology.preferred_nodes(service))


# -- machines ----------------------------------------------------------------------------------------------


def machine_lost(topology: Topology, node: str) -> Cost:
    """``node`` is off, hangs, or can't be reached by those who need it. Who has a file system of a lost storage host
    may fail to stop, and be fenced for that."""
    if node not in topology.nodes:
        return Cost()
    cost = Cost(lost=frozenset({node}), quorum_device=node == topology.stack.quorum.device,
                victims=users(topology, services_of(topology, node)))
    return cost | pills_lost(topology, [disk.name for kind in _kinds_on(topology, node) if kind.carries_pills
                                        for disk in kind.disks(topology)])


def machine_left(topology: Topology, node: str) -> Cost:
    """``node``, or its cluster software, stops in order."""
    return Cost(left=frozenset({node})) if node in topology.service_nodes else machine_lost(topology, node)


def starved(topology: Topology, node: str) -> Cost:
    """``node`` does not get to do its work for a while. One that runs services may be fenced for it, or go on: the
    service is owed all the same."""
    if node not in topology.service_nodes:
        return machine_lost(topology, node)
    return Cost(victims=frozenset({node}), restless=node in topology.cluster_nodes)


def victim(topology: Topology, node: str) -> Cost:
    """Something is wrong in ``node`` that it may be fenced for; of a machine that nobody fences nothing."""
    return Cost(victims=frozenset({node}) & frozenset(topology.service_nodes))


def daemon_out(topology: Topology, node: str, daemon: str) -> Cost:
    """A daemon of the cluster software is dead, or hangs: its node is fenced, or the daemon started again. Without
    fencing nobody does either."""
    if daemon == "ipfail":
        return Cost()
    if daemon == "haproxy":
        return Cost(unfit=frozenset({node}))
    return machine_lost(topology, node) if topology.fencing.method == "none" else victim(topology, node)


def still(topology: Topology, node: str, seconds: float) -> Cost:
    """``node`` stands still for ``seconds``, and goes on: its machine tells when it is out. Only one that is silent for
    (nearly) as long as the others wait may be fenced."""
    return victim(topology, node) if seconds >= NEARLY * patience_s(topology) else Cost()


# -- networks ----------------------------------------------------------------------------------------------


def links_of(topology: Topology, network: str, node: str | None = None) -> frozenset[Link]:
    """Every link of ``network``, or those of ``node``, both ways."""
    plugged = [name for name in topology.nodes if network in topology.networks_of(name)]
    return frozenset((network, one, other) for one in plugged for other in plugged
                     if one != other and node in (None, one, other))


def links_lost(topology: Topology, links: Collection[Link]) -> Cost:
    """Nothing that is sent over ``links`` arrives: what that takes away from the machines that speak over them. (Who
    asks from outside, a client, is on none of them.)"""
    members = set(topology.cluster_nodes)
    device = topology.stack.quorum.device
    beats, management = heartbeats(topology), topology.networks_with("management")
    cost = Cost(unheard=frozenset(
        (network, one, other) for network, one, other in links
        if (network in beats and {one, other} <= members)
        or (network in management and device in (one, other) and {one, other} & members)))
    for kind in kinds_in(topology):
        cost |= kind.links_lost(topology, frozenset(links))
    for host in topology.nodes_with("storage"):
        cost |= _host_unreached(topology, host, _partners(host, topology.networks_with("storage")[:1], links))
    for node in topology.nodes_with("remote"):
        # a member holds the connection to it, over the first heartbeat network
        lost = _partners(node, topology.networks_with("heartbeat")[:1], links) & members
        cost |= Cost(victims=frozenset({node} if lost else ()), unfit=frozenset({node} if lost == members else ()))
    for name, service in topology.services.items():
        behind = set(service.real_servers)
        cost |= Cost(unfit_for=frozenset(
            (name, node) for node in topology.service_nodes
            if behind and behind <= _partners(node, topology.networks_with("service"), links)))
    return cost


def _partners(node: str, networks: Collection[str], links: Collection[Link]) -> frozenset[str]:
    """With whom ``node`` can't speak over ``networks``: what is lost one way is lost for a conversation."""
    return frozenset(one if other == node else other for network, one, other in links
                     if network in networks and node in (one, other))


def device_out(topology: Topology, node: str, device: str) -> Cost:
    """The fencing ``device`` (ipmi, sbd, a PDU) does not do what it is told with ``node``. Where there are further
    levels, the fencing takes until the cluster gives the one with it up."""
    levels = topology.fencing.levels_of(node) if node in topology.service_nodes else ()
    if all(device in level for level in levels):
        return Cost(unfenceable=frozenset({node}))
    if not any(device in level for level in levels):
        return Cost()
    slower = topology.fencing.timeout * sum(device in level for level in levels[:-1])
    return Cost(devices_out=frozenset({(node, device)}), slower_s=slower)


def _host_unreached(topology: Topology, host: str, by: frozenset[str]) -> Cost:
    """The storage host ``host`` is not reached by the machines ``by``."""
    nodes = by & frozenset(topology.service_nodes)
    if nodes and nodes >= users(topology, topology.services):
        return replace(machine_lost(topology, host), lost=frozenset(), unfit=frozenset({host}))
    return path_lost(topology, host, nodes)


def path_lost(topology: Topology, host: str, nodes: frozenset[str]) -> Cost:
    """``nodes``, not all that there are, have lost their way to what the storage host ``host`` exports."""
    mine = services_of(topology, host)
    cost = Cost(unfit_for=frozenset((service, node) for service in mine for node in nodes),
                victims=nodes & users(topology, mine))
    if (SBD in topology.fencing.devices and topology.fencing.sbd.luns
            and any(kind.carries_pills for kind in _kinds_on(topology, host))):
        # it reads no pill, and writes none
        cost |= Cost(victims=nodes, disarmed=nodes if topology.fencing.is_in_every_level(SBD) else frozenset())
    return cost


def cables_cut(topology: Topology, node: str, networks: Iterable[str]) -> Cost:
    """The cables of ``node`` in ``networks`` are out."""
    if node not in topology.nodes:
        return Cost()
    cut = [name for name in networks if name in topology.networks_of(node)]
    return (links_lost(topology, frozenset().union(*(links_of(topology, name, node) for name in cut)))
            | _outside_lost(topology, node, cut))


def _outside_lost(topology: Topology, node: str, cut: Collection[str]) -> Cost:
    """``node`` reaches nobody in the networks ``cut``: neither clients nor fencing devices."""
    roles = {topology.networks[name].role for name in cut}
    if node in topology.service_nodes:
        return Cost(unfit=frozenset({node} if "service" in roles else ()),
                    disarmed=frozenset({node} if "management" in roles and topology.fencing.needs_network else ()))
    if topology.nodes[node].role in ("real-server", "client") and "service" in roles:
        return Cost(unfit=frozenset({node}))
    return Cost()


def packets_lost(topology: Topology, network: str, percent: float, node: str | None = None, row: float = 1.0) -> Cost:
    """``percent`` of the packets in ``network`` are lost, or of those of ``node`` alone; ``row`` of them one after the
    other, on average."""
    if network not in topology.networks or node not in (None, *topology.nodes):
        return Cost()
    links = links_of(topology, network, node)
    if percent >= CUT_PERCENT:
        cost = links_lost(topology, links) | Cost(restless=network in heartbeats(topology) and percent < 100)
        if node is not None:
            return cost | _outside_lost(topology, node, [network])
        role = topology.networks[network].role
        return cost | Cost(stopped=frozenset(topology.services if role == "service" else ()),
                           unfenceable=devices_unreached(topology, network))
    # what comes in a row hits a token, and all that it is sent again by, at once
    if percent <= BORNE_PERCENT and row < 2:
        return Cost()
    return unsteady(topology, links) | Cost(slower_s=_resent(topology, network, percent))


def devices_unreached(topology: Topology, network: str) -> frozenset[str]:
    """The nodes whose fencing devices are reached over ``network``, and are not."""
    is_theirs = network in topology.networks_with("management") and topology.fencing.needs_network
    return frozenset(topology.service_nodes if is_theirs else ())


def _resent(topology: Topology, network: str, percent: float) -> float:
    """For how much longer (s) a failover takes for what TCP, or ipmitool, must send again."""
    trips = {"storage": TAKEOVER_TRIPS, "service": CLIENT_TRIPS}.get(topology.networks[network].role, 0)
    return round(trips * RESENT_S * percent / 100, 3) + (
        ipmi_resent(topology, percent) if devices_unreached(topology, network) else 0.0)


def ipmi_resent(topology: Topology, percent: float) -> float:
    """For how much longer (s) a fencing takes when ``percent`` of the packets to and from its device are lost."""
    return round(FENCING_COMMANDS[topology.fencing.action] * IPMI_PACKETS * IPMI_AGAIN_S * percent / 100, 3)


def unsteady(topology: Topology, links: Iterable[Link]) -> Cost:
    """Heartbeats over ``links`` are lost, or late, now and then; a remote node is spoken to over the first of their
    networks, and has no other."""
    members, remotes = set(topology.cluster_nodes), set(topology.nodes_with("remote"))
    theirs = frozenset(link for link in links if link[0] in heartbeats(topology))
    return Cost(unsteady=frozenset(link for link in theirs if set(link[1:]) <= members),
                victims=frozenset(node for network, *pair in theirs if network == heartbeats(topology)[0]
                                  and remotes & set(pair) and set(pair) - remotes <= members
                                  for node in remotes & set(pair)))


def packets_late(topology: Topology, network: str, node: str, seconds: float) -> Cost:
    """What ``node`` is sent in ``network`` comes ``seconds`` late. Heartbeats that are late by half of the time after
    which a member is dead are as good as lost, where each of them is answered as Corosync's; by a quarter, they may
    be."""
    if node not in topology.nodes or network not in topology.networks_of(node):
        return Cost()
    links, cost = links_of(topology, network, node), Cost()
    beats = frozenset(link for link in links if link[0] in heartbeats(topology))
    if 2 * seconds >= patience_s(topology) and topology.stack.on_corosync:
        cost |= links_lost(topology, beats) | Cost(restless=bool(beats))
    elif 4 * seconds >= patience_s(topology):
        cost |= unsteady(topology, beats)
    role = topology.networks[network].role
    if role == "service" and node in topology.service_nodes:
        cost |= Cost(unfit=frozenset({node} if 2 * seconds >= CLIENT_PATIENCE_S else ()),
                     slower_s=round(CLIENT_TRIPS * seconds, 3))
    elif role == "storage":
        own = services_of(topology, node) or frozenset(
            name for name, service in topology.services.items() if service.filesystem)
        cost |= disk_late(topology, own, seconds)
    elif role == "management" and topology.fencing.needs_network and node in topology.service_nodes:
        # each packet of a command waits for the answer to the one before
        cost |= Cost(slower_s=round(FENCING_COMMANDS[topology.fencing.action] * IPMI_PACKETS / 2 * seconds, 3))
    return cost


def rate_limited(topology: Topology, network: str, node: str, kbit: float) -> Cost:
    """``node`` receives at most ``kbit`` kbit/s in ``network``."""
    if node not in topology.nodes or network not in topology.networks_of(node):
        return Cost()
    links = links_of(topology, network, node)
    cost = unsteady(topology, links) if kbit < topology.stack.heartbeat_kbit else Cost()
    role = topology.networks[network].role
    if role == "storage":
        cost |= Cost(slower_s=round(TAKEOVER_KBIT / kbit, 3))
    elif role == "service" and node in topology.service_nodes and kbit < CLIENTS_KBIT:
        cost |= Cost(unfit=frozenset({node}))
    return cost


def kind_lost(topology: Topology, network: str, kind: str, percent: float) -> Cost:
    """``percent`` of the packets of one ``kind`` (``fenceline.faults.traffic.KINDS``) are lost in ``network``."""
    if network not in topology.networks:
        return Cost()
    if kind == "arp":
        # who knows its neighbour asks again at once when it does not answer: only what is lost for good tells
        return packets_lost(topology, network, percent) if percent >= CUT_PERCENT else Cost()
    if kind in ("totem", "heartbeat", "vrrp"):
        beats = links_of(topology, network) if network in heartbeats(topology) else frozenset()
        if percent >= CUT_PERCENT:
            return links_lost(topology, beats) | Cost(restless=bool(beats) and percent < 100)
        return unsteady(topology, beats) if percent > BORNE_PERCENT else Cost()
    if kind == "ipmi":
        unreached = devices_unreached(topology, network)
        if percent >= CUT_PERCENT:
            return Cost(unfenceable=unreached)
        return Cost(slower_s=ipmi_resent(topology, percent) if unreached and percent > BORNE_PERCENT else 0.0)
    if kind == "http":
        over = network in topology.networks_with("service") and percent >= CUT_PERCENT
        return Cost(stopped=frozenset(name for name, service in topology.services.items() if over
                                      and service.protocol == "http" and service.port == HTTP))
    if network not in topology.networks_with("storage"):
        return Cost()
    return _disk_packets_lost(topology, network, kind, percent)


def _disk_packets_lost(topology: Topology, network: str, packets: str, percent: float) -> Cost:
    if percent < CUT_PERCENT:
        return Cost(slower_s=_resent(topology, network, percent) if percent > BORNE_PERCENT else 0.0)
    return reduce(or_, (kind.packets_lost(topology) for kind in kinds_in(topology) if kind.packets == packets), Cost())


# -- storage and fencing -----------------------------------------------------------------------------------


def session_lost(topology: Topology, kind: StorageKind, node: str) -> Cost:
    """``node`` has no session with the host of the storage ``kind``."""
    host = kind.host(topology)
    return path_lost(topology, host, frozenset({node})) if host else Cost()


def disk_late(topology: Topology, services: frozenset[str], seconds: float) -> Cost:
    """Each exchange with the disk of ``services`` takes ``seconds`` longer. It is slow, not gone; when a check takes
    longer than its timeout, the service is taken for failed, and its node may be fenced for not stopping it."""
    checks_fail = CHECK_TRIPS * seconds >= CHECK_S
    return Cost(slower_s=round(TAKEOVER_TRIPS * seconds, 3) if services else 0.0,
                disturbed=services if checks_fail else frozenset(),
                victims=users(topology, services) if checks_fail else frozenset())


def storage_out(topology: Topology, services: frozenset[str]) -> Cost:
    """The disk, or the export, of ``services`` is gone for every node; a stop may fail where it is still mounted."""
    return Cost(stopped=services, victims=users(topology, services))


def pills_lost(topology: Topology, luns: Collection[str]) -> Cost:
    """``luns`` are gone for every node: if SBD's pills are on most of them, nobody is fenced by one, and who can't look
    may reset itself."""
    sbd = topology.fencing.sbd
    if SBD not in topology.fencing.devices or not sbd.luns or 2 * len(set(luns) & set(sbd.luns)) <= len(sbd.luns):
        return Cost()
    every, nodes = topology.fencing.is_in_every_level(SBD), frozenset(topology.service_nodes)
    return Cost(unfenceable=nodes if every else frozenset(), victims=nodes)


def device_late(topology: Topology, seconds: float) -> Cost:
    """A fencing device does each command ``seconds`` late: a fencing takes as much longer as it has commands."""
    return Cost(slower_s=round(FENCING_COMMANDS[topology.fencing.action] * seconds, 3))
