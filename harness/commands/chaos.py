"""``chaos``: episodes from a seed, and what becomes of what they find."""

from __future__ import annotations

import argparse
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fenceline.commands.cluster import say
from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import FencelineError, HostError
from fenceline.core.project import Project, project_here

if TYPE_CHECKING:
    from fenceline.chaos.episode import Stage
    from fenceline.chaos.ledger import Ledger
    from fenceline.chaos.outcome import Outcome

PROMISE_BROKE, PROVEN_TOO_LITTLE = 1, 3


class ChaosError(FencelineError):
    """What was asked of chaos makes no sense."""

    status = 2


def base_of(project: Project, chosen: str | None, name: str) -> Path:
    """A new folder for what a command of chaos leaves.

    Raises:
        HostError: it can't be made.
    """
    if chosen:
        folder = Path(chosen).absolute()
    else:
        folder = project.root / "reports" / "chaos" / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}; name another folder with --output") from error
    return folder


@contextmanager
def on_stage(folder: Path, project: Project, driver: str, uri: str | None = None,
             history: Path | None = None) -> Iterator[Stage]:
    """Where episodes are played, on machines of ``driver``; what stands is taken down at the end, by Ctrl-C too."""
    from fenceline.chaos import stage

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with stage.on_stage(folder, project, driver, uri, history, say) as found:
        yield found


def profiles_of(project: Project) -> tuple[Path, ...]:
    """The folders of the project's own profiles."""
    from fenceline.chaos.profile import PROFILES

    return (project.root / PROFILES,)


def run(args: argparse.Namespace) -> int:
    """Draws and plays episodes on one topology until the time is over."""
    import random

    from fenceline.chaos.chance import Chance
    from fenceline.chaos.draw import Repertoire
    from fenceline.chaos.guide import Guide
    from fenceline.chaos.memory import remembered
    from fenceline.chaos.profile import load_profile
    from fenceline.chaos.schedule import dump_schedule
    from fenceline.model.load import load_topology
    from fenceline.reports.history import NAME

    project = project_here()
    topology = load_topology(args.topology, project.topologies)
    repertoire = Repertoire(topology, load_profile(args.profile, profiles_of(project)), args.service, args.profile)
    seed = random.SystemRandom().randrange(2**32) if args.seed is None else args.seed
    # each further episode has a seed of its own, by which it can be drawn alone
    more = Chance(seed, "episodes")
    if args.dry_run:
        print(dump_schedule(repertoire.draw(seed, args.length, args.driver)), end="")
        return 0
    folder, history = base_of(project, args.output, topology.name), project.runs.parent / NAME
    guide = None
    if args.guided:
        with remembered(history) as memory:
            guide = Guide(memory.hits(topology.name), memory.courses(topology.name))
    say(f"chaos of the profile {args.profile} on {topology.name}, seed {seed}; {folder}")
    begun, outcomes = HOST_CLOCK.now(), []
    try:
        with on_stage(folder, project, args.driver, args.libvirt_uri, history) as stage:
            while not outcomes or HOST_CLOCK.now() - begun < args.time:
                drawn = seed if not outcomes else more.below(2**32)
                schedule = (guide.schedule(repertoire, drawn, args.length, args.driver) if guide else
                            repertoire.draw(drawn, args.length, args.driver))
                say(f"episode {len(outcomes) + 1}, seed {drawn}: {len(schedule.actions)} actions, "
                    f"{len(outcomes) * 3600 / max(1.0, HOST_CLOCK.now() - begun):.0f} an hour so far")
                outcomes.append(stage.play(schedule, f"fenceline chaos run {topology.name} --seed {drawn}"))
                if guide and guide.learn(schedule, outcomes[-1].hits, outcomes[-1].course):
                    say("a course that was new: further schedules grow from it")
    except KeyboardInterrupt:
        say("interrupted: what was found so far")
    except FencelineError as error:  # a cluster that could not be taken down must not cost what was found before
        if not outcomes:
            raise
        say(error.message)
    return told(outcomes)


