"""When: the faults of the networks: their shape, and what becomes of packets."""

from __future__ import annotations

import threading

from fenceline.faults import shapes
from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import NUMBER, networks, phrase, when


def _networks(scene: Scene, words: str) -> tuple[str, ...]:
    return networks(scene.cluster.topology, words)


@when(phrase(r"the <network> splits into <node> and the others"))
def isolated(scene: Scene, network: str, node: str) -> None:
    nodes = scene.cluster.topology.cluster_nodes
    scene.inject("partition", groups=shapes.isolate(nodes, scene.node(node)), networks=_networks(scene, network))


@when(phrase(r"the <network> splits into two halves"))
def split_in_halves(scene: Scene, network: str) -> None:
    nodes = scene.cluster.topology.cluster_nodes
    scene.inject("partition", groups=shapes.halves(nodes), networks=_networks(scene, network))


@when(phrase(r"the <network> falls apart, every node alone"))
def fallen_apart(scene: Scene, network: str) -> None:
    nodes = scene.cluster.topology.cluster_nodes
    scene.inject("partition", groups=tuple((node,) for node in nodes), networks=_networks(scene, network))


@when(phrase(r"the <network> splits at random, seed (?P<seed>\d+), for <seconds>"))
def split_at_random(scene: Scene, network: str, seed: str, seconds: str) -> None:
    nodes = scene.cluster.topology.cluster_nodes
    scene.inject("partition", groups=shapes.at_random(nodes, int(seed)), networks=_networks(scene, network))
    threading.Event().wait(float(seconds))  # so long it lasts
    scene.heal("partition")


@when("the partition is mended")
def partition_mended(scene: Scene) -> None:
    scene.heal_any(("partition", "one-way", "partition-bridge", "partition-ring", "link-loss"))


@when(phrase(r"<other> is not heard by <node> any more on the <network>"))
def one_way(scene: Scene, other: str, node: str, network: str) -> None:
    scene.inject("one-way", sender=scene.node(other), receiver=scene.node(node), networks=_networks(scene, network))


@when(phrase(r"<node> and <other> don't hear each other any more on the <network>"))
def two_deaf(scene: Scene, node: str, other: str, network: str) -> None:
    scene.inject("partition", groups=((scene.node(node),), (scene.node(other),)), networks=_networks(scene, network))


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets from <node> to <other> on the <network> are lost"))
def link_loses(scene: Scene, percent: str, node: str, other: str, network: str) -> None:
    scene.inject("link-loss", sender=scene.node(node), receiver=scene.node(other), networks=_networks(scene, network),
                 percent=float(percent))


@when(phrase(r"the interface of <node> in the <network> is taken down"))
def interface_down(scene: Scene, node: str, network: str) -> None:
    scene.inject("interface-down", node=scene.node(node), networks=_networks(scene, network))


@when(phrase(r"the interface of <node> in the <network> is taken down, and its addresses with it"))
def interface_gone(scene: Scene, node: str, network: str) -> None:
    scene.inject("interface-down", node=scene.node(node), networks=_networks(scene, network), addresses="gone")


@when(phrase(r"the interface of <node> in the <network> is brought up again"))
def interface_up(scene: Scene, node: str, network: str) -> None:
    scene.heal("interface-down", node=scene.node(node), networks=_networks(scene, network))


@when(phrase(r"packets of more than (?P<size>\d+) bytes are lost on the <network>"))
def big_lost(scene: Scene, size: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-size-drop", network=name, size=int(size))


@when(phrase(r"the <network> splits into two halves that both hear <node>"))
def bridged(scene: Scene, network: str, node: str) -> None:
    scene.inject("partition-bridge", node=scene.node(node), networks=_networks(scene, network))


@when(phrase(r"every node hears a majority of its own on the <network>"))
def ring(scene: Scene, network: str) -> None:
    scene.inject("partition-ring", networks=_networks(scene, network))


@when(phrase(rf"the <network> of <node> is down for <seconds> and up for (?P<up>{NUMBER}) seconds?, "
             r"again and again"))
def flaps(scene: Scene, network: str, node: str, seconds: str, up: str) -> None:
    scene.inject("link-flap", node=scene.node(node), networks=_networks(scene, network), down=float(seconds),
                 up=float(up))


@when(phrase(r"the <network> of <node> stops flapping"))
def stops_flapping(scene: Scene, network: str, node: str) -> None:
    scene.heal("link-flap", node=scene.node(node), networks=_networks(scene, network))


@when(phrase(rf"the packets of <node> on the <network> are (?P<delay>{NUMBER}) ms late"))
def delayed(scene: Scene, node: str, network: str, delay: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-delay", node=scene.node(node), network=name, delay=float(delay) / 1000)


@when(phrase(rf"the packets of <node> on the <network> are (?P<delay>{NUMBER}) ms late, give or take "
             rf"(?P<jitter>{NUMBER}) ms"))
def delayed_with_jitter(scene: Scene, node: str, network: str, delay: str, jitter: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-delay", node=scene.node(node), network=name, delay=float(delay) / 1000,
                     jitter=float(jitter) / 1000)


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets of <node> on the <network> are duplicated"))
def duplicated(scene: Scene, percent: str, node: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-duplicate", node=scene.node(node), network=name, percent=float(percent))


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets of <node> on the <network> are reordered"))
def reordered(scene: Scene, percent: str, node: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-reorder", node=scene.node(node), network=name, percent=float(percent))


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets of <node> on the <network> are corrupted"))
def corrupted(scene: Scene, percent: str, node: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-corrupt", node=scene.node(node), network=name, percent=float(percent))


@when(phrase(rf"(?P<percent>{NUMBER}) % of the packets of <node> on the <network> are lost, "
             rf"(?P<burst>{NUMBER}) in a row"))
def lost_in_bursts(scene: Scene, percent: str, node: str, network: str, burst: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-loss-bursts", node=scene.node(node), network=name, percent=float(percent),
                     burst=float(burst))


@when(phrase(rf"the packets of <node> on the <network> are held, and delivered every (?P<period>{NUMBER}) ms"))
def held(scene: Scene, node: str, network: str, period: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-hold", node=scene.node(node), network=name, period=float(period) / 1000)


@when(phrase(r"the <network> of every node is cut, one by one, <seconds> apart"))
def cut_one_by_one(scene: Scene, network: str, seconds: str) -> None:
    scene.inject("cut-one-by-one", nodes=scene.cluster.topology.cluster_nodes, networks=_networks(scene, network),
                 interval=float(seconds))


@when("the cut cables are plugged in again, the last one first")
def plugged_in(scene: Scene) -> None:
    scene.heal("cut-one-by-one")


@when(phrase(rf"<node> receives at most (?P<kbit>{NUMBER}) kbit/s on the <network>"))
def rate_limited(scene: Scene, node: str, kbit: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("rate-limit", node=scene.node(node), network=name, kbit=float(kbit))


@when(phrase(r"the (?P<kind>totem|arp|iscsi|nfs|ipmi|http|drbd|vrrp|heartbeat) packets on the <network> are "
             r"dropped"))
@needs("packets {kind}")
def kind_dropped(scene: Scene, kind: str, network: str) -> None:
    for name in _networks(scene, network):
        scene.inject("packet-kind-drop", network=name, kind=kind)
