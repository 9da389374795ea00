"""What a cluster is waited for that stands: who runs a service, who serves it, and that all of it is whole."""

from __future__ import annotations

from typing import Any

from fenceline.cluster.health import FAILED_ACTION
from fenceline.core.errors import ClusterError, ClusterSilent, FencelineError, Timeout
from fenceline.core.wait import Deadline
from fenceline.machines.console import console_tail
from fenceline.machines.protocol import Power
from fenceline.model.event import Event

#: For so long (s; longer where machines are emulated) the cluster may take to say where a service runs.
OWNER_WITHIN = 20.0
#: For so long (s; likewise) a client's answer is waited for that says who serves.
ANSWER_WITHIN = 2.0


def owner(cluster: Any, service: str) -> str:
    """The node on which ``service`` runs, in the cluster's own view. That comes after the fact: a client has its
    answer before Pacemaker has noted that the daemon was started. So it is waited for.

    Raises:
        ClusterError: it runs nowhere, or nobody could be asked, for ``OWNER_WITHIN`` seconds.
        ClusterSilent: likewise nobody who was asked could tell.
    """
    found: list[str] = []
    last = ["nobody was asked"]
    silent: list[ClusterSilent] = []

    def is_told() -> bool:
        try:
            owner = cluster.state().owner(service)
        except FencelineError as error:  # in the middle of a failover the one that is asked may not answer
            last[:] = [error.message]
            silent[:] = [error] if isinstance(error, ClusterSilent) else []
            return False
        silent.clear()
        last[:] = [f"the service {service!r} runs on no node as a whole"]
        found[:] = [owner] if owner is not None else []
        return bool(found)
    try:
        cluster.poll(is_told, OWNER_WITHIN * cluster.driver.slowdown, f"the cluster to say where {service} runs")
    except ClusterError as error:
        if silent:
            raise silent[0] from error
        raise ClusterError(f"{last[0]} ({error.message})") from error
    return found[0]


def serving(cluster: Any, service: str) -> str:
    """The node that serves ``service`` now, as those outside see it: it answers what a client asks from now on; or
    it has the address, where answers come from the real servers behind it. Where no client can tell, the one that
    the cluster says.

    Raises:
        ClusterError: nobody serves, and the cluster says that it runs nowhere.
    """
    settings = cluster.topology.services[service]
    if service not in cluster.client.services or settings.active == "all":
        return cluster.owner(service)
    since = cluster.clock.now_ns()

    def answered(event: Event) -> bool:
        return (event.kind == "reply" and event.data["service"] == service and event.data["ok"]
                and event.data["sent_ns"] > since)
    try:
        event, _ = cluster.log.wait_for(answered, ANSWER_WITHIN * cluster.driver.slowdown, f"{service} to answer",
                                        since)
    except Timeout:
        return cluster.owner(service)
    holders = [event.data["from"]]
    if settings.real_servers:
        vip = f"address {settings.vip.address}"
        holders = [node for node in cluster.topology.cluster_nodes
                   if cluster.is_running(node) and vip in cluster.holdings_of(node)]
    if len(holders) == 1 and holders[0] in cluster.topology.service_nodes:
        return holders[0]
    return cluster.owner(service)


def is_answering(cluster: Any, service: str) -> bool:
    """Whether a client of ``service`` gets an answer to what it asks now, within 1.5 s: from every node, if it is
    active on all."""
    deadline = Deadline(cluster.clock, 1.5)
    try:
        for target in cluster.client.targets_of(service):
            cluster.client.wait_answering(service, deadline.left, deadline.begun_ns, target.node)
    except Timeout:
        return False
    return True


def wait_whole(cluster: Any, within: float, cleans: bool = False) -> float:
    """Waits until nothing is wrong with the cluster any more; returns the seconds it took.

    Args:
        within: the deadline, in s.
        cleans: where failed actions are all that is wrong, they are cleaned up, once: for a cluster that comes up, as
            machines that boot beside each other may be too slow for an agent's timeout.

    Raises:
        ClusterError: something still is after ``within`` seconds: what, and the tail of the console.
    """
    deadline = Deadline(cluster.clock, within)
    said, may_clean = "", cleans
    # the client sees the service first, without asking a busy guest for anything
    for service in cluster.client.services:
        while not cluster.is_answering(service):
            dead = [node for node, machine in cluster.machines.items() if machine.power() is Power.OFF]
            # a machine that is off comes back only if its BMC switches it on again, which is soon
            if deadline.is_over or (dead and _stays_off(cluster, dead[0])):
                break
        else:
            where = ", ".join(target.address for target in cluster.client.targets_of(service))
            cluster.progress(f"{service} answers on {where} after {deadline.took:.1f} s")
    while True:
        found = cluster.problems()
        if not found:
            return deadline.took
        if found[0] != said:
            said = found[0]
            cluster.progress(f"waiting: {said}")
        if may_clean and all(problem.startswith(FAILED_ACTION) for problem in found):
            may_clean = not forgets_failures(cluster)
            if not may_clean:
                cluster.progress("cleaned up what failed while the machines booted")
        dead = [node for node, machine in cluster.machines.items() if machine.power() is Power.OFF]
        if deadline.is_over or (dead and _stays_off(cluster, dead[0])):
            worst = next((node for node in cluster.topology.nodes if any(node in text for text in found)),
                         cluster.topology.cluster_nodes[0])
            raise ClusterError(
                f"{cluster.topology.name} was not whole after {deadline.took:.1f} s: " + "; ".join(found),
                console_tail(cluster.consoles / f"{worst}.log"))
        cluster.clock.sleep(0.2)


def forgets_failures(cluster: Any) -> bool:
    """Has the cluster forget its failed actions; False where the coordinator changed under it: then it is to be asked
    again."""
    try:
        cluster.stack.cleanup()
    except ClusterError:
        return False
    return True


def _stays_off(cluster: Any, node: str) -> bool:
    try:
        cluster.log.wait_for(lambda event: event.kind == "power.on" and event.node == node,
                             5.0 * cluster.driver.slowdown, f"{node} to be switched on", cluster.clock.now_ns())
    except Timeout:
        return cluster.machines[node].power() is Power.OFF
    return False
