"""Members that the host did not run: the others rightly take them for lost, and no fault of the log's was the cause.

That a machine waited much for a CPU does not say that it was silent: it may have waited in a thousand small pieces. Its
agent's tick, four times a second, tells whether it ran. And who is silent while it waits for nothing hangs.
"""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.judge.history import SECOND, History
from fenceline.judge.host import starved
from fenceline.model.damage import patience_s

#: So long (ns) after a member was silent it may be fenced, or lose its services, for it: the membership is formed, then
#: its device is asked.
_JUST_BEFORE_NS = 10 * SECOND


def not_run(history: History, at_ns: int) -> str:
    """What the host took just before ``at_ns``, where that is longer than members wait for one that is silent: words
    that follow what happened then. Empty where it took less, or the member was silent at another time, and the cluster
    has to answer for it."""
    wait_s = patience_s(history.topology)
    for node in history.topology.cluster_nodes:
        for begin_ns, end_ns in _silences(history, node, at_ns):
            took = starved(history.kinds("host.waited"), begin_ns, end_ns).get(node, 0.0)
            if took > wait_s and end_ns - begin_ns >= wait_s * SECOND:
                return (f"; but the host had just kept {node} from running for {took:.1f} s at a time, and whoever "
                        f"is silent for {wait_s:g} s is lost")
    return ""


def _silences(history: History, node: str, at_ns: int) -> Iterator[tuple[int, int]]:
    """The times just before ``at_ns`` between a tick of ``node``'s agent and the next, while its machine was on and had
    booted; all of it where the log has no ticks."""
    if not history.by_kind.get("tick"):
        yield at_ns - _JUST_BEFORE_NS, at_ns
        return
    said = [event for event in history.between(at_ns - _JUST_BEFORE_NS - SECOND, at_ns)
            if event.node == node and event.kind in ("tick", "power.on", "power.off", "agent.start")]
    for before, event in zip(said, [*said[1:], None], strict=False):
        # off, or booting: silent, and nobody takes it for lost who is not there
        if before.kind in ("power.off", "power.on") or (event is not None and event.kind == "power.on"):
            continue
        yield before.t_ns, event.t_ns if event is not None else at_ns
