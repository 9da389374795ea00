"""What a heartbeat network may lose before the cluster falls apart, counted on real machines.

    .venv/bin/python -m benchmarks.packet_loss [--percent 2 --percent 10] [--seconds 60] [--token 1s] [--driver uml]

A cluster of two nodes without fencing, so that it goes on after it fell apart, and so many percent of the packets on
its heartbeat network dropped, one share after the other. Prints a row for each: packets, how often a knet link went
down (corosync's own count), how often a node lost sight of the other, and after how many seconds first; beside it the
chance that the model (harness/model/totem.py) gives to its being lost in that time.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import tempfile
from pathlib import Path

from fenceline.cluster.cluster import Cluster, ClusterOptions
from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import Timeout
from fenceline.faults import FaultControl, make_fault
from fenceline.model.event import Event
from fenceline.model.load import load_topology, merged, parse_topology
from fenceline.model.totem import Totem
from fenceline.observe.log import EventLog


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--percent", type=float, action="append", help="default: 1, 2, 5, 10 and 20")
    parser.add_argument("--seconds", type=float, default=60, help="of each share (default: 60)")
    parser.add_argument("--token", default="1s", help="default: 1s")
    parser.add_argument("--driver", default="uml", help="default: uml")
    options = parser.parse_args()
    raw = load_topology("web-iscsi").model_dump(mode="json", exclude_unset=True)
    topology = parse_topology(merged(raw, {"fencing": {"method": "none"}, "stack": {"token": options.token}}), "bench")
    totem = Totem(topology.stack.token)
    with tempfile.TemporaryDirectory(prefix="fl-bench-") as scratch:
        cluster = Cluster(topology, EventLog(), Path(scratch) / "consoles", ClusterOptions(options.driver))
        cluster.faults = FaultControl(cluster)
        cluster.up()
        try:
            print(f"{'percent':>8} {'packets':>8} {'a second':>9} {'links down':>11} {'apart':>6} {'first (s)':>10} "
                  f"{'model':>8}")
            for percent in options.percent or (1, 2, 5, 10, 20):
                row = measure(cluster, percent, options.seconds)
                print(f"{percent:8g} {row} {totem.chance_apart(percent / 100, options.seconds):8.4f}", flush=True)
        finally:
            cluster.down()
    return 0


def measure(cluster: Cluster, percent: float, seconds: float) -> str:
    """The figures of one share, as the cells of its row."""
    cluster.wait_members(60)
    before, since = links_down(cluster), HOST_CLOCK.now_ns()
    active = cluster.faults.inject(make_fault("packet-drop", network=cluster.topology.networks_with("heartbeat")[0],
                                              percent=percent))
    left = seconds - (HOST_CLOCK.now_ns() - since) / 1e9
    with contextlib.suppress(Timeout):
        cluster.log.wait_for(lambda event: False, max(0.0, left), "the time to be over", HOST_CLOCK.now_ns())
    packets, _ = active.fault._counted(cluster)
    cluster.faults.heal(active)
    members = len(cluster.topology.cluster_nodes)

    def is_apart(event: Event) -> bool:
        return event.kind == "quorum" and event.t_ns > since and len(event.data["members"]) < members
    apart = [event for event in cluster.log.events() if is_apart(event)]
    first = f"{(apart[0].t_ns - since) / 1e9:10.1f}" if apart else f"{'-':>10}"
    return f"{packets:8} {packets / seconds:9.1f} {links_down(cluster) - before:11} {len(apart):6} {first}"


def links_down(cluster: Cluster) -> int:
    """How often a link of any node went down so far, by corosync's own count."""
    return sum(int(count) for node in cluster.topology.cluster_nodes for count in re.findall(
        r"link\d+\.down_count \(u32\) = (\d+)",
        cluster.session(node).run("corosync-cmapctl -m stats", within=30).out))


if __name__ == "__main__":
    sys.exit(main())
