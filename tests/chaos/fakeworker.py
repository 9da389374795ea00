"""A worker without clusters: ``python -m tests.chaos.fakeworker SCRIPT``. The script is a JSON file: what becomes of
the episode of a number ("hang", "die", "fail"); each play adds a line to the file beside it."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from fenceline.chaos.outcome import Outcome
from fenceline.chaos.schedule import SCHEDULE, Schedule, dump_schedule
from fenceline.chaos.worker import serve
from fenceline.model.verdict import Verdict


def main() -> None:
    script = Path(sys.argv[1])
    told = json.loads(script.read_text())

    def play(schedule: Schedule, folder: Path, origin: str) -> Outcome:
        with script.with_suffix(".played").open("a") as played:
            played.write(f"{int(folder.name)} {schedule.seed} {os.getpid()}\n")
        what = told.get(str(int(folder.name)), "")
        if what == "hang":
            threading.Event().wait()
        if what == "die":
            os._exit(9)
        threading.Event().wait(told.get("takes", 0.0))
        run = folder / "run"
        run.mkdir(parents=True)
        (run / SCHEDULE).write_text(dump_schedule(schedule))
        (run / "events.jsonl").write_text("x" * 5000)
        (run / "timeline.svg").write_text('<svg><g id="a"/></svg>')
        hits = (("steady", "stun", "serves", ""),)
        if what.startswith("fail"):
            return Outcome(Verdict.FAIL, "single mount: twice", ("single mount",), str(run), 1, hits,
                           ("steady", "fencing"), state="fencing", faults=("stun", what[5:] or "hang"))
        return Outcome(Verdict.PASS, "every promise was kept", (), str(run), 1, hits, ("steady",), (3.0,), 8.0, 12.0)
    serve(play, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
