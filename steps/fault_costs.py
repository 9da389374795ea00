"""What every fault excuses, on every topology that it fits: computed from what the faults say that they cost.

``python -m fenceline.steps.fault_costs > tests/faults/excuses.txt`` makes the table anew; it is read line by
line before it is taken. ``python -m fenceline.steps.fault_costs page > docs/excuses.md`` then makes the page of it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from fenceline.faults import make_fault
from fenceline.judge.demand import hits, legitimate_victims, obstacle
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.load import TOPOLOGY_DIR, load_topology
from fenceline.model.topology import Topology
from fenceline.stacks.offers import lacking

_ORDINALS = ("active", "standby", "third", "fourth")


@dataclass(frozen=True)
class Cast:
    """Who plays which role in a topology: nodes in the order in which its first service prefers them."""

    topology: Topology

    @property
    def nodes(self) -> dict[str, str]:
        """Every machine by its role."""
        found = dict(zip(_ORDINALS, self.topology.preferred_nodes(self.service), strict=False))
        others = {"storage": "storage-host", "quorum-device": "quorum-device", "real-server": "real-server",
                  "client": "client"}
        for role, word in others.items():
            for number, node in enumerate(self.topology.nodes_with(role), 1):
                found[word if number == 1 else f"{word}-{number}"] = node
        return found

    @property
    def service(self) -> str:
        """The service that the sample is about."""
        return next(iter(self.topology.services))

    def words(self) -> dict[str, str]:
        """What stands for what in a sample's parameters."""
        topology, found = self.topology, dict(self.nodes)
        found["service"] = self.service
        for role in ("heartbeat", "service", "storage", "management"):
            names = topology.networks_with(role)
            if names:
                found[f"{role}-net"] = names[0]
                found[f"{role}-nets"] = ",".join(names)
        iscsi, drbd, sbd = topology.storage.iscsi, topology.storage.drbd, topology.fencing.sbd
        if iscsi:
            found["lun"] = iscsi.luns[0].name
        if drbd:
            found["drbd"] = drbd[0].name
        if sbd and sbd.luns:
            found["pills"] = sbd.luns[0]
        return found

    def read(self, text: str) -> str:
        """``text`` with the names of this topology in place of roles: "{active}"."""
        return re.sub(r"\{([a-z0-9-]+)\}", lambda match: self.words()[match[1]], text)

    def written(self, text: str) -> str:
        """``text`` with roles in place of this topology's names."""
        for role, name in self.nodes.items():
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", f"<{role}>", text)
        return text.replace("<", "").replace(">", "")


def _each(where: str, *names: str) -> dict[str, list[str]]:
    return {name: [where] for name in names}


