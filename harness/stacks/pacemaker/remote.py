"""Remote nodes: machines that run resources for the cluster without being members (pacemaker_remote); see Pacemaker
Remote. A member holds the connection to each; a remote node that is lost is fenced as any other."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.daemons.seeding import seed_daemon
from fenceline.guest.seed import Seed
from fenceline.model.addressing import address
from fenceline.model.topology import Topology
from fenceline.stacks.pacemaker.elements import attributes, operation

_AUTHKEY = "/etc/pacemaker/authkey"


def seed_authkey(topology: Topology, secret: str, seed: Seed) -> None:
    """The key that members and remote nodes share; the controller reads it as hacluster."""
    if topology.nodes_with("remote"):
        seed.add(_AUTHKEY, secret, 0o640)
        seed.setup.append(f"chgrp haclient {_AUTHKEY}")


def seed_remote(topology: Topology, secret: str, seed: Seed) -> None:
    """Makes the node of ``seed`` a remote node that waits for the cluster at every boot."""
    seed_authkey(topology, secret, seed)
    for name, service in topology.services.items():
        seed_daemon(seed, name, service)
    seed.setup.append("mkdir -p /var/log/pacemaker /var/lib/nginx /var/log/nginx")
    seed.late.append("systemctl start pacemaker_remote.service")


def add_connections(resources: ET.Element, topology: Topology) -> None:
    """For each remote node the resource that is the connection to it, of the same name. A node entry would make the
    cluster fence it when it starts: one that is listed and was never seen is unclean."""
    network = topology.networks_with("heartbeat")[0]
    for node in topology.nodes_with("remote"):
        primitive = ET.SubElement(resources, "primitive", {"id": node, "class": "ocf", "provider": "pacemaker",
                                                           "type": "remote"})
        # the members ask for it as soon as they run, and again until it has booted
        attributes(primitive, "instance_attributes", f"{node}-parameters", {
            "server": str(address(topology, node, network)), "reconnect_interval": "5s"})
        operations = ET.SubElement(primitive, "operations")
        operation(operations, node, "monitor", 2, 5)
        operation(operations, node, "start", 0, 60)
        operation(operations, node, "stop", 0, 60)


def connections(topology: Topology) -> frozenset[str]:
    """The names of the resources that are connections."""
    return frozenset(topology.nodes_with("remote"))
