"""What the status commands of several stacks share: output in sections, and what the kernel says in some of them."""

from __future__ import annotations

from collections.abc import Iterable

#: A section each, for ``split``.
ADDRESSES = "echo -- addresses; ip -4 -o addr show"
SOCKETS = "echo -- sockets; cat /proc/net/tcp"


def split(text: str) -> tuple[list[list[str]], dict[str, list[str]]]:
    """The words of each line before the first section, and the lines of each section by its name."""
    head, *rest = text.split("\n-- ")
    words = [line.split() for line in head.splitlines() if line.strip()]
    return words, {name: body.splitlines() for name, _, body in (part.partition("\n") for part in rest)}


def addresses(lines: Iterable[str]) -> frozenset[str]:
    """The addresses in ``lines`` of the section ``ADDRESSES``."""
    return frozenset(fields[3].split("/")[0] for line in lines if len(fields := line.split()) > 3)


def listening_ports(lines: list[str]) -> frozenset[int]:
    """The TCP ports that somebody listens on, of ``lines`` of the section ``SOCKETS``."""
    return frozenset(int(fields[1].rpartition(":")[2], 16) for line in lines[1:]
                     if len(fields := line.split(None, 4)) > 3 and fields[3] == "0A")