#: By fault: its samples as parameters, and after "?" what of the stack's offers it needs.
SAMPLES: dict[str, list[str]] = {
    **_each("node={active}", "clock-drift", "clock-step", "clock-strobe", "dns-gone", "file-exhaustion", "io-load",
            "process-exhaustion"),
    **_each("node={active} ?BMC", "fence-device-dead", "fence-device-early", "fence-device-gentle",
            "fence-device-leaves-off", "fence-device-lies", "fence-device-on-node-supply", "fence-device-password"),
    **_each("node={active} ?watchdog", "fence-watchdog-dead"),
    **_each("lun={lun}", "lun-reserved", "reservation-lost", "write-cache-lies"),
    **_each("node={active}", "panic", "reset", "slow-boot", "shutdown", "reboot", "start-interrupted"),
    "agent-fails": ["node={active} service={service} action=stop ?process",
                    "node={standby} service={service} action=start ?process"],
    "agent-slow": ["node={standby} service={service} action=start seconds=10 ?process",
                   "node={active} service={service} action=stop seconds=2min ?process"],
    "ban": ["service={service} node={active} ?ban", "service={service} node={standby} ?ban"],
    "component-stop": ["node={active} component=corosync how=kill ?daemon corosync",
                       "node={active} component=pacemaker how=stop ?daemon pacemakerd"],
    "config-change": ["?configuration", "key=maintenance-mode value=true ?configuration",
                      "key=stonith-enabled value=false ?configuration"],
    "configuration-lost": ["node={active} ?configuration"],
    "configuration-spoilt": ["node={standby} service={service} ?nginx"],
    "cpu-overload": ["node={active}", "node={storage-host}"],
    "cut-one-by-one": ["nodes={active},{standby} networks={heartbeat-nets}"],
    "daemon-kill": ["node={active} daemon=corosync ?daemon corosync", "node={active} daemon=pacemakerd "
                    "?daemon pacemakerd", "node={active} daemon=heartbeat ?daemon heartbeat",
                    "node={active} daemon=keepalived processes=all ?daemon keepalived",
                    "node={active} daemon=haproxy ?daemon haproxy", "node={active} daemon=ipfail ?daemon ipfail",
                    "node={active} daemon=sbd ?daemon sbd"],
    "daemon-respawn-loop": ["node={active} daemon=pacemaker-controld ?daemon pacemaker-controld"],
    "daemon-stop": ["node={standby} daemon=corosync ?daemon corosync", "node={active} daemon=keepalived "
                    "?daemon keepalived"],
    "disk-delay": ["lun={lun} delay=50ms", "lun={lun} delay=2s"],
    "disk-errors": ["lun={lun}", "lun={pills}"],
    "disk-full": ["node={standby} disk=logs", "node={active} disk=service ?filesystem"],
    "drbd-disk-failure": ["node={standby} resource={drbd}"],
    "drbd-link-cut": ["resource={drbd}"],
    "drbd-resync": ["node={standby} resource={drbd}"],
    "drbd-split-brain": ["node={standby} resource={drbd}"],
    "expected-votes": ["votes=5 ?quorum"],
    "fence-device-slow": ["node={active} seconds=2 ?BMC", "node={active} seconds=10 ?BMC"],
    "fence-device-wrong-node": ["node={active} other={standby} ?BMC"],
    "fencing-off": ["?fencing"],
    "garp-drop": ["service={service} ?address"],
    "hang": ["node={active}", "node={standby}", "node={storage-host}", "node={quorum-device}", "node={real-server}",
             "node={client}"],
    "interface-down": ["node={active} networks={heartbeat-nets}", "node={active} networks={service-net}"],
    "link-loss": ["sender={active} receiver={standby} networks={heartbeat-nets} percent=20",
                  "sender={active} receiver={standby} networks={heartbeat-nets} percent=80"],
    "link-flap": ["node={active} networks={heartbeat-nets}", "node={active} networks={service-net}"],
    "maintenance": ["?configuration"],
    "manual-fencing": ["node={active} by={standby} ?fencing by hand"],
    "memory-pressure": ["node={active} percent=30", "node={active} percent=80"],
    "mount-busy": ["node={active} service={service} by=process ?filesystem",
                   "node={active} service={service} by=kernel ?filesystem"],
    "move": ["service={service} node={standby} ?move"],
    "near-quorum": ["seed=1 ?three votes"],
    "network-cut": ["node={active} networks={heartbeat-net}", "node={active} networks={heartbeat-nets}",
                    "node={standby} networks={heartbeat-nets}", "node={active} networks={service-net}",
                    "node={active} networks={storage-net}", "node={active} networks={management-net}",
                    "node={active} networks={heartbeat-nets},{service-net}",
                    "node={active} networks={heartbeat-nets},{storage-net}",
                    "node={storage-host} networks={storage-net}", "node={storage-host} networks={management-net}",
                    "node={quorum-device} networks={management-net}", "node={real-server} networks={service-net}",
                    "node={real-server-2} networks={management-net}", "node={client} networks={service-net}"],
    "nfs-hang": ["?nfs"], "nfs-restart": ["seconds=5 ?nfs"], "nfs-stale": ["?nfs"],
    "one-way": ["sender={active} receiver={standby} networks={heartbeat-nets}",
                "sender={active} receiver={storage-host} networks={storage-net}",
                "sender={active} receiver={real-server} networks={service-net}"],
    "packet-corrupt": ["node={active} network={heartbeat-net} percent=1",
                       "node={active} network={heartbeat-net} percent=20"],
    "node-maintenance": ["node={active} services=* ?configuration"],
    "packet-size-drop": ["network={heartbeat-net} size=1000", "network={storage-net} size=1000",
                         "network={service-net} size=1000"],
    "packet-delay": ["node={active} network={heartbeat-net} delay=50ms", "node={active} network={heartbeat-net} "
                     "delay=300ms", "node={active} network={heartbeat-net} delay=2s",
                     "node={active} network={service-net} delay=100ms", "node={active} network={service-net} delay=2s",
                     "node={active} network={storage-net} delay=100ms",
                     "node={active} network={management-net} delay=100ms"],
    "packet-drop": [f"network={{{network}}} percent={percent}" for network in (
        "heartbeat-net", "service-net", "storage-net", "management-net") for percent in (1, 10, 50)],
    "packet-duplicate": ["node={active} network={heartbeat-net}"],
    "packet-hold": ["node={active} network={heartbeat-net} period=50ms", "node={active} network={heartbeat-net} "
                    "period=500ms"],
    "packet-kind-drop": ["network={heartbeat-net} kind=totem percent=1 ?packets totem",
                         "network={heartbeat-net} kind=totem ?packets totem",
                         "network={storage-net} kind=totem ?packets totem",
                         "network={heartbeat-net} kind=heartbeat ?packets heartbeat",
                         "network={heartbeat-net} kind=vrrp ?packets vrrp",
                         "network={service-net} kind=arp percent=10 ?packets arp",
                         "network={service-net} kind=arp ?packets arp",
                         "network={storage-net} kind=iscsi ?packets iscsi",
                         "network={storage-net} kind=nfs ?packets nfs",
                         "network={management-net} kind=ipmi ?packets ipmi",
                         "network={management-net} kind=ipmi percent=10 ?packets ipmi",
                         "network={service-net} kind=http ?packets http",
                         "network={storage-net} kind=drbd ?packets drbd"],
    "packet-loss-bursts": ["node={active} network={heartbeat-net} percent=2 burst=5"],
    "packet-reorder": ["node={active} network={heartbeat-net}"],
    "partition": ["groups={active}|{standby} networks={heartbeat-nets}",
                  "groups={active}|{standby} networks={service-net}",
                  "groups={active}|{standby},{third} networks={heartbeat-nets}",
                  "groups={active}|{standby}|{third} networks={heartbeat-nets}",
                  "groups={active}|{quorum-device} networks={management-net}",
                  "groups={active}|{storage-host} networks={storage-net}"],
    "partition-bridge": ["node={third} networks={heartbeat-nets}"],
    "partition-ring": ["networks={heartbeat-nets} ?four members"],
    "ping-lost": ["pinged=client ?ping"],
    "power-off": ["node={active}", "node={standby}", "node={storage-host}", "node={quorum-device}",
                  "node={real-server}", "node={client}"],
    "power-off-several": ["nodes={active},{standby}", "nodes={real-server},{real-server-2}",
                          "nodes={active},{storage-host}"],
    "quorum-device-stop": ["?quorum device"],
    "rate-limit": ["node={active} network={heartbeat-net} kbit=1000", "node={active} network={heartbeat-net} kbit=50",
                   "node={active} network={storage-net} kbit=1000", "node={active} network={service-net} kbit=100"],
    "service-kill": ["node={active} service={service} ?process"], "service-stop": ["node={active} service={service} "
                                                                                  "?process"],
    "session-logout": ["node={active} ?iscsi"], "session-reset": ["node={active} ?iscsi"],
    "software-stop": ["nodes={active}", "nodes={active},{standby}"],
    "standby": ["node={active} ?standby", "node={standby} ?standby"],
    "stun": ["node={active} seconds=700ms", "node={active} seconds=5s"],
    "stun-again": ["node={active} seconds=700ms"],
    "target-stop": ["?iscsi"],
    "vip-stranger": ["service={service} ?address"],
}

