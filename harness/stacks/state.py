"""What every kind of cluster software says about itself, in one form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberState:
    """A node as the cluster sees it."""

    name: str
    online: bool
    standby: bool = False
    pending: bool = False
    unclean: bool = False
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource: ``nodes`` where it is active, ``role`` as the stack calls it, ``group`` it belongs to. Of a clone
    there is one for each instance, all of one name. One that is only being started is not active yet."""

    name: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    active: bool
    failed: bool
    managed: bool
    group: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A snapshot taken on node ``seen_by``. ``failures`` are the cluster's own words; ``fencing`` the history of
    fence actions, newest first."""

    seen_by: str
    quorate: bool
    coordinator: str | None
    members: tuple[MemberState, ...]
    resources: tuple[ResourceState, ...]
    failures: tuple[str, ...] = ()
    fencing: tuple[dict[str, str], ...] = ()
    maintenance: bool = False
    versions: dict[str, str] = field(default_factory=dict)

    def online(self) -> tuple[str, ...]:
        """Names of the nodes that are online."""
        return tuple(member.name for member in self.members if member.online)

    def owner(self, service: str) -> str | None:
        """The one node on which the whole group ``service`` runs; None where it is down, in part or spread out, or
        where its node is lost: what an unclean node still runs, nobody knows."""
        parts = self.parts(service)
        nodes = {node for part in parts for node in part.nodes}
        if not parts or len(nodes) != 1 or not all(part.active and not part.failed for part in parts):
            return None
        node = nodes.pop()
        return node if node in self.online() else None

    def owners(self, service: str) -> tuple[str, ...]:
        """The nodes on which the whole group ``service`` runs; several only for one that is active on all."""
        where: dict[str, set[str]] = {}
        for part in self.parts(service):
            where.setdefault(part.name, set()).update(part.nodes)
        return tuple(node for node in self.online() if where and all(node in nodes for nodes in where.values()))

    def parts(self, service: str) -> tuple[ResourceState, ...]:
        """What ``service`` is made of."""
        return tuple(one for one in self.resources if service in (one.group, one.name))

    def as_dict(self) -> dict[str, Any]:
        """The snapshot for the event log."""
        return asdict(self)
