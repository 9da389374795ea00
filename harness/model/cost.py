"""What a fault costs: what it takes away from the cluster while it is in force, as a value over the topology.

The fault itself says it (``Fault.costs``), ``fault.begin`` carries it, and the judge knows nothing else of a fault:
what is demanded of the cluster, whom it may fence and what it may interrupt all follow from here. A cost excuses what
it takes away and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

#: A frame of ``sender`` in ``network`` does not come to ``receiver``: (network, sender, receiver).
Link = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cost:
    """What is taken away. Nodes, services and networks by their names in the topology.

    A node that is ``lost`` may rightly be fenced, whether it is among the ``victims`` or not; one that has ``left`` in
    order may not. A service on a node that is lost, has left, is unfit or a victim may rightly be interrupted once,
    whether it is among the ``disturbed`` or not.
    """

    #: Nodes that neither vote nor serve; of other machines (storage host, real server, client): that are not there.
    lost: frozenset[str] = frozenset()
    #: Nodes that neither vote nor serve either, but said good-bye: there is no reason to fence them.
    left: frozenset[str] = frozenset()
    #: Nodes that vote, but can't serve; other machines that run, and can't be reached.
    unfit: frozenset[str] = frozenset()
    #: Nodes that can't run one service, as (service, node).
    unfit_for: frozenset[tuple[str, str]] = frozenset()
    #: Nodes that can't be fenced.
    unfenceable: frozenset[str] = frozenset()
    #: Fencing devices that don't do what they are told, as (node, device): who has another level can be fenced.
    devices_out: frozenset[tuple[str, str]] = frozenset()
    #: Nodes that can fence nobody: they reach no fencing device.
    disarmed: frozenset[str] = frozenset()
    #: Nodes that may rightly be fenced for it, though they are not lost: a daemon of theirs dies, a stop fails.
    victims: frozenset[str] = frozenset()
    #: Links that lose what is sent: between members on heartbeat networks, and with the quorum device. Who is lost by
    #: that, the judge finds out from all faults in force together: members that hear each other on no network.
    unheard: frozenset[Link] = frozenset()
    #: Links between members that lose or delay so much that one may be taken for dead now and then: where two have no
    #: better one left, either may rightly be fenced.
    unsteady: frozenset[Link] = frozenset()
    #: The quorum device's votes are not to be had.
    quorum_device: bool = False
    #: So many votes are expected, by mistake; 0: as many as the topology says.
    votes: int = 0
    #: Services that nothing can run, or nobody can reach: their disk, export or address is gone for every node.
    stopped: frozenset[str] = frozenset()
    #: Services that the cluster was told to leave alone: it need not mend what happens to them.
    unmanaged: frozenset[str] = frozenset()
    #: Those that it was told to leave alone on one node, as (service, node).
    unmanaged_on: frozenset[tuple[str, str]] = frozenset()
    #: Services that may be interrupted or moved once for it, though no node is out.
    disturbed: frozenset[str] = frozenset()
    #: The membership may change again and again, though no link is ``unsteady``: links lose most of what is sent, but
    #: not all; a node is run late.
    restless: bool = False
    #: For how much longer (s) a failover may take.
    slower_s: float = 0.0

    def __or__(self, other: Cost) -> Cost:
        """Both together: the seconds add up, of the votes the more count."""
        return Cost(**{one.name: _joined(one.name, getattr(self, one.name), getattr(other, one.name))
                       for one in fields(Cost)})

    def as_dict(self) -> dict[str, Any]:
        """The cost as ``fault.begin`` carries it: sorted lists, what is empty left out."""
        told: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value:
                told[one.name] = ([list(item) if isinstance(item, tuple) else item for item in sorted(value)]
                                  if isinstance(value, frozenset) else value)
        return told

    @staticmethod
    def of(told: Mapping[str, Any]) -> Cost:
        """The cost that ``as_dict`` told.

        Raises:
            ValueError: it has a field that there is not.
        """
        unknown = sorted(set(told) - {one.name for one in fields(Cost)})
        if unknown:
            raise ValueError(f"a cost has no {', '.join(unknown)}")
        return Cost(**{name: _frozen(value) if isinstance(value, Iterable) else value for name, value in told.items()})


def _joined(name: str, mine: Any, theirs: Any) -> Any:
    if name == "votes":
        return max(mine, theirs)
    return mine | theirs if isinstance(mine, frozenset | bool) else mine + theirs


def _frozen(items: Iterable[Any]) -> frozenset[Any]:
    return frozenset(tuple(item) if isinstance(item, list | tuple) else item for item in items)
