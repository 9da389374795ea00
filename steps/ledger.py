"""The ledger's sentences: records that a client wrote through the service, and whether they are there."""

from __future__ import annotations

from fenceline.model.event import Event
from fenceline.scenario.scene import Scene
from fenceline.steps.then import assert_promise
from fenceline.steps.words import phrase, then, when

_PROMISE = "no lost acknowledgement"


def _acknowledged(service: str, count: int):
    """A predicate that is true at the ``count``-th acknowledgement that it meets, however often it meets one."""
    seen: set[int] = set()

    def enough(event: Event) -> bool:
        if event.kind == "append" and event.data["service"] == service and event.data["ok"]:
            seen.add(event.data["id"])
        return len(seen) >= count
    return enough


@when(phrase(r"(?P<count>\d+) records have been acknowledged by <service> within <seconds>"))
def records_acknowledged(scene: Scene, count: str, service: str, seconds: str) -> None:
    scene.await_event(_acknowledged(service, int(count)), float(seconds), f"{count} acknowledged records of {service}")


@then(phrase(r"(?P<count>\d+) more records are acknowledged by <service> within <seconds>"))
def more_records_acknowledged(scene: Scene, count: str, service: str, seconds: str) -> None:
    since, enough = scene.clock.now_ns(), _acknowledged(service, int(count))
    # records from before the fault prove nothing of what came after it
    scene.expect_from_now(lambda event: event.kind == "append" and event.data["sent_ns"] > since and enough(event),
                          float(seconds), f"{count} more acknowledged records of {service}")


@then(phrase(r"no acknowledged record of <service> is lost"))
def nothing_lost(scene: Scene, service: str) -> None:
    # the promise is about all that was written, also to the others
    for name in dict.fromkeys([service, *scene.cluster.ledger.services]):
        scene.cluster.ledger.read_back(name)
    assert_promise(scene, _PROMISE)


@then(phrase(r"acknowledged records of <service> are lost"))
def something_lost(scene: Scene, service: str) -> None:
    scene.cluster.ledger.read_back(service)
    assert scene.is_broken(_PROMISE), f"{_PROMISE}: {scene.finding(_PROMISE).reason}"
