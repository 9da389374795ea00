"""When: what is no single fault's own sentence (those are in ``fenceline.steps.faults``): waits, and faults of which
something must be found out first, or of which there are several."""

from __future__ import annotations

import shlex

from fenceline.chaos.play import play_chaos
from fenceline.chaos.schedule import resolved
from fenceline.faults import shapes
from fenceline.model.event import is_fencing
from fenceline.model.totem import Totem
from fenceline.scenario.needs import injects, needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import networks, phrase, when


@when(phrase(r"as many of the packets on the <network> are dropped as the cluster tolerates"))
@needs("quorum")
@injects("packet-drop")
def as_many_dropped_as_tolerated(scene: Scene, network: str) -> None:
    """As harness/model/totem.py says, for 15 s."""
    share = Totem.of(scene.cluster.topology).tolerated(15)
    scene.say(f"  {100 * share:.1f} % of the packets")
    for name in networks(scene.cluster.topology, network):
        scene.inject("packet-drop", network=name, percent=round(100 * share, 1))


@when(phrase(r"the <network> splits at random, seed (?P<seed>\d+), for <seconds>"))
@injects("partition")
def split_at_random(scene: Scene, network: str, seed: str, seconds: str) -> None:
    topology = scene.cluster.topology
    scene.inject("partition", groups=shapes.at_random(topology.cluster_nodes, int(seed)),
                 networks=networks(topology, network))
    scene.clock.sleep(float(seconds))  # so long it lasts
    scene.heal("partition")


@when("the cluster software is stopped on one node after the other")
@injects("software-stop")
def software_stopped_one_by_one(scene: Scene) -> None:
    for node in scene.cluster.topology.cluster_nodes:
        scene.inject("software-stop", nodes=(node,))


@when("the cluster software is started on one node after the other")
def software_started_one_by_one(scene: Scene) -> None:
    for node in scene.cluster.topology.cluster_nodes:
        scene.heal("software-stop", nodes=(node,))


@when("all faults are healed")
def all_healed(scene: Scene) -> None:
    scene.heal_all()


@when(phrase(r"<other> has lost sight of <node> within <seconds>"))
def lost_sight(scene: Scene, other: str, node: str, seconds: str) -> None:
    seer, seen = scene.node(other), scene.node(node)
    scene.await_event(lambda event: event.kind == "quorum" and event.node == seer
                      and seen not in event.data["members"], float(seconds), f"{seer} to lose sight of {seen}")


@when(phrase(r"somebody is fenced within <seconds>"))
def somebody_is_fenced(scene: Scene, seconds: str) -> None:
    scene.await_event(is_fencing, float(seconds), "somebody to be fenced")


@when(phrase(r'chaos of the profile "(?P<profile>[^"]+)" runs for <seconds>, seed (?P<seed>\d+)'))
def chaos_runs(scene: Scene, profile: str, seconds: str, seed: str) -> None:
    """What is drawn of the profile from that seed is done, and healed; the schedule is in the run folder."""
    play_chaos(scene, profile, float(seconds), int(seed))


@when(phrase(r'the fault "(?P<fault>[^"]+)" is healed'))
def fault_is_healed(scene: Scene, fault: str) -> None:
    """Each of that name that is in force."""
    scene.heal_any([(fault, {})])


@when(phrase(r'the fault "(?P<fault>[^"]+)" comes with (?P<parameters>\S+=.+|\'.+)'))
def fault_comes(scene: Scene, fault: str, parameters: str) -> None:
    """One that no sentence of its own can say so: its parameters as for `fenceline fault inject`."""
    given = dict(word.partition("=")[::2] for word in shlex.split(parameters))
    scene.inject(fault, **resolved(fault, given, scene.node))
