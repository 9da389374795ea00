"""What stands in a CIB's attributes: sets of name and value, scores, times, and elements that refer to others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element
from fenceline.model.units import format_duration

INFINITY = 1_000_000
#: {name: (value, place)}
Settings = dict[str, tuple[str, str]]
_UNITS = {"ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6, "s": 1, "sec": 1, "": 1, "m": 60, "min": 60, "h": 3600,
          "hr": 3600}
_ISO = re.compile(r"p(?:(\d{1,4})d)?t?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?")
_TRUE = ("true", "on", "yes", "y", "1")
_FALSE = ("false", "off", "no", "n", "0")


def resolve(draft: Draft, source: Source, configuration: Element) -> None:
    """Puts what is referred to by ``id-ref``, and what resource templates give, where it has its effect."""
    everything = list(configuration.walk())
    named = {(one.tag, one.get("id")): one for one in everything if one.get("id") and not one.get("id-ref")}
    for one in everything:
        if not one.get("id-ref"):
            continue
        target = named.get((one.tag, one.get("id-ref")))
        if target is None or any(inner is one for inner in target.walk()):
            draft.note(source.at(one.line), f"<{one.tag}> id-ref={one.get('id-ref')}: there is none")
        else:
            one.attributes = {**target.attributes, **one.attributes}
            one.children = target.children
    for one in everything:
        template = named.get(("template", one.get("template"))) if one.tag == "primitive" else None
        if template is not None:
            one.attributes = {**template.attributes, **one.attributes, "template": ""}
            one.children = one.children + template.children


def settings(draft: Draft, source: Source, element: Element, tag: str) -> Settings:
    """What the sets called ``tag`` in ``element`` come to: the set with the highest score counts, then the first."""
    found: Settings = {}
    blocks = sorted(element.all(tag), key=lambda one: (one.get("id") != "cib-bootstrap-options", -_rank(one)))
    for block in blocks:
        rule = block.first("rule")
        for pair in block.all("nvpair"):
            name, place = pair.get("name"), source.at(pair.line)
            if rule is not None:
                draft.note(place, f"{name}={'...' if is_secret(name) else pair.get('value')}: by a rule: not expressed")
            elif name:
                found.setdefault(name, (pair.get("value"), place))
    return found


def _rank(block: Element) -> int:
    points = block.get("score").upper().lstrip("+")
    if points.endswith(("INFINITY", "INF")):
        return -INFINITY if points.startswith("-") else INFINITY
    return int(points) if re.fullmatch(r"-?\d{1,9}", points) else 0


def is_secret(name: str) -> bool:
    """Whether the parameter ``name`` has a value that is never printed."""
    return any(word in name.lower() for word in ("passw", "secret", "community", "token", "identity", "pwd"))


def shown(name: str, value: str) -> str:
    """``name=value``, a secret without its value."""
    return f"{name}=..." if is_secret(name) else f"{name}={value}"


def is_true(found: Mapping[str, tuple[str, str]], name: str, otherwise: bool) -> bool:
    """The truth of ``name``, as Pacemaker reads it."""
    word = found[name][0].strip().lower() if name in found else ""
    return True if word in _TRUE else False if word in _FALSE else otherwise


def duration(draft: Draft, text: str, place: str) -> str:
    """A time as a CIB has it ("20", "20s", "1min", "PT1M") as a topology has it."""
    word = text.strip().lower()
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([a-z]*)", word)
    if match and match[2] in _UNITS:
        return format_duration(float(match[1]) * _UNITS[match[2]])
    iso = _ISO.fullmatch(word)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (int(part or 0) for part in iso.groups())
        return format_duration(float(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
    draft.note(place, f"{text!r} is no time that can be imported: 20s in its place")
    return "20s"


def score(draft: Draft, text: str, place: str) -> int:
    """A score as Pacemaker counts: INFINITY is a million."""
    word = text.strip().upper()
    if word.lstrip("+-") in ("INF", "INFINITY"):
        return -INFINITY if word.startswith("-") else INFINITY
    return max(min(draft.number(text.strip().lstrip("+") or "0", place), INFINITY), -INFINITY)
