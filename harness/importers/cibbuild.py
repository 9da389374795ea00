"""A CIB in the making, of what crm shell text or pcs commands say: each element keeps the line that it comes from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

_CLASSES = ("ocf", "lsb", "systemd", "service", "stonith", "heartbeat", "upstart", "nagios")
Pairs = Iterable[tuple[str, str]]


class Word(str):
    """A word of a statement that knows its ``line``."""

    __slots__ = ("line",)

    def __new__(cls, text: str, line: int) -> Word:
        made = super().__new__(cls, text)
        made.line = line
        return made


def line_of(word: str, otherwise: int) -> int:
    """The line of ``word``, if it knows it."""
    return getattr(word, "line", otherwise)


class CibBuilder:
    """``root`` is the configuration."""

    def __init__(self) -> None:
        self.root = Element("configuration", {}, 1)
        self.counted = 0

    def section(self, tag: str) -> Element:
        """The section ``tag``; made when it is new."""
        found = next(self.root.all(tag), None)
        return found or add(self.root, tag, 1)

    def find(self, name: str) -> Element | None:
        """The primitive, group or clone ``name``."""
        return next((one for one in self.section("resources").walk() if one.get("id") == name), None)

    def wrap(self, names: Sequence[str], tag: str, name: str, line: int) -> Element | None:
        """Puts the resources ``names`` into a ``tag`` (a group, a clone); None where one of them does not exist."""
        resources = self.section("resources")
        inner = [one for name in names for one in resources.children if one.get("id") == name]
        if len(inner) != len(names) or not inner:
            return None
        outer = Element(tag, {"id": name}, line, inner)
        resources.children = [one for one in resources.children if not any(one is part for part in inner)]
        resources.children.append(outer)
        return outer

    def constraint(self, tag: str, name: str, line: int, **attributes: str) -> Element:
        """A constraint; ``name`` may be empty."""
        self.counted += 1
        words = {word.replace("_", "-"): value for word, value in attributes.items() if value}
        return add(self.section("constraints"), tag, line, id=name or f"of line {line}", **words)


def add(parent: Element, tag: str, line: int, **attributes: str) -> Element:
    """A new element below ``parent``; an attribute that is empty is not there."""
    made = Element(tag, {word: value for word, value in attributes.items() if value}, line)
    parent.children.append(made)
    return made


def add_pairs(parent: Element, tag: str, pairs: Pairs, line: int) -> None:
    """A set ``tag`` of names and values; none where there are none. A later value of a name takes an earlier one's
    place, be it of another set."""
    told = dict(pairs)
    if not told:
        return
    for block in parent.all(tag):
        block.children = [one for one in block.children if one.get("name") not in told]
    block = add(parent, tag, line)
    for name, value in told.items():
        block.children.append(Element("nvpair", {"name": str(name), "value": value}, line_of(name, line)))


def add_agent(parent: Element, tag: str, name: str, agent: str, line: int) -> Element:
    """A primitive (or template) run by ``agent``: ``class:provider:type``, ``class:type``, or a type of
    ocf:heartbeat."""
    words = agent.split(":")
    kind = words[0] if len(words) > 1 and words[0] in _CLASSES else "ocf"
    rest = words[1:] if len(words) > 1 and words[0] in _CLASSES else words
    if kind in ("ocf",):
        provider = rest[0] if len(rest) > 1 else "heartbeat"
        return add(parent, tag, line, id=name, **{"class": kind}, provider=provider, type=":".join(rest[1:] or rest))
    return add(parent, tag, line, id=name, **{"class": kind}, type=":".join(rest))


def add_operation(primitive: Element, words: Iterable[str], line: int) -> None:
    """An operation of ``words``: its name, then ``attribute=value``."""
    name, *rest = words
    block = next(primitive.all("operations"), None) or add(primitive, "operations", line)
    found = {str(word): value for word, value in pairs(rest)}
    op = Element("op", {"name": str(name), **found}, line_of(name, line))
    block.children.append(op)


def pairs(words: Iterable[str]) -> list[tuple[str, str]]:
    """``name=value`` each; a word without ``=`` is a name without a value."""
    return [(Word(word.partition("=")[0], word.line) if isinstance(word, Word) else word.partition("=")[0],
             word.partition("=")[2]) for word in words]


def add_rule(parent: Element, words: Sequence[str], score: str, role: str, line: int) -> None:
    """A rule as crm shell and pcs write it: comparisons, joined by ``and`` or ``or``; one that is more than that (a
    date, brackets) is kept as a part that nothing here can say."""
    rule = add(parent, "rule", line, score=score, role=role)
    operator = "or" if "or" in words and "and" not in words else "and"
    rule.attributes["boolean-op"] = operator
    part: list[str] = []
    for word in (*words, operator):
        if word not in ("and", "or"):
            part.append(word)
            continue
        if len(part) == 3 and re.fullmatch(r"(string:|number:|integer:|version:)?(eq|ne|lt|gt|lte|gte)", part[1]):
            add(rule, "expression", line, attribute=part[0], operation=part[1].rpartition(":")[2], value=part[2])
        else:
            add(rule, "other_expression", line, text=" ".join(part))
        part = []


def words_of(source: Source, begun: int, text: str) -> list[str]:
    """The words of the statement ``text`` that begins in the line ``begun``, each with its line.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    found: list[str] = []
    try:
        for number, line in enumerate(source.text.splitlines()[begun - 1:], begun):
            ends = line.rstrip()
            goes_on = ends.endswith("\\")
            found += (Word(word, number) for word in shlex.split(ends[:-1] if goes_on else ends))
            if not goes_on:
                break
    except ValueError:
        pass  # a quoted word over two lines
    whole = shlex.split(text)
    return found if found == whole else whole


def logical_lines(source: Source) -> list[tuple[int, str]]:
    """[(number, text)] of the lines, continued ones joined, without those that are empty or comments."""
    found, begun, text = [], 0, ""
    for number, line in enumerate(source.text.splitlines(), 1):
        if not text and line.lstrip().startswith("#"):
            continue
        begun = begun if text else number
        ends = line.rstrip()
        text += (ends[:-1] if ends.endswith("\\") else ends) + " "
        if ends.endswith("\\"):
            continue
        if text.strip():
            found.append((begun, text.strip()))
        text = ""
    return [*found, *([(begun, text.strip())] if text.strip() else [])]
