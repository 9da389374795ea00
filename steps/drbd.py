"""The sentences of DRBD: its link, its replicas, split brains, and what a protocol may lose."""

from __future__ import annotations

from fenceline.faults.drbd import is_in_sync, repair_split_brain
from fenceline.judge import build_history
from fenceline.judge.ledger import lost_records
from fenceline.judge.replicas import SPLIT_BRAIN
from fenceline.model.event import Event
from fenceline.scenario.anchors import behind
from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.then import assert_promise
from fenceline.steps.words import phrase, then, when

_DRBD = r'"(?P<drbd>[^"]+)"'


def _of(kind: str, drbd: str, node: str | None = None, **data: str):
    """A predicate: DRBD of ``node`` (or any) says this of the resource ``drbd``."""
    return lambda event: (event.kind == kind and event.data["resource"] == drbd and node in (None, event.node)
                          and all(event.data.get(key) == value for key, value in data.items()))


def _split_brain(drbd: str):
    return lambda event: (event.kind == "drbd.helper" and event.data["resource"] == drbd
                          and event.data["helper"] in SPLIT_BRAIN)


@when(phrase(rf"the split brain of {_DRBD} is repaired, and what <node> wrote is thrown away"))
@needs("DRBD resource {drbd}")
def split_brain_repaired(scene: Scene, drbd: str, node: str) -> None:
    victim = scene.node(node)
    forced = [active for active in scene.cluster.faults.in_force("drbd-split-brain")
              if active.fault.resource == drbd and active.fault.node == victim]
    if forced:
        scene.heal("drbd-split-brain", node=victim, resource=drbd)
    else:
        repair_split_brain(scene.cluster, drbd, victim)


@when(phrase(r"the replica is (?P<count>\d+) blocks behind within <seconds>"))
@needs("DRBD")
def is_behind(scene: Scene, count: str, seconds: str) -> None:
    scene.await_event(behind(int(count)), float(seconds), f"a replica to be {count} blocks behind")


#: What crm-fence-peer.sh gives when the cluster keeps the peer from being promoted: 4, or 5 and 7 (it is down, fenced).
_PEER_FENCED = (4, 5, 7)


@when(phrase(rf"the cluster has been told that the peer of {_DRBD} is behind within <seconds>"))
@needs("DRBD resource {drbd}", "DRBD fencing")
def peer_fenced(scene: Scene, drbd: str, seconds: str) -> None:
    scene.await_event(lambda event: (event.kind == "drbd.helper" and event.data["resource"] == drbd
                                     and event.data["helper"] == "fence-peer"
                                     and event.data["status"] in _PEER_FENCED),
                      float(seconds), f"the fence-peer handler of {drbd} to have done its work")


@when(phrase(rf"<node> is secondary of {_DRBD} within <seconds>"))
@needs("DRBD resource {drbd}")
def is_secondary(scene: Scene, node: str, drbd: str, seconds: str) -> None:
    name = scene.node(node)
    scene.cluster.poll(lambda: scene.cluster.drbd_of(name, drbd).get("role") == "Secondary", float(seconds),
                       f"{name} to be secondary of {drbd}")


@then(phrase(rf"both replicas of {_DRBD} are the same within <seconds>"))
@needs("DRBD resource {drbd}")
def in_sync(scene: Scene, drbd: str, seconds: str) -> None:
    scene.expect_poll(lambda: is_in_sync(scene.cluster, drbd), float(seconds),
                      f"both replicas of {drbd} to be up to date and the same")


@then(phrase(rf"DRBD tells of a split brain of {_DRBD} within <seconds>"))
@needs("DRBD resource {drbd}")
def split_brain_told(scene: Scene, drbd: str, seconds: str) -> None:
    # replicas meet as soon as they can, maybe while the heal that lets them is still being confirmed
    if any(_split_brain(drbd)(event) for event in scene.run.log.events()):
        return
    scene.expect(_split_brain(drbd), float(seconds), f"DRBD telling of a split brain of {drbd}")


@then(phrase(rf"<node> becomes primary of {_DRBD} within <seconds>"))
@needs("DRBD resource {drbd}")
def becomes_primary(scene: Scene, node: str, drbd: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect(_of("drbd.role", drbd, name, role="Primary"), float(seconds), f"{name} primary of {drbd}")


@then(phrase(rf"<node> does not become primary of {_DRBD} for <seconds>"))
@needs("DRBD resource {drbd}")
def not_primary(scene: Scene, node: str, drbd: str, seconds: str) -> None:
    name = scene.node(node)
    scene.forbid(_of("drbd.role", drbd, name, role="Primary"), float(seconds), f"{name} became primary of {drbd}")


@then(phrase(rf"the replica of {_DRBD} on <node> is outdated within <seconds>"))
@needs("DRBD resource {drbd}")
def is_outdated(scene: Scene, drbd: str, node: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect(_of("drbd.disk", drbd, name, disk="Outdated"), float(seconds), f"{name}'s replica of {drbd} outdated")


def _lost(scene: Scene, service: str) -> list[Event]:
    assert scene.cluster.ledger.read_back(service), f"the ledger of {service} could not be read"
    lost = lost_records(build_history(scene.run.log.events(), scene.cluster.topology), service)
    scene.say(f"{len(lost)} acknowledged records of {service} are lost")
    return lost


@then(phrase(r"at most (?P<count>\d+) acknowledged records of <service> are lost, as its protocol may"))
@needs("DRBD")
def lost_at_most(scene: Scene, count: str, service: str) -> None:
    lost = _lost(scene, service)
    assert len(lost) <= int(count), f"{len(lost)} acknowledged records of {service} are lost, at most {count} may be"
    assert_promise(scene, "no lost acknowledgement")


@then(phrase(r"every acknowledged record of <service> that is lost was written by <node>"))
def lost_by(scene: Scene, service: str, node: str) -> None:
    name, lost = scene.node(node), _lost(scene, service)
    others = sorted({str(event.data.get("from")) for event in lost} - {name})
    assert lost, f"no acknowledged record of {service} is lost"
    assert not others, f"of {len(lost)} lost records of {service} some were acknowledged by {', '.join(others)}"
