"""The client that writes: numbered records, one after the other, through the service; and reads them back.

A record's number is never used twice, whatever came of it: an append that got no answer may have happened or not, and
only one that was acknowledged is a promise. What is written to is a ledger of our own, by HTTP, or a database.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from harness.model.event import now_ns
from harness.model.topology import Topology
from harness.observe.appends import Appends
from harness.observe.ledger_http import HttpWriter
from harness.observe.ledger_sql import SqlWriter
from harness.observe.log import EventLog
from harness.observe.loop import ObserverLoop


class Writer(Protocol):
    """Writes to one service."""

    def start(self) -> None:
        """Begins to write. May be repeated."""

    def stop(self) -> None:
        """Stops writing; an append under way gets no event. May be repeated."""

    def read(self, within: float) -> tuple[str, list[list[Any]]]:
        """(who answered, [[id, node, sequence], ...]): all that is there, in its order; ``within`` seconds a step.

        Raises:
            OSError, ValueError: it could not be read, or is no ledger.
        """


class LedgerClient:
    """Appends to every service that takes records; each append is an event ``append`` {service, id, ok, sent_ns, from,
    error}. Without such a service it does nothing.
    """

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        self._fabric, self._log = fabric, log
        self._nodes = set(topology.nodes)
        self._writers: dict[str, Writer] = {}
        for name, service in topology.services.items():
            if not (service.vip and service.daemon and service.daemon.is_ledger):
                continue
            target = (str(service.vip.address), service.daemon.port)
            appends = Appends(name, log, self._nodes)
            self._writers[name] = (SqlWriter(target, appends, self._connector(target)) if service.protocol == "mysql"
                                   else HttpWriter(target, appends, self._socket, log, loop))

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are written to."""
        return tuple(self._writers)

    def start(self) -> None:
        """Begins to write. May be repeated."""
        for writer in self._writers.values():
            writer.start()

    def stop(self) -> None:
        """Stops writing. May be repeated."""
        for writer in self._writers.values():
            writer.stop()

    def _socket(self) -> socket.socket:
        with self._fabric.entered():
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def _connector(self, target: tuple[str, int]) -> Callable[[float], socket.socket]:
        def connect(within: float) -> socket.socket:
            sock = self._socket()
            try:
                sock.settimeout(within)
                sock.connect(target)
            except OSError:
                sock.close()
                raise
            return sock
        return connect

    def read_back(self, service: str, within: float = 10.0) -> bool:
        """Reads the ledger of ``service`` through its address and records ``ledger.read`` {service, sent_ns, from,
        records: [[id, node, sequence], ...]}, or ``ledger.unread`` {service, error}. Returns whether it was read."""
        sent_ns = now_ns()
        try:
            node, records = self._writers[service].read(within)
        except (OSError, ValueError) as error:
            self._log.record("client", None, "ledger.unread", {"service": service, "error": str(error)})
            return False
        self._log.record("client", node if node in self._nodes else None, "ledger.read", {
            "service": service, "sent_ns": sent_ns, "from": node, "records": records})
        return True
