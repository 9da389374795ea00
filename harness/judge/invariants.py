"""The promises that are judged over the whole log of every scenario, whether or not it names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fenceline.judge.announcements import announces
from fenceline.judge.cluster_fs import freeze_until_fenced, same_everywhere
from fenceline.judge.evidence import evidence
from fenceline.judge.exclusive import CUTTING, fence_before_takeover, single_mount, single_vip_owner
from fenceline.judge.fencings import fenced_only_for_cause, one_fault_one_fencing
from fenceline.judge.findings import Tally, as_dict
from fenceline.judge.groups import group_together, start_order
from fenceline.judge.history import History, action
from fenceline.judge.instances import one_instance
from fenceline.judge.ledger import no_lost_acknowledgement
from fenceline.judge.liveness import liveness
from fenceline.judge.moves import moved_only_for_cause
from fenceline.judge.placement import placement
from fenceline.judge.quorum import no_service_without_quorum
from fenceline.judge.replicas import no_split_brain
from fenceline.judge.routed import behind_a_router
from fenceline.judge.settled import cluster_answers, membership_settles
from fenceline.judge.starving import not_run
from fenceline.judge.survivor import serving_side_survives
from fenceline.judge.takeover import standby_takes_over
from fenceline.judge.whole import whole_again
from fenceline.judge.writers import single_writer
from fenceline.model.event import Event, is_fencing
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Finding, Verdict

Check = Callable[[History], Finding]


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
        if event.data.get("why") == "reboot" and healthy(event.t_ns):
            tally.add(Verdict.FAIL, event.t_ns, f"{event.node} rebooted at {history.at(event.t_ns)}, told to from "
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


#: By name, in the order of the findings. Those in ``SAFETY`` are proven by the log alone.
INVARIANTS: dict[str, Check] = {
    "evidence": evidence,
    "single mount": single_mount,
    "single writer": single_writer,
    "no split brain": no_split_brain,
    "single VIP owner": single_vip_owner,
    "one instance": one_instance,
    "fence before takeover": fence_before_takeover,
    "no service without quorum": no_service_without_quorum,
    "no lost acknowledgement": no_lost_acknowledgement,
    "start order": start_order,
    "group together": group_together,
    "placement": placement,
    "cluster file system freezes": freeze_until_fenced,
    "same on every node": same_everywhere,
    "healthy cluster fences nobody": healthy_cluster_fences_nobody,
    "fenced only for cause": fenced_only_for_cause,
    "one fault, one fencing": one_fault_one_fencing,
    "moved only for cause": moved_only_for_cause,
    "standby takes over": standby_takes_over,
    "serving side survives": serving_side_survives,
    "membership settles": membership_settles,
    "cluster answers": cluster_answers,
    "new owner announces itself": announces,
    "liveness at the end": liveness,
    "clients behind a router": behind_a_router,
    "whole again": whole_again,
}
SAFETY = frozenset({"single mount", "single writer", "single VIP owner", "one instance", "fence before takeover",
                    "no service without quorum", "no lost acknowledgement", "cluster file system freezes",
                    "same on every node", "no split brain"})


def check(name: str, history: History) -> Finding:
    """What the invariant ``name`` came to, expected breaks taken into account.

    Raises:
        KeyError: there is no such invariant.
    """
    return expected(INVARIANTS[name](history), history)


def judge_invariants(history: History) -> tuple[Finding, ...]:
    """Every invariant's finding, PASS too, in the order of ``INVARIANTS``."""
    return tuple(check(name, history) for name in INVARIANTS)


def expected(finding: Finding, history: History) -> Finding:
    """``finding`` as the scenario's ``expect`` events turn it: an expected break that came is PASS, one that did
    not come is FAIL. What is undecided stays so, and evidence can't be expected to be missing."""
    if finding.check == "evidence":
        return _with_expectations(finding, history)
    wanted = [event for event in history.kinds("expect") if event.data.get("break") == finding.check]
    if not wanted:
        return finding
    if finding.verdict is Verdict.FAIL:
        return replace(finding, verdict=Verdict.PASS, reason=f"{BROKEN_AS_EXPECTED}: {finding.reason}")
    if finding.verdict is Verdict.PASS:
        return replace(finding, verdict=Verdict.FAIL, at_ns=wanted[0].t_ns, evidence=(as_dict(wanted[0]),),
                       reason=f"expected to break and did not: {finding.reason}")
    return finding


def _with_expectations(finding: Finding, history: History) -> Finding:
    """A scenario that expects something which does not exist would never be disappointed: INVALID."""
    breakable = [name for name in INVARIANTS if name != "evidence"]
    tally = Tally("evidence")
    for event in history.kinds("expect"):
        if "break" in event.data and event.data["break"] not in breakable:
            tally.add(Verdict.INVALID, event.t_ns, f"the scenario expects a break of {event.data['break']!r}; there "
                      f"are {', '.join(breakable)}", event)
        if "outage" in event.data and event.data["outage"] not in history.topology.services:
            tally.add(Verdict.INVALID, event.t_ns, f"the scenario expects an outage of {event.data['outage']!r}; "
                      f"there are {', '.join(history.topology.services)}", event)
    wrong = tally.finding("")
    if wrong.verdict is Verdict.PASS or finding.verdict in (Verdict.INVALID, Verdict.BROKEN):
        return finding
    return wrong
