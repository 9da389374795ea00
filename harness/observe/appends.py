"""The numbers of the records that a client writes to one service, and the event that each ends with."""

from __future__ import annotations

from collections.abc import Iterator, Set

from fenceline.observe.log import EventLog
from fenceline.observe.targets import Target, told

INTERVAL = 0.050  # s between an answer and the next record at least
PATIENCE = 2.0  # s that an answer may take


class Appends:
    """The records that are written at ``target``; ``numbers`` are the service's, whichever of its nodes is asked."""

    def __init__(self, target: Target, numbers: Iterator[int], log: EventLog, nodes: Set[str]) -> None:
        self._target, self._numbers, self._log, self._nodes = target, numbers, log, nodes

    def next(self) -> int:
        """A number that was never used."""
        return next(self._numbers)

    def ended(self, number: int, sent_ns: int, ok: bool = False, node: str | None = None,
              error: str | None = None) -> None:
        """Record ``number``, sent at ``sent_ns``, was acknowledged by ``node``, or was not because of ``error``."""
        known = node if node in self._nodes else None
        self._log.record("client", known, "append", {
            "service": self._target.service, "id": number, "ok": ok, "sent_ns": sent_ns, "from": known,
            "error": error} | told(self._target))
