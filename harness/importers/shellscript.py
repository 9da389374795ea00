"""A shell script as far as it can be read without running it: what its commands are told, in what order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

_ASSIGNMENT = re.compile(r"(?:(?:export|readonly|local|declare(?: -\w+)?)\s+)?([A-Za-z_]\w*)=(\S*|\"[^\"]*\"|'[^']*')")
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_ASSIGNED = re.compile(r"(?:^|[\s;])([A-Za-z_]\w*)=")
_WRAPPER = re.compile(r"(?:function\s+)?([\w-]+)\s*(?:\(\))?\s*\{\s*(?:sudo\s+)?pcs\s+(?:-\S+\s+\S+\s+)*\"?\$@\"?"
                      r"\s*;?\s*\}")
_CHOICE = re.compile(r"\[\[?\s+\"?(\S*?)\"?\s+(==?|!=)\s+\"?(\S*?)\"?\s+\]\]?\s*(&&|\|\|)\s*(\w+=.*)")
_LOOP = re.compile(r"for\s+([A-Za-z_]\w*)\s+in\s+([^;]+);\s*do")
_OPENS = re.compile(r"(for|while|until|if|case)\b|(function\s+)?[\w-]+\s*\(\)\s*\{|function\s")
_ENDS = re.compile(r"(done|fi|esac|\})")
_CLOSED = re.compile(r"(;|\s)\s*(done|fi|esac|\})\s*(;.*)?$")
_MOST_ROUNDS = 64


class Reader(Protocol):
    """Who takes the commands: ``wrappers`` are functions of the script that only call them."""

    wrappers: set[str]

    def is_command(self, text: str) -> bool:
        """Whether ``text`` is such a command."""

    def command(self, number: int, text: str, values: dict[str, str]) -> None:
        """Takes one, of the line ``number``."""

    def unread(self, lines: Iterable[tuple[int, str]]) -> None:
        """Says what is in lines that can't be read."""


def run_script(reader: Reader, lines: Sequence[tuple[int, str]], values: dict[str, str] | None = None) -> None:
    """Runs ``lines`` as far as they can be read: plain commands and assignments, loops over plain words, functions that
    only call pcs; ``values`` are those of the variables."""
    values = {} if values is None else values
    index = 0
    while index < len(lines):
        number, text = lines[index]
        index += 1
        if match := _ASSIGNMENT.fullmatch(text):
            values[match[1]] = match[2].strip("\"'")
        elif (match := _CHOICE.fullmatch(text)) and (told := _ASSIGNMENT.fullmatch(match[5])):
            _choose(match, told, values)
        elif match := _WRAPPER.fullmatch(text):
            reader.wrappers.add(match[1])
        elif match := _LOOP.fullmatch(text):
            end = _end_of(lines, index)
            if "$" in match[2] or "`" in match[2] or "*" in match[2]:
                reader.unread(lines[index - 1:end])
            else:
                for value in match[2].split()[:_MOST_ROUNDS]:
                    values[match[1]] = value.strip("\"'")
                    run_script(reader, lines[index:end], values)
            index = end + 1
        elif _OPENS.match(text):
            end = index if _CLOSED.search(text) else _end_of(lines, index)
            reader.unread(lines[index - 1:end])
            for _, inner in lines[index - 1:end]:
                for match in _ASSIGNED.finditer(inner):
                    values.pop(match[1], None)  # what it is then is not known
            index = end if _CLOSED.search(text) else end + 1
        elif reader.is_command(text):
            reader.command(number, text, values)
        else:
            for match in _ASSIGNED.finditer(text):
                values.pop(match[1], None)
            if any(word == "pcs" or word in reader.wrappers for word in text.split()):
                reader.unread([(number, text)])


def _choose(match: re.Match[str], told: re.Match[str], values: dict[str, str]) -> None:
    """``[ "$i" = 1 ] && name=value``: done, left, or forgotten where it can't be known."""
    left, right = (VARIABLE.sub(lambda one: values.get(one[1], one[0]), match[number]) for number in (1, 3))
    if "$" in left or "$" in right:
        values.pop(told[1], None)
    elif ((left == right) == (match[2] != "!=")) == (match[4] == "&&"):
        values[told[1]] = told[2].strip("\"'")


def _end_of(lines: Sequence[tuple[int, str]], index: int) -> int:
    """Where the block ends that begins before ``index``."""
    depth = 1
    for place in range(index, len(lines)):
        text = lines[place][1]
        if _ENDS.match(text):
            depth -= 1
        elif (_OPENS.match(text) or _LOOP.fullmatch(text)) and not _CLOSED.search(text):
            depth += 1
        if depth == 0:
            return place
    return len(lines)
