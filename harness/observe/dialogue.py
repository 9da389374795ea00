"""What the client says on one connection, and what it makes of the answer: pure parsers, one for each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

_LARGEST = 1 << 20  # bytes of an answer that are read at most


@dataclass(frozen=True, slots=True)
class Answer:
    """How a question ended: ``node`` says who answered, ``status`` what in the protocol's own number, if it has one."""

    ok: bool
    node: str | None = None
    status: int | None = None
    error: str | None = None


class Dialogue(Protocol):
    """One question. ``opening`` is sent as soon as the connection stands; b"" where the other side begins."""

    opening: bytes

    def feed(self, chunk: bytes) -> Answer | bytes:
        """Takes the next bytes, b"" at the end of the stream.

        Returns:
            The answer, when it is whole; else what is to be sent now, often b"".

        Raises:
            ValueError: it is no answer in this protocol, or it was cut short.
        """


class Reply:
    """What arrived of an HTTP answer, and what it says."""

    def __init__(self) -> None:
        self._raw = b""

    def feed(self, chunk: bytes) -> tuple[int, str | None] | None:
        """Takes the next bytes, b"" at the end of the stream.

        Returns:
            (status, value of X-Node) when the answer is whole: its headers, and as much of a body as
            Content-Length says; None while more must come.

        Raises:
            ValueError: it is no HTTP answer, or it was cut short.
        """
        self._raw += chunk
        head, separator, body = self._raw.partition(b"\r\n\r\n")
        if not separator:
            if not chunk:
                raise ValueError("the connection was closed before the headers were complete")
            if len(head) > 65536 or (len(head) >= 5 and not head.startswith(b"HTTP/")):
                raise ValueError(f"not an HTTP answer: {head[:40]!r}")
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            raise ValueError(f"not an HTTP answer: {first[:40]!r}")
        headers = {name.strip().lower(): value.strip()
                   for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "")
        if length.isdigit() and len(body) < min(int(length), _LARGEST):
            if not chunk:
                raise ValueError(f"the connection was closed after {len(body)} of {length} bytes")
            return None
        return int(words[1]), headers.get("x-node")


class HttpDialogue:
    """GET of ``question`` (/) of ``service``: 200 is a good answer; X-Node says who gave it."""

    def __init__(self, service: str, question: str | None = None) -> None:
        self.opening = f"GET {question or '/'} HTTP/1.0\r\nHost: {service}\r\nUser-Agent: fenceline\r\n\r\n".encode()
        self._reply = Reply()

    def feed(self, chunk: bytes) -> Answer | bytes:
        """See ``Dialogue``."""
        answer = self._reply.feed(chunk)
        if answer is None:
            return b""
        status, node = answer
        return Answer(status == 200, node, status, None if status == 200 else f"status {status}")
