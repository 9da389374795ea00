"""Writes numbered records to the ledger of harness/guest/ledger.py: one request each."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from fenceline.observe.appends import INTERVAL, PATIENCE, Appends
from fenceline.observe.dialogue import Reply
from fenceline.observe.log import EventLog
from fenceline.observe.loop import READ, WRITE, ObserverLoop
from fenceline.observe.timed import TimedObserver

_LARGEST = 64 << 20  # bytes of a ledger


class _Append:
    def __init__(self, number: int, sock: socket.socket, sent_ns: int) -> None:
        self.number, self.socket, self.sent_ns = number, sock, sent_ns
        self.reply = Reply()


class HttpWriter(TimedObserver):
    """Writes to the ledger at ``target``, with sockets that ``make_socket`` makes."""

    interval = INTERVAL

    def __init__(self, target: tuple[str, int], appends: Appends, make_socket: Callable[[], socket.socket],
                 log: EventLog, loop: ObserverLoop) -> None:
        super().__init__(log, loop)
        self._target, self._appends, self._socket = target, appends, make_socket
        self._pending: _Append | None = None

    def _close(self) -> None:
        if self._pending is not None:
            self._loop.remove(self._pending.socket)
            self._pending.socket.close()
            self._pending = None

    def _turn(self) -> None:
        append = self._pending
        if append is None:
            self._append()
        elif self._log.clock.now_ns() - append.sent_ns > PATIENCE * 1e9:
            self._finish(append, error=f"no answer within {PATIENCE:g} s")

    def _append(self) -> None:
        append = self._pending = _Append(self._appends.next(), self._socket(), self._log.clock.now_ns())
        append.socket.setblocking(False)
        code = append.socket.connect_ex(self._target)
        if code in (0, errno.EINPROGRESS):
            self._loop.add(append.socket, lambda: self._connected(append), WRITE)
        else:
            self._finish(append, error=os.strerror(code))

    def _connected(self, append: _Append) -> None:
        code = append.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._finish(append, error=os.strerror(code))
            return
        body = str(append.number)
        try:
            append.socket.send(f"POST /append HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError as error:
            self._finish(append, error=error.strerror)
            return
        self._loop.add(append.socket, lambda: self._readable(append), READ)

    def _readable(self, append: _Append) -> None:
        try:
            answer = append.reply.feed(append.socket.recv(65536))
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError) as error:
            self._finish(append, error=str(error))
            return
        if answer is not None:
            status, node = answer
            self._finish(append, status == 200, node, None if status == 200 else f"status {status}")

    def _finish(self, append: _Append, ok: bool = False, node: str | None = None, error: str | None = None) -> None:
        self._pending = None
        self._loop.remove(append.socket)
        append.socket.close()
        self._appends.ended(append.number, append.sent_ns, ok, node, error)

    def read(self, within: float) -> tuple[str, list[list[Any]]]:
        """The whole ledger.

        Raises:
            OSError, ValueError: it could not be read.
        """
        with self._socket() as sock:
            sock.settimeout(within)
            sock.connect(self._target)
            sock.sendall(b"GET /ledger HTTP/1.0\r\n\r\n")
            raw = b""
            while chunk := sock.recv(1 << 16):
                raw += chunk
                if len(raw) > _LARGEST:
                    raise ValueError(f"a ledger of more than {_LARGEST} bytes")
        head, _, body = raw.partition(b"\r\n\r\n")
        reply = Reply()
        answer = reply.feed(head + b"\r\n\r\n" if len(body) > 1 << 20 else raw) or reply.feed(b"")
        if answer is None or answer[0] != 200:
            raise ValueError(f"the ledger was not given: {head[:60]!r}")
        return answer[1], [parse_record(line) for line in body.decode("ascii", errors="replace").splitlines()]


def parse_record(line: str) -> list[Any]:
    """[id, node, sequence] of a ledger's line; a line that is none is [null, line, null]: the judge's to say."""
    words = line.split(" ")
    if len(words) == 3 and words[0].isdigit() and words[2].isdigit():
        return [int(words[0]), words[1], int(words[2])]
    return [None, line[:200], None]
