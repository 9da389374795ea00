"""Members that the host did not run: the others rightly take them for lost, and no fault of the log's was the cause."""

from __future__ import annotations

from harness.judge.history import SECOND, History
from harness.judge.host import starved

#: So long (ns) after a member was silent it may be fenced, or lose its services, for it: the membership is formed, then
#: its device is asked.
_JUST_BEFORE_NS = 10 * SECOND


def not_run(history: History, at_ns: int) -> str:
    """What the host took just before ``at_ns``, where that is longer than members wait for one that is silent: words
    that follow what happened then. Empty where it took less, and the cluster has to answer for it."""
    stack = history.topology.stack
    wait_s = (stack.token if stack.kind == "pacemaker" else stack.deadtime if stack.kind == "heartbeat"
              else 3 * stack.advert_interval)
    found = starved(history.kinds("host.waited"), at_ns - _JUST_BEFORE_NS, at_ns)
    for node in history.topology.cluster_nodes:
        if found.get(node, 0.0) > wait_s:
            return (f"; but the host had just kept {node} from running for {found[node]:.1f} s at a time, and whoever "
                    f"is silent for {wait_s:g} s is lost")
    return ""
