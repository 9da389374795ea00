"""A CIB as it was handed over, asked for what matters: resources with their operations and what they inherit,
properties, constraints; each with its place in the text. Nothing here changes it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fenceline.importers.cibvalues import INFINITY, Settings, is_true, resolve, settings
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

_UNITS = {"ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6, "s": 1, "sec": 1, "": 1, "m": 60, "min": 60, "h": 3600,
          "hr": 3600, "d": 86400}
_ISO = re.compile(r"p(?:(\d{1,4})d)?t?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?")
_CLONES = ("clone", "master")
#: Pacemaker's own time for an operation that says none (s).
DEFAULT_TIMEOUT = 20.0


def seconds(text: str) -> float | None:
    """A time of a CIB ("20", "20s", "1min", "PT1M") in s; None where it is none."""
    word = text.strip().lower()
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)", word)
    if match and match[2] in _UNITS:
        return float(match[1]) * _UNITS[match[2]]
    iso = _ISO.fullmatch(word)
    if iso and any(iso.groups()):
        days, hours, minutes, rest = (int(part or 0) for part in iso.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    return None


def points(text: str) -> int:
    """A score, INFINITY is a million; 0 where it is none."""
    word = text.strip().upper().lstrip("+")
    if word.lstrip("-") in ("INF", "INFINITY"):
        return -INFINITY if word.startswith("-") else INFINITY
    return max(-INFINITY, min(INFINITY, int(word))) if re.fullmatch(r"-?\d{1,9}", word) else 0


def copied(element: Element) -> Element:
    """``element`` with all that is in it, anew."""
    return Element(element.tag, {str(word): str(value) for word, value in element.attributes.items()}, element.line,
                   [copied(one) for one in element.children])


@dataclass(frozen=True, slots=True)
class Op:
    """An operation. ``timeout`` (s): what holds for it, be it by default; ``says_timeout``: it says so itself."""

    name: str
    interval: float
    timeout: float
    says_timeout: bool
    role: str
    on_fail: str
    place: str


@dataclass(frozen=True, slots=True)
class Primitive:
    """A resource; ``above`` are the groups and clones that it is in, the innermost first."""

    id: str
    kind: str
    provider: str
    type: str
    place: str
    parameters: Settings
    meta: Settings
    operations: tuple[Op, ...]
    above: tuple[Element, ...] = ()
    element: Element | None = field(default=None, compare=False)

    @property
    def agent(self) -> str:
        """``ocf:heartbeat:IPaddr2``, ``systemd:nginx``, ``stonith:fence_ipmilan``."""
        return ":".join(part for part in (self.kind, self.provider, self.type) if part)

    @property
    def unit(self) -> str:
        """The id by which constraints know all that it is in."""
        return self.above[-1].get("id") if self.above else self.id

    def value(self, name: str, otherwise: str = "") -> str:
        """A parameter."""
        return self.parameters.get(name, (otherwise, ""))[0]

    def ops(self, name: str) -> list[Op]:
        """Its operations called ``name``."""
        return [op for op in self.operations if op.name == name]

    @property
    def cloned(self) -> Element | None:
        """The clone that it is in."""
        return next((one for one in self.above if one.tag in _CLONES), None)


class Cib:
    """The ``configuration`` of ``source``. ``by_pcs``: made by pcs, which adds each agent's advised operations."""

    def __init__(self, source: Source, configuration: Element, by_pcs: bool = False) -> None:
        self.source, self.by_pcs = source, by_pcs
        self.original = copied(configuration)
        self._draft = Draft("x", "x")  # takes notes that nobody reads: the topology's importer makes them again
        self.root = copied(configuration)
        resolve(self._draft, source, self.root)

    def at(self, element: Element) -> str:
        """Its place."""
        return self.source.at(element.line)

    def _section(self, tag: str) -> list[Element]:
        return [one for block in self.root.all(tag) for one in block.children]

    def settings(self, element: Element, tag: str) -> Settings:
        """What the sets ``tag`` in ``element`` come to."""
        return settings(self._draft, self.source, element, tag)

    @functools.cached_property
    def properties(self) -> Settings:
        """The cluster's own, by the names that Pacemaker 2 has."""
        whole = Element("crm_config", {}, 1, self._section("crm_config"))
        found = {}
        for name, told in self.settings(whole, "cluster_property_set").items():
            word = name.replace("_", "-")
            found["stonith-" + word.removeprefix("fencing-") if word.startswith("fencing-") else word] = told
        return found

    def is_on(self, name: str, otherwise: bool) -> bool:
        """The truth of a property."""
        return is_true(self.properties, name, otherwise)

    @functools.cached_property
    def defaults(self) -> Settings:
        """rsc_defaults."""
        return self.settings(Element("rsc_defaults", {}, 1, self._section("rsc_defaults")), "meta_attributes")

    @functools.cached_property
    def op_defaults(self) -> Settings:
        """op_defaults."""
        return self.settings(Element("op_defaults", {}, 1, self._section("op_defaults")), "meta_attributes")

    @functools.cached_property
    def nodes(self) -> dict[str, Element]:
        """The members, by the names that they have in it."""
        return {one.get("uname"): one for one in self._section("nodes")
                if one.tag == "node" and one.get("type") not in ("remote", "ping") and one.get("uname")}

    @functools.cached_property
    def primitives(self) -> list[Primitive]:
        """Every resource, in the order of the text, fencing devices too."""
        return [self._primitive(one, above) for one, above in self._walk(self._section("resources"), ())]

    @property
    def devices(self) -> list[Primitive]:
        """The fencing devices."""
        return [one for one in self.primitives if one.kind == "stonith"]

    @property
    def resources(self) -> list[Primitive]:
        """All but the fencing devices."""
        return [one for one in self.primitives if one.kind != "stonith"]

    @functools.cached_property
    def units(self) -> dict[str, list[Primitive]]:
        """{id: the primitives in it}, of every group, clone and primitive."""
        found: dict[str, list[Primitive]] = {}
        for one in self.resources:
            for name in (one.id, *(outer.get("id") for outer in one.above)):
                found.setdefault(name, []).append(one)
        return found

    @functools.cached_property
    def clones(self) -> dict[str, Element]:
        """The clones, by their id."""
        return {one.get("id"): one for one in self._section("resources") if one.tag in _CLONES}

    def is_promotable(self, clone: str) -> bool:
        """Whether the clone has a promoted role."""
        element = self.clones.get(clone)
        return element is not None and (element.tag == "master" or is_true(self.meta_of(element), "promotable", False))

    def meta_of(self, element: Element) -> Settings:
        """Meta attributes of ``element`` itself."""
        return self.settings(element, "meta_attributes")

    def constraints(self, *tags: str) -> list[Element]:
        """Those called one of ``tags``."""
        return [one for one in self._section("constraints") if one.tag in tags]

    def unit_of(self, name: str) -> str:
        """The outermost thing that ``name``, of a constraint, is in."""
        inside = self.units.get(name)
        return inside[0].unit if inside else name

    def _walk(self, elements: list[Element], above: tuple[Element, ...]) -> Iterator[tuple[Element,
                                                                                          tuple[Element, ...]]]:
        for one in elements:
            if one.tag == "primitive":
                yield one, above
            elif one.tag in ("group", *_CLONES) and len(above) < 4:
                yield from self._walk(one.children, (one, *above))

    def _primitive(self, one: Element, above: tuple[Element, ...]) -> Primitive:
        meta: Settings = {}
        for outer in (one, *above):
            meta = {**self.meta_of(outer), **meta}
        return Primitive(one.get("id"), one.get("class"), one.get("provider"), one.get("type"), self.at(one),
                         self.settings(one, "instance_attributes"), {**self.defaults, **meta},
                         tuple(self._operations(one)), above, one)

    def _operations(self, one: Element) -> Iterator[Op]:
        usual = seconds(self.op_defaults.get("timeout", ("", ""))[0])
        for op in (op for block in one.all("operations") for op in block.all("op")):
            if op.get("enabled").lower() in ("false", "no", "off", "0"):
                continue
            own = {**{name: value for name, (value, _) in self.settings(op, "meta_attributes").items()},
                   **op.attributes}
            timeout = seconds(own.get("timeout", ""))
            yield Op(op.get("name"), seconds(own.get("interval", "0")) or 0.0,
                     timeout if timeout is not None else usual if usual is not None else DEFAULT_TIMEOUT,
                     timeout is not None, own.get("role", ""),
                     own.get("on-fail", self.op_defaults.get("on-fail", ("", ""))[0]).lower(), self.at(op))
