"""Parameters by which a fault is shown or drawn: a sample names roles, and a cast says who plays them in a topology."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fenceline.faults.base import make_fault
from fenceline.faults.fitting import misfit, things_in
from fenceline.faults.parameters import (
    DAEMON,
    DRBD_RESOURCE,
    LUN,
    NETWORK,
    NODE,
    SERVICE,
    Groups,
    ParameterType,
    Several,
    default_of,
    types_of,
)
from fenceline.model.topology import Topology
from fenceline.stacks.offers import lacking

_ORDINALS = ("active", "standby", "third", "fourth")


@dataclass(frozen=True)
class Cast:
    """Who plays which role in a topology: ``order`` are the nodes that can serve ``about``, the active one first; by
    default its first service, and the nodes in the order in which that prefers them."""

    topology: Topology
    order: tuple[str, ...] = ()
    about: str = ""

    @property
    def nodes(self) -> dict[str, str]:
        """Every machine by its role."""
        found = dict(zip(_ORDINALS, self.order or self.topology.preferred_nodes(self.service), strict=False))
        others = {"storage": "storage-host", "quorum-device": "quorum-device", "real-server": "real-server",
                  "client": "client"}
        for role, word in others.items():
            for number, node in enumerate(self.topology.nodes_with(role), 1):
                found[word if number == 1 else f"{word}-{number}"] = node
        return found

    @property
    def service(self) -> str:
        """The service that the sample is about."""
        return self.about or next(iter(self.topology.services))

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


def _standing_for(kind: ParameterType) -> str:
    """What a sample gives for a parameter that must be given, but for nodes: roles in braces."""
    roles = {NETWORK: "{heartbeat-net}", SERVICE: "{service}", LUN: "{lun}", DRBD_RESOURCE: "{drbd}"}
    if isinstance(kind, Groups):
        return "{active}|{standby}"
    if isinstance(kind, Several):
        return {NODE: "{active},{standby}", NETWORK: "{heartbeat-nets}"}[kind.thing]
    return roles[kind]


def samples(cls: type) -> tuple[str, ...]:
    """Parameters by which it is shown what the fault class ``cls`` costs, names of the topology as roles in braces, and
    after "?" what else they need of it: those that the class says as its ``samples``, or one with what must be
    given, the first node active, the second one standby."""
    if "samples" in vars(cls):
        return cls.samples
    nodes = iter(("{active}", "{standby}"))
    needed = {name: kind for name, kind in types_of(cls).items() if default_of(cls, name) is None}
    return (" ".join(f"{name}={next(nodes) if kind is NODE else _standing_for(kind)}"
                     for name, kind in needed.items()),)


def _offered(cast: Cast, need: str) -> bool:
    topology, service = cast.topology, cast.topology.services[cast.service]
    daemon, quorum, members = service.daemon, topology.stack.quorum, len(topology.cluster_nodes)
    own = {
        "nginx": daemon is not None and daemon.name == "nginx", "process": daemon is not None,
        "filesystem": service.filesystem is not None, "address": service.vip is not None,
        "three votes": members > 2 and quorum.without_quorum != "ignore", "four members": members > 3,
        "ping": bool(getattr(topology.stack, "pinged", ())),
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
    if misfit(fault, cast.topology) is not None:
        return None
    named = things_in(fault)
    on_members = DAEMON not in named or set(named[NODE]) <= set(cast.topology.cluster_nodes)
    return fault if on_members else None


def drawn(cls: type) -> tuple[str, ...]:
    """The samples by which chaos draws the fault class ``cls``: those that it says as ``drawn``, else its
    ``samples``."""
    return cls.drawn if "drawn" in vars(cls) else samples(cls)
