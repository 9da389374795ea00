"""What the faults of logs cost that were written before each fault said so itself.

Nothing is added here: a log of today carries its costs. A test holds the table to what the faults themselves say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.fencing import IPMI
from fenceline.model.storage import STORAGE
from fenceline.model.topology import Topology

Say = Callable[[Topology, Mapping[str, Any]], Cost]


def old_cost(topology: Topology, name: str, targets: Iterable[str], params: Mapping[str, Any]) -> Cost:
    """What the fault ``name`` with ``params`` costs. One that nobody knows any more, or whose parameters are not those
    it had, costs its ``targets``, and nothing where it had none."""
    targets = list(targets)
    with contextlib.suppress(KeyError):
        return _SAY[name](topology, ({"node": targets[0]} if targets else {}) | dict(params))
    return _all(damage.machine_lost(topology, node) for node in targets)


def _all(costs: Iterable[Cost]) -> Cost:
    return reduce(or_, costs, Cost())


def _links(topology: Topology, networks: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Cost:
    pairs = list(pairs)
    return damage.links_lost(topology, frozenset((network, *pair) for network in networks for pair in pairs))


def _partition(topology: Topology, params: Mapping[str, Any]) -> Cost:
    # the oldest logs don't say in which networks: in those of the heartbeats
    groups = params.get("groups") or ()
    networks = params.get("networks") or damage.heartbeats(topology)
    return _links(topology, networks, ((a, b) for one in groups for other in groups if one is not other
                                       for a in one for b in other))


def _bridge(topology: Topology, params: Mapping[str, Any]) -> Cost:
    others = [node for node in topology.cluster_nodes if node != params.get("node")]
    middle = len(others) // 2
    return _partition(topology, {"networks": params.get("networks"), "groups": [others[:middle], others[middle:]]})


def _ring(topology: Topology, params: Mapping[str, Any]) -> Cost:
    nodes = topology.cluster_nodes
    count = len(nodes)
    reach = count // 2
    far = [(nodes[j], nodes[i]) for i in range(count) for j in range(count)
           if j not in {(i + step) % count for step in range(-(reach // 2), (reach + 1) // 2 + 1)}]
    return _links(topology, params.get("networks") or damage.heartbeats(topology), far if count > 3 else ())


def _stopped_of(topology: Topology, kind: str) -> Cost:
    if kind == "nfs":
        return damage.storage_out(topology, damage.services_of(topology, topology.storage.nfs.server)
                                  if topology.storage.nfs else frozenset())
    iscsi = topology.storage.iscsi
    if iscsi is None:
        return Cost()
    return damage.storage_out(topology, damage.services_of(topology, iscsi.target)) | damage.pills_lost(
        topology, [lun.name for lun in iscsi.luns])


def _nfs_restart(topology: Topology, params: Mapping[str, Any]) -> Cost:
    own = topology.storage.nfs
    if own is None:
        return Cost()
    return Cost(slower_s=params.get("seconds", 0.0) + own.grace, disturbed=damage.services_of(topology, own.server))


def _session_reset(topology: Topology, params: Mapping[str, Any]) -> Cost:
    iscsi = topology.storage.iscsi
    own = damage.services_of(topology, iscsi.target) if iscsi else frozenset()
    return Cost(disturbed=own, slower_s=5.0 if own else 0.0)


def _near_quorum(topology: Topology, params: Mapping[str, Any]) -> Cost:
    # who was stopped is not in the log: anybody may have been
    return Cost(left=frozenset(topology.cluster_nodes))


def _property(topology: Topology, params: Mapping[str, Any]) -> Cost:
    said = (params.get("key"), params.get("value"))
    if said == ("maintenance-mode", "true"):
        return Cost(unmanaged=frozenset(topology.services))
    if said == ("stonith-enabled", "false"):
        return Cost(unfenceable=frozenset(topology.service_nodes if topology.cluster_mountpoints else ()))
    return Cost()


def _disk_full(topology: Topology, params: Mapping[str, Any]) -> Cost:
    if params.get("disk", "logs") == "logs":
        return damage.victim(topology, params["node"])
    return Cost(stopped=frozenset(name for name, service in topology.services.items() if service.filesystem))


def _without_replica(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return Cost(unfit_for=frozenset((service, params["node"])
                                    for service in damage.services_on(topology, params["resource"])))


def _nothing(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return Cost()


def _lost(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return damage.machine_lost(topology, params["node"])


def _left(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return damage.machine_left(topology, params["node"])


def _victim(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return damage.victim(topology, params["node"])


def _daemon(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return damage.daemon_out(topology, params["node"], params["daemon"])


def _cut(topology: Topology, params: Mapping[str, Any]) -> Cost:
    return damage.cables_cut(topology, params["node"], params["networks"])


def _late(topology: Topology, params: Mapping[str, Any], seconds: float) -> Cost:
    return damage.packets_late(topology, params["network"], params["node"], seconds)


def _drop(topology: Topology, params: Mapping[str, Any], **more: Any) -> Cost:
    return damage.packets_lost(topology, params["network"], float(params.get("percent", 100)), **more)


_SAY: dict[str, Say] = {
    "awaited": _nothing,
    "ban": lambda t, p: Cost(unfit_for=frozenset({(p["service"], p["node"])}), disturbed=frozenset({p["service"]})),
    "clock-drift": _nothing, "clock-step": _nothing, "clock-strobe": _nothing,
    "config-change": _property,
    "configuration-lost": _left,
    "configuration-spoilt": lambda t, p: Cost(unfit_for=frozenset({(p["service"], p["node"])})),
    "cpu-overload": lambda t, p: damage.starved(t, p["node"]),
    "cut-one-by-one": lambda t, p: _all(damage.cables_cut(t, node, p["networks"]) for node in p["nodes"]),
    "daemon-kill": _daemon, "daemon-respawn-loop": _daemon, "daemon-stop": _daemon,
    "disk-delay": lambda t, p: damage.disk_late(t, damage.services_on(t, p["lun"]), p["delay"]),
    "disk-errors": lambda t, p: (damage.storage_out(t, damage.services_on(t, p["lun"]))
                                 | damage.pills_lost(t, [p["lun"]])),
    "disk-full": _disk_full,
    "dns-gone": lambda t, p: Cost(slower_s=4.0),
    "drbd-disk-failure": _without_replica, "drbd-resync": _without_replica, "drbd-split-brain": _nothing,
    "drbd-link-cut": lambda t, p: STORAGE["drbd"].replication_lost(t, p["resource"]),
    "expected-votes": lambda t, p: Cost(votes=p["votes"]),
    "fence-device-dead": lambda t, p: damage.device_out(t, p["node"], IPMI),
    "fence-device-lies": _nothing,
    "fence-device-password": lambda t, p: damage.device_out(t, p["node"], IPMI),
    "fence-device-slow": lambda t, p: damage.device_late(t, p["seconds"]),
    "fence-device-wrong-node": lambda t, p: Cost(victims=frozenset({p["other"]})),
    "fence-watchdog-dead": _nothing,
    "fencing-off": lambda t, p: _property(t, {"key": "stonith-enabled", "value": "false"}),
    "file-exhaustion": _victim, "io-load": _victim, "manual-fencing": _victim, "process-exhaustion": _victim,
    "garp-drop": lambda t, p: Cost(slower_s=2.0),
    "hang": _lost, "panic": _lost, "power-off": _lost, "reset": _lost, "slow-boot": _lost,
    "link-flap": _cut, "network-cut": _cut,
    "lun-reserved": _nothing, "reservation-lost": _nothing,
    "maintenance": lambda t, p: _property(t, {"key": "maintenance-mode", "value": "true"}),
    "memory-pressure": lambda t, p: damage.victim(t, p["node"]) if p["percent"] > 50 else Cost(),
    "move": lambda t, p: Cost(disturbed=frozenset({p["service"]})),
    "near-quorum": _near_quorum,
    "nfs-hang": lambda t, p: _stopped_of(t, "nfs"),
    "nfs-restart": _nfs_restart,
    "nfs-stale": lambda t, p: Cost(disturbed=_stopped_of(t, "nfs").stopped, victims=_stopped_of(t, "nfs").victims),
    "one-way": lambda t, p: _links(t, p["networks"], [(p["sender"], p["receiver"])]),
    "packet-corrupt": lambda t, p: _drop(t, p, node=p["node"]),
    "packet-delay": lambda t, p: _late(t, p, p["delay"] + 2 * p.get("jitter", 0.0)),
    "packet-drop": _drop,
    "packet-duplicate": _nothing,
    "packet-hold": lambda t, p: _late(t, p, p["period"]),
    "packet-kind-drop": lambda t, p: damage.kind_lost(t, p["network"], p["kind"], float(p.get("percent", 100))),
    "packet-loss-bursts": lambda t, p: _drop(t, p, node=p["node"], row=p["burst"]),
    "packet-reorder": lambda t, p: _late(t, p, 0.02),
    "partition": _partition, "partition-bridge": _bridge, "partition-ring": _ring,
    "ping-lost": _nothing,
    "power-off-several": lambda t, p: _all(damage.machine_lost(t, node) for node in p["nodes"]),
    "quorum-device-stop": lambda t, p: Cost(quorum_device=True),
    "rate-limit": lambda t, p: damage.rate_limited(t, p["network"], p["node"], p["kbit"]),
    "reboot": _left, "shutdown": _left, "start-interrupted": _left,
    "service-kill": lambda t, p: Cost(disturbed=frozenset({p["service"]})),
    "service-stop": lambda t, p: damage.victim(t, p["node"]) | Cost(disturbed=frozenset({p["service"]})),
    "session-logout": lambda t, p: damage.session_lost(t, STORAGE["iscsi"], p["node"]),
    "session-reset": _session_reset,
    "software-stop": lambda t, p: _all(damage.machine_left(t, node) for node in p["nodes"]),
    "standby": lambda t, p: Cost(unfit=frozenset({p["node"]})),
    "target-stop": lambda t, p: _stopped_of(t, "iscsi"),
    "vip-stranger": lambda t, p: Cost(stopped=frozenset({p["service"]})),
    "write-cache-lies": _nothing,
}
