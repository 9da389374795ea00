"""How long every topology takes to come up, and how long its service is away after the three classic faults.

    .venv/bin/python -m benchmarks.topologies [--runs 5] [--driver uml] [TOPOLOGY ...]

A run is a pytest of its own: one new cluster, on which the service's process is killed, then the heartbeat network of
the active node is cut, then the power of the active node; the cluster is made whole between them. Topologies take
turns, so that a machine whose speed drifts favours none. Prints a row per topology: the median of each figure in
seconds, its least and most, and the verdicts that were not PASS with what was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from fenceline.model.load import TOPOLOGY_DIR, TopologyError, load_topology
from fenceline.model.topology import Topology
from fenceline.stacks.offers import offers

BRING_UP = "bring-up"
RELOCATES = '"{service}" relocates to the standby within 60 seconds'
FAULTS = {"service kill": 'the process of "{service}" is killed',
          "heartbeat cut": "the heartbeat network of the active node is cut",
          "power-off": "the power of the active node is cut"}


@dataclass
class Figures:
    """What was measured of one topology: seconds per figure, and how often which verdict was not PASS."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    troubles: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def main() -> int:
    """Runs the benchmark; the exit status is 2 for a topology that is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topology", nargs="*", help="default: all that are shipped")
    parser.add_argument("--runs", type=int, default=5, help="runs per topology (default: 5)")
    parser.add_argument("--driver", default="uml", help="default: uml")
    options = parser.parse_args()
    names = options.topology or sorted(path.stem for path in TOPOLOGY_DIR.glob("*.yaml"))
    try:
        topologies = [load_topology(name) for name in names]
    except TopologyError as error:
        print(error, file=sys.stderr)
        return 2
    found = {topology.name: Figures() for topology in topologies}
    with contextlib.suppress(KeyboardInterrupt):  # what was measured until then is told all the same
        for number in range(options.runs):
            for topology in topologies:
                print(f"run {number + 1} of {options.runs}: {topology.name} ...", file=sys.stderr, flush=True)
                measure(topology, options.driver, found[topology.name])
    print(f"{'topology':24}" + "".join(f"{name:>31}" for name in (BRING_UP, *FAULTS)))
    for name, figures in found.items():
        print(f"{name:24}" + "".join(f"{spread(figures.seconds[figure]):>31}" for figure in (BRING_UP, *FAULTS)))
        for figure, troubles in figures.troubles.items():
            for trouble, count in troubles.items():
                print(f"    {figure}, {count} of {options.runs}: {trouble}")
    return 0


def spread(values: list[float]) -> str:
    """``median (least to most), n=how many``, s; a dash where nothing was measured."""
    if not values:
        return "-"
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f}), n={len(values)}"


def faults_of(topology: Topology) -> dict[str, str]:
    """The faults that ``topology`` has an answer to, as sentences."""
    service = topology.services[chosen(topology)]
    # of a service on all nodes a node is lost, and its figure is how long the other freezes
    on_all = service.active == "all"
    faults = dict(FAULTS)
    if on_all or service.daemon is None:
        del faults["service kill"]
    if topology.fencing.method == "none":  # both sides would serve, or nothing would happen
        del faults["heartbeat cut"]
    return {name: fault.replace("the active node", "the second node") if on_all else fault
            for name, fault in faults.items()}


def expected(topology: Topology, fault: str) -> str:
    """What the scenario must say beforehand, as a step."""
    if fault == "service kill" and topology.stack.kind == "heartbeat":
        return '    And an outage of "{service}" is expected: haresources has no monitor\n'
    return ""


def chosen(topology: Topology) -> str:
    """The service that is measured: the first that has a daemon."""
    services = topology.services
    return next((name for name, service in services.items() if service.daemon), next(iter(services)))


def outcome(topology: Topology, fault: str) -> str:
    """What must come of ``fault``, as a step; a stack that does not watch its services leaves a dead one dead."""
    if topology.services[chosen(topology)].active == "all":
        # until the node is fenced nothing may have been noticed yet
        return ("the second node is fenced within 60 seconds\n"
                '    And "{service}" is written through the first node again within 60 seconds')
    if fault == "service kill" and "restart" in offers(topology):
        return '"{service}" is restarted in place on the active node within 60 seconds'
    if fault == "service kill" and topology.stack.kind == "heartbeat":
        return '"{service}" does not answer for 5 seconds'
    service = next(iter(topology.services))
    return RELOCATES if f"failover {service}" in offers(topology) else '"{service}" answers within 60 seconds'


def measure(topology: Topology, driver: str, figures: Figures) -> None:
    """One run: adds what it measured to ``figures``."""
    service = chosen(topology)
    scenarios = [f'  Scenario: {name}\n    Given the topology "{topology.name}" is up and "{service}" is answering\n'
                 f"{expected(topology, name)}    When {fault}\n    Then {outcome(topology, name)}\n"
                 .format(service=service)
                 for name, fault in faults_of(topology).items()]
    with tempfile.TemporaryDirectory(prefix="fl-bench-") as scratch:
        feature = Path(scratch, "figures.feature")
        feature.write_text("Feature: Figures\n\n" + "\n".join(scenarios))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--fenceline-driver={driver}",
             f"--fenceline-runs-dir={scratch}/runs", str(feature)], cwd=scratch, capture_output=True, text=True,
            check=False)
        folders = sorted(Path(scratch, "runs").glob("*/verdict.json"))
        if not folders:
            print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", file=sys.stderr)
            figures.troubles[BRING_UP]["nothing was judged"] += 1
        for verdict in folders:
            _read(verdict.parent, figures)


def _read(folder: Path, figures: Figures) -> None:
    name = json.loads((folder / "run.json").read_text())["scenario"]
    judgement = json.loads((folder / "verdict.json").read_text())
    if judgement["verdict"] != "PASS":
        figures.troubles[name][f"{judgement['verdict']}: {judgement['reason']}"] += 1
    if judgement["figures"]["longest_outage_s"]:
        figures.seconds[name].append(judgement["figures"]["longest_outage_s"])
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    replies = [event for event in events if event["kind"] == "reply"]
    if replies and not replies[0]["data"]["ok"]:  # else the cluster is one that stood already
        booted = next(event["t_ns"] for event in events if event["kind"] == "power.on")
        answered = next((event["t_ns"] for event in replies if event["data"]["ok"]), None)
        if answered is not None:
            figures.seconds[BRING_UP].append((answered - booted) / 1e9)


if __name__ == "__main__":
    sys.exit(main())
