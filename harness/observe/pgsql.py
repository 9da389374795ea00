"""The client's question to PostgreSQL: a new connection, its start-up, one simple query and its first column.

The messages are those of PostgreSQL's protocol 3.0 (its manual, "Frontend/Backend Protocol"). Only a server that trusts
its clients is asked: no password is ever sent.
"""

from __future__ import annotations

import struct

from fenceline.observe.dialogue import Answer

USER = DATABASE = "postgres"
_PROTOCOL = 3 << 16
_LARGEST = 1 << 20  # bytes that the whole dialogue may take


class PgsqlDialogue:
    """Start-up, ``question``: the first column of its first row says which node answered, if it is a node's name."""

    def __init__(self, service: str, question: str | None = None) -> None:
        words = b"".join(word.encode() + b"\0" for word in ("user", USER, "database", DATABASE)) + b"\0"
        self.opening = struct.pack("!II", 8 + len(words), _PROTOCOL) + words
        self._query = message(b"Q", (question or "select 1").encode() + b"\0")
        self._raw = b""
        self._all = 0
        self._is_asked = False
        self._first: str | None = None

    def feed(self, chunk: bytes) -> Answer | bytes:
        """See ``Dialogue``."""
        if not chunk:
            raise ValueError("the connection was closed before PostgreSQL had answered")
        self._raw += chunk
        self._all += len(chunk)
        if self._all > _LARGEST:
            raise ValueError("not an answer of PostgreSQL: too long")
        send = b""
        while len(self._raw) >= 5:
            kind, length = self._raw[:1], int.from_bytes(self._raw[1:5], "big")
            if kind not in b"RSKZTDCIENAG" or not 4 <= length <= _LARGEST:
                raise ValueError(f"not an answer of PostgreSQL: {self._raw[:40]!r}")
            if len(self._raw) < 1 + length:
                break
            body, self._raw = self._raw[5:1 + length], self._raw[1 + length:]
            said = self._message(kind, body)
            if isinstance(said, Answer):
                return said
            send += said
        return send

    def _message(self, kind: bytes, body: bytes) -> Answer | bytes:
        if kind == b"E":
            fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
            return Answer(False, error=f"error {fields.get(b'C', '?')}: {fields.get(b'M', '?')}")
        if kind == b"R" and body[:4] != b"\0\0\0\0":
            return Answer(False, error="PostgreSQL wants a password: say trust in its pg_hba.conf")
        if kind == b"D" and self._first is None and len(body) >= 6:
            length, = struct.unpack("!i", body[2:6])
            self._first = body[6:6 + length].decode(errors="replace") if length >= 0 else None
        if kind == b"Z":
            if self._is_asked:
                return Answer(True, self._first)
            self._is_asked = True
            return self._query
        return b""


def message(kind: bytes, body: bytes) -> bytes:
    """A message as it travels: its length counts itself."""
    return kind + struct.pack("!I", len(body) + 4) + body
