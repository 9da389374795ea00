"""corosync.conf from a topology; see corosync.conf(5) and votequorum(5)."""

from __future__ import annotations

from fenceline.model.addressing import address, management_address
from fenceline.model.topology import Topology

AUTHKEY_BYTES = 256  # what corosync-keygen(8) makes


def node_id(topology: Topology, node: str) -> int:
    """The corosync node id: 1, 2, ... in the file's order."""
    return topology.cluster_nodes.index(node) + 1


def corosync_conf(topology: Topology) -> str:
    """The configuration file, the same on all nodes."""
    stack = topology.stack
    links = topology.networks_with("heartbeat")
    lines = ["totem {", "    version: 2", f"    cluster_name: {topology.name}", "    transport: knet",
             f"    token: {stack.token * 1000:.0f}",
             # the configured token holds for any number of nodes; corosync adds 650 ms a node beyond two otherwise
             "    token_coefficient: 0"]
    if stack.consensus is not None:
        lines.append(f"    consensus: {stack.consensus * 1000:.0f}")
    if stack.secauth:
        lines += ["    crypto_cipher: aes256", "    crypto_hash: sha256"]
    if len(links) > 1:
        lines.append("    link_mode: passive")
    for number in range(len(links)):
        lines += ["    interface {", f"        linknumber: {number}", "    }"]
    lines += ["}", "nodelist {"]
    for node in topology.cluster_nodes:
        lines += ["    node {", f"        name: {node}", f"        nodeid: {node_id(topology, node)}"]
        if topology.nodes[node].votes != 1:
            lines.append(f"        quorum_votes: {topology.nodes[node].votes}")
        lines += [f"        ring{number}_addr: {address(topology, node, network)}"
                  for number, network in enumerate(links)]
        lines.append("    }")
    lines += ["}", "quorum {", "    provider: corosync_votequorum"]
    lines += _quorum(topology)
    lines += ["}", "logging {", "    to_logfile: yes", "    logfile: /var/log/corosync/corosync.log",
              "    to_syslog: no", "    timestamp: hires", "}"]
    return "\n".join(lines) + "\n"


def _quorum(topology: Topology) -> list[str]:
    """What stands in the section quorum beside its provider."""
    quorum = topology.stack.quorum
    lines = ["    two_node: 1"] if quorum.policy == "two_node" else []
    # two_node switches wait_for_all on by itself, so that it must be said in both directions; a quorum device
    # excludes it (corosync-qdevice(8))
    if quorum.policy != "qdevice":
        lines.append(f"    wait_for_all: {int(quorum.wait_for_all)}")
        if quorum.auto_tie_breaker is not None:
            lines += ["    auto_tie_breaker: 1",
                      f"    auto_tie_breaker_node: {_breaker(topology, quorum.auto_tie_breaker)}"]
        if quorum.last_man_standing:
            lines += ["    last_man_standing: 1",
                      f"    last_man_standing_window: {quorum.last_man_standing_window * 1000:.0f}"]
        return lines
    lines += ["    device {", "        model: net", f"        votes: {topology.device_votes}",
              f"        timeout: {quorum.device_timeout * 1000:.0f}",
              f"        sync_timeout: {quorum.sync_timeout * 1000:.0f}", "        net {",
              f"            host: {management_address(topology, quorum.device)}",
              f"            algorithm: {quorum.algorithm}",
              f"            tie_breaker: {_breaker(topology, quorum.tie_breaker)}",
              # the certificates of pcs or crmsh are for set-ups over SSH; the fabric is closed
              "            tls: off", f"            connect_timeout: {quorum.connect_timeout * 1000:.0f}", "        }"]
    looks = quorum.heuristics
    if looks is not None:
        lines += ["        heuristics {", f"            mode: {looks.mode}",
                  *(f"            {word}: {getattr(looks, word) * 1000:.0f}"
                    for word in ("interval", "timeout", "sync_timeout")),
                  *(f"            exec_{name.replace('-', '_')}: {line}" for name, line in looks.commands.items()),
                  "        }"]
    return [*lines, "    }"]


def _breaker(topology: Topology, wanted: str) -> str:
    return wanted if wanted in ("lowest", "highest") else str(node_id(topology, wanted))
