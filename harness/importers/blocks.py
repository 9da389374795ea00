"""Configuration files of words in nested braces: keepalived.conf (a directive a line), drbd.conf (each ends with a
semicolon) and corosync.conf (``key: value``)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fenceline.core.errors import FencelineError
from fenceline.importers.source import Source

_TOKEN = re.compile(r'"(?P<quoted>[^"\n]*)"|(?P<mark>[{};])|(?P<word>[^\s{};"]+)|(?P<bad>")')


@dataclass
class Directive:
    """``words``, and what stands in braces after them; None where there are no braces."""

    words: tuple[str, ...]
    line: int
    body: list[Directive] | None = field(default=None)

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0]

    @property
    def value(self) -> str:
        """The words after the first."""
        return " ".join(self.words[1:])

    def all(self, *names: str) -> Iterator[Directive]:
        """The directives in its braces that have one of ``names``."""
        return (one for one in self.body or () if one.name in names)

    def flat(self) -> tuple[str, ...]:
        """Its words, and those of all that is in its braces."""
        return self.words + tuple(word for one in self.body or () for word in one.flat())

    def unread(self, known: Collection[str]) -> Iterator[Directive]:
        """The directives in its braces that have none of the names in ``known``."""
        return (one for one in self.body or () if one.name not in known)

    def last(self, *names: str) -> Directive | None:
        """The last of these: a later one takes an earlier one's place."""
        found = list(self.all(*names))
        return found[-1] if found else None


def parse_blocks(source: Source, comments: str, by_line: bool) -> Directive:
    """The whole of ``source`` as a directive without words; ``comments`` are the characters that begin one,
    ``by_line`` says whether a line's end ends a directive.

    Raises:
        FencelineError: braces that don't match, a directive without an end; with the place.
    """
    root = Directive((), 1, [])
    stack = [root]
    words: list[str] = []
    begun = 0

    def finish(body: list[Directive] | None = None) -> None:
        stack[-1].body.append(Directive(tuple(words), begun, body))
        words.clear()

    number = 0
    for number, text in enumerate(source.text.splitlines(), 1):
        for token in _tokens(source, number, text, comments):
            if token == "{":
                if words:
                    finish([])
                elif not (by_line and stack[-1].body and stack[-1].body[-1].body is None):
                    raise FencelineError(f"{source.at(number)}: a brace without a name before it")
                else:  # on a line of its own
                    stack[-1].body[-1].body = []
                stack.append(stack[-1].body[-1])
            elif token == "}":
                if words:
                    if not by_line:
                        raise FencelineError(f"{source.at(number)}: `{' '.join(words)}` has no semicolon")
                    finish()
                if len(stack) == 1:
                    raise FencelineError(f"{source.at(number)}: a closing brace too many")
                stack.pop()
            elif token == ";":
                if words:
                    finish()
            else:
                if not words:
                    begun = number
                words.append(token.removeprefix('"'))
        if by_line and words:
            finish()
    if words:
        raise FencelineError(f"{source.at(number)}: the file ends within `{' '.join(words)}`")
    if len(stack) > 1:
        raise FencelineError(f"{source.at(stack[-1].line)}: the block `{' '.join(stack[-1].words)}` is not closed: "
                             "the file is not whole")
    return root


def _tokens(source: Source, number: int, text: str, comments: str) -> Iterator[str]:
    """Words and marks of a line; a quoted word keeps a quote in front, so that it is never taken for a mark."""
    place = 0
    while match := _TOKEN.search(text, place):
        place = match.end()
        if match["bad"]:
            raise FencelineError(f"{source.at(number)}: a quotation mark is not closed")
        if match["word"] and match["word"][0] in comments:
            return
        yield f'"{match["quoted"]}' if match["quoted"] is not None else match["mark"] or match["word"]
