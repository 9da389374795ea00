"""The client that writes: numbered records, one after the other, through the service; and reads them back.

A record's number is never used twice, whatever came of it: an append that got no answer may have happened or not, and
only one that was acknowledged is a promise.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from harness.model.event import now_ns
from harness.model.topology import Topology
from harness.observe.client import Reply
from harness.observe.log import EventLog
from harness.observe.loop import READ, WRITE, ObserverLoop
from harness.observe.timed import TimedObserver

INTERVAL = 0.050  # s between an answer and the next record at least
PATIENCE = 2.0  # s that an answer may take
_LARGEST = 64 << 20  # bytes of a ledger


class _Append:
    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number, self.socket, self.sent_ns = number, sock, now_ns()
        self.reply = Reply()


class LedgerClient(TimedObserver):
    """Appends to the ledger of every service whose daemon is one; each append is an event ``append`` {service, id, ok,
    sent_ns, from, error}. Without such a service it does nothing.
    """

    interval = INTERVAL

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        super().__init__(log, loop)
        self._fabric = fabric
        self._targets = {name: (str(service.vip.address), service.daemon.port)
                         for name, service in topology.services.items()
                         if service.vip and service.daemon and service.daemon.name == "ledger"}
        self._nodes = set(topology.nodes)
        self._number = {name: 0 for name in self._targets}
        self._pending: dict[str, _Append] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are written to."""
        return tuple(self._targets)

    def _open(self) -> bool:
        return bool(self._targets)

    def _close(self) -> None:
        for append in self._pending.values():
            self._loop.remove(append.socket)
            append.socket.close()
        self._pending.clear()

    def _turn(self) -> None:
        for service in self._targets:
            append = self._pending.get(service)
            if append is None:
                self._append(service)
            elif now_ns() - append.sent_ns > PATIENCE * 1e9:
                self._finish(service, append, error=f"no answer within {PATIENCE:g} s")

    def _socket(self) -> socket.socket:
        with self._fabric.entered():
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def _append(self, service: str) -> None:
        self._number[service] += 1
        append = self._pending[service] = _Append(self._number[service], self._socket())
        append.socket.setblocking(False)
        code = append.socket.connect_ex(self._targets[service])
        if code in (0, errno.EINPROGRESS):
            self._loop.add(append.socket, lambda: self._connected(service, append), WRITE)
        else:
            self._finish(service, append, error=os.strerror(code))

    def _connected(self, service: str, append: _Append) -> None:
        code = append.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._finish(service, append, error=os.strerror(code))
            return
        body = str(append.number)
        try:
            append.socket.send(f"POST /append HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError as error:
            self._finish(service, append, error=error.strerror)
            return
        self._loop.add(append.socket, lambda: self._readable(service, append), READ)

    def _readable(self, service: str, append: _Append) -> None:
        try:
            answer = append.reply.feed(append.socket.recv(65536))
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError) as error:
            self._finish(service, append, error=str(error))
            return
        if answer is not None:
            status, node = answer
            self._finish(service, append, status == 200, node, None if status == 200 else f"status {status}")

    def _finish(self, service: str, append: _Append, ok: bool = False, node: str | None = None,
                error: str | None = None) -> None:
        self._pending.pop(service, None)
        self._loop.remove(append.socket)
        append.socket.close()
        known = node if node in self._nodes else None
        self._log.record("client", known, "append", {
            "service": service, "id": append.number, "ok": ok, "sent_ns": append.sent_ns, "from": known,
            "error": error})

    def read_back(self, service: str, within: float = 10.0) -> bool:
        """Reads the ledger of ``service`` through its address and records ``ledger.read`` {service, sent_ns, from,
        records: [[id, node, sequence], ...]}, or ``ledger.unread`` {service, error}. Returns whether it was read."""
        sent_ns = now_ns()
        try:
            node, text = self._get(service, within)
            records = [parse_record(line) for line in text.splitlines()]
        except (OSError, ValueError) as error:
            self._log.record("client", None, "ledger.unread", {"service": service, "error": str(error)})
            return False
        self._log.record("client", node if node in self._nodes else None, "ledger.read", {
            "service": service, "sent_ns": sent_ns, "from": node, "records": records})
        return True

    def _get(self, service: str, within: float) -> tuple[str, str]:
        sock = self._socket()
        with sock:
            sock.settimeout(within)
            sock.connect(self._targets[service])
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
        return answer[1], body.decode("ascii", errors="replace")


def parse_record(line: str) -> list[Any]:
    """[id, node, sequence] of a ledger's line; a line that is none is [null, line, null]: the judge's to say."""
    words = line.split(" ")
    if len(words) == 3 and words[0].isdigit() and words[2].isdigit():
        return [int(words[0]), words[1], int(words[2])]
    return [None, line[:200], None]
