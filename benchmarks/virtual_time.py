"""What a cluster in virtual time costs, and whether two runs of it are the same.

    .venv/bin/python -m benchmarks.virtual_time [--topology web-iscsi] [--seed 1] [--runs 2] [--idle 60]

Power-on until the cluster is whole, ``--idle`` seconds in which nothing happens, and a power cut of the node that
serves until a client has its answer again: virtual and real seconds, and those of CPU that the guests and the harness
took. With more than one run each is compared with the first: the calendar's steps and their digest, and the event log.
Exit status 1 if they differ.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fenceline.cluster.cluster import Cluster, ClusterOptions
from fenceline.core.progress import Progress
from fenceline.faults import FaultControl
from fenceline.machines.drivers import make_clock
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """One run's figures: a line for each part, and what two runs must have in common."""

    parts: list[tuple[str, float, float, float, float]] = field(default_factory=list)
    same: tuple = ()


def guests_cpu(cluster: Cluster) -> float:
    """CPU seconds that the processes of all machines have taken that are on now."""
    groups = {machine.pid for machine in cluster.machines.values()}
    total = 0
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit():
                words = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if int(words[2]) in groups:
                    total += sum(map(int, words[11:15]))
    return total / _TICKS


@contextlib.contextmanager
def part(run: Run, cluster: Cluster, name: str) -> Iterator[None]:
    """Measures a part. The guests' CPU seconds are those of machines that are on at both ends."""
    clock, guests, own = cluster.clock, guests_cpu(cluster) if cluster.machines else 0.0, time.process_time()
    virtual, real = clock.now(), time.monotonic()
    yield
    run.parts.append((name, clock.now() - virtual, time.monotonic() - real, max(0.0, guests_cpu(cluster) - guests),
                      time.process_time() - own))


def measure(topology_name: str, seed: int, idle: float) -> Run:
    """One run."""
    run, topology = Run(), load_topology(topology_name)
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "events.jsonl", make_clock("virtual", seed=seed))
        cluster = Cluster(topology, log, Path(folder) / "consoles", ClusterOptions("virtual", seed=seed), Progress())
        cluster.faults = FaultControl(cluster)
        try:
            with part(run, cluster, "power-on until whole"):
                cluster.up()
            with part(run, cluster, "nothing happens"):
                cluster.clock.sleep(idle)
            service = next(iter(topology.services))
            owner, since = cluster.owner(service), cluster.clock.now_ns()
            with part(run, cluster, "power cut until answered"):
                cluster.machines[owner].power_off()
                log.wait_for(lambda event: event.kind == "reply" and event.data["ok"]
                             and event.node not in (None, owner), 120, "another to answer", since)
            calendar = cluster.clock.calendar
            steps = calendar.steps, f"{calendar.digest:08x}"
        finally:
            cluster.down()
        lines = "\n".join(event.to_json() for event in log.events())
        run.same = (*steps, hashlib.sha256(lines.encode()).hexdigest()[:16])
    return run


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", default="web-iscsi")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--idle", type=float, default=60.0, metavar="S")
    options = parser.parse_args()
    runs = []
    for _ in range(options.runs):
        runs.append(measure(options.topology, options.seed, options.idle))
        print(f"{'':28}{'virtual s':>10}{'real s':>9}{'guests CPU s':>14}{'harness CPU s':>15}")
        for name, *figures in runs[-1].parts:
            print(f"{name:28}{figures[0]:10.3f}{figures[1]:9.2f}{figures[2]:14.2f}{figures[3]:15.2f}")
        print("steps {}, digest {}, event log {}".format(*runs[-1].same), flush=True)
    differ = [number for number, run in enumerate(runs, 1) if run.same != runs[0].same]
    if len(runs) > 1:
        print(f"runs that differ from the first: {', '.join(map(str, differ)) or 'none'}")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())
