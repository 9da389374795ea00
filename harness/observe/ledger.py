"""The client that writes: numbered records, one after the other, through the service; and reads them back.

A record's number is never used twice, whatever came of it: an append that got no answer may have happened or not, and
only one that was acknowledged is a promise. What is written to is a ledger of our own, by HTTP, or a database.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any, Protocol

from fenceline.model.topology import Topology
from fenceline.observe.appends import Appends
from fenceline.observe.ledger_http import HttpWriter
from fenceline.observe.ledger_sql import SqlWriter
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.targets import Target, all_targets, told


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
    error}. One that is active on all nodes is written to on each at the same time, and ``to`` says on which. Without
    such a service it does nothing.
    """

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        self._fabric, self._log = fabric, log
        self._nodes = set(topology.nodes)
        self._writers: dict[str, dict[Target, Writer]] = {}
        for name, targets in all_targets(topology).items():
            service = topology.services[name]
            if not service.is_ledger:
                continue
            numbers = itertools.count(1)
            self._writers[name] = {}
            for target in targets:
                appends = Appends(target, numbers, log, self._nodes)
                self._writers[name][target] = (
                    SqlWriter(target.where, appends, self._connector(target.where), log.clock)
                    if service.protocol == "mysql"
                    else HttpWriter(target.where, appends, fabric.tcp_socket, log, loop))

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are written to."""
        return tuple(self._writers)

    def start(self) -> None:
        """Begins to write. May be repeated."""
        for writer in self._each():
            writer.start()

    def stop(self) -> None:
        """Stops writing. May be repeated."""
        for writer in self._each():
            writer.stop()

    def _each(self) -> list[Writer]:
        return [writer for writers in self._writers.values() for writer in writers.values()]

    def _connector(self, target: tuple[str, int]) -> Callable[[float], socket.socket]:
        def connect(within: float) -> socket.socket:
            sock = self._fabric.tcp_socket()
            try:
                sock.settimeout(within)
                sock.connect(target)
            except OSError:
                sock.close()
                raise
            return sock
        return connect

    def read_back(self, service: str, within: float = 10.0) -> bool:
        """Reads the ledger of ``service`` through each of its addresses and records ``ledger.read`` {service, sent_ns,
        from, records: [[id, node, sequence], ...]}, or ``ledger.unread`` {service, error}. Returns whether any was
        read."""
        return any([self._read(target, writer, within) for target, writer in self._writers[service].items()])

    def _read(self, target: Target, writer: Writer, within: float) -> bool:
        sent_ns = self._log.clock.now_ns()
        try:
            node, records = writer.read(within)
        except (OSError, ValueError) as error:
            self._log.record("client", None, "ledger.unread", {
                "service": target.service, "error": str(error)} | told(target))
            return False
        self._log.record("client", node if node in self._nodes else None, "ledger.read", {
            "service": target.service, "sent_ns": sent_ns, "from": node, "records": records} | told(target))
        return True
