"""What a director says about itself: a command, and a pure parser, tested on recorded output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fenceline.core.errors import Unreadable
from fenceline.model.addressing import address
from fenceline.model.topology import Topology
from fenceline.stacks.keepalived.config import LOGS, RUN
from fenceline.stacks.sections import ADDRESSES, SOCKETS, addresses, listening_ports, split
from fenceline.stacks.state import ClusterState, MemberState, ResourceState

COMMAND = ("pgrep -x keepalived >/dev/null && echo running || echo stopped; "
           f"grep -q 'does not support proc events' {LOGS[0]} && echo untracked; cd {RUN} && "
           "for f in vrrp-*; do [ -e $f ] && echo vrrp ${f#vrrp-} $(cat $f); done; "
           f"{ADDRESSES}; echo -- ipvs; cat /proc/net/ip_vs 2>/dev/null; {SOCKETS}")


@dataclass(frozen=True, slots=True)
class DirectorStatus:
    """What one director told. ``vrrp``: state of each instance; ``real_servers``: of each virtual server
    (``address:port``), those that get connections. ``tracks``: whether its kernel tells it of processes."""

    node: str
    running: bool
    vrrp: Mapping[str, str]
    addresses: frozenset[str]
    real_servers: Mapping[str, frozenset[str]]
    ports: frozenset[int]
    tracks: bool = True


def parse(node: str, text: str) -> DirectorStatus:
    """What ``COMMAND`` printed on ``node``.

    Raises:
        Unreadable: it isn't that.
    """
    words, sections = split(text)
    if not words or words[0] not in (["running"], ["stopped"]) or set(sections) != {"addresses", "ipvs", "sockets"}:
        raise Unreadable(f"{node}: no status of keepalived", text[:500])
    return DirectorStatus(
        node, words[0] == ["running"], {line[1]: line[2] for line in words[1:] if len(line) == 3},
        addresses(sections["addresses"]),
        parse_ipvs("\n".join(sections["ipvs"])),
        listening_ports(sections["sockets"]),
        ["untracked"] not in words)


def parse_ipvs(text: str) -> dict[str, frozenset[str]]:
    """{virtual server: its real servers with a weight above 0}, each as ``address:port``, of /proc/net/ip_vs."""
    found: dict[str, set[str]] = {}
    current: set[str] | None = None
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 3 and fields[0] == "TCP":
            current = found.setdefault(_endpoint(fields[1]), set())
        elif len(fields) >= 4 and fields[0] == "->" and current is not None and ":" in fields[1] \
                and fields[1] != "RemoteAddress:Port" and fields[3] != "0":
            current.add(_endpoint(fields[1]))
    return {server: frozenset(real) for server, real in found.items()}


def _endpoint(text: str) -> str:
    """``C0A83CC8:0050`` as ``192.168.60.200:80``."""
    host, port = text.split(":")
    return f"{'.'.join(str(byte) for byte in bytes.fromhex(host))}:{int(port, 16)}"


def cluster_state(topology: Topology, told: Mapping[str, DirectorStatus], seen_by: str) -> ClusterState:
    """The state of the directors that ``told`` something. VRRP has no members: online is who runs keepalived."""
    members = tuple(MemberState(name, name in told and told[name].running) for name in topology.cluster_nodes)
    resources, failures = [], []
    network = topology.networks_with("service")[0]
    if topology.stack.check == "process":
        failures += [f"the kernel of {node} tells keepalived of no process' end: say check: script"
                     for node, one in told.items() if not one.tracks]
    for name, service in topology.services.items():
        vip = str(service.vip.address)
        masters = tuple(node for node, one in told.items() if one.running and one.vrrp.get(name) == "MASTER")
        holders = tuple(node for node, one in told.items() if vip in one.addresses)
        failures += [f"{name} is in the state {one.vrrp.get(name, 'unknown')} on {node}" for node, one in told.items()
                     if one.vrrp.get(name) not in ("MASTER", "BACKUP")]
        found = {"vrrp": ("VRRP", masters), "vip": ("address", holders)}
        if service.virtual_server:
            port = service.virtual_server.port
            wanted = {f"{address(topology, real, network)}:{port}": real for real in service.real_servers}
            found["virtual-server"] = ("IPVS", tuple(
                node for node in holders if told[node].real_servers.get(f"{vip}:{port}")))
            failures += [f"{node} does not count on {real} for {name}" for node, one in told.items()
                         for endpoint, real in wanted.items()
                         if endpoint not in one.real_servers.get(f"{vip}:{port}", ())]
        if service.daemon:
            # it runs on every director; that of the one with the address is the service's
            found["daemon"] = (service.daemon.name, tuple(
                node for node in holders if service.daemon.port in told[node].ports))
        resources += [ResourceState(f"{name}-{kind}", agent, "Started" if nodes else "Stopped", nodes, bool(nodes),
                                    False, True, name) for kind, (agent, nodes) in found.items()]
    return ClusterState(seen_by, told[seen_by].running, None, members, tuple(resources), tuple(failures))
