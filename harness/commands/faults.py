"""``fault list``, ``fault inject`` and ``fault heal``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

from fenceline.commands.cluster import say
from fenceline.commands.show import fault_text
from fenceline.core.errors import FaultError
from fenceline.lab import control

_FAULT_WITHIN = 900.0  # s: healing may wait for an emulated machine to boot

#: What may stand for a parameter, by its name: the faults' own checks are the authority.
PARAMETERS = {
    "node": "a node of the cluster",
    "networks": "networks that the node is plugged into, separated by commas",
    "network": "a network of the topology",
    "service": "a service of the topology",
    "percent": "% of the packets, above 0 and at most 100",
    "seconds": "s (or 500ms, 20s, 2min), above 0 and at most 600",
}


def describe(cls: type) -> list[str]:
    """A fault for ``fault list``: how to write it, what it does, what its parameters take."""
    fields = dataclasses.fields(cls)
    words = [
        f"{field.name}={field.name.upper()}"
        if field.default is dataclasses.MISSING
        else f"[{field.name}={field.default:g}]"
        if isinstance(field.default, float)
        else f"[{field.name}={field.default}]"
        for field in fields
    ]
    first = (cls.__doc__ or "").strip().splitlines()[0]
    summary = re.sub(r"``(\w+)``", lambda match: match[1].upper(), first)
    return [
        " ".join([cls.name, *words]),
        f"    {summary}",
        *[f"      {field.name}: {parameter_help(field)}" for field in fields],
    ]


def parameter_help(field: dataclasses.Field) -> str:
    """What ``field`` takes; "" where nothing is known of it."""
    if field.name == "daemon":
        from fenceline.stacks.offers import DAEMONS

        return "one of " + "; ".join(f"{stack}: {', '.join(names)}" for stack, names in DAEMONS.items())
    return field.metadata.get("help") or PARAMETERS.get(field.name, "")


def parameters_of(cls: type, pairs: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as parameters for the fault ``cls``, of the types that it declares.

    Raises:
        FaultError: not such a word, or not a parameter of this fault, or one is missing.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    usage = describe(cls)[0]
    found: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or key not in fields or not value:
            raise FaultError(f"{pair!r} is not key=value with a parameter of {cls.name}; write: {usage}")
        if key in found:
            raise FaultError(f"{key} is given twice; write: {usage}")
        found[key] = _convert(str(fields[key].type), key, value)
    missing = [
        name
        for name, field in fields.items()
        if name not in found
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise FaultError(f"{cls.name} needs {', '.join(missing)}; write: {usage}")
    return found


def _convert(kind: str, key: str, value: str) -> Any:
    if kind.startswith("tuple"):
        return value.split(",")
    if kind.startswith("bool"):
        if value not in ("yes", "no", "true", "false"):
            raise FaultError(f"{key}={value}: say yes or no")
        return value in ("yes", "true")
    if kind.startswith("int"):
        try:
            return int(value)
        except ValueError as error:
            raise FaultError(f"{key}={value}: not a whole number") from error
    return value  # numbers may have a unit: the fault itself reads them


def fault_class(name: str) -> type:
    """The fault called ``name``.

    Raises:
        FaultError: there is none.
    """
    from fenceline.faults import FAULTS

    if name not in FAULTS:
        raise FaultError(f"{FAULTS.unknown(name)} (see `fenceline fault list`)")
    return FAULTS[name]


def list_faults(args: argparse.Namespace) -> int:
    """Prints every fault that there is."""
    from fenceline.faults import FAULTS

    print("\n".join(line for name in FAULTS for line in describe(FAULTS[name])))
    return 0


def inject(args: argparse.Namespace) -> int:
    """Injects a fault and waits until it is confirmed."""
    from fenceline.faults import make_fault

    parameters = parameters_of(fault_class(args.name), args.parameters)
    make_fault(args.name, **parameters)  # what is out of its range is said before a cluster is looked for
    entry = control.find(args.cluster)
    say(f"injecting {args.name}, and waiting until it is seen to have taken effect")
    done = control.ask(entry, "inject", _FAULT_WITHIN, fault=args.name, parameters=parameters)
    print(json.dumps(done) if args.json else f"fault {fault_text(done)}")
    return 0


def heal(args: argparse.Namespace) -> int:
    """Heals one fault or all."""
    entry = control.find(args.cluster)
    say("healing, and waiting until it is seen to be healed")
    done = control.ask(entry, "heal", _FAULT_WITHIN, fault=args.fault)
    for fault in done:
        print(f"healed {fault['id']}: {fault['fault']} after {fault['age_s']:.1f} s")
    if not done:
        print("no fault is in force")
    return 0
