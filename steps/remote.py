"""Remote nodes: who holds the connection to one."""

from __future__ import annotations

import contextlib

from fenceline.cluster.waits import OWNER_WITHIN
from fenceline.core.errors import ClusterError
from fenceline.scenario.demands import NotInTime
from fenceline.scenario.needs import injects
from fenceline.scenario.scene import Scene
from fenceline.steps.words import phrase, then, when


def holder_of(scene: Scene, remote: str) -> str | None:
    """The member that holds the connection to the node ``remote``; None while nobody does.

    Raises:
        ClusterError: it is no remote node.
    """
    if remote not in scene.cluster.topology.nodes_with("remote"):
        raise ClusterError(f"{remote} is no remote node")
    state = scene.state()
    return next((one.nodes[0] for one in state.resources
                 if one.name == remote and one.active and not one.failed and len(one.nodes) == 1), None)


@when(phrase(r"the member with the connection to <node> goes into standby"))
@injects("standby")
def holder_into_standby(scene: Scene, node: str) -> None:
    name, found = scene.node(node), []

    def is_told() -> bool:
        found[:] = [holder_of(scene, name)]  # one that is only being made is nobody's yet
        return found[0] is not None
    with contextlib.suppress(NotInTime):
        scene.cluster.poll(is_told, OWNER_WITHIN, f"a member to hold the connection to {name}", NotInTime)
    if found[0] is None:
        raise ClusterError(f"nobody holds the connection to {name}")
    scene.inject("standby", node=found[0])


@then(phrase(r"the connection to <node> is held by another member within <seconds>"))
def held_by_another(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    away = {active.fault.node for active in scene.cluster.faults.in_force("standby")}
    scene.expect_poll(lambda: holder_of(scene, name) not in {None, *away}, float(seconds),
                      f"another member than {', '.join(sorted(away)) or 'nobody'} to hold the connection to {name}")
