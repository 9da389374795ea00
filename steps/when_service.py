"""When: services that don't do what the cluster tells them. Said with Given, they are so from the start."""

from __future__ import annotations

from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import given, phrase, when

_ACTION = "(?P<action>start|stop)"


@given(phrase(rf"the {_ACTION} of <service> fails on <node>"))
@when(phrase(rf"the {_ACTION} of <service> begins to fail on <node>"))
@needs("agent {service}")
def agent_fails(scene: Scene, action: str, service: str, node: str) -> None:
    scene.inject("agent-fails", node=scene.node(node), service=service, action=action)


@given(phrase(rf"the {_ACTION} of <service> takes <seconds> longer on <node>"))
@when(phrase(rf"the {_ACTION} of <service> begins to take <seconds> longer on <node>"))
@needs("agent {service}")
def agent_slow(scene: Scene, action: str, service: str, seconds: str, node: str) -> None:
    scene.inject("agent-slow", node=scene.node(node), service=service, action=action, seconds=float(seconds))


@when(phrase(r"<service> does what it is told again on <node>"))
@needs("agent {service}")
def agent_obeys(scene: Scene, service: str, node: str) -> None:
    scene.heal_any(("agent-fails", "agent-slow"), node=scene.node(node), service=service)


@when(phrase(r"a process keeps the mount of <service> busy on <node>"))
@needs("mount {service}")
def mount_busy(scene: Scene, service: str, node: str) -> None:
    scene.inject("mount-busy", node=scene.node(node), service=service)


@when(phrase(r"the kernel keeps the mount of <service> busy on <node>"))
@needs("mount {service}")
def mount_held(scene: Scene, service: str, node: str) -> None:
    scene.inject("mount-busy", node=scene.node(node), service=service, by="kernel")


@when(phrase(r"nothing keeps the mount of <service> busy on <node> any more"))
@needs("mount {service}")
def mount_free(scene: Scene, service: str, node: str) -> None:
    scene.heal("mount-busy", node=scene.node(node), service=service)
