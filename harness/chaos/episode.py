"""One episode: a whole cluster from the pool, its clients asking, a schedule, and the judge's answer to all of it.

Nothing here builds, heals or judges by itself: it is a scene as every scenario has one, with a schedule for its steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from fenceline.chaos.memory import Memory
from fenceline.chaos.outcome import Outcome
from fenceline.chaos.play import Player
from fenceline.chaos.schedule import SCHEDULE, Schedule, check, dump_schedule, topology_of
from fenceline.chaos.states import followed
from fenceline.core.errors import FencelineError
from fenceline.judge.faultlog import fault_records
from fenceline.judge.history import build_history
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import Judgement, Verdict
from fenceline.scenario.pool import ClusterPool
from fenceline.scenario.run import Run, RunInfo
from fenceline.scenario.scene import Scene


def title_of(schedule: Schedule) -> str:
    """What an episode is called: the same for all of one profile, so that nights can be compared."""
    return f"chaos: {schedule.profile or 'by hand'}"


class Stage:
    """Where episodes are played: ``pool`` has the clusters, run folders go below ``base``."""

    def __init__(self, pool: ClusterPool, base: Path, topologies: Sequence[Path] = (),
                 hindrance: Callable[[str], str | None] = lambda fault: None, history: Path | None = None) -> None:
        self.pool, self.base, self.topologies, self.hindrance = pool, base, topologies, hindrance
        self.history = history

    def play(self, schedule: Schedule, origin: str) -> Outcome:
        """Plays ``schedule``; ``origin`` says of what the run is.

        Raises:
            ScheduleError, TopologyError: it does not fit; nothing was done.
        """
        topology = topology_of(schedule, self.topologies)
        check(schedule, topology, origin)
        title = title_of(schedule)
        folder = Run.new_folder(self.base, f"{title} on {topology.name} seed {schedule.seed}")
        (folder / SCHEDULE).write_text(dump_schedule(schedule))
        info = RunInfo(title, origin, ("chaos",), schedule.seed, schedule.driver)
        scene = Scene(Run(folder, info, self.pool.log), self.pool, self.topologies)
        error: BaseException | None = None
        try:
            scene.bring_up(schedule.topology, schedule.service or next(iter(topology.services)), schedule.changes)
            Player(scene, schedule, self.hindrance).play()
        except FencelineError as problem:
            error = problem
        except BaseException as problem:
            scene.finish(problem)
            raise
        judgement = scene.finish(error)
        # the log of the next episode begins where the cluster is released
        outcome = (Outcome(Verdict.BROKEN, str(error), folder=str(folder)) if judgement is None else
                   outcome_of(judgement, scene))
        if scene.has_cluster:
            self._release(scene, judgement)
        if judgement is not None:
            self._show(scene, judgement, schedule, outcome)
        return outcome

    def _release(self, scene: Scene, judgement: Judgement | None) -> None:
        if judgement is not None and judgement.verdict is not Verdict.PASS:
            scene.cluster.collect_logs(scene.run.folder / "logs")
        problems = self.pool.release(scene.cluster, judgement)
        if problems:
            scene.say("the cluster was taken down, as it could not be healed: " + "; ".join(problems))

    def _show(self, scene: Scene, judgement: Judgement, schedule: Schedule, outcome: Outcome) -> None:
        """The run's page, and its figures into the history: what can't be shown must not cost the verdict."""
        from fenceline.reports import history
        from fenceline.reports.html import write_run_page
        scene.say(f"verdict {judgement.verdict}: {judgement.reason}")
        try:
            write_run_page(scene.run.folder)
            if self.history is not None:
                with history.opened(self.history) as db:
                    history.record_run(db, scene.run.folder)
                    begun = json.loads((scene.run.folder / "run.json").read_text())["begun"]
                    Memory(db).learn(schedule, outcome, begun)
        except Exception as problem:
            scene.say(f"the run can't be shown: {problem!r}")


def outcome_of(judgement: Judgement, scene: Scene) -> Outcome:
    """What the judge and the log of ``scene`` say that its episode came to."""
    events = scene.run.log.events()
    hits = [event.data for event in events if event.kind == "chaos.hit"]
    state, faults = _where(judgement, events, scene.cluster.topology) if scene.has_cluster else ("", ())
    broken = tuple(finding.check for finding in judgement.findings if finding.verdict is Verdict.FAIL)
    return Outcome(
        judgement.verdict, judgement.reason, broken if judgement.verdict is Verdict.FAIL else (),
        str(scene.run.folder),
        sum(event.kind == "fault.confirmed" for event in events),
        tuple((hit["state"], hit["fault"], role, "+".join(sorted(set(hit["in_force"])))) for hit in hits
              for role in sorted(set(hit["roles"].values()))),
        tuple(next((event.data["course"] for event in reversed(events) if event.kind == "chaos.end"), ())),
        tuple(round(outage.seconds, 3) for outage in judgement.failovers if outage.end_ns is not None),
        (judgement.figures.get("redundancy") or {}).get("seconds"),
        float(judgement.figures.get("seconds", 0.0)), state, faults)


def _where(judgement: Judgement, events: list[Event], topology: Topology) -> tuple[str, tuple[str, ...]]:
    """What the cluster was doing when the first promise broke, and the faults that were in force."""
    first = next((finding for finding in judgement.findings
                  if finding.verdict is Verdict.FAIL and finding.at_ns is not None), None)
    if first is None:
        return "", ()
    course = followed((event for event in events if event.t_ns <= first.at_ns), topology)
    records = fault_records(build_history(events, topology))
    return str(course.state), tuple(sorted({
        record.name for record in records
        if record.begin.t_ns <= first.at_ns and (record.healed_ns is None or record.healed_ns >= first.at_ns)}))
