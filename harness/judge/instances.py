"""One instance: the daemon of a service runs on one node at a time, as its mount and its address do."""

from __future__ import annotations

from fenceline.judge.exclusive import live_pieces, pairs
from fenceline.judge.findings import Tally, overlap
from fenceline.judge.history import History, Interval
from fenceline.judge.promise import promise
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Verdict


@promise("one instance", order=50, safety=True, says="no daemon ran on two nodes",
         breaks="the port of a group's daemon was open on two executing nodes. Not of a service that is active on"
                " all nodes, nor under keepalived, which moves the address alone")
def one_instance(history: History) -> Finding:
    """The port of a group's daemon is open on at most one executing node of the cluster.

    Not of a service that is active on all nodes, nor of one whose stack moves the address alone and runs the daemon
    everywhere. A paused node's daemon answers nobody.
    """
    tally = Tally("one instance")
    owned = exclusive_ports(history.topology)
    members = set(history.topology.service_nodes)
    for key, intervals in history.held("listen"):
        if key[1] not in owned:
            continue
        live = live_pieces(history, (interval for interval in intervals if interval.node in members))
        for one, other in pairs(live):
            verdict, at_ns = overlap(one, other)
            if verdict is not Verdict.PASS:
                word = "ran" if verdict is Verdict.FAIL else "may have run"
                tally.add(verdict, at_ns, f"{owned[key[1]]} (port {key[1]}) {word} on two nodes: "
                          f"{_span(history, one)} and {_span(history, other)}", *one.events, *other.events)
    names = ", ".join(owned.values()) or "there is none that runs on one node only"
    return tally.finding(f"never on two nodes at once: {names}" if owned else names)


def exclusive_ports(topology: Topology) -> dict[int, str]:
    """The ports that may be open on one node only, with whose they are: "nginx of web". No two services share one."""
    if topology.stack.runs_everywhere:
        return {}  # they run on every member, always
    return {daemon.port: f"{daemon.name} of {name}" for name, service in topology.services.items()
            if service.active == "one" for daemon in service.daemons}


def _span(history: History, interval: Interval) -> str:
    end = "the end of the log" if interval.end is None else history.at(interval.end.latest_ns)
    return f"{interval.node} from {history.at(interval.start.latest_ns)} to {end}"
