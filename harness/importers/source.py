"""A configuration file that somebody gave: its text, and where in it something stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.errors import FencelineError

_TEMPLATES = (".j2", ".jinja", ".jinja2", ".erb", ".epp", ".tmpl", ".tpl")
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
#: A byte that is no UTF-8, as it is decoded with surrogateescape.
_FOREIGN = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Source:
    """One file. ``name`` is how messages call it."""

    name: str
    text: str

    def at(self, line: int) -> str:
        """A place in it, as editors read it."""
        return f"{self.name}:{line}"


def read_source(path: str) -> Source:
    """The file at ``path``. Comments may have bytes that are no UTF-8, and XML another encoding that it names.

    Raises:
        FencelineError: it can't be read, is a template, or is no text.
    """
    if path.lower().endswith(_TEMPLATES):
        raise FencelineError(f"{path} is a template (.{path.rpartition('.')[2]}): give the file that was made from it, "
                             "as it is on a node")
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise FencelineError(f"{path}: {error.strerror}") from error
    return source_of(path, raw)


def source_of(path: str, raw: bytes) -> Source:
    """What ``raw``, from ``path``, says; see ``read_source``.

    Raises:
        FencelineError: it is no text.
    """
    declared = _ENCODING.match(raw)
    try:
        text = raw.decode(declared[1].decode() if declared else "utf-8-sig")
    except LookupError as error:
        raise FencelineError(f"{path}:1: {error}") from error
    except UnicodeDecodeError:
        text = raw.decode("utf-8-sig", errors="surrogateescape")
        _check_bytes(path, text)
        text = _FOREIGN.sub("\ufffd", text)
    if "\0" in text:
        raise FencelineError(f"{path}:{text[:text.index(chr(0))].count(chr(10)) + 1}: a NUL byte: it is no "
                             "configuration file")
    return Source(path, text)


def _check_bytes(path: str, text: str) -> None:
    """Raises:
        FencelineError: a byte that is no UTF-8 stands outside of a comment.
    """
    first = text.lstrip()[:1]
    for match in _FOREIGN.finditer(text):
        before = text[:match.start()]
        if first == "<":
            in_comment = before.rfind("<!--") > before.rfind("-->")
        else:
            in_comment = bool(re.search(r"(^|\s)[#!]", before.rpartition("\n")[2]))
        if not in_comment:
            line = before.count("\n") + 1
            raise FencelineError(f"{path}:{line}: byte {len(before.encode(errors='surrogateescape'))} is no UTF-8: "
                                 "only comments may have others; is it a configuration file?")
