"""Before the first fault a healthy cluster does nothing: nobody is fenced, and nothing moves."""

from __future__ import annotations

from fenceline.judge.exclusive import CUTTING
from fenceline.judge.findings import Tally
from fenceline.judge.history import History, action
from fenceline.judge.promise import promise
from fenceline.judge.starving import not_run
from fenceline.model.event import Event, is_fencing, left_by_itself
from fenceline.model.verdict import Finding, Verdict


@promise("healthy cluster fences nobody", order=140,
         breaks="a fence, a reboot or shutdown that the guest made itself, or a move before the first fault. (By "
                "hand, on a cluster of `fenceline up`, that is the fault `by-hand` in the log)")
def healthy_cluster_fences_nobody(history: History) -> Finding:
    """Between ready and the first fault (administrative ones count as faults) nothing is fenced, no node reboots and
    nothing moves. UNKNOWN where the host had just kept a member from running for longer than the others wait for it.

    What happens while the cluster forms is left out: it is not healthy yet.
    """
    tally = Tally("healthy cluster fences nobody")
    begin_ns = history.ready_ns() or history.start_ns
    fault_ns = history.first_fault_ns()

    def healthy(ns: int) -> bool:
        return ns > begin_ns and (fault_ns is None or ns < fault_ns)

    def add(ns: int, reason: str, *events: Event | None) -> None:
        doubt = not_run(history, ns)
        tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, ns, reason + doubt, *events)

    for event in history.kinds("power.off"):
        if is_fencing(event) and healthy(event.t_ns):
            add(event.t_ns, f"{event.node} was fenced at {history.at(event.t_ns)}, before any fault", event)
        if left_by_itself(event) and healthy(event.t_ns):
            did = "rebooted" if event.data["why"] == "reboot" else "shut down"
            tally.add(Verdict.FAIL, event.t_ns, f"{event.node} {did} at {history.at(event.t_ns)}, told to from "
                      "inside: nobody here had asked for it", event)
    for event in history.kinds("bmc.request"):
        if event.data.get("action") in CUTTING and healthy(event.t_ns):
            add(event.t_ns, f"{event.data.get('from', 'somebody')} asked the fencing device of {event.node} for "
                f"\"{event.data['action']}\" at {history.at(event.t_ns)}, before any fault", event)
    for key, intervals in (*history.held("mount"), *history.held("address")):
        for before, now in zip(intervals, intervals[1:], strict=False):
            if now.node != before.node and healthy(now.start.latest_ns):
                add(now.start.latest_ns, f"{now.node} {action(key)} at {history.at(now.start.latest_ns)}, which "
                    f"{before.node} had, before any fault", *before.events, *now.events)
    return tally.finding("nobody was fenced and nothing moved before the first fault" if fault_ns is not None
                         else "nobody was fenced and nothing moved")
