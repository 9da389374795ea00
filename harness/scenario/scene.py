"""What a scenario's steps share: the cluster, who played which role when it began, and what happened since."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fenceline.cluster.cluster import Cluster
from fenceline.core.clock import Clock
from fenceline.core.errors import ClusterError, ClusterSilent, FaultError, FencelineError, Timeout, Undecided
from fenceline.faults import ActiveFault, lasts, make_fault
from fenceline.judge.expectations import check
from fenceline.judge.faultlog import impairments
from fenceline.judge.history import build_history
from fenceline.judge.settled import silent_for
from fenceline.judge.verdict import judge
from fenceline.model.event import Event
from fenceline.model.load import load_changed
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Judgement, Outage, Verdict
from fenceline.scenario.anchors import Anchored, moment
from fenceline.scenario.closing import become_whole, settle, undecided_without
from fenceline.scenario.demands import Demands, NotInTime
from fenceline.scenario.pool import ClusterPool
from fenceline.scenario.roles import roles
from fenceline.scenario.run import Run
from fenceline.stacks.state import ClusterState

#: By when (s) the client behind a router must be answered by a cluster that is whole.
_ROUTED_WITHIN = 10.0
#: For so long (s) beyond its budget a silent cluster is asked, so that the error bounds leave no doubt.
_HEARD_OUT = 5.0

#: Who is lost is found out anew after so long (ns).
_LOST_FOR_NS = 300_000_000


class Scene:
    """One scenario in progress; ``topologies`` are the project's own folders of them."""

    def __init__(self, run: Run, pool: ClusterPool, topologies: Sequence[Path] = ()) -> None:
        self.run = run
        self.pool = pool
        self._topologies = topologies
        self._cluster: Cluster | None = None
        self._roles: dict[str, str] = {}
        self._service = ""
        self.last_fault_ns = 0
        self._lost: frozenset[str] = frozenset()
        self._lost_ns = 0
        self._anchored: list[Anchored] = []

    # -- set-up --------------------------------------------------------------------------------------------

    def bring_up(self, name: str, service: str, changes: dict[str, Any] | None = None) -> None:
        """A whole cluster of the topology ``name``, with ``changes`` laid over it, in which ``service`` answers.

        Raises:
            FencelineError: there is none.
        """
        topology = load_changed(name, self._topologies, changes, "the scenario")
        if service not in topology.services:
            raise ClusterError(f"the topology {name!r} has no service {service!r}; "
                               f"it has {', '.join(topology.services) or 'none'}")

        def begin() -> None:
            self.run.begin(topology, {})

        self._cluster = self.pool.acquire(topology, begin, self.run.folder / "consoles")
        self._cluster.wait_routed(_ROUTED_WITHIN * self._cluster.driver.slowdown)
        self.run.watch(self._cluster)
        self._assign(topology, service)
        self.run.log.record("scenario", None, "ready", {"service": service, "roles": self._roles,
                                                        "slowdown": self._cluster.driver.slowdown})
        self.last_fault_ns = self.clock.now_ns()

    def _assign(self, topology: Topology, service: str) -> None:
        self._service = service
        nobody = topology.services[service].active == "all"
        self._roles = roles(topology, service, "" if nobody else self.cluster.serving(service))

    @property
    def service(self) -> str:
        """The service that the scenario is about."""
        return self._service

    @property
    def clock(self) -> Clock:
        """The clock of the scenario's cluster."""
        return self.run.log.clock

    @property
    def cluster(self) -> Cluster:
        """The scenario's cluster.

        Raises:
            ClusterError: no Given step has brought one up.
        """
        if self._cluster is None:
            raise ClusterError("no cluster yet: the scenario needs a Given step that brings a topology up")
        return self._cluster

    @property
    def has_cluster(self) -> bool:
        """Whether a cluster was brought up."""
        return self._cluster is not None

    def say(self, line: str) -> None:
        """Shows a line of progress."""
        self.pool.progress(line)

    def finish(self, error: BaseException | None) -> Judgement | None:
        """Waits until what is open has settled, heals, and judges the run; ``error`` is what a step raised. None where
        the run never began."""
        for anchored in self._anchored:
            anchored.end()
        if self.run.topology is None:
            return None
        # a broken expectation, an unconfirmed fault and a cluster's silence are in the log already, as what they are
        if error is not None and not isinstance(error, (AssertionError, FaultError, Undecided)):
            if isinstance(error, ClusterSilent) and self._roles:
                self._hear_out()
            else:
                self.run.broken(error)
        if self._cluster is not None:
            try:
                self._close(self._cluster, error)
            except Exception as failure:  # whatever it is, it must not cost the verdict
                self.run.broken(failure)
        return self.run.end()

    def _close(self, cluster: Cluster, error: BaseException | None) -> None:
        """To the end of the log: a Then that failed does not end it before it is decided how long the outage was; after
        a fault that took no effect, or a mistake, there is nothing to wait for."""
        if error is None or isinstance(error, (AssertionError, Undecided)):
            seconds = settle(self.run.log, cluster.topology, cluster.progress)
            self.run.note(settled_s=round(seconds, 3))
        self.run.look_back(cluster)
        why = "the scenario did not come to its end" if error is not None else undecided_without(
            self.run.log.events(), cluster.topology)
        if why is not None:
            self.run.log.record("scenario", None, "whole", {"skipped": why})
            return
        with cluster.progress.step(f"{cluster.topology.name}: healed, and whole again"):
            whole = become_whole(cluster)
        if whole:
            self.pool.found_whole(cluster)
            # what was acknowledged must have outlived the healing as well
            self.run.read_back(cluster)
            # a service may stop answering again just when its cluster is whole (seen: a node's agents start anew)
            settle(self.run.log, cluster.topology, cluster.progress, "healing")

    def state(self, node: str | None = None) -> ClusterState:
        """The cluster's own view, or ``node``'s, waited for as long as a cluster may be silent.

        Raises:
            ClusterSilent: it could not tell for longer: it has failed.
            ClusterError: nobody could be asked.
        """
        limit_ns = self.clock.now_ns() + int(silent_for(self.cluster.topology) * 1e9)
        while True:
            try:
                return self.cluster.state(node)
            except ClusterSilent:
                if self.clock.now_ns() > limit_ns:
                    raise
                self.clock.sleep(0.2)  # no event tells that it has found its voice

    def _hear_out(self) -> None:
        """Asks a cluster that could not tell its state on, until it does or has been silent for longer than it may be:
        that, and nothing else, is what the judge then decides by."""
        def is_told() -> bool:
            try:
                self.cluster.state()
            except ClusterSilent:
                return False
            return True
        with contextlib.suppress(FencelineError):  # who can't even be asked is no evidence of anything
            self.cluster.poll(is_told, silent_for(self.cluster.topology) + _HEARD_OUT, "the cluster to tell its state")

    def node(self, words: str) -> str:
        """The node that ``words`` mean: a role as it was when the scenario began, ``the node that serves now`` (or
        ``serves "SERVICE" now``), or ``node NAME``.

        Raises:
            ClusterError: no such role, node or service.
            FaultError: nobody serves now: the scenario's precondition does not hold, and its verdict is INVALID.
        """
        if words in self._roles:
            return self._roles[words]
        serves = re.fullmatch(r'the node that serves (?:"([^"]+)" )?now', words)
        if serves:
            return self._serving(serves[1] or self._service)
        match = re.fullmatch(r'(?:the )?node "?([A-Za-z0-9-]+)"?', words)
        if match and match[1] in self.cluster.topology.nodes:
            return match[1]
        raise ClusterError(f"{words!r} is no node here; say {', '.join(self._roles)}, the node that serves now, "
                           f"or node NAME with one of {', '.join(self.cluster.topology.nodes)}")

    def _serving(self, service: str) -> str:
        services = self.cluster.topology.services
        if service not in services:
            raise ClusterError(f"no service {service!r}; there are {', '.join(services)}")
        try:
            return self.cluster.serving(service)
        except ClusterError as error:
            raise self._unmet(f"a node that serves {service} now", error.message) from error

    # -- faults --------------------------------------------------------------------------------------------

    def inject(self, name: str, **parameters: Any) -> ActiveFault:
        """Injects a fault and waits for its confirmation; what is waited for later is counted from here."""
        fault = make_fault(name, **parameters)
        self.last_fault_ns = self.clock.now_ns()
        return self.cluster.faults.inject(fault)

    def heal(self, name: str, **parameters: Any) -> None:
        """Heals the faults in force that are called ``name`` and have these ``parameters``.

        Raises:
            ClusterError: there is none.
        """
        self.heal_any([(name, parameters)])

    def heal_any(self, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Heals the faults in force that are one of those ``wanted``, each by name and parameters.

        Raises:
            ClusterError: there is none.
        """
        chosen = [active for name, parameters in wanted for active in self.cluster.faults.in_force(name)
                  if all(getattr(active.fault, key) == value for key, value in parameters.items())]
        if not chosen:
            raise ClusterError(f"no fault {' or '.join(name for name, _ in wanted)} is in force that could be healed")
        for active in chosen:
            self.cluster.faults.heal(active)
        self.last_fault_ns = self.clock.now_ns()

    def heal_all(self) -> None:
        """Heals every fault.

        Raises:
            ClusterError: some could not be healed.
        """
        problems = self.cluster.faults.heal_all()
        if problems:
            raise ClusterError("could not be healed: " + "; ".join(problems))
        self.last_fault_ns = self.clock.now_ns()

    def anchor(self, words: str, delay: float, action: Callable[[], Any], what: str) -> None:
        """Has ``action`` done ``delay`` seconds after the moment that ``words`` mean: one of
        ``fenceline.scenario.anchors.MOMENTS``."""
        self._anchored.append(Anchored(self.run.log, moment(words, self.node), delay, action, what))

    def await_anchored(self, within: float) -> None:
        """Waits until everything anchored has been done, each within so many seconds.

        Raises:
            FaultError: something was not, or failed.
        """
        for anchored in self._anchored:
            anchored.wait(within)

    def await_event(self, predicate: Callable[[Event], bool], within: float, what: str) -> float:
        """Waits for an event that the scenario needs before it can go on; returns the seconds waited.

        Raises:
            FaultError: it did not come: the scenario's precondition does not hold, and its verdict is INVALID.
        """
        try:
            return self.run.log.wait_for(predicate, within, what, self.last_fault_ns)[1]
        except Timeout as error:
            raise self._unmet(what, error.message) from error

    def _unmet(self, what: str, reason: str) -> FaultError:
        """That the scenario needs ``what`` and did not get it, told in the log, which alone is judged: it did not come
        to what it is about."""
        name = f"awaited {self.clock.now_ns()}"
        self.run.log.record("fault", None, "fault.begin", {
            "id": name, "fault": "awaited", "targets": [], "params": {"what": what}, "cost": {}})
        self.run.log.record("fault", None, "fault.unconfirmed", {"id": name, "reason": reason})
        return FaultError(reason)

    def await_over(self) -> None:
        """Waits until the faults in force that end by themselves have ended, and heals what they leave.

        Raises:
            ClusterError: none is in force that ends by itself.
            FencelineError: one could not be healed.
        """
        timed = [active for active in self.cluster.faults.active if lasts(active.fault) is not None]
        if not timed:
            raise ClusterError("no fault is in force that ends by itself")
        for active in timed:
            self.clock.sleep(lasts(active.fault) - (self.clock.now_ns() - active.begun_ns) / 1e9)
            self.cluster.faults.heal(active)
        self.last_fault_ns = self.clock.now_ns()

    @property
    def in_force_ns(self) -> int:
        """Since when (ns) the last fault is in force: what a client asked in the moments that its injection took may
        still have been answered as before it."""
        return max((event.t_ns for event in self.run.log.events()
                    if event.kind == "fault.injected" and event.t_ns >= self.last_fault_ns), default=self.last_fault_ns)

    def is_lost(self, node: str | None) -> bool:
        """Whether ``node`` is lost now, by the costs of the faults in force: it may not serve. Where all are, nobody
        can be told apart."""
        if self.clock.now_ns() - self._lost_ns > _LOST_FOR_NS:  # asked for every answer of a client
            topology = self.cluster.topology
            lost = impairments(build_history(self.run.log.events(), topology))[-1][1].cost.lost
            self._lost = lost if set(topology.cluster_nodes) - lost else frozenset()
            self._lost_ns = self.clock.now_ns()
        return node in self._lost

    # -- expectations --------------------------------------------------------------------------------------

    @property
    def since_fault(self) -> Demands:
        """What may be demanded, counted from the last fault as it is now."""
        return Demands(self.run.log, self._cluster, self.last_fault_ns)

    @property
    def from_now(self) -> Demands:
        """Likewise, counted from now."""
        return Demands(self.run.log, self._cluster, self.clock.now_ns())

    def expect(self, predicate: Callable[[Event], bool], within: float, what: str) -> float:
        """Demands an event since the last fault; returns the seconds from the fault to it.

        Raises:
            AssertionError: it did not come within ``within`` seconds of the fault, or came too late: which.
        """
        demands = self.since_fault
        return (demands.event(predicate, within, what).t_ns - demands.begin_ns) / 1e9

    def expect_event(self, predicate: Callable[[Event], bool], within: float, what: str) -> Event:
        """As ``expect``, but returns the event."""
        return self.since_fault.event(predicate, within, what)

    def forbid(self, predicate: Callable[[Event], bool], seconds: float, what: str) -> None:
        """Demands that no such event came since the last fault, nor comes in the next ``seconds``; see ``Demands``."""
        self.since_fault.none(predicate, seconds, what)

    def expect_poll(self, condition: Callable[[], bool], within: float, what: str) -> float:
        """Like ``expect`` for what no event announces; see ``Demands.becomes``."""
        return self.since_fault.becomes(condition, within, what)

    def expect_broken(self, promise: str, within: float) -> None:
        """Demands that the log shows ``promise`` to have been broken in time; see ``Demands.broken``."""
        self.since_fault.broken(promise, within, lambda: self.finding(promise))

    def expect_no_more(self, predicate: Callable[[int], Callable[[Event], bool]], within: float, quiet: float,
                       what: str) -> float:
        """Demands a time of ``quiet`` seconds without such an event; see ``Demands.no_more``."""
        return self.since_fault.no_more(predicate, within, quiet, what)

    def expect_from_now(self, predicate: Callable[[Event], bool], within: float, what: str) -> None:
        """Demands an event in the next ``within`` seconds; see ``Demands.comes``."""
        self.from_now.comes(predicate, within, what)

    def expect_reply_now(self, service: str, node: str | None = None) -> None:
        """Demands that ``node``, or anybody, answers for ``service`` what is asked from now on, within 2 s.

        Raises:
            AssertionError: it doesn't.
        """
        since = self.clock.now_ns()

        def good(event: Event) -> bool:
            return (event.kind == "reply" and event.data["service"] == service and event.data["ok"]
                    and event.data["sent_ns"] > since and node in (None, event.data["from"]))
        self.expect_from_now(good, 2.0, f"{service} answered{f' by {node}' if node else ''}")

    def forbid_from_now(self, predicate: Callable[[int], Callable[[Event], bool]], seconds: float, what: str) -> None:
        """Demands that no event satisfies ``predicate(now)`` in the next ``seconds``; see ``Demands.comes_not``."""
        self.from_now.comes_not(predicate, seconds, what)

    def expect_whole(self, within: float) -> float:
        """Demands a whole cluster: all members, all resources, all answering; see ``Demands.whole``."""
        return self.since_fault.whole(within)

    # -- the judge, asked in between -----------------------------------------------------------------------

    def finding(self, promise: str) -> Finding:
        """What the judge finds on ``promise`` in the log so far, whether the scenario expects it to break or not."""
        events = [event for event in self.run.log.events() if event.kind != "expect"]
        # this check alone: the observers share the interpreter with us, and this may be asked ten times a second
        return check(promise, build_history(events, self.cluster.topology))

    def settled_finding(self, promise: str) -> Finding:
        """As ``finding``; where that is open, the events of the next 2 s may decide it."""
        found: list[Finding] = []

        def is_decided() -> bool:
            found[:] = [self.finding(promise)]
            return found[0].verdict is not Verdict.UNKNOWN
        with contextlib.suppress(NotInTime):
            self.cluster.poll(is_decided, 2.0, f"a finding on {promise}", NotInTime)
        return found[0]

    def is_broken(self, promise: str) -> bool:
        """Whether the log so far shows ``promise`` to be broken, expected or not."""
        return self.finding(promise).verdict is Verdict.FAIL

    def outages(self, service: str) -> list[Outage]:
        """What the clients of ``service`` lost so far."""
        found = judge(self.run.log.events(), self.cluster.topology).outages
        return [outage for outage in found if outage.service == service]
