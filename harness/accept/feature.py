"""The acceptance feature: what a topology must survive, made from what it offers; a person may read, keep and change
it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fenceline.accept.budget import Budget
from fenceline.accept.finding import Finding
from fenceline.model.topology import Service, Topology
from fenceline.stacks.offers import offers
from fenceline.storage.drbd.resources import resource_of

_CHAOS_S = 60
#: The scenario that shows what a finding says, by the words of its ``shown_by``.
SHOWS = (
    ("loses its power", "power-active"), ("hangs", "hang-active"), ("heartbeat links are cut", "split"),
    ("heartbeat link is cut", "one-link"), ("is killed", "killed"), ("clean move", "move"), ("standby", "move"),
    ("lost node returns", "return"), ("all nodes lose their power", "dark"), ("replication link", "replication"),
    ("stands still", "stun"), ("any node loses", "power-standby"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """``key`` names its kind; ``steps`` without the Given that all have."""

    key: str
    title: str
    steps: tuple[str, ...]
    given: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def feature(topology: Topology, budget: Budget, findings: list[Finding]) -> str:
    """The text of the feature file."""
    name, service = _watched(topology)
    lines = [f"Feature: {topology.name}, its acceptance",
             "  Made by `fenceline adopt` of what the cluster offers; change it as you like. Beside what a scenario",
             "  names, every promise is judged over its whole run.",
             f"  Budget: {budget.shown()}.", ""]
    for one in scenarios(topology, name, service, budget.total):
        shown = [told for told in findings if not told.remark and one.key in shows(told)]
        lines += [f"  # shows {told.place}: {told.rule}" for told in shown]
        lines += [f"  @acceptance{''.join(f' @{tag}' for tag in one.tags)}", f"  Scenario: {one.title}",
                  f'    Given the topology "{topology.name}" is up and "{name}" is answering']
        lines += [f"    And {given}" for given in one.given]
        before = ""
        for step in one.steps:
            kind, _, text = step.partition(" ")
            lines.append(f"    {'And' if kind == before else kind} {text}")
            before = kind
        lines.append("")
    return "\n".join(lines)


def shows(finding: Finding) -> list[str]:
    """The keys of the scenarios that show ``finding``."""
    return list(dict.fromkeys(key for word, key in SHOWS if word in finding.shown_by))


def shown_by(topology: Topology, budget: Budget, findings: list[Finding]) -> dict[str, list[Finding]]:
    """{title of a scenario: the findings that it shows}."""
    name, service = _watched(topology)
    return {one.title: [told for told in findings if not told.remark and one.key in shows(told)]
            for one in scenarios(topology, name, service, budget.total)}


def _watched(topology: Topology) -> tuple[str, Service]:
    """The service that scenarios are about: the first that clients ask, else the first."""
    asked = [(name, one) for name, one in topology.services.items() if one.port is not None and (
        one.vip is not None or one.active == "all")]
    return (asked or list(topology.services.items()))[0]


def scenarios(topology: Topology, name: str, service: Service, budget: float) -> Iterator[Scenario]:
    """All that ``topology`` offers, in the order in which they are run: what breaks most first."""
    for one in _of_one(topology, name, service, budget):
        if service.active == "one":
            yield one
        elif one.key in _ON_ALL:
            yield _on_all(one, name)


#: What can be said of a service that every node runs: nobody is its active node.
_ON_ALL = ("power-active", "hang-active", "split", "one-link", "device-dead", "device-password", "device-slow",
           "chaos", "storage-path", "dark", "rolling", "clock", "full-disk", "overload", "stun")


def _on_all(one: Scenario, name: str) -> Scenario:
    def said(text: str) -> str:
        return text.replace("the active node", "the second node").replace("the standby", "the first node")
    return replace(one, title=one.title.replace("The node that serves", "A node").replace(
        "the node that serves", "a node").replace("A node that does not serve", "Another node"),
        given=tuple(map(said, one.given)),
        steps=tuple(said(step) for step in one.steps if "was not interrupted" not in step or name not in step))


def _of_one(topology: Topology, name: str, service: Service, budget: float) -> Iterator[Scenario]:
    """Those of a service that one node runs."""
    there = offers(topology)
    within = f"within {budget:g} seconds"
    moves = f"failover {name}" in there
    relocates = f'Then "{name}" relocates to the standby {within}' if moves else f'Then "{name}" answers {within}'
    owner = ("Then the VIP never had two owners",) if service.vip else ()
    mount = ("Then the file system was never mounted on two nodes",) if service.filesystem else ()
    fenced = ("Then nothing was taken over before the fencing",) if "fencing" in there else ()
    whole = math.ceil((topology.boot_deadline + topology.form_deadline) / 2 + budget)
    members = len(topology.cluster_nodes)
    back = f'Then "{name}" relocates to the active node {within}' if service.domain.failback else (
        f'Then "{name}" stays on the standby for 5 seconds')
    yield Scenario("power-active", "The node that serves loses its power",
                   ("When the power of the active node is cut", relocates, *fenced, *owner, *mount))
    if "process " + name in there:
        yield Scenario("killed", "The process of the service is killed",
                       (f'When the process of "{name}" is killed', f'Then "{name}" answers {within}', *owner))
    yield Scenario("hang-active", "The node that serves hangs",
                   ("When the active node hangs", relocates, *fenced, *owner, *mount))
    if topology.stack.heartbeat_networks(topology) and members > 1:
        yield Scenario("split", "All heartbeat links of the node that serves are cut",
                       ("When the heartbeat network of the active node is cut", f'Then "{name}" answers {within}',
                        *fenced, *owner, *mount))
    if "move" in there and moves:
        yield Scenario("move", "A clean move, and back",
                       (f'When "{name}" is moved to the standby', f'Then "{name}" relocates to the standby {within}',
                        f'When "{name}" is moved to the active node',
                        f'Then "{name}" relocates to the active node {within}', "Then nobody is fenced", *owner))
    yield Scenario("power-standby", "A node that does not serve loses its power",
                   ("When the power of the standby is cut", f'Then "{name}" stays on the active node for '
                    f"{math.ceil(budget)} seconds"))
    if moves:
        yield Scenario("return", "The lost node returns", (
            "When the power of the active node is cut", relocates, "When the active node is switched on",
            f"Then the cluster is whole again within {whole} seconds", back, *owner))
        yield Scenario("second", "A second failure after the first", (
            "When the power of the active node is cut", relocates, "When the active node is switched on",
            f"When the cluster is whole again within {whole} seconds", "When the power of the standby is cut",
            f'Then "{name}" answers {within}', *owner))
    yield from _links(topology, name)
    yield from _service_faults(topology, name, service, within, moves, there)
    yield from _fencing_faults(topology, there, owner)
    yield from _storage_faults(topology, name, within)
    yield from _whole_cluster(topology, name, whole, there)
    yield from _node_troubles(name, within)
    yield Scenario("chaos", "A minute of whatever comes", (
        f'When chaos of the profile "everything" runs for {_CHAOS_S} seconds, seed 1',
        f"Then the cluster is whole again within {whole} seconds"))


def _links(topology: Topology, name: str) -> Iterator[Scenario]:
    links = topology.networks_with("heartbeat")
    silent = math.ceil(topology.stack.notice_s + 3)
    if len(links) > 1:
        for link in links:
            yield Scenario("one-link", f"The link {link} alone is cut",
                           (f'When the network "{link}" of the active node is cut',
                            f"Then nobody is fenced for {silent} seconds", f'Then "{name}" was not interrupted'))
    if topology.stack.quorum.policy == "qdevice":
        yield Scenario("qdevice", "The quorum device is lost",
                       ("When the quorum device stops", f"Then nobody is fenced for {silent} seconds",
                        f'Then "{name}" was not interrupted'))


def _service_faults(topology: Topology, name: str, service: Service, within: str, moves: bool,
                    there: frozenset[str]) -> Iterator[Scenario]:
    if f"agent {name}" in there and "restart" in there and moves:
        # it is noticed, stopped, started in vain, and only then moved
        twice = f"within {2 * service.failover_budget:g} seconds"
        yield Scenario("no-start", "The service can't start any more where it is",
                       (f'When the start of "{name}" begins to fail on the active node',
                        f'When the process of "{name}" is killed', f'Then "{name}" relocates to the standby {twice}'))
    if "standby" in there and f"process {name}" in there:
        yield Scenario("one-in-standby", "The service dies while the other node is in standby",
                       ("When the standby is put into standby", f'When the process of "{name}" is killed',
                        f'Then "{name}" answers {within}'))
    if "maintenance" in there:
        yield Scenario("maintenance", "Maintenance mode, and out of it",
                       ("When the cluster is put into maintenance mode", "When the cluster is taken out of maintenance "
                        "mode", f'Then "{name}" stays on the active node for 5 seconds', "Then nobody is fenced"))


def _fencing_faults(topology: Topology, there: frozenset[str], owner: tuple[str, ...]) -> Iterator[Scenario]:
    if "BMC" not in there:
        return
    for key, title, given in (
            ("device-dead", "The fencing device of the lost node is dead", "does not answer"),
            ("device-password", "The fencing device of the lost node refuses the password", "refuses the password"),
            ("device-slow", "The fencing device of the lost node is slow", "is 5 seconds slow")):
        yield Scenario(key, title, ("When the power of the active node is cut",
                                    f"When {math.ceil(topology.stack.notice_s + 10)} seconds pass",
                                    "Then nothing was taken over before the fencing", *owner),
                       (f"the fencing device of the active node {given}",))


def _storage_faults(topology: Topology, name: str, within: str) -> Iterator[Scenario]:
    if topology.storage_host(name):
        yield Scenario("storage-path", "The path of the node that serves to its disk is lost",
                       ("When the storage network of the active node is cut", f'Then "{name}" answers {within}'))
    one = resource_of(topology, name)
    if one is not None:
        yield Scenario("replication", "The replication link is cut, then the power of the node that writes", (
            f'When the replication link of "{one.name}" is cut', "When the power of the active node is cut",
            "Then nothing was taken over before the fencing", "Then no replica had a history of its own"))


def _whole_cluster(topology: Topology, name: str, whole: int, there: frozenset[str]) -> Iterator[Scenario]:
    away = (f'an outage of "{name}" is expected: no node has power',)
    yield Scenario("dark", "The whole cluster loses its power, and gets it back", (
        "When the power of all cluster nodes is cut at once", "When the cluster nodes are switched on",
        f"Then the cluster is whole again within {whole} seconds"), away)
    if topology.stack.manages_resources:
        stopped = (f'an outage of "{name}" is expected: its cluster software is stopped',)
        yield Scenario("rolling", "The cluster software is restarted, node after node", (
            "When the cluster software is stopped on one node after the other",
            "When the cluster software is started on one node after the other",
            f"Then the cluster is whole again within {whole} seconds"), stopped)


def _node_troubles(name: str, within: str) -> Iterator[Scenario]:
    yield Scenario("clock", "The clock of the node that serves jumps",
                   ("When the clock of the active node jumps forward by 300 seconds",
                    "Then nobody is fenced for 10 seconds", f'Then "{name}" answers {within}'))
    yield Scenario("full-disk", "The log disk of the node that serves is full",
                   ("When the log disk of the active node is full", "Then nobody is fenced for 10 seconds",
                    f'Then "{name}" answers {within}'))
    yield Scenario("overload", "The node that serves is overloaded",
                   ("When the CPU of the active node is overloaded for 5 seconds", f'Then "{name}" answers {within}'))
    yield Scenario("stun", "The node that serves stands still for a moment",
                   ("When the active node hangs for 1 seconds", f'Then "{name}" answers {within}'))
