"""Parameters of faults, declared once, by their type::

    node: Node
    networks: Networks
    seconds: Annotated[float, Seconds(1, 600), "after which it ends by itself"] = 20.0

The type reads what was written (a command line, a sentence, code), refuses what is out of its range, tells what it
takes, and knows which things of a topology it names. A text beside it goes on where the type's own words end: "s that
the boot takes longer, from 1 to 600".
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fenceline.model.addressing import CLIENT_NAME
from fenceline.model.stack import STACKS
from fenceline.model.topology import Topology
from fenceline.model.units import parse_duration
from fenceline.stacks.offers import daemons


class ParameterType:
    """What a parameter takes. ``said`` is how a sentence says it (a word of ``fenceline.steps.faults``); ``thing`` is
    what of the topology it names, if it does."""

    said: ClassVar[str] = "quoted"
    thing: Thing | None = None

    @property
    def what(self) -> str:
        """What it takes, with its unit, in words."""
        raise NotImplementedError

    @property
    def limits(self) -> str:
        """From where to where, or how several are written; "" where there is nothing to say."""
        return ""

    def read(self, value: Any) -> Any:
        """The parameter's value, of ``value`` as it was written; what this has returned it takes as well.

        Raises:
            ValueError: it takes no such value.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Number(ParameterType):
    """A number of ``unit`` from ``low`` to ``high``; ``above`` the lowest, if that itself is none; ``signed``: as far
    as that from zero to either side."""

    low: float
    high: float
    unit: str = ""
    above: bool = False
    signed: bool = False
    said: ClassVar[str] = "number"

    @property
    def what(self) -> str:
        return self.unit or "a number"

    @property
    def limits(self) -> str:
        if self.signed:
            return f"from {self.low:g} to {self.high:g} or from {-self.high:g} to {-self.low:g}"
        return f"above {self.low:g} and at most {self.high:g}" if self.above else f"from {self.low:g} to {self.high:g}"

    def _parse(self, value: Any) -> float:
        try:
            return float(value.removesuffix(self.unit) if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise ValueError(f"{value!r} is not a number") from None

    def read(self, value: Any) -> float:
        number = self._parse(value)
        size = abs(number) if self.signed else number
        # not a number (nan) is in no range
        if not (self.low < size if self.above else self.low <= size) or not size <= self.high:
            raise ValueError(f"{' '.join(filter(None, (f'{number:g}', self.unit)))} is not {self.limits}")
        return number


@dataclass(frozen=True)
class Seconds(Number):
    """Seconds, or a duration as one writes it: "500ms", "2min"."""

    unit: str = "s"
    said: ClassVar[str] = "s"

    @property
    def what(self) -> str:
        return "s (or 500ms, 20s, 2min)"

    def _parse(self, value: Any) -> float:
        if not self.signed:
            return parse_duration(value)
        negative = isinstance(value, (int, float)) and value < 0 or isinstance(value, str) and value[:1] == "-"
        size = parse_duration(value[1:] if isinstance(value, str) and value[:1] in ("+", "-") else
                              -value if negative else value)
        return -size if negative else size


@dataclass(frozen=True)
class Percent(Number):
    """A share in %, above 0."""

    low: float = 0
    high: float = 100
    unit: str = "%"
    above: bool = True


@dataclass(frozen=True)
class Count(Number):
    """A whole number."""

    low: float = -math.inf
    high: float = math.inf
    said: ClassVar[str] = "count"

    @property
    def what(self) -> str:
        return self.unit or "a whole number"

    @property
    def limits(self) -> str:
        return super().limits if math.isfinite(self.low) else ""

    def read(self, value: Any) -> int:
        number = super().read(value)
        if not float(number).is_integer():
            raise ValueError(f"{value} is not a whole number")
        return int(number)


@dataclass(frozen=True)
class Text(ParameterType):
    """Any text."""

    what: str = "a text"

    def read(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True)
class Choice(ParameterType):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def what(self) -> str:
        return f"one of {', '.join(self.words)}"

    def read(self, value: Any) -> str:
        if value not in self.words:
            raise ValueError(f"{value!r} is not {self.what}")
        return value


@dataclass(frozen=True)
class Thing(ParameterType):
    """A thing that a topology has: ``word`` is what it is called, ``there(topology)`` which there are."""

    word: str
    there: Callable[[Topology], Iterable[str]]
    text: str | Callable[[], str]
    said: str = "quoted"

    @property
    def thing(self) -> Thing:
        return self

    @property
    def what(self) -> str:
        return self.text if isinstance(self.text, str) else self.text()

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not the name of a {self.word}")
        return value


@dataclass(frozen=True)
class Several(ParameterType):
    """Several things of one kind, ``least`` or more, none of them twice; "*" for all, where a fault says so."""

    thing: Thing
    least: int = 1

    @property
    def said(self) -> str:
        return self.thing.said

    @property
    def what(self) -> str:
        return f"{self.thing.word}s"

    @property
    def limits(self) -> str:
        return "separated by commas"

    def read(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, (str, list, tuple)):
            raise ValueError(f"{value!r} are not names of {self.what}")
        names = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
        if len(names) < self.least or not all(names):
            raise ValueError("name at least one")
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)} names one twice")
        return names


