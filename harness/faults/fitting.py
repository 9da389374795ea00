"""Whether a fault fits a cluster: each name in its parameters is one of the topology's, and the stack offers what the
fault needs. Known from the topology alone, before anything is done or written into a log."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fenceline.model.addressing import CLIENT_NAME
from fenceline.model.topology import Topology
from fenceline.stacks.offers import daemons, lacking

#: What a parameter may name, by its kind: how that is called, and which there are.
KINDS: dict[str, tuple[str, Callable[[Topology], Iterable[str]]]] = {
    "node": ("node", lambda topology: topology.nodes),
    "network": ("network", lambda topology: topology.networks),
    "service": ("service", lambda topology: topology.services),
    "daemon": ("daemon", daemons),
    "lun": ("LUN", lambda topology: [lun.name for lun in topology.storage.iscsi.luns] if topology.storage.iscsi
            else ()),
    "resource": ("DRBD resource", lambda topology: [one.name for one in topology.storage.drbd]),
    "pinged": ("machine", lambda topology: (CLIENT_NAME, *topology.nodes)),
}
#: A parameter that names nothing of the topology: one of the fault's own words, or any text.
TEXT = "text"


def kind_of(field: dataclasses.Field) -> str:
    """What the parameter ``field`` of a fault names: one of KINDS, TEXT, or "" for a number. It is declared, or is the
    parameter's own name (several of them: with an s)."""
    if "str" not in str(field.type):
        return ""
    names = (field.metadata.get("kind"), field.name, field.name.removesuffix("s"))
    return next((name for name in names if name in KINDS or name == TEXT), TEXT)


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _flat(part)


def names_in(fault: Any, kind: str) -> list[str]:
    """What the parameters of ``fault`` name of ``kind``, those in groups too, each once; "*", for all that there are,
    names none."""
    return list(dict.fromkeys(name for field in dataclasses.fields(fault) if kind_of(field) == kind
                              for name in _flat(getattr(fault, field.name)) if name != "*"))


def misfit(fault: Any, topology: Topology) -> str | None:
    """Why ``fault`` can't be injected into a cluster of ``topology``, in words; None if nothing speaks against it."""
    for kind, (word, there) in KINDS.items():
        known = list(there(topology))
        for name in names_in(fault, kind):
            if name not in known:
                return f"no {word} {name!r} in {topology.name}; there are {', '.join(known) or 'none'}"
    for node in names_in(fault, "node"):
        for network in names_in(fault, "network"):
            plugged = topology.networks_of(node)
            if network not in plugged:
                return f"{node} is not plugged into {network!r}; it is into {', '.join(plugged)}"
    why = lacking(topology, needs_of(fault))
    return f"the fault {fault.name} can't be injected: {why}" if why else None


def needs_of(fault: Any) -> list[str]:
    """What of ``fenceline.stacks.offers`` the ``fault`` needs, with its own parameters filled in; of a fault class only
    what does not depend on them."""
    needs = getattr(fault, "needs", ())
    if isinstance(fault, type):
        return [need for need in needs if "{" not in need]
    return [need.format(**dataclasses.asdict(fault)) for need in needs]
