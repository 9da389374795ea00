"""When: the faults of fencing devices. Said with Given, they are in force from the start."""

from __future__ import annotations

from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import given, phrase, when

_DEVICE_FAULTS = ("fence-device-dead", "fence-device-slow", "fence-device-password", "fence-device-lies",
                  "fence-device-wrong-node", "fence-device-early", "fence-device-gentle", "fence-device-on-node-supply",
                  "fence-device-leaves-off")


@given(phrase(r"the fencing device of <node> does not answer"))
@when(phrase(r"the fencing device of <node> stops answering"))
@needs("BMC")
def fence_device_dead(scene: Scene, node: str) -> None:
    scene.inject("fence-device-dead", node=scene.node(node))


@given(phrase(r"the fencing device of <node> is <seconds> slow"))
@when(phrase(r"the fencing device of <node> becomes <seconds> slow"))
@needs("BMC")
def fence_device_slow(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("fence-device-slow", node=scene.node(node), seconds=float(seconds))


@given(phrase(r"the fencing device of <node> refuses the password"))
@when(phrase(r"the fencing device of <node> begins to refuse the password"))
@needs("BMC")
def fence_device_password(scene: Scene, node: str) -> None:
    scene.inject("fence-device-password", node=scene.node(node))


@given(phrase(r'the fencing device of <node> answers "off" without cutting power'))
@when(phrase(r'the fencing device of <node> begins to answer "off" without cutting power'))
@needs("BMC")
def fence_device_lies(scene: Scene, node: str) -> None:
    scene.inject("fence-device-lies", node=scene.node(node))


@given(phrase(r'the fencing device of <node> answers "off" <seconds> before it cuts the power'))
@when(phrase(r'the fencing device of <node> begins to answer "off" <seconds> before it cuts the power'))
@needs("BMC")
def fence_device_early(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("fence-device-early", node=scene.node(node), seconds=float(seconds))


@given(phrase(r"the fencing device of <node> shuts it down gently, and cuts its power after <seconds>"))
@when(phrase(r"the fencing device of <node> begins to shut it down gently, and to cut its power after <seconds>"))
@needs("BMC")
def fence_device_gentle(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("fence-device-gentle", node=scene.node(node), seconds=float(seconds))


@given(phrase(r"the fencing device of <node> loses its power with its node"))
@when(phrase(r"the fencing device of <node> is plugged into the power supply of its node"))
@needs("BMC")
def fence_device_on_node_supply(scene: Scene, node: str) -> None:
    scene.inject("fence-device-on-node-supply", node=scene.node(node))


@given(phrase(r"the fencing device of <node> leaves it off"))
@when(phrase(r"the fencing device of <node> begins to leave it off"))
@needs("BMC")
def fence_device_leaves_off(scene: Scene, node: str) -> None:
    scene.inject("fence-device-leaves-off", node=scene.node(node))


@given(phrase(r"the fencing device of <node> is wired to the power of <other>"))
@when(phrase(r"the fencing device of <node> is rewired to the power of <other>"))
@needs("BMC")
def fence_device_wrong_node(scene: Scene, node: str, other: str) -> None:
    scene.inject("fence-device-wrong-node", node=scene.node(node), other=scene.node(other))


@given(phrase(r"the watchdog of <node> does not fire"))
@when(phrase(r"the watchdog of <node> will not fire any more"))
@needs("watchdog")
def watchdog_dead(scene: Scene, node: str) -> None:
    scene.inject("fence-watchdog-dead", node=scene.node(node))


@when(phrase(r"the fencing device of <node> works again"))
def fence_device_works(scene: Scene, node: str) -> None:
    scene.heal_any(_DEVICE_FAULTS, node=scene.node(node))


@when(phrase(r"the operator tells <other> by hand that <node> is off"))
@needs("fencing by hand")
def fenced_by_hand(scene: Scene, other: str, node: str) -> None:
    scene.inject("manual-fencing", node=scene.node(node), by=scene.node(other))