@dataclass(frozen=True)
class Groups(ParameterType):
    """Groups of things of one kind."""

    thing: Thing

    @property
    def what(self) -> str:
        return f"groups of {self.thing.word}s: a,b|c"

    def read(self, value: Any) -> tuple[tuple[str, ...], ...]:
        if not isinstance(value, (str, list, tuple)):
            raise ValueError(f"{value!r} are not {self.what}")
        parts = value.split("|") if isinstance(value, str) else value
        return tuple(tuple(part.split(",")) if isinstance(part, str) else tuple(part) for part in parts)


def _daemons() -> str:
    return "one of " + "; ".join(f"{kind}: {', '.join(model.own_daemons)}" for kind, model in STACKS.items())


NODE = Thing("node", lambda topology: topology.nodes, "a node of the cluster", said="node")
NETWORK = Thing("network", lambda topology: topology.networks, "a network of the topology", said="network")
SERVICE = Thing("service", lambda topology: topology.services, "a service of the topology")
DAEMON = Thing("daemon", daemons, _daemons)
LUN = Thing("LUN", lambda topology: [lun.name for lun in topology.storage.iscsi.luns] if topology.storage.iscsi else (),
            "a LUN of storage.iscsi")
DRBD_RESOURCE = Thing("DRBD resource", lambda topology: [one.name for one in topology.storage.drbd],
                      "a resource of storage.drbd")
PINGED = Thing("machine", lambda topology: (CLIENT_NAME, *topology.nodes),
               f"a machine that the stack pings, or {CLIENT_NAME}", said="bare")

UNIT = Thing("power distribution unit", lambda topology: topology.fencing.pdus, "a unit of fencing.pdus")

Node = Annotated[str, NODE]
Nodes = Annotated[tuple[str, ...], Several(NODE)]
Network = Annotated[str, NETWORK]
Networks = Annotated[tuple[str, ...], Several(NETWORK)]
Service = Annotated[str, SERVICE]
Daemon = Annotated[str, DAEMON]
Lun = Annotated[str, LUN]
DrbdResource = Annotated[str, DRBD_RESOURCE]
Pinged = Annotated[str, PINGED]
Unit = Annotated[str, UNIT]


@functools.cache
def _declared(cls: type) -> dict[str, tuple[ParameterType, str]]:
    found = {}
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        said = getattr(hints[field.name], "__metadata__", ())
        types = [one for one in said if isinstance(one, ParameterType)]
        if not types:
            raise TypeError(f"{cls.__name__}: the parameter {field.name!r} does not say what it takes: declare it with "
                            "a type of fenceline.faults.parameters")
        found[field.name] = types[-1], next((one for one in reversed(said) if isinstance(one, str)), "")
    return found


def types_of(cls: type) -> dict[str, ParameterType]:
    """The parameters of the fault class ``cls``, each with its type.

    Raises:
        TypeError: one has none.
    """
    return {name: declared[0] for name, declared in _declared(cls).items()}


def help_of(cls: type, name: str) -> str:
    """What the parameter ``name`` of the fault class ``cls`` takes, and what for, in words."""
    kind, words = _declared(cls)[name]
    what = kind.what + (words if words[:1] in (",", ";", ":") else f" {words}" if words else "")
    return f"{what}, {kind.limits}" if kind.limits else what


def default_of(cls: type, name: str) -> str | None:
    """The default of the parameter ``name`` of the fault class ``cls``, as one would write it; None: it has none."""
    default = next(field.default for field in dataclasses.fields(cls) if field.name == name)
    if default is dataclasses.MISSING:
        return None
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, (int, float)) else str(default)


def read(cls: type, written: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the fault class ``cls``, of what was ``written`` for them.

    Raises:
        ValueError: one takes no such value; says which.
    """
    types, found = types_of(cls), {}
    for name, value in written.items():
        try:
            found[name] = types[name].read(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found
