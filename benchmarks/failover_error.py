"""How far the failover time that the judge reports is off.

    .venv/bin/python -m benchmarks.failover_error [--count 100] [--seed 1] [--cluster TOPOLOGY]

Injects outages of exactly known length (the client's packets are dropped in the fabric, both ends stamped) and
compares: count, median, p95 and largest error, and whether each was within its own reported bound. Against a plain
HTTP server in a throwaway fabric, or with --cluster against the service of a real cluster. Exit status 1 if p95 is
above 20 ms or an error was outside of its bound.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from fenceline.journal.journal import Journal, state_dir
from fenceline.machines.fabric import Fabric
from fenceline.model.load import load_topology
from fenceline.observe import calibration
from fenceline.observe.client import ClientObserver
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop

AIM = 0.020  # s


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", metavar="TOPOLOGY", help="against its first service, on real machines (UML)")
    options = parser.parse_args()
    compared = measure(options.count, options.seed, options.cluster)
    found = calibration.summary(compared)
    print(f"{'known (s)':>10} {'reported (s)':>12} {'error (ms)':>10} {'bound (ms)':>10}")
    for one in compared:
        told = (f"{one.reported.seconds:12.4f} {one.error * 1e3:10.2f} {one.reported.plus_minus * 1e3:10.2f}"
                if one.reported else "      missed")
        print(f"{one.known.seconds:10.4f} {told}{'' if one.within_bound else '  OUTSIDE'}")
    where = f"service of {options.cluster}" if options.cluster else "plain HTTP server"
    print(f"{where}: n={found['n']:.0f} missed={found['missed']:.0f} error: median {found['median'] * 1e3:.1f} ms, "
          f"p95 {found['p95'] * 1e3:.1f} ms, max {found['max'] * 1e3:.1f} ms, bias {found['bias'] * 1e3:+.1f} ms; "
          f"without the service's own time to answer: median {found['own_median'] * 1e3:.1f} ms, "
          f"p95 {found['own_p95'] * 1e3:.1f} ms, max {found['own_max'] * 1e3:.1f} ms; "
          f"outside of the reported bound (median {found['bound'] * 1e3:.1f} ms): {found['outside_bound']:.0f}; "
          f"truth known to {found['truth_plus_minus'] * 1e3:.2f} ms")
    return int(found["p95"] > AIM or found["outside_bound"] > 0 or found["missed"] > 0)


def measure(count: int, seed: int, cluster: str | None = None) -> list[calibration.Compared]:
    """``count`` known outages and what was reported of each."""
    with contextlib.ExitStack() as stack:
        log, fabric, topology = stack.enter_context(_cluster(cluster) if cluster else _plain())
        service = next(service for service in topology.services.values() if service.vip)
        switch = calibration.Switch(fabric)
        stack.callback(switch.close)
        log.record("scenario", None, "ready", {"service": next(iter(topology.services))})
        lengths, pause = calibration.lengths_and_pauses(count, seed)
        known = calibration.inject(switch, str(service.vip.address), lengths, pause)
        return calibration.compare(known, log.events(), topology)


@contextlib.contextmanager
def _plain() -> Iterator[tuple]:
    topology = load_topology("web-iscsi")
    identity, log = secrets.token_hex(4), EventLog()
    journal = Journal(state_dir() / "journal" / f"{identity}.jsonl")
    with contextlib.ExitStack() as stack:
        stack.callback(journal.close, remove=True)
        fabric = Fabric(identity, topology, journal)
        stack.callback(fabric.close)
        fabric.create()
        network = topology.networks_with("service")[0]
        name, service = next(iter(topology.services.items()))
        stack.enter_context(calibration.plain_server(fabric, topology.cluster_nodes[0], network,
                                                     str(service.vip.address)))
        loop = ObserverLoop(log, fabric)
        stack.callback(loop.stop)
        client = ClientObserver(fabric, topology, log, loop)
        client.start()
        stack.callback(client.stop)
        client.wait_answering(name, 5.0)
        yield log, fabric, topology


@contextlib.contextmanager
def _cluster(name: str) -> Iterator[tuple]:
    from fenceline.cluster.cluster import Cluster, ClusterOptions
    from fenceline.core.progress import Progress
    with TemporaryDirectory(prefix="fl-bench-") as scratch:
        log = EventLog()
        cluster = Cluster(load_topology(name), log, Path(scratch) / "consoles", ClusterOptions("uml"),
                          Progress(lambda line: print(line, file=sys.stderr)))
        cluster.up()
        try:
            yield log, cluster.fabric, cluster.topology
        finally:
            cluster.down()


if __name__ == "__main__":
    sys.exit(main())
