"""A process that plays episodes on clusters of its own: one that hangs or dies takes nothing else with it.

It reads a line of JSON for each episode ({number, schedule, folder, origin}) and writes lines: {say} and {number,
outcome}. What an episode came to is in its folder before it is told, so that a campaign that dies in between knows it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import yaml

from fenceline.chaos.outcome import Outcome, outcome_to_json
from fenceline.chaos.schedule import Schedule, parse_schedule
from fenceline.core.errors import FencelineError
from fenceline.model.load import TopologyError
from fenceline.model.verdict import Verdict

OUTCOME = "outcome.json"
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
#: Plays a schedule, with run folders below a folder; says of what it is.
Play = Callable[[Schedule, Path, str], Outcome]


def serve(play: Play, commands: IO[str], answers: IO[str]) -> None:
    """Plays what ``commands`` say, one after the other, until they end."""
    for line in commands:
        order = json.loads(line)
        folder = Path(order["folder"])
        try:
            schedule = parse_schedule(yaml.safe_load(order["schedule"]), order["origin"])
            outcome = play(schedule, folder, order["origin"])
        except (FencelineError, TopologyError, OSError) as error:
            outcome = Outcome(Verdict.BROKEN, getattr(error, "message", None) or str(error))
        keep(folder, outcome)
        tell(answers, number=order["number"], outcome=outcome_to_json(outcome))


def keep(folder: Path, outcome: Outcome) -> None:
    """Writes ``outcome`` into ``folder``: whole, or not at all. A full disk loses only what a restart would know."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{OUTCOME}.new"
        fresh.write_text(outcome_to_json(outcome))
        os.replace(fresh, folder / OUTCOME)
    except OSError as error:
        print(f"{folder}: {error.strerror}", file=sys.stderr)


def tell(answers: IO[str], **words: Any) -> None:
    """Writes one line."""
    answers.write(json.dumps(words) + "\n")
    answers.flush()


def die_with_parent() -> None:
    """SIGTERM ends this process as Ctrl-C would, and comes when the parent dies, however it does: whoever goes on with
    the campaign plays this episode again."""
    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who is asked twice is still at it
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        stop()


def main(argv: list[str] | None = None) -> int:
    """``python -m fenceline.chaos.worker DRIVER HISTORY``: the worker of a campaign on this host."""
    from fenceline.chaos.stage import on_stage
    from fenceline.core.project import project_here

    driver, history = argv or sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody else may write among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the campaign's: it tells us by closing our input

    die_with_parent()
    project = project_here()
    with on_stage(Path("."), project, driver, None, Path(history),
                  lambda line: tell(answers, say=line)) as stage:
        def play(schedule: Schedule, folder: Path, origin: str) -> Outcome:
            stage.base = folder
            return stage.play(schedule, origin)
        try:
            serve(play, sys.stdin, answers)
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
