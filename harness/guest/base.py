"""What every node of a topology gets, whatever its role: name, addresses, keys, the guest agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fenceline.guest.seed import Seed
from fenceline.guest.ssh import KeyPair
from fenceline.model.addressing import address, device, mac
from fenceline.model.topology import Topology

_AGENT = Path(__file__).with_name("agent.py")


def base_seed(topology: Topology, node: str, key: KeyPair, host_key: KeyPair,
              watched: Mapping[str, Any] = MappingProxyType({})) -> Seed:
    """The seed of ``node`` before storage and cluster software add theirs; ``watched``: further settings of its
    agent."""
    seed = Seed()
    seed.add("/etc/hostname", node + "\n")
    seed.add("/etc/hosts", _hosts(topology, node))
    seed.add("/root/.ssh/authorized_keys", key.public + "\n", 0o600)
    seed.add("/etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600)
    seed.add("/etc/ssh/ssh_host_ed25519_key.pub", host_key.public + "\n")
    seed.add("/usr/lib/fenceline/agent.py", _AGENT.read_text(), 0o755)
    if topology.stack.membership is not None:
        seed.add("/usr/lib/fenceline/membership.py", topology.stack.membership.read_text())
    seed.add("/etc/fenceline/agent.json", json.dumps({**_agent_settings(topology, node), **watched}))
    seed.setup += [f"hostname {node}", "chmod 700 /root /root/.ssh"]
    # a panic of the guest's own becomes known to QEMU at once; UML has no need of it
    seed.setup.append("[ -e /dev/ubda ] || modprobe -q pvpanic-mmio")
    seed.setup += _address_lines(topology, node)
    seed.units += ["ssh.service", "fenceline-agent.service"]
    return seed


def _hosts(topology: Topology, node: str) -> str:
    # a node's name means its heartbeat address, as cluster software expects; others their management address
    lines = ["127.0.0.1 localhost"]
    for name in topology.nodes:
        role = "heartbeat" if name in topology.service_nodes else "management"
        networks = [n for n in topology.networks_with(role) if n in topology.networks_of(name)]
        if networks:
            lines.append(f"{address(topology, name, networks[0])} {name}")
    return "\n".join(lines) + "\n"


def _address_lines(topology: Topology, node: str) -> list[str]:
    lines = ["ip link set lo up"]
    for network in topology.networks_of(node):
        own = address(topology, node, network)
        prefix = topology.networks[network].subnet.prefixlen
        wanted = device(topology, node, network)
        # found by its MAC and renamed: UML calls its cards vecN, QEMU ethN, in an order of their own
        lines += [f'for card in /sys/class/net/*; do if grep -qi {mac(topology, node, network)} $card/address; then '
                  f'name=${{card##*/}}; [ "$name" = {wanted} ] || ip link set "$name" down name {wanted}; fi; done',
                  f"ip link set {wanted} up",
                  f"ip addr add {own}/{prefix} brd + dev {wanted}"]
    return lines


def _agent_settings(topology: Topology, node: str) -> dict:
    is_member = topology.nodes[node].role == "cluster"
    services = topology.services.values() if node in topology.service_nodes else ()
    return {
        "device": None,  # the agent finds the serial line of its driver
        "mountpoints": [part.mountpoint for service in services for part in service.filesystems],
        "addresses": [str(part.address) for service in services for part in service.vips],
        "ports": [daemon.port for service in services for daemon in service.daemons],
        "logs": [topology.stack.log_file] if is_member else [],
        "quorum": is_member and topology.stack.on_corosync,
        "membership": {"kind": topology.stack.kind, "self": node, "nodes": list(topology.cluster_nodes),
                       "instances": list(topology.services)}
        if is_member and topology.stack.membership is not None else None,
    }
