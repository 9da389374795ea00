"""How a client asks, by the protocol that a service speaks: what is said on one connection, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fenceline.observe.command import CommandDialogue
from fenceline.observe.dialogue import Dialogue, HttpDialogue
from fenceline.observe.mysql import SqlDialogue
from fenceline.observe.pgsql import PgsqlDialogue
from fenceline.observe.redis import RedisDialogue


@dataclass(frozen=True, slots=True)
class Asker:
    """``dialogue`` (of a service and its question) is None where the connection itself is the answer; ``interval`` the
    time (s) between two questions to one service. An outage is seen up to one interval too long at each end, and 20 ms
    at p95 is the aim (benchmarks/failover_error.py). A database is more work to ask."""

    dialogue: Callable[[str, str | None], Dialogue] | None
    interval: float = 0.008


ASKERS: dict[str, Asker] = {
    "http": Asker(HttpDialogue),
    "tcp": Asker(None),
    "mysql": Asker(SqlDialogue, 0.012),
    # PostgreSQL forks a process for each connection: 50 a second left a User-Mode Linux guest no time for its agent,
    # whose monitor ran into its timeout of 20 s
    "pgsql": Asker(PgsqlDialogue, 0.250),
    "redis": Asker(RedisDialogue),
    # a process each time
    "command": Asker(CommandDialogue, 0.500),
}
