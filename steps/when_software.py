"""When: what is done to the cluster software itself, and to the configuration of a service."""

from __future__ import annotations

from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import phrase, when


@when(phrase(r"the cluster software of <node> is stopped"))
def software_stopped(scene: Scene, node: str) -> None:
    scene.inject("software-stop", nodes=(scene.node(node),))


@when(phrase(r"the cluster software of <node> is started again"))
def software_started(scene: Scene, node: str) -> None:
    scene.heal_any(("software-stop", "start-interrupted", "configuration-lost"), targets=(scene.node(node),))


@when("the cluster software is stopped on all nodes at once")
def all_software_stopped(scene: Scene) -> None:
    scene.inject("software-stop", nodes=scene.cluster.topology.cluster_nodes)


@when("the cluster software is started on all nodes at once")
def all_software_started(scene: Scene) -> None:
    scene.heal("software-stop", nodes=scene.cluster.topology.cluster_nodes)


@when("the cluster software is stopped on one node after the other")
def software_stopped_one_by_one(scene: Scene) -> None:
    for node in scene.cluster.topology.cluster_nodes:
        scene.inject("software-stop", nodes=(node,))


@when("the cluster software is started on one node after the other")
def software_started_one_by_one(scene: Scene) -> None:
    for node in scene.cluster.topology.cluster_nodes:
        scene.heal("software-stop", nodes=(node,))


@when(phrase(r"the start of the cluster software of <node> is interrupted after <seconds>"))
def start_interrupted(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("start-interrupted", node=scene.node(node), after=float(seconds))


@when(phrase(r"the cluster software of <node> is stopped and loses its configuration"))
@needs("configuration")
def configuration_lost(scene: Scene, node: str) -> None:
    scene.inject("configuration-lost", node=scene.node(node))


@when(phrase(r"the cluster software is stopped and started at random near the quorum point, (?P<rounds>\d+) times, "
             r"seed (?P<seed>\d+)"))
@needs("quorum")
def near_quorum(scene: Scene, rounds: str, seed: str) -> None:
    scene.inject("near-quorum", rounds=int(rounds), seed=int(seed))


@when(phrase(r"the configuration of <service> is spoilt on <node>"))
def configuration_spoilt(scene: Scene, service: str, node: str) -> None:
    scene.inject("configuration-spoilt", node=scene.node(node), service=service)


@when(phrase(r"the configuration of <service> on <node> is put right"))
def configuration_put_right(scene: Scene, service: str, node: str) -> None:
    scene.heal("configuration-spoilt", node=scene.node(node), service=service)


@when(phrase(r"(?P<component>corosync|pacemaker) alone is stopped on <node>"))
@needs("component {component}")
def component_stopped(scene: Scene, component: str, node: str) -> None:
    scene.inject("component-stop", node=scene.node(node), component=component)


@when(phrase(r"(?P<component>corosync|pacemaker) alone is killed on <node>, with all its processes"))
@needs("component {component}")
def component_killed(scene: Scene, component: str, node: str) -> None:
    scene.inject("component-stop", node=scene.node(node), component=component, how="kill")


@when(phrase(r"(?P<component>corosync|pacemaker) is started again on <node>"))
@needs("component {component}")
def component_started(scene: Scene, component: str, node: str) -> None:
    scene.heal("component-stop", node=scene.node(node), component=component)


@when(phrase(r"<node> is put into maintenance"))
@needs("node maintenance")
def node_in_maintenance(scene: Scene, node: str) -> None:
    name, state = scene.node(node), scene.cluster.state()
    there = tuple(service for service in scene.cluster.topology.services if name in state.owners(service))
    scene.inject("node-maintenance", node=name, services=there)


@when(phrase(r"<node> is taken out of maintenance"))
@needs("node maintenance")
def node_out_of_maintenance(scene: Scene, node: str) -> None:
    scene.heal("node-maintenance", node=scene.node(node))
