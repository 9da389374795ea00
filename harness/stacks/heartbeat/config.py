"""ha.cf, authkeys and haresources from a topology; see ha.cf(5), authkeys(5) and ResourceManager's own comments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from fenceline.model.addressing import address, bmc_address, device, ping_address
from fenceline.model.declared import AgentPart
from fenceline.model.fencing import IPMI
from fenceline.model.topology import Daemon, Filesystem, Resource, Service, Topology, Vip
from fenceline.storage.mounting import mount_of

BMC_USER = "fenceline"
LOG, DEBUG_LOG = "/var/log/ha-log", "/var/log/ha-debug"
OCF_CONF = "/etc/ha.d/conf/OCF/{agent}/{instance}"
_IPFAIL = "/usr/libexec/heartbeat/ipfail"


def ha_cf(topology: Topology, node: str, bmc_password: str) -> str:
    """ha.cf of ``node``: the nodes' cards may have different names."""
    stack = topology.stack
    lines = [f"logfile {LOG}", f"debugfile {DEBUG_LOG}", "logfacility none",
             f"keepalive {_time(stack.keepalive)}", f"warntime {_time(stack.warntime)}",
             f"deadtime {_time(stack.deadtime)}", f"initdead {_time(stack.initdead)}"]
    if stack.deadping is not None:
        lines.append(f"deadping {_time(stack.deadping)}")
    lines.append(f"udpport {stack.udpport}")
    for network in topology.networks_with("heartbeat"):
        card = device(topology, node, network)
        if stack.media == "bcast":
            lines.append(f"bcast {card}")
        elif stack.media == "mcast":
            lines.append(f"mcast {card} {stack.mcast_group} {stack.udpport} 1 0")
        else:
            lines += [f"ucast {card} {address(topology, peer, network)}"
                      for peer in topology.cluster_nodes if peer != node]
    lines.append(f"auto_failback {'on' if auto_failback(topology) else 'off'}")
    lines += [f"node {member}" for member in topology.cluster_nodes]
    lines += [f"ping {ping_address(topology, name)}" for name in stack.ping]
    lines += [f"ping_group {group} {' '.join(str(ping_address(topology, name)) for name in names)}"
              for group, names in stack.ping_group.items()]
    if stack.ipfail:
        lines += [f"respawn hacluster {_IPFAIL}", "apiauth ipfail gid=haclient uid=hacluster"]
    if IPMI in topology.fencing.devices:
        # one device per asking node: of several that it may use, heartbeat keeps the last, and shoots whom that one
        # belongs to
        lines += [f"stonith_host {asker} external/ipmi {victim} {bmc_address(topology, victim)} {BMC_USER} "
                  f"{bmc_password} lanplus" for asker, victim in permutations(topology.cluster_nodes, 2)]
    lines += [f"{word} {value}" for word, values in stack.extra.items()
              for value in ([values] if isinstance(values, str) else values)]
    lines.append("crm no")
    return "\n".join(lines) + "\n"


def auto_failback(topology: Topology) -> bool:
    """Whether services go back to their preferred node when it returns."""
    return any(service.domain.failback for service in topology.services.values())


def authkeys(method: str, secret: str) -> str:
    """authkeys, mode 600; crc has no secret."""
    return f"auth 1\n1 {method}{'' if method == 'crc' else ' ' + secret}\n"


def haresources(topology: Topology) -> str:
    """haresources, which must be the same on both nodes: a line per service, its preferred node first."""
    return "".join(f"{preferred(topology, name)} {' '.join(resources(topology, name, service))}\n"
                   for name, service in topology.services.items())


def preferred(topology: Topology, service: str) -> str:
    """The node whose line of haresources ``service`` is in."""
    return topology.preferred_nodes(service)[0]


def resources(topology: Topology, name: str, service: Service) -> list[str]:
    """The words of ``service``'s group in haresources, in the order in which they start."""
    return [_word(topology, name, part) for part in service.group]


def _word(topology: Topology, name: str, part: Resource) -> str:
    """What haresources says for ``part``: two words where a DRBD resource is promoted first."""
    if isinstance(part, Vip):
        subnet = topology.networks[topology.networks_with("service")[0]].subnet
        return f"IPaddr2::{part.address}/{subnet.prefixlen}"
    if isinstance(part, Filesystem):
        mount = mount_of(topology, part)
        promoted = f"drbddisk::{part.drbd} " if part.drbd is not None else ""
        return f"{promoted}Filesystem::{mount.device}::{part.mountpoint}::{mount.fstype}::{mount.options}"
    if not isinstance(part, (Daemon, AgentPart)):
        raise TypeError(f"heartbeat has no {part.kind}")
    kind, _, agent = part.agent.rpartition(":")
    return f"OCF::{agent}::{ocf_instance(name, part)}" if kind.startswith("ocf") else agent


def ocf_instance(service: str, part: Daemon | AgentPart) -> str:
    """The name of the file with the parameters of an OCF agent."""
    return f"{service}-{part.kind}"


def ocf_conf(part: Daemon | AgentPart, parameters: Mapping[str, str]) -> tuple[str, str]:
    """(name of the agent, text of the parameter file) for heartbeat's wrapper of OCF agents."""
    lines = ["OCF_ROOT=/usr/lib/ocf", *(f"OCF_RESKEY_{name}={value}" for name, value in parameters.items())]
    return part.agent.rpartition(":")[2], "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    """A time as ha.cf takes it: whole seconds, or milliseconds with their unit."""
    return f"{seconds:.0f}" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"
