"""What kinds of configuration files there are: each says of itself how it is recognised, and reads itself into a draft.

A kind is registered by the module that reads it (entry points of the group ``fenceline.importers``); nobody else knows
it by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fenceline.core.errors import FencelineError
from fenceline.core.registry import Registry
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import parse_xml

#: The files of one cluster, by their kind.
Files = Mapping[str, Sequence[Source]]

_TEMPLATE_MARK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """A kind of configuration file: recognised by the ``words`` that begin something in it, or by the ``tags`` that an
    XML document of it may have at its root."""

    name: str
    #: Its place among all, where they are told one after the other.
    order: int
    words: re.Pattern[str] | None = None
    tags: tuple[str, ...] = ()
    #: Of two that recognise a text: the larger one, if it is above 0, wherever its words stand; then the one whose
    #: words come first; at the same place the larger one.
    precedence: int = 0
    #: What people call it, where its name does not tell what to give.
    says: str = ""
    #: There may be several files of it.
    several: bool = False
    #: Reads a whole cluster of a file of this kind and those ``beside`` it (kinds), some of which it ``needs``; None:
    #: it is no cluster's own file. Raises FencelineError with the place: it can't.
    read: Callable[[Draft, Files], object] | None = None
    beside: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    #: What to give together, where it, or what it needs, is missing.
    together: str = ""
    #: Reads files that stand beside a cluster's own, before these; what it returns settles the rest after them.
    read_before: Callable[[Draft, Sequence[Source]], Callable[[Draft], None]] | None = None
    #: Reads them where nothing else is given.
    read_alone: Callable[[Draft, Sequence[Source]], object] | None = None


#: Every kind of file that there is, by its name.
IMPORTERS: Registry[FileKind] = Registry("importer")


def file_kind(kind: FileKind) -> FileKind:
    """Registers ``kind``; returns it."""
    return IMPORTERS.register(kind.name, kind)


def file_kinds() -> tuple[FileKind, ...]:
    """All that there are, in their order."""
    return tuple(sorted(IMPORTERS.values(), key=lambda kind: (kind.order, kind.name)))


def kind_of(source: Source) -> FileKind:
    """What ``source`` is, by its content.

    Raises:
        FencelineError: nothing that there is a kind of.
    """
    if not source.text.strip():
        raise FencelineError(f"{source.name} is empty")
    text = _without_comments(source.text)
    if mark := _TEMPLATE_MARK.search(text):
        line = text[:mark.start()].count("\n") + 1
        raise FencelineError(f"{source.at(line)}: {mark[0]}: it is a template: give the file that was "
                             "made from it, as it is on a node")
    if source.text.lstrip().startswith("<"):
        return _of_xml(source)
    found = [(kind, match.start()) for kind in file_kinds() if kind.words and (match := kind.words.search(text))]
    if found:
        # the first one that says something decides: comments may quote other files
        return min(found, key=lambda one: (-max(0, one[0].precedence), one[1], -one[0].precedence))[0]
    if not text.strip():
        raise FencelineError(f"{source.name} has only comments: it names no service and no node, nothing that could be "
                             "imported")
    known = ", ".join(kind.says or kind.name for kind in file_kinds())
    raise FencelineError(f"{source.name} is not recognised; there can be imported: {known}")


def _of_xml(source: Source) -> FileKind:
    root = parse_xml(source).tag
    documents = [kind for kind in file_kinds() if kind.tags]
    for kind in documents:
        if root in kind.tags:
            return kind
    raise FencelineError(f"{source.name}: <{root}> is neither "
                         + " nor ".join(kind.says or f"a {kind.name}" for kind in documents))


def _without_comments(text: str) -> str:
    """``text`` with its lines that are comments left empty."""
    return re.sub(r"^[ \t]*[#!].*$", "", text, flags=re.MULTILINE)
