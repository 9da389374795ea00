"""What the host took of a stretch of time: a budget that a busy host eats is no promise of the cluster's."""

from __future__ import annotations

from collections.abc import Iterable

from fenceline.model.event import Event

SECOND = 1_000_000_000
#: Less than this (s) decides nothing, and is not worth a word.
LITTLE = 0.05


def host_took(events: Iterable[Event], begin_ns: int, end_ns: int) -> float:
    """For how long (s) between two moments the host kept machines from running that had something to do.

    ``events`` may hold others than ``host.waited``. In each stretch between two looks that is what the machine waited
    that waited longest, and never more than the stretch: whoever a failover waited for at that moment, it was kept from
    going on for no longer than that. A look that lies across the beginning counts in part; one that comes after the end
    counts too, as a wait is counted only when it is over, but only for what of it may lie before the end.
    """
    total = 0.0
    for event in events:
        if event.kind != "host.waited":
            continue
        over = float(event.data.get("over", 0.0))
        from_ns = event.t_ns - int(over * SECOND)
        inside = (min(event.t_ns, end_ns) - max(from_ns, begin_ns)) / SECOND
        if inside <= 0:
            continue
        longest = max((float(seconds) for seconds in event.data.get("seconds", {}).values()), default=0.0)
        total += min(longest, inside)
    return total


def starved(events: Iterable[Event], begin_ns: int, end_ns: int) -> dict[str, float]:
    """For how long (s) at a time each machine was kept from running between two moments: the most that it waited in
    looks in a row in each of which it waited at least half of the time."""
    now: dict[str, float] = {}
    most: dict[str, float] = {}
    last_ns = begin_ns
    for event in events:
        over = float(event.data.get("over", 0.0)) if event.kind == "host.waited" else 0.0
        if not over or event.t_ns < begin_ns or event.t_ns - int(over * SECOND) > end_ns:
            continue
        waited = event.data.get("seconds", {})
        if event.t_ns - int(over * SECOND) - last_ns > SECOND // 2:  # nobody waited in between: that is not recorded
            now = {}
        last_ns = event.t_ns
        now = {node: now.get(node, 0.0) + min(float(seconds), over) for node, seconds in waited.items()
               if float(seconds) >= over / 2}
        most.update({node: seconds for node, seconds in now.items() if seconds > most.get(node, 0.0)})
    return most
