"""What a topology must be like for Pacemaker. Each problem starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def problems(topology: Topology) -> list[str]:
    """Everything that Pacemaker could not do, one line each."""
    quorum = topology.stack.quorum
    found = []
    for name, service in topology.services.items():
        if "vip-first" in service.mistakes and (service.vip is None or service.vip is service.group[0]):
            found.append(f"services.{name}.mistakes: vip-first needs a vip that is not the first of its group")
        if "not-announced" in service.mistakes and service.vip is None:
            found.append(f"services.{name}.mistakes: not-announced needs a vip")
    if quorum.policy == "two_node" and len(topology.cluster_nodes) != 2:
        found.append(f"stack.quorum.policy: two_node needs two cluster nodes, there are {len(topology.cluster_nodes)}")
    if quorum.policy == "qdevice":
        if quorum.device is None:
            found.append("stack.quorum.device: the policy qdevice needs a machine with the role quorum-device")
        elif quorum.device not in topology.nodes:
            found.append(f"stack.quorum.device: there is no node {quorum.device!r}")
        elif topology.nodes[quorum.device].role != "quorum-device":
            found.append(f"stack.quorum.device: {quorum.device!r} has the role "
                         f"{topology.nodes[quorum.device].role}, not quorum-device")
    elif quorum.device is not None:
        found.append(f"stack.quorum.device: has no meaning with the policy {quorum.policy}")
    return found
