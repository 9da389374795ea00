"""When: the faults, in the field's words."""

from __future__ import annotations

from fenceline.model.event import is_fencing
from fenceline.model.totem import Totem
from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import NUMBER, networks, phrase, when


def _networks(scene: Scene, words: str) -> tuple[str, ...]:
    return networks(scene.cluster.topology, words)


@when(phrase(r"the <network> of <node> is cut"))
def network_cut(scene: Scene, network: str, node: str) -> None:
    scene.inject("network-cut", node=scene.node(node), networks=_networks(scene, network))


@when(phrase(r"all networks of <node> are cut"))
def all_networks_cut(scene: Scene, node: str) -> None:
    name = scene.node(node)
    scene.inject("network-cut", node=name, networks=scene.cluster.topology.networks_of(name))


@when(phrase(r"the networks of <node> are mended"))
def networks_mended(scene: Scene, node: str) -> None:
    scene.heal("network-cut", node=scene.node(node))


@when(phrase(r"the power of <node> is cut"))
def power_cut(scene: Scene, node: str) -> None:
    scene.inject("power-off", node=scene.node(node))


@when(phrase(r"<node> is switched on"))
def switched_on(scene: Scene, node: str) -> None:
    scene.heal("power-off", node=scene.node(node))


@when(phrase(r"<node> panics"))
def panics(scene: Scene, node: str) -> None:
    scene.inject("panic", node=scene.node(node))


@when(phrase(r"<node> hangs"))
def hangs(scene: Scene, node: str) -> None:
    scene.inject("hang", node=scene.node(node))


@when(phrase(r"<node> hangs for <seconds>"))
def hangs_for(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("stun", node=scene.node(node), seconds=float(seconds))


@when(phrase(rf"<node> hangs for <seconds> and runs for (?P<up>{NUMBER}) seconds?, again and again"))
def hangs_again(scene: Scene, node: str, seconds: str, up: str) -> None:
    scene.inject("stun-again", node=scene.node(node), seconds=float(seconds), up=float(up))


@when(phrase(r"<node> hangs no more"))
def hangs_no_more(scene: Scene, node: str) -> None:
    scene.heal("stun-again", node=scene.node(node))


@when(phrase(r"<node> wakes up"))
def wakes_up(scene: Scene, node: str) -> None:
    scene.heal("hang", node=scene.node(node))


@when(phrase(r"as many of the packets on the <network> are dropped as the cluster tolerates"))
@needs("quorum")
def as_many_dropped_as_tolerated(scene: Scene, network: str) -> None:
    """As harness/model/totem.py says, for 15 s."""
    share = Totem.of(scene.cluster.topology).tolerated(15)
    scene.say(f"  {100 * share:.1f} % of the packets")
    packets_dropped(scene, f"{100 * share:.1f}", network)


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets on the <network> are dropped"))
def packets_dropped(scene: Scene, percent: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-drop", network=name, percent=float(percent))


@when(phrase(r"the CPU of <node> is overloaded for <seconds>"))
def cpu_overloaded(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("cpu-overload", node=scene.node(node), seconds=float(seconds))


@when(phrase(r"the daemon <daemon> is killed on <node>"))
@needs("daemon {daemon}")
def daemon_killed(scene: Scene, daemon: str, node: str) -> None:
    scene.inject("daemon-kill", node=scene.node(node), daemon=daemon)


@when(phrase(r"all processes of the daemon <daemon> are killed on <node>"))
@needs("daemon {daemon}")
def whole_daemon_killed(scene: Scene, daemon: str, node: str) -> None:
    scene.inject("daemon-kill", node=scene.node(node), daemon=daemon, processes="all")


@when(phrase(r"the process of <service> is killed"))
@needs("process {service}")
def service_killed(scene: Scene, service: str) -> None:
    scene.inject("service-kill", node=scene.cluster.serving(service), service=service)


@when(phrase(r"<service> is moved to <node>"))
@needs("move")
def moved(scene: Scene, service: str, node: str) -> None:
    scene.inject("move", service=service, node=scene.node(node))


@when(phrase(r"<node> is put into standby"))
@needs("standby")
def put_into_standby(scene: Scene, node: str) -> None:
    scene.inject("standby", node=scene.node(node))


@when(phrase(r"<node> is taken out of standby"))
@needs("standby")
def taken_out_of_standby(scene: Scene, node: str) -> None:
    scene.heal("standby", node=scene.node(node))


@when(phrase(r"<other> has lost sight of <node> within <seconds>"))
def lost_sight(scene: Scene, other: str, node: str, seconds: str) -> None:
    seer, seen = scene.node(other), scene.node(node)
    scene.await_event(lambda event: event.kind == "quorum" and event.node == seer
                      and seen not in event.data["members"], float(seconds), f"{seer} to lose sight of {seen}")


@when("all faults are healed")
def all_healed(scene: Scene) -> None:
    scene.heal_all()


@when(phrase(r"somebody is fenced within <seconds>"))
def somebody_is_fenced(scene: Scene, seconds: str) -> None:
    scene.await_event(is_fencing, float(seconds), "somebody to be fenced")
