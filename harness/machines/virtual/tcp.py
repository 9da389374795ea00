"""The client's end of a TCP connection in a virtual world (RFC 9293, as much of it as a client needs).

What is lost is sent again, as by Linux: a SYN after 1, 3, 7 ... s, data after 0.2, 0.6 ... s. What comes out of order
is thrown away: the other side sends it again. Nothing here has a window to fill, so none is kept.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

from fenceline.machines.virtual.frames import checksum
from fenceline.machines.virtual.host import TCP, Host, pseudo_header

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_SEGMENT = 1460  # bytes of data: an Ethernet frame's
_SYN_AGAIN, _DATA_AGAIN = 1_000_000_000, 200_000_000  # ns: TCP_TIMEOUT_INIT, TCP_RTO_MIN of Linux
_GIVE_UP = 6  # times that something is sent again: net.ipv4.tcp_syn_retries of Linux
_WRAP = 1 << 32


class Connection:
    """A connection from ``host`` to ``port`` of ``address``; the SYN leaves when it is made. ``changed`` is called in
    the calendar's turn whenever there may be something new.

    ``received`` is what came and was not ``read`` yet; ``ended`` that no more will; ``error`` an errno, or 0.
    """

    def __init__(self, host: Host, address: str, port: int, changed: Callable[[], None]) -> None:
        self._host, self._changed = host, changed
        self._key = (host.addresses[0], host.new_port(), address, port)
        self.is_open = self.ended = False
        self.error = 0
        self.received = b""
        self._unacknowledged = b""  # what was sent, from ``_oldest`` on
        # as a port is not used again for 28000 connections, what an old one left can't be taken for ours
        self._oldest = self._key[1] * 100_003 % _WRAP  # the sequence number of the first byte that is not acknowledged
        self._expected = 0
        self._tries, self._timer = 0, 0
        self._finished = False
        host.segments[self._key] = self._segment
        self._emit(_SYN, self._oldest)
        self._arm(_SYN_AGAIN)

    @property
    def peer(self) -> tuple[str, int]:
        """The other end's address and port."""
        return self._key[2:]

    def send(self, data: bytes) -> int:
        """Sends ``data``; all of it is taken.

        Raises:
            OSError: the connection does not stand, or not any more.
        """
        if self.error:
            raise OSError(self.error, "the connection was lost")
        if not self.is_open:
            raise OSError(errno.ENOTCONN, "not connected")
        sequence = self._oldest + len(self._unacknowledged)
        idle = not self._unacknowledged
        self._unacknowledged += data
        self._emit_data(data, sequence)
        if idle:
            self._tries = 0
            self._arm(_DATA_AGAIN)
        return len(data)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes of what came; b"" at the end.

        Raises:
            BlockingIOError: nothing is there yet.
            OSError: the connection was lost.
        """
        if self.received:
            data, self.received = self.received[:size], self.received[size:]
            return data
        if self.error:
            raise OSError(self.error, "the connection was lost")
        if not self.ended:
            raise BlockingIOError(errno.EAGAIN, "nothing there yet")
        return b""

    def close(self, resets: bool = True) -> None:
        """Ends it: by a RST, which leaves nothing at the other side, or by a FIN. May be repeated."""
        if self._finished:
            return
        if self.is_open and not self.error:
            flags = _RST | _ACK if resets else _FIN | _ACK
            self._emit(flags, self._oldest + len(self._unacknowledged))
        self._finish()

    def _finish(self) -> None:
        self._finished = True
        self._timer += 1
        self._host.segments.pop(self._key, None)

    def _fail(self, error: int) -> None:
        self.error, self.is_open = error, False
        self._finish()
        self._changed()

    def _arm(self, delay: int) -> None:
        self._timer += 1
        timer = self._timer
        self._host.calendar.after(delay << self._tries, lambda: self._again() if timer == self._timer else None)

    def _again(self) -> None:
        self._tries += 1
        if self._tries > _GIVE_UP:
            self._fail(errno.ETIMEDOUT)
        elif not self.is_open:
            self._emit(_SYN, self._oldest)
            self._arm(_SYN_AGAIN)
        elif self._unacknowledged:
            self._emit_data(self._unacknowledged[:_SEGMENT], self._oldest)
            self._arm(_DATA_AGAIN)

    def _emit_data(self, data: bytes, sequence: int) -> None:
        for begin in range(0, len(data), _SEGMENT):
            self._emit(_PSH | _ACK, sequence + begin, data[begin:begin + _SEGMENT])

    def _emit(self, flags: int, sequence: int, data: bytes = b"") -> None:
        source, source_port, target, port = self._key
        options = struct.pack("!BBH", 2, 4, _SEGMENT) if flags & _SYN else b""
        words = 5 + len(options) // 4
        body = struct.pack("!HHIIBBHHH", source_port, port, sequence % _WRAP, self._expected, words << 4, flags, 0xFFFF,
                           0, 0) + options + data
        value = checksum(pseudo_header(source, target, TCP, len(body)) + body)
        self._host.send(source, target, TCP, body[:16] + value.to_bytes(2, "big") + body[18:])

    def _segment(self, body: bytes) -> None:
        sequence, acknowledged, offset, flags = struct.unpack_from("!IIBB", body, 4)
        data = body[(offset >> 4) * 4:]
        if not self.is_open:
            if acknowledged != (self._oldest + 1) % _WRAP:
                return
            if flags & _RST:
                self._fail(errno.ECONNREFUSED)
            elif flags & _SYN and flags & _ACK:
                self._oldest, self._expected = acknowledged, (sequence + 1) % _WRAP
                self.is_open = True
                self._timer += 1
                self._tries = 0
                self._emit(_ACK, self._oldest)
                self._changed()
            return
        if flags & _RST:
            if (sequence - self._expected) % _WRAP < 0x10000:
                self._fail(errno.ECONNRESET)
            return
        if flags & _SYN:  # its SYN-ACK again: our ACK was lost
            self._emit(_ACK, self._oldest + len(self._unacknowledged))
            return
        self._acknowledge(acknowledged)
        ahead = (self._expected - sequence) % _WRAP
        ends = bool(flags & _FIN)
        if not data and not ends:
            return
        if ahead > len(data) or ahead >= 1 << 31:
            data, ends = b"", False  # seen already, or something before it is missing
        else:
            data = data[ahead:]
            self.received += data
            self._expected = (self._expected + len(data) + ends) % _WRAP
            self.ended = self.ended or ends
        self._emit(_ACK, self._oldest + len(self._unacknowledged))
        if data or ends:
            self._changed()

    def _acknowledge(self, acknowledged: int) -> None:
        gained = (acknowledged - self._oldest) % _WRAP
        if 0 < gained <= len(self._unacknowledged):
            self._unacknowledged = self._unacknowledged[gained:]
            self._oldest = acknowledged
            self._tries = 0
            if self._unacknowledged:
                self._arm(_DATA_AGAIN)
            else:
                self._timer += 1
