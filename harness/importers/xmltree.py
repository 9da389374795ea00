"""XML in which every element knows its line: the standard library's ElementTree forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol
from xml.parsers import expat

from fenceline.core.errors import FencelineError

_DEEPEST = 100


class Text(Protocol):
    """What is parsed: ``text``, and ``at``, what messages call a line of it."""

    @property
    def text(self) -> str: ...
    def at(self, line: int) -> str: ...


@dataclass
class Element:
    """An element with its attributes, its line and its children."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        """An attribute's text."""
        return self.attributes.get(name, default)

    def all(self, *tags: str) -> Iterator[Element]:
        """The children called one of ``tags``, in their order."""
        return (child for child in self.children if child.tag in tags)

    def walk(self) -> Iterator[Element]:
        """This element and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def first(self, path: str) -> Element | None:
        """The first element at ``path`` (``a/b``) below this one."""
        here: Element | None = self
        for tag in path.split("/"):
            here = next(here.all(tag), None) if here else None
        return here


def parse_xml(source: Text) -> Element:
    """The root element of ``source``.

    Raises:
        FencelineError: it is not XML, ends too early, or has a document type (which may read other files).
    """
    # the text was decoded already, whatever encoding its first line names
    parser = expat.ParserCreate("utf-8")
    root: list[Element] = []
    open_elements: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentLineNumber)
        if len(open_elements) > _DEEPEST:
            raise FencelineError(f"{source.at(element.line)}: <{tag}> is in {_DEEPEST} others: no configuration is so "
                                 "deep")
        (open_elements[-1].children if open_elements else root).append(element)
        open_elements.append(element)

    def doctype(*_: object) -> None:
        raise FencelineError(f"{source.at(parser.CurrentLineNumber)}: a document type has no place in a configuration")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: open_elements.pop()
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(source.text.strip().encode(), True)
    except expat.ExpatError as error:
        raise FencelineError(f"{source.at(error.lineno)}: {expat.ErrorString(error.code)}: "
                             "the file is not whole, or no XML") from error
    return root[0]
