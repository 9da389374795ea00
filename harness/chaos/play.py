"""Plays a schedule on the cluster of a scene: each action in a thread of its own, as those that wait for a moment are.

What it can't do (nobody serves, the machine is off, another fault holds what it wants) it leaves out and says so in the
log; a fault that took no effect is one of many. The judge is told all of it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fenceline.chaos.draw import Repertoire
from fenceline.chaos.profile import PROFILES, load_profile
from fenceline.chaos.schedule import SCHEDULE, SERVES_NOW, Action, Schedule, dump_schedule, resolved
from fenceline.chaos.states import Course, followed
from fenceline.core.clock import Flag, Task
from fenceline.core.errors import ClusterError, FaultError, FencelineError
from fenceline.core.project import project_here
from fenceline.faults import ActiveFault, lasts, make_fault
from fenceline.faults.requirements import hindrances, place
from fenceline.model.event import Event
from fenceline.scenario.anchors import Anchored, moment
from fenceline.scenario.scene import Scene

#: So long (s; longer where machines are emulated) an action may take to end when all is over: its healing may wait for
#: a boot, and be repeated.
_ENDS_WITHIN = 240.0
#: Why an action may not be done here, in words; None where nothing speaks against it.
Hindrance = Callable[[str], str | None]


def _nothing(fault: str) -> str | None:
    return None


@dataclass
class Player:
    """``schedule`` on the cluster of ``scene``. ``hindrance`` says what this host can't inject."""

    scene: Scene
    schedule: Schedule
    hindrance: Hindrance = _nothing
    confirmed: int = 0
    course: Course = field(init=False)
    _over: Flag = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.course = Course(self.scene.cluster.topology)
        self._over = Flag(self.scene.clock)

    def play(self) -> Course:
        """Does it all, and heals what it did; returns the course that the cluster took.

        Raises:
            ClusterError: an action did not end.
        """
        log, schedule = self.scene.run.log, self.schedule
        begun_ns = log.record("scenario", None, "chaos", {
            "schedule": schedule.key, "seed": schedule.seed, "profile": schedule.profile, "ground": schedule.ground,
            "actions": len(schedule.actions)}).t_ns
        with self._lock:
            self.course = followed(log.events(), self.scene.cluster.topology)
            log.listeners.append(self._listen)
        armed: list[Anchored] = []
        threads: list[Task] = []
        try:
            for number, action in enumerate(schedule.actions):
                if action.after is not None:
                    armed.append(self._armed(number, action))
                else:
                    threads.append(self._begun(number, action, begun_ns))
            self._wait(threads, armed, begun_ns)
        finally:
            self._over.set()
            self._end(threads, armed)
            with contextlib.suppress(ValueError):
                log.listeners.remove(self._listen)
        log.record("scenario", None, "chaos.end", {"course": self.course.seen})
        self.scene.last_fault_ns = self.scene.clock.now_ns()
        return self.course

    def _listen(self, event: Event) -> None:
        with self._lock:
            self.course.take(event)

    # -- threads -------------------------------------------------------------------------------------------

    def _begun(self, number: int, action: Action, begun_ns: int) -> Task:
        def run() -> None:
            if not self._over.wait(max(0.0, action.at - (self.scene.clock.now_ns() - begun_ns) / 1e9)):
                self._safely(number, action)
        return Task(self.scene.clock, run, str(action))

    def _armed(self, number: int, action: Action) -> Anchored:
        return Anchored(self.scene.run.log, moment(action.after, self._node), action.delay,
                        lambda: self._safely(number, action), str(action))

    def _wait(self, threads: list[Task], armed: list[Anchored], begun_ns: int) -> None:
        """Until all that has a time is done; what waits for a moment is given the schedule's length."""
        def left() -> float:
            return max(0.0, self.schedule.length - (self.scene.clock.now_ns() - begun_ns) / 1e9)
        for thread in threads:
            thread.join(left())
        for anchored in armed:
            with contextlib.suppress(FaultError):  # its moment may not come
                anchored.wait(left())

    def _end(self, threads: list[Task], armed: list[Anchored]) -> None:
        deadline_ns = self.scene.clock.now_ns() + round(_ENDS_WITHIN * self.scene.cluster.driver.slowdown * 1e9)

        def left() -> float:
            return max(0.0, (deadline_ns - self.scene.clock.now_ns()) / 1e9)
        for anchored in armed:
            anchored.disarm(left())
        for thread in threads:
            thread.join(left())
        hung = [thread.name for thread in threads if thread.is_alive]
        if hung:
            raise ClusterError(f"an action of the schedule did not end: {'; '.join(hung)}")

    def _safely(self, number: int, action: Action) -> None:
        try:
            self._do(number, action)
        except Exception as error:  # a mistake must not vanish with its thread
            self.scene.run.broken(error)

    # -- one action ----------------------------------------------------------------------------------------

    def _do(self, number: int, action: Action) -> None:
        fault, why = self._prepared(action)
        if fault is None:
            self.scene.run.log.record("scenario", None, "chaos.skipped", {
                "number": number, "fault": action.fault, "reason": why})
            self.scene.say(f"  {action.fault}: left out: {why}")
            return
        active = self._injected(number, action, fault)
        if active is None:
            return
        seconds = action.lasts if action.lasts is not None else lasts(fault) or 0.0
        self._over.wait(seconds)
        try:
            self.scene.cluster.faults.heal(active)
        except FencelineError as error:  # in the log, and again when all is healed
            self.scene.say(f"  {action.fault}: not healed yet: {error.message}")

    def _prepared(self, action: Action) -> tuple[Any | None, str]:
        """The fault of ``action`` for the cluster as it is now; or None, and why it is left out."""
        cluster = self.scene.cluster
        try:
            fault = make_fault(action.fault, **resolved(action.fault, action.parameters, self._node))
        except FencelineError as error:
            return None, error.message
        why = self.hindrance(action.fault) or cluster.faults.refusal(fault)
        off = [node for node in fault.targets if node in cluster.machines and not cluster.is_running(node)]
        if why is None and off:
            why = f"{', '.join(off)} is not running"
        return (None, why) if why else (fault, "")

    def _node(self, words: str) -> str:
        if words != SERVES_NOW:
            name = words.removeprefix("node ")
            return name if name in self.scene.cluster.topology.nodes else self.scene.node(words)
        service = self.schedule.service or next(iter(self.scene.cluster.topology.services))
        with self._lock:
            found = self.course.serving(service)
        if found is None:
            raise FaultError(f"nobody serves {service} now")
        return found

    def _injected(self, number: int, action: Action, fault: Any) -> ActiveFault | None:
        """Injects ``fault``; None where it took no effect (what it may have left is healed all the same)."""
        faults = self.scene.cluster.faults
        known = [active.id for active in faults.active]
        self._note_hit(number, action, fault)
        self.scene.say(f"  {action.fault} {' '.join(fault.targets)}".rstrip())
        try:
            active = faults.inject(fault, drawn=True)
        except FaultError as error:
            self.scene.say(f"  {error.message}")
            for left in [one for one in faults.active if one.id not in known and one.fault is fault]:
                with contextlib.suppress(FencelineError):  # in the log, and again when all is healed
                    faults.heal(left)
            return None
        with self._lock:
            self.confirmed += 1
        return active

    def _note_hit(self, number: int, action: Action, fault: Any) -> None:
        with self._lock:
            state, doing = str(self.course.state), self.course.doing
            told = {str(node): self.course.role(node, action.fault) for node in fault.targets} or {
                "": self.course.role(None, action.fault)}
        self.scene.run.log.record("scenario", None, "chaos.hit", {
            "number": number, "fault": action.fault, "when": action.when, "state": state, "doing": doing,
            "roles": told, "in_force": sorted(active.fault.name for active in self.scene.cluster.faults.active)})


def play_chaos(scene: Scene, profile: str, seconds: float, seed: int) -> None:
    """Draws a schedule of ``profile`` for the cluster of ``scene``, plays it there, and leaves it in the run folder.

    Raises:
        ProfileError: there is no such profile.
        FaultError: nothing of it fits the topology, or nothing of it took effect.
    """
    topology = scene.cluster.topology
    project = project_here()
    repertoire = Repertoire(topology, load_profile(profile, (project.root / PROFILES,)), scene.service, profile)
    schedule = repertoire.draw(seed, seconds)
    (scene.run.folder / SCHEDULE).write_text(dump_schedule(schedule))
    where = place(scene.cluster.driver.name)
    player = Player(scene, schedule, lambda fault: next(iter(hindrances([fault], where)), None))
    player.play()
    if not player.confirmed:
        raise FaultError(f"none of the {len(schedule.actions)} actions of the chaos took effect")
