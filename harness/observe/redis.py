"""The client's question to Redis: one inline command, and its answer in RESP (redis.io, "Redis serialization
protocol")."""

from __future__ import annotations

from fenceline.observe.dialogue import Answer

_LARGEST = 1 << 16  # bytes of an answer's first line


class RedisDialogue:
    """``question`` (PING): any answer but an error is a good one; a text may say which node answered."""

    def __init__(self, service: str, question: str | None = None) -> None:
        self.opening = (question or "PING").encode() + b"\r\n"
        self._raw = b""

    def feed(self, chunk: bytes) -> Answer | bytes:
        """See ``Dialogue``."""
        if not chunk:
            raise ValueError("the connection was closed before Redis had answered")
        self._raw += chunk
        if self._raw[:1] not in b"+-:$*_#,(%~=":
            raise ValueError(f"not an answer of Redis: {self._raw[:40]!r}")
        line, end, rest = self._raw.partition(b"\r\n")
        if not end:
            if len(self._raw) > _LARGEST:
                raise ValueError("not an answer of Redis: too long")
            return b""
        kind, text = line[:1], line[1:].decode(errors="replace")
        if kind in b"-":
            return Answer(False, error=text)
        if kind != b"$":
            return Answer(True, text if kind == b"+" else None)
        if not text.lstrip("-").isdigit():
            raise ValueError(f"not an answer of Redis: {line[:40]!r}")
        length = int(text)
        if length < 0:
            return Answer(True)
        return Answer(True, rest[:length].decode(errors="replace")) if len(rest) >= length + 2 else b""