def topologies() -> dict[str, Topology]:
    """The shipped ones."""
    return {path.stem: load_topology(str(path)) for path in sorted(TOPOLOGY_DIR.glob("*.yaml"))}


def _offered(cast: Cast, need: str) -> bool:
    topology, service = cast.topology, cast.topology.services[cast.service]
    daemon, quorum, members = service.daemon, topology.stack.quorum, len(topology.cluster_nodes)
    own = {
        "nginx": daemon is not None and daemon.name == "nginx", "process": daemon is not None,
        "filesystem": service.filesystem is not None, "address": service.vip is not None,
        "three votes": members > 2 and quorum.without_quorum != "ignore", "four members": members > 3,
        "quorum device": quorum.device is not None, "iscsi": topology.storage.iscsi is not None,
        "ping": topology.stack.kind == "heartbeat",
    }
    return own[need] if need in own else lacking(topology, [need]) is None


def made(cast: Cast, name: str, sample: str) -> Any | None:
    """The fault ``name`` with ``sample``'s parameters; None where the topology has not what it needs."""
    text, _, need = sample.partition("?")
    if need and not _offered(cast, need):
        return None
    try:
        words = cast.read(text).split()
    except KeyError:
        return None
    fault = make_fault(name, **dict(word.split("=", 1) for word in words))
    plugged = {node: set(cast.topology.networks_of(node)) for node in cast.topology.nodes}
    if hasattr(fault, "daemon") and fault.node not in cast.topology.cluster_nodes:
        return None
    own = getattr(fault, "node", None)
    asked = {*getattr(fault, "networks", ()), *([fault.network] if hasattr(fault, "network") else ())}
    return fault if own is None or asked <= plugged[own] else None


