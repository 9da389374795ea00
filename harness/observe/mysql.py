"""The client's question to a database: a new connection, its handshake, and who it is that answers.

The packets are those of MySQL's client/server protocol (mariadb.com/kb, "0 - Packet" to "Result Set Packets"); PyMySQL
takes them apart. Its own connections block, and 100 a second of them, each in a thread, would cost the observers'
thread its exactness.
"""

from __future__ import annotations

import struct

from pymysql.err import MySQLError
from pymysql.protocol import MysqlPacket

from fenceline.daemons.mariadb import USER
from fenceline.observe.dialogue import Answer

_PROTOCOL_41, _SECURE_CONNECTION = 0x200, 0x8000  # capabilities
_UTF8MB4 = 45
_LARGEST = 1 << 16  # bytes that the whole dialogue may take
_QUERY = "SELECT @@hostname"


def packet(sequence: int, payload: bytes) -> bytes:
    """A packet as it travels."""
    return struct.pack("<I", len(payload) | sequence << 24) + payload


class SqlDialogue:
    """Greeting, login, ``question`` (``SELECT @@hostname``): its one row says which node answered."""

    opening = b""

    def __init__(self, service: str, question: str | None = None) -> None:
        self._query = b"\x03" + (question or _QUERY).encode()  # COM_QUERY
        self._raw = b""
        self._seen = 0  # packets: greeting, OK, count of columns, column, EOF, row

    def feed(self, chunk: bytes) -> Answer | bytes:
        """See ``Dialogue``."""
        if not chunk:
            raise ValueError(f"the connection was closed after {self._seen} packets")
        self._raw += chunk
        if len(self._raw) > _LARGEST:
            raise ValueError("not an answer of MySQL: too long")
        send = b""
        while len(self._raw) >= 4:
            length = int.from_bytes(self._raw[:3], "little")
            if self._seen == 0 and length > 512:
                raise ValueError(f"not a greeting of MySQL: {self._raw[:40]!r}")
            if len(self._raw) < 4 + length:
                break
            sequence, body = self._raw[3], self._raw[4:4 + length]
            self._raw = self._raw[4 + length:]
            try:
                said = self._packet(sequence, MysqlPacket(body, "utf-8"))
            except MySQLError as error:
                return Answer(False, error=f"error {error.args[0]}: {error.args[1]}")
            except (AssertionError, IndexError, struct.error) as error:
                raise ValueError(f"not an answer of MySQL: {body[:40]!r}") from error
            if isinstance(said, Answer):
                return said
            send += said
        return send

    def _packet(self, sequence: int, body: MysqlPacket) -> Answer | bytes:
        if body.is_error_packet():
            body.raise_for_error()
        place, self._seen = self._seen, self._seen + 1
        if place == 0:
            if body.get_all_data()[:1] != b"\x0a":
                raise ValueError(f"not a greeting of MySQL: {body.get_all_data()[:40]!r}")
            login = struct.pack("<IIB23x", _PROTOCOL_41 | _SECURE_CONNECTION, _LARGEST, _UTF8MB4)
            return packet(sequence + 1, login + USER.encode() + b"\0" + b"\0")  # an empty password: nothing to scramble
        if place == 1:
            if not body.is_ok_packet():
                raise ValueError(f"the login was not answered by OK: {body.get_all_data()[:40]!r}")
            return packet(0, self._query)
        if place < 5:
            return b""
        return Answer(True, body.read_length_coded_string().decode())
