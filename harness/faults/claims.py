"""What a fault holds for itself while it is in force, so that healing one of two never undoes the other.

A fault class says it as ``claims(topology)``. Two faults of which both claim the same thing are not in force together:
the second one is refused, before anything is done. Where both say that the thing may be ``shared`` (a cable stays out
for as long as anybody wants it out), each may come and go, and what is healed first leaves the thing to the other.
A fault that has done all that it does once it was injected (a process killed) claims nothing, and one that ends by
itself gives its claims up then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fenceline.model.event import Event

if TYPE_CHECKING:
    from fenceline.core.clock import Clock
    from fenceline.model.topology import Topology

_TO_END = 1.0  # s that a fault which ends by itself may take to begin, and to end


@dataclass(frozen=True, slots=True)
class Claim:
    """``thing`` in words ("the cable of rs-01 in heartbeat"). It is given up when ``machine`` starts anew, where that
    takes away what the fault did: what was stopped, filled or set in a guest's memory, and its power."""

    thing: str
    machine: str | None = None
    shared: bool = False


def claims_of(fault: Any, topology: Topology) -> frozenset[Claim]:
    """What ``fault`` claims; of a class that does not say so, that it is not injected twice with the same
    parameters."""
    if hasattr(fault, "claims"):
        return frozenset(fault.claims(topology))
    return frozenset({Claim(f"{fault.name} {asdict(fault)}")})


def cable(node: str, network: str, shared: bool = True) -> Claim:
    """The cable of ``node`` in ``network``."""
    return Claim(f"the cable of {node} in {network}", shared=shared)


def power(node: str) -> Claim:
    """The power of ``node``: whether its CPUs run."""
    return Claim(f"the power of {node}", node)


def inside(what: str, node: str) -> Claim:
    """``what`` inside of ``node``, gone when that machine starts anew."""
    return Claim(f"{what} of {node}", node)


class Once:
    """What every fault has that has done all that it does once it was injected: it may come again at any time, and
    healing one of them takes nothing from another."""

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset()


class InForce(Protocol):
    """A fault in force: see ``fenceline.faults.ActiveFault``."""

    id: int
    fault: Any
    begun_ns: int


class Claims:
    """Who holds what, among faults in force. ``events`` are the log's, by which one sees what was given up."""

    def __init__(self, topology: Topology, active: Iterable[InForce],
                 events: Callable[[], Iterable[Event]], clock: Clock) -> None:
        self._topology, self._active, self._events, self._clock = topology, list(active), events, clock

    def _held(self, one: InForce) -> frozenset[Claim]:
        lasts = getattr(one.fault, "lasts", None)
        if lasts is not None and self._clock.now_ns() > one.begun_ns + (lasts + _TO_END) * 1e9:
            return frozenset()
        claims = claims_of(one.fault, self._topology)
        bound = {claim for claim in claims if claim.machine is not None}
        if not bound:
            return claims
        started = {event.node for event in self._events()
                   if event.kind == "power.on" and event.t_ns > one.begun_ns and not event.data.get("baseline")}
        return claims - {claim for claim in bound if claim.machine in started}

    def conflict(self, fault: Any) -> str | None:
        """Why ``fault`` can't be injected beside those in force, in words; None if it can."""
        for one in self._active:
            for theirs in sorted(self._held(one), key=str):
                for mine in claims_of(fault, self._topology):
                    if mine.thing == theirs.thing and not (mine.shared and theirs.shared):
                        return f"fault {one.id} ({one.fault.name}) has {mine.thing} already: heal that one first"
        return None

    def holders(self, one: InForce, claim: Claim) -> list[InForce]:
        """The others that hold ``claim`` of ``one`` now."""
        return [other for other in self._active if other is not one
                and claim.thing in {theirs.thing for theirs in self._held(other)}]

    def left_to(self, one: InForce) -> list[InForce]:
        """The others that hold everything that ``one`` claims, so that healing it has nothing to undo; none, if it has
        anything to itself."""
        claims = claims_of(one.fault, self._topology)
        found = [self.holders(one, claim) for claim in claims]
        return list({id(other): other for others in found for other in others}.values()) if claims and all(
            found) else []
