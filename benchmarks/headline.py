"""How long the headline scenario takes, and what the harness itself costs.

    .venv/bin/python -m benchmarks.headline [--runs 3] [--driver uml --driver libvirt]

Each run is a pytest of its own on a cluster of its own, with the guest image cached; drivers take turns, so that a
machine whose speed drifts favours none. Prints a row per driver and figure: minimum, median, maximum.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = {"uml": ("features/failover/heartbeat.feature", "-k", "triggers_fence"),
            "libvirt": ("features/failover/emulated.feature",)}
FIGURES = ("start to answering (s)", "start to verdict (s)", "whole command (s)", "outage seen by the client (s)",
           "cut to fenced (s)", "harness CPU (s)", "harness peak memory (MiB)")


def main() -> int:
    """Runs the benchmark; the exit status is 1 if a run did not pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs per driver (default: 3)")
    parser.add_argument("--driver", action="append", choices=("uml", "libvirt"), help="default: uml")
    options = parser.parse_args()
    drivers = options.driver or ["uml"]
    rows: dict[str, list[dict[str, float]]] = {driver: [] for driver in drivers}
    for number in range(options.runs):
        for driver in drivers:
            print(f"run {number + 1} of {options.runs} on {driver} ...", file=sys.stderr, flush=True)
            figures = measure(driver)
            if figures is None:
                return 1
            rows[driver].append(figures)
    print(f"{'driver':8} {'figure':32} {'min':>8} {'median':>8} {'max':>8}   n={options.runs}")
    for driver, runs in rows.items():
        for name in FIGURES:
            values = [figures[name] for figures in runs]
            print(f"{driver:8} {name:32} {min(values):8.2f} {statistics.median(values):8.2f} {max(values):8.2f}")
    return 0


def measure(driver: str) -> dict[str, float] | None:
    """The figures of one run on ``driver``; None where it did not pass (its output is printed)."""
    with tempfile.TemporaryDirectory(prefix="fl-bench-") as scratch:
        usage = Path(scratch) / "usage.json"
        begun_ns = time.monotonic_ns()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "benchmarks.headline", "-q", f"--fenceline-driver={driver}",
             f"--fenceline-runs-dir={scratch}/runs", *SCENARIO[driver]],
            cwd=ROOT, env={**os.environ, "FENCELINE_BENCH_USAGE": str(usage)}, capture_output=True, text=True,
            check=False)
        whole = (time.monotonic_ns() - begun_ns) / 1e9
        if done.returncode:
            print(done.stdout[-5000:], done.stderr[-5000:], sep="\n", file=sys.stderr)
            return None
        folder = next(Path(scratch, "runs").iterdir())
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        verdict = json.loads((folder / "verdict.json").read_text())

        def first(kind: str, **data: object) -> int:
            return next(event["t_ns"] for event in events if event["kind"] == kind
                        and all(event["data"].get(key) == value for key, value in data.items()))
        own = json.loads(usage.read_text())
        return {
            "start to answering (s)": (first("reply", ok=True) - begun_ns) / 1e9,
            "start to verdict (s)": (first("scenario.end") - begun_ns) / 1e9,
            "whole command (s)": whole,
            "outage seen by the client (s)": max(outage["seconds"] for outage in verdict["outages"]),
            "cut to fenced (s)": (first("power.off", why="fence") - first("fault.begin")) / 1e9,
            "harness CPU (s)": own["cpu_s"],
            "harness peak memory (MiB)": own["peak_kib"] / 1024,
        }


def pytest_unconfigure() -> None:
    """As a pytest plugin: writes down what the harness's own process used, without its machines."""
    path = os.environ.get("FENCELINE_BENCH_USAGE")
    if path:
        used = resource.getrusage(resource.RUSAGE_SELF)
        Path(path).write_text(json.dumps({"cpu_s": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss}))


if __name__ == "__main__":
    sys.exit(main())
