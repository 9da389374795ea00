"""When: the faults of fencing devices. Said with Given, they are in force from the start."""

from __future__ import annotations

from pytest_bdd import given, when

from harness.scene import Scene
from steps.words import phrase

_DEVICE_FAULTS = ("fence-device-dead", "fence-device-slow", "fence-device-password", "fence-device-lies",
                  "fence-device-wrong-node")


@given(phrase(r"the fencing device of <node> does not answer"))
@when(phrase(r"the fencing device of <node> stops answering"))
def fence_device_dead(scene: Scene, node: str) -> None:
    scene.inject("fence-device-dead", node=scene.node(node))


@given(phrase(r"the fencing device of <node> is <seconds> slow"))
@when(phrase(r"the fencing device of <node> becomes <seconds> slow"))
def fence_device_slow(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("fence-device-slow", node=scene.node(node), seconds=float(seconds))


@given(phrase(r"the fencing device of <node> refuses the password"))
@when(phrase(r"the fencing device of <node> begins to refuse the password"))
def fence_device_password(scene: Scene, node: str) -> None:
    scene.inject("fence-device-password", node=scene.node(node))


@given(phrase(r'the fencing device of <node> answers "off" without cutting power'))
@when(phrase(r'the fencing device of <node> begins to answer "off" without cutting power'))
def fence_device_lies(scene: Scene, node: str) -> None:
    scene.inject("fence-device-lies", node=scene.node(node))


@given(phrase(r"the fencing device of <node> is wired to the power of <other>"))
@when(phrase(r"the fencing device of <node> is rewired to the power of <other>"))
def fence_device_wrong_node(scene: Scene, node: str, other: str) -> None:
    scene.inject("fence-device-wrong-node", node=scene.node(node), other=scene.node(other))


@when(phrase(r"the fencing device of <node> works again"))
def fence_device_works(scene: Scene, node: str) -> None:
    scene.heal_any(_DEVICE_FAULTS, node=scene.node(node))
