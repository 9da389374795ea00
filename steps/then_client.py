"""Then: what clients that are no plain ones must have seen: a machine that mounts, one behind a router."""

from __future__ import annotations

from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import phrase, then

#: What a request ends with whose answer was waited for in vain: a pause. Anything else is an error.
_PAUSE = ("no answer within", "connected, but no answer within", "no connection within")


def routed_reply(service: str, since_ns: int):
    """A predicate: the client behind a router got an answer to what it asked after ``since_ns``."""
    return lambda event: (event.kind == "reply.routed" and event.data["service"] == service and event.data["ok"]
                          and event.data["sent_ns"] > since_ns)


@then(phrase(r"<service> answers clients behind a router within <seconds>"))
def answers_routed(scene: Scene, service: str, seconds: str) -> None:
    scene.expect(routed_reply(service, scene.in_force_ns), float(seconds),
                 f"{service} answering a client behind a router")


@then(phrase(r"the client of <service> saw no more than a pause of <seconds>"))
@needs("client")
def only_a_pause(scene: Scene, service: str, seconds: str) -> None:
    """Since the scenario began; an error is what the file system told who asked it."""
    begin_ns = next(event.t_ns for event in scene.run.log.events() if event.kind == "ready")
    errors = [event for event in scene.run.log.events() if event.kind in ("reply", "append") and not event.data["ok"]
              and event.data["service"] == service and event.data["sent_ns"] >= begin_ns
              and not str(event.data["error"]).startswith(_PAUSE)]
    assert not errors, (f"{len(errors)} requests of {service}'s client ended with an error, the first with "
                        f"{errors[0].data['error']!r}")
    outages = scene.outages(service)
    assert not any(outage.end_ns is None for outage in outages), f"{service} has not come back"
    longest = max((outage.seconds for outage in outages), default=0.0)
    assert longest <= float(seconds), f"{service} paused for {longest:.2f} s, at most {seconds} s were allowed"
    scene.say(f"  the longest pause of {service}'s client: {longest:.2f} s")
