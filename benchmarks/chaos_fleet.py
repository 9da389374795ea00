"""What a fleet costs beside the episodes: 100 workers, 10,000 episodes that are fakes and take no time.

    python benchmarks/chaos_fleet.py [WORKERS [EPISODES]]

Workers are threads of this process: what is measured is the campaign's side and dask's scheduler, not the network.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import distributed

from fenceline.chaos import fleet
from fenceline.chaos.crew import Order
from fenceline.chaos.ledger import Ledger
from fenceline.chaos.outcome import Outcome, outcome_of_json, outcome_to_json
from fenceline.chaos.plan import Plan
from fenceline.model.verdict import Verdict

IDENTITY = {"code": "x"}


def fake(order: dict[str, Any]) -> dict[str, str]:
    """An episode that takes no time, with a folder of 4 KiB."""
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "events.jsonl").write_text("x" * 4096)
        return {"outcome": outcome_to_json(Outcome(Verdict.PASS, "kept")), "folder": fleet.packed(Path(base))}


def main(arguments: list[str]) -> int:
    """Prints seconds and episodes per second."""
    workers, episodes = (int(word) for word in (*arguments, "100", "10000")[:2]) if len(arguments) != 1 else (
        int(arguments[0]), 10000)
    fleet._HERE["identity"] = IDENTITY
    with tempfile.TemporaryDirectory() as base, distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None,
            resources={fleet.CLUSTER: 1}, silence_logs=logging.ERROR) as cluster:
        ledger = Ledger(Path(base), Plan(topologies=("x",)))
        crew = fleet.Fleet(cluster.scheduler_address, IDENTITY, print, fake)
        begun, cpu, given, done = time.monotonic(), time.process_time(), 0, 0
        while done < episodes:
            for _ in crew.free:
                if given < episodes:
                    ledger.begin(given, "x", "now")
                    crew.give(0, Order(given, "x", "x", Path(base) / "episodes" / str(given), "x", 60.0))
                    given += 1
            news = crew.news(5.0)
            if news is not None and news.outcome:
                done += ledger.end(news.number, outcome_of_json(news.outcome), 0.0)
        seconds = time.monotonic() - begun
        print(f"{done} episodes by {workers} workers in {seconds:.0f} s: {1000 * seconds / done:.1f} ms each, "
              f"{1000 * (time.process_time() - cpu) / done:.1f} ms of CPU; none lost, none twice")
        crew.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
