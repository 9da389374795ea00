"""Remote nodes: who holds the connection to one."""

from __future__ import annotations

from pytest_bdd import then, when

from harness.errors import ClusterError
from harness.scene import Scene
from steps.words import phrase


def holder_of(scene: Scene, remote: str) -> str | None:
    """The member that holds the connection to the node ``remote``; None while nobody does.

    Raises:
        ClusterError: it is no remote node.
    """
    if remote not in scene.cluster.topology.nodes_with("remote"):
        raise ClusterError(f"{remote} is no remote node")
    state = scene.cluster.stack.state()
    return next((one.nodes[0] for one in state.resources
                 if one.name == remote and one.active and not one.failed and len(one.nodes) == 1), None)


@when(phrase(r"the member with the connection to <node> goes into standby"))
def holder_into_standby(scene: Scene, node: str) -> None:
    holder = holder_of(scene, scene.node(node))
    if holder is None:
        raise ClusterError(f"nobody holds the connection to {scene.node(node)}")
    scene.inject("standby", node=holder)


@then(phrase(r"the connection to <node> is held by another member within <seconds>"))
def held_by_another(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    away = {active.fault.node for active in scene.cluster.faults.in_force("standby")}
    scene.expect_poll(lambda: holder_of(scene, name) not in {None, *away}, float(seconds),
                      f"another member than {', '.join(sorted(away)) or 'nobody'} to hold the connection to {name}")
