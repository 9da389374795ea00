"""Whether a node's fencing device is still at work on it."""

from __future__ import annotations

from collections.abc import Sequence

from fenceline.model.event import Event

#: A device that was asked nothing for so long (ns) since it cut the power is not asked to give it again:
#: fence_ipmilan's next question comes within 2 s, also on a busy machine.
_QUIET_NS = 5 * 10**9


def is_being_fenced(events: Sequence[Event], node: str, now_ns: int) -> bool:
    """Whether the device of ``node``, which cut its power last, may yet be told to give it again: it was not told so
    since, and is doing what it was asked, or was asked something just now."""
    cut: Event | None = None
    asked: Event | None = None  # what the device was last asked, or answered
    for event in reversed(events):
        if event.node != node:
            continue
        if event.kind.startswith("bmc."):
            if event.kind == "bmc.done" and event.data.get("action") == "on" and cut is None:
                return False
            asked = asked or event
        elif event.kind in ("power.on", "power.off") and cut is None:
            if event.kind == "power.on" or event.data.get("why") != "fence":
                return False
            cut = event
        if cut is not None and asked is not None:
            return asked.kind == "bmc.request" or now_ns - max(asked.t_ns, cut.t_ns) < _QUIET_NS
    return False
