"""``fault list``, ``fault inject`` and ``fault heal``."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any

from fenceline.commands.cluster import say
from fenceline.commands.show import fault_text
from fenceline.core.errors import FaultError
from fenceline.faults.parameters import default_of, help_of, read, types_of
from fenceline.lab import control

_FAULT_WITHIN = 900.0  # s: healing may wait for an emulated machine to boot


def describe(cls: type) -> list[str]:
    """A fault for ``fault list``: how to write it, what it does, what its parameters take."""
    defaults = {name: default_of(cls, name) for name in types_of(cls)}
    words = [
        f"{name}={name.upper()}" if default is None else f"[{name}={default}]"
        for name, default in defaults.items()
    ]
    first = (cls.__doc__ or "").strip().splitlines()[0]
    summary = re.sub(r"``(\w+)``", lambda match: match[1].upper(), first)
    return [
        " ".join([cls.name, *words]),
        f"    {summary}",
        *[f"      {name}: {help_of(cls, name)}" for name in defaults],
    ]


def parameters_of(cls: type, pairs: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as parameters for the fault ``cls``, of the types that it declares.

    Raises:
        FaultError: not such a word, or not a parameter of this fault, or one is missing.
    """
    types = types_of(cls)
    usage = describe(cls)[0]
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or key not in types or not value:
            raise FaultError(f"{pair!r} is not key=value with a parameter of {cls.name}; write: {usage}")
        if key in found:
            raise FaultError(f"{key} is given twice; write: {usage}")
        found[key] = value
    missing = [name for name in types if name not in found and default_of(cls, name) is None]
    if missing:
        raise FaultError(f"{cls.name} needs {', '.join(missing)}; write: {usage}")
    try:
        return read(cls, found)
    except ValueError as error:
        raise FaultError(f"fault {cls.name}: {error}; write: {usage}") from error


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
