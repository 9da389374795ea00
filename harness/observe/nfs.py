"""NFS as it passes on the wire: which client changes which export. Pure: bytes in, changes out.

RFC 5531: calls over TCP are records, each of one fragment (which is all that Linux sends) with a header of four bytes.
RFC 8881 and RFC 7862, version 4: a call is a compound of operations, of which those that come before a change in what
Linux sends are known here; RFC 1813, version 3: a call is one procedure, whose first argument is a file handle. An
export's handles begin with its ``fsid`` (our server gives each a number).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fenceline.observe.tcp import Followed, Segment

_LAST = 0x80000000  # bit of the record's header: its last fragment
_NFS = 100003
_LARGEST = 1 << 22  # bytes of a record
_HEAD = 1024  # bytes of a record in which everything that is told must be
#: Version 3: SETATTR, WRITE, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, RENAME, LINK.
_CHANGES_3 = frozenset({2, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#: Version 4: CREATE, LINK, REMOVE, RENAME, SETATTR, WRITE, ALLOCATE, COPY, DEALLOCATE, WRITE_SAME, CLONE.
_CHANGES_4 = frozenset({6, 11, 28, 29, 34, 38, 59, 60, 62, 70, 71})
_SEQUENCE, _PUTFH, _PUTROOTFH, _SAVEFH, _RESTOREFH, _OPEN = 53, 22, 24, 32, 31, 18
_FSID_NUMBER = 1  # type of file handle, in its third byte


@dataclass(frozen=True, slots=True)
class Change:
    """A call that changes what is exported as ``fsid``; None where the handle does not tell."""

    fsid: int | None


class _Words:
    """XDR, read from the front.

    Raises:
        IndexError: there is no more.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        if self._at + 4 > len(self._data):
            raise IndexError
        value, = struct.unpack_from("!I", self._data, self._at)
        self._at += 4
        return value

    def skip(self, size: int) -> None:
        self._at += size

    def opaque(self) -> bytes:
        size = self.number()
        begin = self._at
        self._at += -(-size // 4) * 4
        if self._at > len(self._data):
            raise IndexError
        return self._data[begin:begin + size]


class Stream(Followed):
    """One connection of a client to the server."""

    def feed(self, segment: Segment) -> list[Change]:
        """The changes whose calls begin in ``segment``."""
        return super().feed(segment)

    def _begins(self, data: bytes) -> bool:
        """A call of NFS, as a last fragment of sane length."""
        if len(data) < 20:
            return False
        header, _, kind, version, program = struct.unpack_from("!5I", data)
        if not header & _LAST or header & ~_LAST >= _LARGEST:
            return False
        # where the beginning is known, it may be an answer to what the server asked
        return self._next is not None or (kind, version, program) == (0, 2, _NFS)

    def _wanted(self, head: bytes) -> int:
        if len(head) < 4:
            return 4
        return max(20, min(_HEAD, 4 + (int.from_bytes(head[:4]) & ~_LAST)))

    def _take(self, head: bytes) -> tuple[int, list[Change]]:
        rest = 4 + (int.from_bytes(head[:4]) & ~_LAST) - len(head)
        return max(0, rest), changes(head[4:])


def changes(call: bytes) -> list[Change]:
    """What the RPC message ``call``, of which the rest may be missing, changes."""
    words = _Words(call)
    try:
        _, kind, version, program, release, procedure = (words.number() for _ in range(6))
        if (kind, version, program) != (0, 2, _NFS):
            return []
        for _ in range(2):  # who asks, and the proof
            words.number()
            words.opaque()
        if release == 3:
            return [Change(_fsid(words.opaque()))] if procedure in _CHANGES_3 else []
        return _compound(words) if release == 4 and procedure == 1 else []
    except IndexError:
        return []


def _compound(words: _Words) -> list[Change]:
    words.opaque()  # its tag
    words.number()  # minor version
    handle: bytes | None = None
    for _ in range(words.number()):
        operation = words.number()
        if operation in _CHANGES_4:
            return [Change(_fsid(handle))]
        if operation == _SEQUENCE:
            words.skip(32)
        elif operation == _PUTFH:
            handle = words.opaque()
        elif operation == _OPEN:
            return [Change(_fsid(handle))] if _creates(words) else []
        elif operation not in (_PUTROOTFH, _SAVEFH, _RESTOREFH):
            return []
    return []


def _creates(words: _Words) -> bool:
    """Whether the arguments of OPEN ask for a new file, or for one to be cut."""
    words.skip(12)  # sequence, access, denial
    words.skip(8)   # client
    words.opaque()  # owner
    return words.number() == 1


def _fsid(handle: bytes | None) -> int | None:
    """The number of the export that ``handle`` belongs to."""
    if handle is None or len(handle) < 8 or handle[0] != 1 or handle[2] != _FSID_NUMBER:
        return None
    return int.from_bytes(handle[4:8], "little")  # as the server's own processor has it
