"""The numbers of the records that a client writes to one service, and the event that each ends with."""

from __future__ import annotations

import itertools
from collections.abc import Set

from harness.observe.log import EventLog

INTERVAL = 0.050  # s between an answer and the next record at least
PATIENCE = 2.0  # s that an answer may take


class Appends:
    """The records of ``service``."""

    def __init__(self, service: str, log: EventLog, nodes: Set[str]) -> None:
        self._service, self._log, self._nodes = service, log, nodes
        self._numbers = itertools.count(1)

    def next(self) -> int:
        """A number that was never used."""
        return next(self._numbers)

    def ended(self, number: int, sent_ns: int, ok: bool = False, node: str | None = None,
              error: str | None = None) -> None:
        """Record ``number``, sent at ``sent_ns``, was acknowledged by ``node``, or was not because of ``error``."""
        known = node if node in self._nodes else None
        self._log.record("client", known, "append", {
            "service": self._service, "id": number, "ok": ok, "sent_ns": sent_ns, "from": known, "error": error})
