"""Whole UML clusters, killed with SIGKILL, and then reaped: how many, and what was left.

    flock /tmp/real-cluster.lock .venv/bin/python -m benchmarks.reap_kill [--runs 30] [--seed 1] [--life 19]

A third of the runs are killed when their journal has a certain number of lines, the others at a random moment between
their start and their end. Each has a state folder of its own, so that nobody else's run is touched. Prints a line per
run and, at the end, the count and the residue: processes, namespaces (with their taps), mounts, loop devices, sockets
and files. The exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fenceline.journal.journal import open_entries
from fenceline.journal.reap import reap
from fenceline.machines import process

ROOT = Path(__file__).resolve().parents[1]
WHOLE = 19.0  # s that a life takes on an idle machine: up, faults, healed, down
_LIFE = """
import sys
from pathlib import Path
from fenceline.cluster.cluster import Cluster, ClusterOptions
from fenceline.faults import FaultControl, make_fault
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
folder = Path(sys.argv[1])
cluster = Cluster(load_topology("web-iscsi"), EventLog(folder / "events.jsonl"), folder / "consoles",
                  ClusterOptions("uml"))
cluster.faults = FaultControl(cluster)
cluster.up()
for fault in (make_fault("fence-device-lies", node="rs-02"),
              make_fault("partition", groups="rs-01|rs-02", networks="heartbeat"),
              make_fault("hang", node="san-01")):
    cluster.faults.inject(fault)
cluster.faults.heal_all()
cluster.down()
"""


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="clusters to kill (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    parser.add_argument("--life", type=float, default=WHOLE, metavar="S",
                        help=f"over how many seconds the random moments are spread (default: {WHOLE:g})")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    total: list[str] = []
    killed = 0
    for number in range(1, options.runs + 1):
        lines = chance.randint(1, 12) if number % 3 == 0 else None
        seconds = chance.uniform(0.3, options.life)
        with tempfile.TemporaryDirectory(prefix="reap-kill-") as folder:
            was_alive, moment, left = one(Path(folder), lines, seconds, options.life)
        killed += was_alive
        total += left
        print(f"run {number} of {options.runs}: {moment}, {'killed' if was_alive else 'was over'}; residue: "
              f"{', '.join(left) or 'none'}", flush=True)
    print(f"{options.runs} clusters, {killed} killed in their life; residue: {len(total)}")
    return int(bool(total))


def one(folder: Path, lines: int | None, seconds: float, life_s: float) -> tuple[bool, str, list[str]]:
    """One life; returns whether it was killed in it, when, and what was left of it."""
    state = folder / "state"
    begun = time.monotonic()
    # without a terminal and in its own session, as under CI
    life = subprocess.Popen([sys.executable, "-c", _LIFE, str(folder)], cwd=ROOT, start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={**os.environ, "FENCELINE_STATE": str(state)})
    while time.monotonic() - begun < (3 * life_s if lines else seconds) and life.poll() is None:
        if lines and sum(len(path.read_bytes().splitlines()) for path in state.glob("journal/*")) >= lines:
            break
        time.sleep(0.002)
    took = time.monotonic() - begun
    was_alive = life.poll() is None
    failed = f", failed with {life.returncode}" if life.returncode else ""
    life.send_signal(signal.SIGKILL)
    life.wait()
    journals = list(state.glob("journal/*.jsonl"))
    names = [f"fl-{path.stem}" for path in journals]
    groups = [(entry.undo["pid"], entry.undo["start_time"]) for path in journals for entry in open_entries(path)
              if entry.kind == "process"]
    deadline = time.monotonic() + 5
    while True:
        # a process that the run was forking when it died holds the journal's lock for a moment more
        reaped = reap(state / "journal")
        if not any(done.alive for done in reaped) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    left = [f"{done.journal.name}: {problem}" for done in reaped for problem in done.problems]
    left += residue(names, groups) + _loops([*names, str(folder)]) + [str(path) for path in state.glob("journal/*")]
    return was_alive, f"at {took:.1f} s" + (f", {lines} lines of journal" if lines else "") + failed, left


def residue(names: list[str], groups: list[tuple[int, int]]) -> list[str]:
    """What the host still has of the runs ``names`` and their process ``groups``."""
    left = [f"process group {pid}" for pid, started in groups
            if process.is_ours(pid, started) or process.group_members(pid)]
    for name in names:
        left += [str(path) for path in (Path("/var/run/netns") / name, Path(tempfile.gettempdir()) / name)
                 if path.exists()]
        left += [f"mount of {name}"] * (name in Path("/proc/self/mountinfo").read_text())
        left += [f"socket of {name}"] * (name in Path("/proc/net/unix").read_text())
        left += [str(path) for path in Path("/dev/shm").glob(f"*{name}*")]
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes() + Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:
                continue
            if name.encode() in words and process.start_time(int(entry)) is not None:
                left.append(f"process {entry}")
    return left


def _loops(names: list[str]) -> list[str]:
    """Loop devices on files of the runs ``names``; the host has others, that come and go."""
    out = subprocess.run(["losetup", "--json", "--list"], capture_output=True, text=True, check=False).stdout
    devices = json.loads(out)["loopdevices"] if out.strip() else []
    return [f"{device['name']} on {device['back-file']}" for device in devices
            if any(name in (device["back-file"] or "") for name in names)]


if __name__ == "__main__":
    sys.exit(main())
