"""The sentences of cluster file systems: all write, whoever loses another freezes, and all read the same."""

from __future__ import annotations

from fenceline.core.errors import Timeout
from fenceline.faults.admin import ManualFencing
from fenceline.judge.cluster_fs import losses
from fenceline.judge.history import build_history
from fenceline.model.event import Event
from fenceline.scenario.scene import Scene
from fenceline.steps.then import assert_promise
from fenceline.steps.words import phrase, then, when


def written_through(service: str, node: str, since_ns: int):
    """A predicate: ``node`` acknowledged a record of ``service`` that was sent after ``since_ns``."""
    return lambda event: (event.kind == "append" and event.data["service"] == service and event.data["ok"]
                          and event.data["from"] == node and event.data["sent_ns"] > since_ns)


@when(phrase(r"(?P<count>\d+) records have been acknowledged by <service> on every node within <seconds>"))
def acknowledged_everywhere(scene: Scene, count: str, service: str, seconds: str) -> None:
    for node in scene.cluster.topology.cluster_nodes:
        seen: list[Event] = []
        written = written_through(service, node, scene.last_fault_ns)

        def enough(event: Event, seen: list[Event] = seen, written=written) -> bool:
            if written(event):
                seen.append(event)
            return len(seen) >= int(count)
        scene.await_event(enough, float(seconds), f"{count} records of {service} acknowledged by {node}")


@then(phrase(r"<service> is written through <node> again within <seconds>"))
def written_again(scene: Scene, service: str, node: str, seconds: str) -> None:
    """After it lost another node: what it acknowledged before it noticed is no going on. If a fault was healed last, or
    fencing by hand was last, the loss was before that."""
    name, topology = scene.node(node), scene.cluster.topology

    def is_loss(event: Event) -> bool:
        return (event.kind == "quorum" and event.node == name
                and not set(topology.cluster_nodes) <= set(event.data["members"]))
    events = scene.run.log.events()
    loses = any(event.kind == "fault.begin" and event.data["fault"] != ManualFencing.name
                and event.t_ns >= scene.last_fault_ns for event in events)
    before = [] if loses else [event for event in events if is_loss(event)]
    lost = before[-1] if before else scene.expect_event(is_loss, float(seconds), f"{name} to lose another node")
    took = scene.expect(written_through(service, name, lost.t_ns), float(seconds), f"{service} written through {name}")
    for loss in losses(build_history(scene.run.log.events(), topology)):
        if loss.survivor == name and loss.seen.t_ns == lost.t_ns:
            scene.say(f"  {name} wrote again {took + (scene.last_fault_ns - lost.t_ns) / 1e9:.2f} s after it lost "
                      f"{loss.lost}")


@then(phrase(r"<service> is frozen on <node> for <seconds>"))
def frozen(scene: Scene, service: str, node: str, seconds: str) -> None:
    """From now on: the daemon answers, a record is waited for, and none is acknowledged."""
    name, since = scene.node(node), scene.clock.now_ns()
    try:
        event, waited = scene.run.log.wait_for(written_through(service, name, since), float(seconds),
                                               f"{service} to be written through {name}", since)
    except Timeout:
        pass
    else:
        raise AssertionError(f"{service} is not frozen on {name}: record {event.data['id']} was acknowledged "
                             f"{waited:.1f} s after this step began")
    # silence is no proof: somebody must have tried, on a node that was there
    tried = [event for event in scene.run.log.events() if event.kind == "append" and event.data["service"] == service
             and event.data.get("to") == name and event.t_ns > since]
    if not tried:
        raise AssertionError(f"{service}: no record was given to {name} in these {seconds} s, so nothing froze")
    scene.expect_reply_now(service, name)


@then("the cluster file system froze until the lost node was fenced")
def froze(scene: Scene) -> None:
    assert_promise(scene, "cluster file system freezes")
    history = build_history(scene.run.log.events(), scene.cluster.topology)
    lost = losses(history)
    if not lost:
        raise AssertionError("no node was lost that had a cluster file system mounted: nothing had to freeze")
    # silence is no proof: somebody must have tried
    if not any(event.kind == "append" and event.data["service"] == loss.service
               and event.data.get("to") == loss.survivor and event.data["sent_ns"] < loss.until_ns(history)
               and event.t_ns > loss.seen.t_ns for loss in lost for event in history.events):
        raise AssertionError(f"{lost[0].survivor} was given no record of {lost[0].service} after it lost "
                             f"{lost[0].lost}, so nothing shows that it froze")


@then(phrase(r"every node reads the same of <service>"))
def reads_the_same(scene: Scene, service: str) -> None:
    since = scene.clock.now_ns()
    scene.cluster.ledger.read_back(service)
    read = {event.data.get("from") for event in scene.run.log.events()
            if event.kind == "ledger.read" and event.data["service"] == service and event.data["sent_ns"] >= since}
    missing = [node for node in scene.cluster.topology.cluster_nodes if node not in read]
    if missing:
        raise AssertionError(f"the ledger of {service} could not be read through {', '.join(missing)}")
    assert_promise(scene, "same on every node")


@then(phrase(r"the nodes read different things of <service>"))
def reads_differ(scene: Scene, service: str) -> None:
    scene.cluster.ledger.read_back(service)
    if not scene.is_broken("same on every node"):
        raise AssertionError(f"same on every node: {scene.finding('same on every node').reason}")
