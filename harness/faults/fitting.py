"""Whether a fault fits a cluster: each name in its parameters is one of the topology's, and the stack offers what the
fault needs. Known from the topology alone, before anything is done or written into a log.

A fault class says as ``needs`` whatever must be there: words of ``fenceline.stacks.offers``, in which {name} stands for
its parameter, and words of ``fenceline.faults.requirements``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from fenceline.faults.parameters import NETWORK, NODE, Thing, types_of
from fenceline.model.topology import Topology
from fenceline.stacks.offers import lacking

#: What is asked of the host and the guests; all else is asked of the topology.
_OF_A_PLACE = re.compile(r"(\w+: )?(program .+|guest module .+|netem|host bridges)")


def needs_of_place(fault: Any) -> list[str]:
    """What of the host and the guests (``fenceline.faults.requirements``) the ``fault``, or fault class, needs."""
    said = [need for need in getattr(fault, "needs", ()) if _OF_A_PLACE.fullmatch(need)]
    return [*said, "host bridges"] if getattr(fault, "on_bridges", False) else said


def templates_of(fault: Any) -> list[str]:
    """What of the topology the ``fault``, or fault class, needs, with {its parameters} still to be filled in."""
    return [need for need in getattr(fault, "needs", ()) if need not in needs_of_place(fault)]


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _flat(part)


def things_in(fault: Any) -> dict[Thing, list[str]]:
    """What of a topology the parameters of ``fault`` name, those in groups too, each once; "*", for all that there
    are, names none."""
    found: dict[Thing, list[str]] = {}
    for parameter, kind in types_of(type(fault)).items():
        if kind.thing is not None:
            names = found.setdefault(kind.thing, [])
            names += [name for name in _flat(getattr(fault, parameter)) if name not in (*names, "*")]
    return found


def misfit(fault: Any, topology: Topology) -> str | None:
    """Why ``fault`` can't be injected into a cluster of ``topology``, in words; None if nothing speaks against it."""
    named = things_in(fault)
    for thing, names in named.items():
        known = list(thing.there(topology))
        for name in names:
            if name not in known:
                return f"no {thing.word} {name!r} in {topology.name}; there are {', '.join(known) or 'none'}"
    for node in named.get(NODE, ()):
        for network in named.get(NETWORK, ()):
            plugged = topology.networks_of(node)
            if network not in plugged:
                return f"{node} is not plugged into {network!r}; it is into {', '.join(plugged)}"
    why = lacking(topology, needs_of(fault))
    return f"the fault {fault.name} can't be injected: {why}" if why else None


def needs_of(fault: Any) -> list[str]:
    """What of the topology (``fenceline.stacks.offers``) the ``fault`` needs, with its own parameters filled in; of a
    fault class only what does not depend on them."""
    needs = templates_of(fault)
    if isinstance(fault, type):
        return [need for need in needs if "{" not in need]
    return [need.format(**dataclasses.asdict(fault)) for need in needs]
