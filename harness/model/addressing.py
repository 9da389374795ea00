"""Who has which address in a topology: pure functions, so that the guest's configuration, the fabric, the
BMCs and the observers agree without telling each other.

The host part of an address is the same in every network: cluster nodes .11 to .26, remote nodes .31, storage hosts .41,
quorum devices .51, real servers .61, client machines .71; the BMC of cluster node .11 is .111 in the management
network, power distribution units are .101 to .110 there; Fenceline itself has .1 there and, as the client, .9 in the
service network, and .8 as the router in front of other clients. Floating addresses are .128 and above.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fenceline.model.shape import Shape

MAX_CLUSTER_NODES = 16
MAX_HELPERS = 10  # of each role that is no member: their numbers are ten apart
VIP_FIRST = 128
_FIRST = {"cluster": 11, "remote": 31, "storage": 41, "quorum-device": 51, "real-server": 61, "client": 71}
_BMC_OFFSET = 100
_PDU_FIRST = 101
_HARNESS = 1
CLIENT_NAME = "client"  # in place of a machine's name: Fenceline itself, among the clients
_CLIENT = 9
_ROUTER = 8


def host_number(topology: Shape, node: str) -> int:
    """The last byte of every address of ``node``."""
    role = topology.nodes[node].role
    return _FIRST[role] + topology.nodes_with(role).index(node)


def address(topology: Shape, node: str, network: str) -> IPv4Address:
    """``node``'s own address in ``network``."""
    told = topology.nodes[node].addresses.get(network)
    return told if told is not None else topology.networks[network].subnet.network_address + host_number(topology, node)


def management_address(topology: Shape, node: str) -> IPv4Address:
    """Where SSH reaches ``node``."""
    return address(topology, node, topology.networks_with("management")[0])


def bmc_address(topology: Shape, node: str) -> IPv4Address:
    """Where ``node``'s BMC listens (UDP 623), in the management network."""
    network = topology.networks_with("management")[0]
    return address(topology, node, network) + _BMC_OFFSET


def pdu_address(topology: Shape, pdu: str) -> IPv4Address:
    """Where the power distribution unit ``pdu`` listens (UDP 161), in the management network."""
    network = topology.networks_with("management")[0]
    return topology.networks[network].subnet.network_address + _PDU_FIRST + list(topology.fencing.pdus).index(pdu)


def harness_address(topology: Shape, network: str) -> IPv4Address:
    """Fenceline's own address in ``network``: .9 where the clients are, else .1."""
    is_service = topology.networks[network].role == "service"
    return _free(topology, network, _CLIENT if is_service else _HARNESS)


def router_address(topology: Shape, network: str) -> IPv4Address:
    """In a service ``network``: the address of the router by way of which other clients come."""
    return _free(topology, network, _ROUTER)


def _free(topology: Shape, network: str, number: int) -> IPv4Address:
    """The address of ``number`` in ``network``; where a machine was given that one, the next number below 250 that none
    has, counted down: 249 for 1, 241 for 9."""
    first = topology.networks[network].subnet.network_address
    taken = taken_addresses(topology, network)
    numbers = (number, *range(250 - number, number, -10))
    return first + next((one for one in numbers if first + one not in taken), number)


def taken_addresses(topology: Shape, network: str) -> dict[IPv4Address, str]:
    """{address: who has it}, of what a topology itself gives away in ``network``: machines that were told theirs, and
    floating addresses."""
    found = {told: name for name, node in topology.nodes.items() for where, told in node.addresses.items()
             if where == network}
    found |= {part.address: name for name, service in topology.services.items() for part in service.group
              if part.kind == "vip"}
    return found


def ping_address(topology: Shape, name: str) -> IPv4Address | None:
    """Where cluster nodes ping ``name``, a machine or ``CLIENT_NAME``: in a network that all of them are in, that of
    the clients first; None if there is none."""
    members = [set(topology.networks_of(node)) for node in topology.cluster_nodes]
    common = set.intersection(*members) if members else set()
    own = set(topology.networks_with("service")) if name == CLIENT_NAME else set(topology.networks_of(name))
    for role in ("service", "storage", "heartbeat", "management"):
        for network in topology.networks_with(role):
            if network in common & own:
                return harness_address(topology, network) if name == CLIENT_NAME else address(topology, name, network)
    return None


def mac(topology: Shape, node: str, network: str) -> str:
    """The MAC address of ``node``'s card in ``network``: locally administered, 52:54:00 as QEMU's."""
    number = list(topology.networks).index(network)
    return f"52:54:00:fe:{number:02x}:{host_number(topology, node):02x}"


def node_of_mac(topology: Shape, address: str) -> str | None:
    """The node whose card has this MAC ``address``, or None."""
    for node in topology.nodes:
        for network in topology.networks_of(node):
            if mac(topology, node, network) == address.lower():
                return node
    return None


def device(topology: Shape, node: str, network: str) -> str:
    """The name that ``node``'s card in ``network`` gets inside the guest: the network's own, for those that run
    services, or eth0, eth1, ... in the file's order."""
    own = topology.networks[network].device
    if own is not None and topology.nodes[node].role in ("cluster", "remote"):
        return own
    return f"eth{topology.networks_of(node).index(network)}"