def replay(args: argparse.Namespace) -> int:
    """Plays a schedule again, so many times."""
    from fenceline.chaos.schedule import check, load_schedule, topology_of
    from fenceline.reports.history import NAME

    project, schedule = project_here(), load_schedule(schedule_file(args.schedule))
    check(schedule, topology_of(schedule, project.topologies), args.schedule)
    folder, outcomes = base_of(project, args.output, "replay"), []
    try:
        with on_stage(folder, project, args.driver or schedule.driver, args.libvirt_uri,
                      project.runs.parent / NAME) as stage:
            for number in range(args.times):
                say(f"{number + 1} of {args.times}")
                outcomes.append(stage.play(schedule, f"fenceline chaos replay {args.schedule}"))
    except KeyboardInterrupt:
        say("interrupted: what was found so far")
    return told(outcomes)


def schedule_file(name: str) -> Path:
    """The schedule that ``name`` means: a file, or a run folder that has one."""
    from fenceline.chaos.schedule import SCHEDULE

    return Path(name) / SCHEDULE if Path(name).is_dir() else Path(name)


def told(outcomes: list[Outcome]) -> int:
    """Prints what ``outcomes`` come to; returns the exit status."""
    from fenceline.model.verdict import Verdict

    for outcome in outcomes:
        print(f"{outcome.verdict:8}{Path(outcome.folder).name}\n        {outcome.reason}")
    counts = {verdict: sum(one.verdict is verdict for one in outcomes) for verdict in Verdict}
    print(f"{len(outcomes)} episodes: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    if counts[Verdict.FAIL]:
        return PROMISE_BROKE
    if not counts[Verdict.PASS]:
        print("too little was proven: no episode passed")
        return PROVEN_TOO_LITTLE
    return 0


def coverage(args: argparse.Namespace) -> int:
    """Prints what was hit in which state, and what never, and draws it."""
    from fenceline.chaos.memory import remembered
    from fenceline.chaos.profile import load_profile
    from fenceline.chaos.states import State
    from fenceline.reports.coverage import coverage_svg, coverage_text
    from fenceline.reports.history import NAME

    project = project_here()
    path = Path(args.history) if args.history else project.runs.parent / NAME
    if not path.is_file():
        raise ChaosError(f"{path}: there is no history yet: fenceline chaos run fills it, or name one with --history")
    try:
        with remembered(path) as memory:
            counts, episodes = memory.triples(args.topology), memory.episodes()
    except sqlite3.Error as error:
        raise ChaosError(f"{path}: not a usable history: {error}") from error
    faults = list(load_profile(args.profile, profiles_of(project)).weights())
    states = [str(state) for state in State]
    print(f"{len(episodes)} episodes" + (f", shown: {args.topology}" if args.topology else ""))
    print(coverage_text(counts, states, faults))
    picture = Path(args.output) if args.output else path.with_name("coverage.svg")
    try:
        picture.write_text(coverage_svg(counts, states, faults))
    except OSError as error:
        raise HostError(f"{picture}: {error.strerror}; name another file with --output") from error
    print(picture)
    return 0


def shrink(args: argparse.Namespace) -> int:
    """Shrinks a schedule that broke a promise, and writes what is left as a schedule and as a feature."""

    from fenceline.chaos.anchoring import moments_before
    from fenceline.chaos.feature import Found, feature_text
    from fenceline.chaos.schedule import SCHEDULE, check, dump_schedule, load_schedule, topology_of
    from fenceline.chaos.shrink import Shrinker
    from fenceline.reports.history import NAME

    project, schedule = project_here(), load_schedule(schedule_file(args.schedule))
    topology = topology_of(schedule, project.topologies)
    check(schedule, topology, args.schedule)
    folder = base_of(project, args.output, "shrink")
    until = HOST_CLOCK.now() + args.time
    with on_stage(folder, project, args.driver or schedule.driver, args.libvirt_uri,
                  project.runs.parent / NAME) as stage:
        shrunk = Shrinker(lambda one: stage.play(one, f"fenceline chaos shrink {args.schedule}"),
                          lambda: until - HOST_CLOCK.now(), say,
                          lambda outcome, number: moments_before(outcome, number, schedule.service),
                          args.times).shrink(schedule, args.promise)
    feature = Path(args.feature) if args.feature else folder / "found.feature"
    notes = [f"shrunk from {args.schedule}: {len(schedule.actions)} actions to {len(shrunk.schedule.actions)} in "
             f"{shrunk.runs} runs" + (", ended by the bound on time" if shrunk.ended else "")]
    text = feature_text(Found(shrunk.schedule, shrunk.promise, str(shrunk.after)), topology, notes)
    try:
        (folder / SCHEDULE).write_text(dump_schedule(shrunk.schedule))
        feature.parent.mkdir(parents=True, exist_ok=True)
        feature.write_text(text)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; name another place with --output or --feature") from error
    print(f"{shrunk.promise} breaks in {shrunk.before} runs of {len(schedule.actions)} actions, and in {shrunk.after} "
          f"of {len(shrunk.schedule.actions)}:")
    print("\n".join(f"  {action}" for action in shrunk.schedule.actions))
    if shrunk.last is not None:
        print(f"last run folder: {shrunk.last.folder}")
    print(folder / SCHEDULE)
    print(feature)
    return PROMISE_BROKE


def nightly(args: argparse.Namespace) -> int:
    """Plays a plan's episodes until its time is over, or goes on with a campaign, and writes its report."""
    import functools
    import sys

    from fenceline.chaos.campaign import Campaign
    from fenceline.chaos.crew import Crew
    from fenceline.chaos.draw import Repertoire
    from fenceline.chaos.guide import Guide
    from fenceline.chaos.ledger import Ledger
    from fenceline.chaos.memory import remembered
    from fenceline.chaos.plan import load_plan
    from fenceline.chaos.profile import load_profile
    from fenceline.model.load import load_topology
    from fenceline.reports.history import NAME

    project, plan = project_here(), load_plan(args.plan)
    if args.jobs:
        plan = plan.model_copy(update={"clusters": args.jobs})
    folder = base_of(project, args.output, Path(args.plan).stem)
    history = project.runs.parent / NAME

    @functools.cache
    def repertoire(topology: str, profile: str) -> Repertoire:
        return Repertoire(load_topology(topology, project.topologies), load_profile(profile, profiles_of(project)),
                          title=profile)
    for topology in plan.topologies:
        for profile in plan.profiles:
            repertoire(topology, profile)  # what is wrong with one is said before anything is built
    guide = None
    if plan.guided:
        with remembered(history) as memory:
            guide = Guide(memory.hits(), [one for topology in plan.topologies for one in memory.courses(topology)])
    ledger = Ledger(folder, plan)
    if args.scheduler:
        from fenceline.chaos.fleet import Fleet
        from fenceline.chaos.identity import identity
        crew = Fleet(args.scheduler, identity(), say)
    else:
        crew = Crew((sys.executable, "-m", "fenceline.chaos.worker", plan.driver, str(history)), plan.clusters)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    say(f"{folder}: go on with it by: fenceline chaos nightly {args.plan} --output {folder}")
    campaign = Campaign(folder, plan, ledger, crew, repertoire, guide, reap_dead, say)
    try:
        campaign.run()
    except KeyboardInterrupt:
        say("interrupted: it goes on where it was when it is begun again")
    finally:
        status = write_night(folder, ledger, history, plan.least)
        ledger.close()
    return status


def reap_dead() -> None:
    """Removes what a worker left that was killed."""
    from fenceline.journal.reap import reap

    for done in reap():
        for problem in done.problems:
            say(f"{done.journal}: {problem}")


def write_night(folder: Path, ledger: Ledger, history: Path, least: int) -> int:
    """Writes the report of the campaign in ``folder`` beside it; returns the exit status."""
    from fenceline.chaos.memory import remembered
    from fenceline.chaos.night import junit, take_stock
    from fenceline.chaos.nightpage import page_of

    entries = list(ledger.entries())
    with remembered(history) as memory:
        night = take_stock(folder.name, entries, memory, least)
        page = page_of(night, memory, folder)
    try:
        (folder / "report.html").write_text(page, encoding="utf-8")
        (folder / "junit.xml").write_text(junit(night), encoding="utf-8")
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}; what was played is in {ledger.path}") from error
    for finding in night.findings:
        print(f"{'new' if finding.is_new else 'known':6}{finding.count:>4} {finding.topology}: {finding.kind}\n"
              f"           {finding.folder}")
    for finding in night.gone:
        print(f"gone       {finding.topology}: {finding.kind}, last in {finding.last}")
    print(f"{len(entries)} episodes: " + ", ".join(f"{count} {verdict}" for verdict, count in night.counts.items()))
    if night.too_little:
        print(f"too little was proven: {night.too_little}")
    print(folder / "report.html")
    return night.status
