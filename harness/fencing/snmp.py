"""As much of SNMP (RFC 1157, RFC 3416) as a power distribution unit needs: get, get-next and set, versions 1 and 2c.

Pure: a packet in, a packet out. What a unit has is a table of numbers; see ``answer``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Oid = tuple[int, ...]
#: A number, a text, or the name of a thing.
Value = int | bytes | Oid

_INTEGER, _OCTETS, _NULL, _OID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
_GET, _GET_NEXT, _RESPONSE, _SET = 0xA0, 0xA1, 0xA2, 0xA3
_NO_SUCH_NAME, _BAD_VALUE = 2, 3
_NO_SUCH_OBJECT, _END_OF_VIEW = b"\x80\x00", b"\x82\x00"


def answer(packet: bytes, community: str, table: Mapping[Oid, Value],
           switch: Callable[[Oid, int], bool]) -> bytes | None:
    """What is sent back for ``packet``; None for one that is no request, or not of the ``community``: it is dropped, as
    SNMP does. ``switch`` is told what is set, and says whether that can be."""
    try:
        version, said, kind, number, asked = _request(packet)
    except (ValueError, IndexError, KeyError):
        return None
    if said != community.encode() or kind not in (_GET, _GET_NEXT, _SET):
        return None
    names = sorted(table)
    found, error = [], (0, 0)
    for place, (name, value) in enumerate(asked, 1):
        if kind == _GET_NEXT:
            name = next((one for one in names if one > name), None) or name
            known = name != asked[place - 1][0]
        else:
            known = name in table
        if not known:
            missing = _END_OF_VIEW if kind == _GET_NEXT else _NO_SUCH_OBJECT
            error = error if version or error[0] else (_NO_SUCH_NAME, place)
            found.append((name, missing if version else _tlv(_NULL, b"")))
        elif kind == _SET:
            if not (isinstance(value, int) and switch(name, value)):
                error = (_BAD_VALUE, place)
            found.append((name, _value(value)))
        else:
            found.append((name, _value(table[name])))
    if error[0]:
        found = [(name, _value(value)) for name, value in asked]
    pairs = b"".join(_tlv(_SEQUENCE, _value(name) + value) for name, value in found)
    body = _value(number) + _value(error[0]) + _value(error[1]) + _tlv(_SEQUENCE, pairs)
    return _tlv(_SEQUENCE, _value(version) + _tlv(_OCTETS, said) + _tlv(_RESPONSE, body))


def request(number: int, community: str, name: Oid, value: int | None = None) -> bytes:
    """A question of version 1 for ``name``, or the order to set it to ``value``."""
    pair = _tlv(_SEQUENCE, _value(name) + (_tlv(_NULL, b"") if value is None else _value(value)))
    body = _value(number) + _value(0) + _value(0) + _tlv(_SEQUENCE, pair)
    kind = _GET if value is None else _SET
    return _tlv(_SEQUENCE, _value(0) + _tlv(_OCTETS, community.encode()) + _tlv(kind, body))


def value_in(packet: bytes) -> Value | None:
    """The first value of an answer.

    Raises:
        ValueError: it is none.
    """
    try:
        _, _, kind, _, pairs = _request(packet)
        if kind != _RESPONSE:
            raise ValueError("not an answer")
        return pairs[0][1]
    except (IndexError, KeyError) as error:
        raise ValueError(f"not SNMP: {packet[:20]!r}") from error


def _request(packet: bytes) -> tuple[int, bytes, int, int, list[tuple[Oid, Value | None]]]:
    """(version, community, kind, number, pairs)."""
    _, message, _ = _read(packet, 0, _SEQUENCE)
    _, version, at = _read(message, 0, _INTEGER)
    _, community, at = _read(message, at, _OCTETS)
    kind, body, _ = _read(message, at)
    _, number, at = _read(body, 0, _INTEGER)
    for _ in range(2):
        _, _, at = _read(body, at, _INTEGER)
    _, pairs, _ = _read(body, at, _SEQUENCE)
    found, at = [], 0
    while at < len(pairs):
        _, pair, at = _read(pairs, at, _SEQUENCE)
        _, name, inside = _read(pair, 0, _OID)
        tag, value, _ = _read(pair, inside)
        found.append((_oid(name), {_INTEGER: lambda raw: int.from_bytes(raw, "big", signed=True), _OCTETS: bytes,
                                   _OID: _oid}.get(tag, lambda raw: None)(value)))
    return int.from_bytes(version, "big"), community, kind, int.from_bytes(number, "big", signed=True), found


def _read(data: bytes, at: int, wanted: int | None = None) -> tuple[int, bytes, int]:
    """(tag, content, where the next begins) of the element at ``at``."""
    tag, length = data[at], data[at + 1]
    at += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at:at + count], "big")
        at += count
    if at + length > len(data) or (wanted is not None and tag != wanted):
        raise ValueError("not what was expected")
    return tag, data[at:at + length], at + length


def _oid(raw: bytes) -> Oid:
    numbers, one = [raw[0] // 40, raw[0] % 40], 0
    for byte in raw[1:]:
        one = one << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(one)
            one = 0
    return tuple(numbers)


def _value(value: Value | None) -> bytes:
    if value is None:
        return _tlv(_NULL, b"")
    if isinstance(value, int):
        return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, bytes):
        return _tlv(_OCTETS, value)
    raw = bytes([value[0] * 40 + value[1]])
    for number in value[2:]:
        part = bytes([number & 0x7F])
        while number := number >> 7:
            part = bytes([number & 0x7F | 0x80]) + part
        raw += part
    return _tlv(_OID, raw)


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(raw)]) + raw + content
