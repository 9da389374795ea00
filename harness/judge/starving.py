"""Members that the host did not run: the others rightly take them for lost, and no fault of the log's was the cause.

That a machine waited much for a CPU does not say that it was silent: it may have waited in a thousand small pieces. Its
agent's tick, four times a second, tells whether it ran.
"""

from __future__ import annotations

from fenceline.judge.history import SECOND, History
from fenceline.judge.host import starved
from fenceline.model.damage import patience_s

#: So long (ns) after a member was silent it may be fenced, or lose its services, for it: the membership is formed, then
#: its device is asked.
_JUST_BEFORE_NS = 10 * SECOND


def not_run(history: History, at_ns: int) -> str:
    """What the host took just before ``at_ns``, where that is longer than members wait for one that is silent: words
    that follow what happened then. Empty where it took less, and the cluster has to answer for it."""
    wait_s = patience_s(history.topology)
    found = starved(history.kinds("host.waited"), at_ns - _JUST_BEFORE_NS, at_ns)
    for node in history.topology.cluster_nodes:
        if found.get(node, 0.0) > wait_s and _silence_s(history, node, at_ns) >= wait_s:
            return (f"; but the host had just kept {node} from running for {found[node]:.1f} s at a time, and whoever "
                    f"is silent for {wait_s:g} s is lost")
    return ""


def _silence_s(history: History, node: str, at_ns: int) -> float:
    """The longest time (s) without a tick of ``node``'s agent just before ``at_ns``, while its machine was on and had
    booted; all of it where the log has no ticks."""
    if not history.by_kind.get("tick"):
        return _JUST_BEFORE_NS / SECOND
    said = [event for event in history.between(at_ns - _JUST_BEFORE_NS - SECOND, at_ns)
            if event.node == node and event.kind in ("tick", "power.on", "power.off", "agent.start")]
    longest = 0
    for before, event in zip(said, [*said[1:], None], strict=False):
        # off, or booting: silent, and nobody takes it for lost who is not there
        if before.kind in ("power.off", "power.on") or (event is not None and event.kind == "power.on"):
            continue
        longest = max(longest, (event.t_ns if event is not None else at_ns) - before.t_ns)
    return longest / SECOND