def excuses(cast: Cast, fault: Any) -> str:
    """What ``fault`` excuses, in one line."""
    topology, cost = cast.topology, fault.costs(cast.topology)
    found = [_demand(cast, cost) or "owed"]
    for role in ("active", "standby"):
        lost = damage.machine_lost(topology, cast.nodes[role])
        why = _demand(cast, cost | lost)
        if why and found[0] == "owed" and not _demand(cast, lost):
            found.append(f"without {role} {why}")
    victims = legitimate_victims(topology, cost)
    if victims and topology.fencing.method != "none":
        found.append(f"may be fenced: {_names(cast, victims)}")
    if cost.unmanaged or cost.unmanaged_on:
        found.append("left alone, whatever befalls it")
    elif found[0] == "owed":
        hit = frozenset(node for node in topology.preferred_nodes(cast.service)
                        if hits(topology, cast.service, node, cost, victims))
        told = victims if topology.fencing.method != "none" else frozenset()
        found += [f"may be interrupted on {_names(cast, hit)}"] if hit - told else []
    if cost.slower_s:
        found.append(f"{cost.slower_s:g} s longer")
    return cast.written("; ".join(found))


def _names(cast: Cast, nodes: frozenset[str]) -> str:
    return ", ".join(node for node in cast.nodes.values() if node in nodes)


def _demand(cast: Cast, cost: Cost) -> str:
    why = obstacle(cast.topology, cast.service, cost)
    return f"not owed ({why})" if why else ""


def lines() -> Iterator[str]:
    """The table: for each sample what it excuses, and the topologies on which that is so."""
    casts = {name: Cast(topology) for name, topology in topologies().items()}
    for name in sorted(SAMPLES):
        for sample in SAMPLES[name]:
            found: dict[str, list[str]] = {}
            for where, cast in casts.items():
                fault = made(cast, name, sample)
                if fault is not None:
                    found.setdefault(excuses(cast, fault), []).append(where)
            yield f"{name} {sample.partition('?')[0]}".rstrip().replace("{", "").replace("}", "")
            for text, where in found.items():
                yield f"    {text}"
                yield from wrap(" ".join(where), 120, initial_indent=" " * 8, subsequent_indent=" " * 8,
                                break_on_hyphens=False)


_HEAD = """\
# What a fault excuses

Made by `python -m fenceline.steps.fault_costs page`; a test says when it is out of date.

Every fault says what it takes away while it is in force, as a value over the topology (`harness/model/cost.py`):
nodes that are out, that are unfit to serve, that can't be fenced; links over which members don't hear each other; the
quorum device; services whose disk or address is gone; and for how much longer things may take. That value is in the
log, and the judge goes by it alone: from all that is in force together it finds the part of the cluster that should
go on. Here is what follows from each fault by itself, on the shipped topologies.

- **owed**: an outage beyond the service's `failover_budget` is a FAIL. Of two equal parts of a split some part owes
  it.
- **not owed (why)**: it is excused for as long as that is so; afterwards the service must be back in the time that
  booting and forming takes, plus its budget.
- **without active not owed**: owed by itself, and not if the named node is lost as well.
- **may be fenced**: nobody else may be, while the fault is in force or has just been healed.
- **may be interrupted on**: the service may move, or be restarted, once, while it is there (as it may wherever its
  node may be fenced).
- **left alone**: the cluster was told not to mend it. It is excused only if something else befell what it ran on.
- **N s longer**: added to the budget of the outages that overlap with the fault. It removes no demand.

Where the seconds come from: a fencing by `fence_ipmilan` is five commands (status, off, status, on, status: counted
at the virtual BMCs in a dozen runs), three where the action is off. A takeover is taken for 100 exchanges with its
disk, one after the other, a check that writes for 20, a client's first answer for 5. Up to 1 % of lost packets
excuses nothing, as Corosync bears it (`harness/model/totem.py`); a network that loses half is as good as cut.
"""


def page() -> str:
    """The table as a page of the docs."""
    out = [_HEAD.rstrip("\n"), ""]
    for line in lines():
        if not line.startswith(" "):
            out += ["", f"## `{line}`", ""]
        elif not line.startswith(" " * 8):
            out.append(f"- {line.strip()}:")
        else:
            out.append(f"  {line.strip()}")
    return "\n".join(out) + "\n"


def main() -> int:
    """Prints the table, or with the word ``page`` the page."""
    sys.stdout.write(page() if sys.argv[1:] == ["page"] else "\n".join(lines()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
