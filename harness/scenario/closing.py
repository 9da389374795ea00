"""How a scenario ends: what is open is waited for, then the faults are healed and the cluster becomes whole again.

All of it stands in the scenario's log, so that it is judged: ``settled``, ``healing``, ``whole`` (see
``fenceline.model.event``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fenceline.cluster.health import FAILED_ACTION
from fenceline.cluster.waits import forgets_failures
from fenceline.core.errors import ClusterError, FencelineError, Timeout
from fenceline.faults.software import configurations
from fenceline.judge.history import build_history
from fenceline.judge.settling import Matter, open_matters, tells
from fenceline.judge.verdict import judge
from fenceline.machines.protocol import Power
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Judgement, Verdict
from fenceline.observe.log import EventLog
from fenceline.stacks.offers import offers

#: The log is looked through no more often than this (s): the observers share the interpreter with us.
_LOOK_AGAIN_S = 0.25
#: A machine that stays off for so long (s) is switched on by nobody else.
_LEFT_OFF_S = 5.0
_WHOLE = "whole again"


def settle(log: EventLog, topology: Topology, say: Callable[[str], Any], after: str = "steps") -> float:
    """Waits until nothing is open in ``log`` any more (``fenceline.judge.settling``), ``after`` the ``steps`` or the
    ``healing``; returns the seconds it took."""
    begun = log.clock.now()
    waited: list[str] = []
    while True:
        looked = log.clock.now()
        matters = open_matters(build_history(log.events(), topology), log.clock.now_ns())
        if not matters:
            break
        for matter in matters:
            if matter.what not in waited:
                waited.append(matter.what)
                say(f"waiting until it has settled: {matter.what}")
        _await_news(log, matters, max(_LOOK_AGAIN_S, 2 * (log.clock.now() - looked)))
    seconds = log.clock.now() - begun
    log.record("scenario", None, "settled", {"seconds": round(seconds, 3), "waited_for": waited, "after": after})
    return seconds


def _await_news(log: EventLog, matters: list[Matter], pause: float) -> None:
    """Waits for something that may change the picture, but no less than ``pause`` s, or for a matter to be due."""
    begun_ns = log.clock.now_ns()
    left = max(0.0, (min(matter.due_ns for matter in matters) - begun_ns) / 1e9)
    log.clock.sleep(min(pause, left))
    try:
        log.wait_for(tells, max(0.0, left - (log.clock.now_ns() - begun_ns) / 1e9), "news", begun_ns)
    except Timeout:
        return


def undecided_without(events: list[Event], topology: Topology) -> str | None:
    """Why it is pointless to heal after the log so far and to ask whether the cluster is whole; None if it isn't.

    A promise that was broken, expected or not, decides the run, and may have left what only an administrator mends.
    """
    so_far = [event for event in events if event.data.get("break") != _WHOLE or event.kind != "expect"]
    end_ns = max((event.t_ns for event in so_far), default=0)
    found = judge([*so_far, Event(end_ns, "scenario", None, "scenario.end")], topology)
    if found.verdict in (Verdict.PASS, Verdict.UNKNOWN) and not _expected_breaks(found):
        return None
    broken = _expected_breaks(found)
    if broken:
        return f"{', '.join(broken)} was broken, as the scenario expected"
    return f"the run was {found.verdict} before ({found.reason.partition(':')[0]})"


def _expected_breaks(found: Judgement) -> list[str]:
    return [finding.check for finding in found.findings if finding.reason.startswith(BROKEN_AS_EXPECTED)]


def become_whole(cluster: Any) -> bool:
    """Heals every fault, does what an administrator would do beside it, and waits until ``cluster`` is whole; returns
    whether it is. What could not be healed, and what is missing in the end, is told in the log.

    Beside: a machine that its fencing left off is switched on, and failures are cleaned up once everything runs again
    by itself; before that only where the topology wants an administrator to do it: a recovery policy that disables,
    or no fencing.
    """
    log: EventLog = cluster.log
    log.record("scenario", None, "healing", {"faults": [active.fault.name for active in cluster.faults.active]})
    if cluster.faults.heal_all():
        return False
    ending = _Ending(cluster)
    begun = log.clock.now()
    topology = cluster.topology
    within = topology.boot_time + (topology.boot_deadline + topology.form_deadline) * cluster.driver.slowdown
    with contextlib.suppress(ClusterError):  # what is missing is told
        cluster.poll(ending.is_whole, within, "the cluster to be whole again")
    log.record("scenario", None, "whole", {
        "seconds": round(log.clock.now() - begun, 3), "within": within, "problems": ending.problems,
        "switched_on": ending.switched_on, "cleaned": ending.cleaned})
    return not ending.problems


@dataclass
class _Ending:
    """The way to a whole cluster: what is missing yet, and what had to be done by hand."""

    cluster: Any
    problems: list[str] = field(default_factory=list)
    switched_on: list[str] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)
    _off_since: dict[str, float] = field(default_factory=dict)

    def is_whole(self) -> bool:
        """Looks, and does what is to be done; whether nothing is missing any more."""
        self._switch_on()
        self.problems = self.cluster.problems()
        failures = [problem for problem in self.problems if problem.startswith(FAILED_ACTION)]
        if failures and not self.cleaned and (len(failures) == len(self.problems) or self._is_left_to_people()):
            self._clean_up(failures)
            return False
        if not self.problems:
            self.problems = _configuration_problems(self.cluster)
        return not self.problems

    def _is_left_to_people(self) -> bool:
        topology = self.cluster.topology
        return topology.fencing.method == "none" or any(
            service.recovery in ("disable", "restart-disable") for service in topology.services.values())

    def _clean_up(self, failures: list[str]) -> None:
        if forgets_failures(self.cluster):
            self.cleaned = [failure.removeprefix(FAILED_ACTION) for failure in failures]

    def _switch_on(self) -> None:
        cluster = self.cluster
        patience = 0.0 if cluster.topology.fencing.action == "off" else _LEFT_OFF_S * cluster.driver.slowdown
        now = cluster.clock.now()
        for node, machine in cluster.machines.items():
            if machine.power() is not Power.OFF:
                self._off_since.pop(node, None)
            elif now - self._off_since.setdefault(node, now) >= patience \
                    and node not in self.switched_on:
                cluster.power_on(node)
                self.switched_on.append(node)


def _configuration_problems(cluster: Any) -> list[str]:
    if "configuration" not in offers(cluster.topology):
        return []
    try:
        digests = configurations(cluster)
    except FencelineError as error:
        return [error.message]
    if len(set(digests.values())) <= 1:
        return []
    return ["the nodes' configurations differ: " + ", ".join(
        f"{node} {digest[:12]}" for node, digest in digests.items())]
