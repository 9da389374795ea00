"""Then: that a service was left alone."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.model.event import Event
from fenceline.model.topology import Service
from fenceline.scenario.scene import Scene
from fenceline.steps.then import failed_reply
from fenceline.steps.words import phrase, then


@then(phrase(r"<service> was not interrupted"))
def not_interrupted(scene: Scene, service: str) -> None:
    """Since the last fault: neither stopped nor restarted nor moved nor unanswered, and it answers now."""
    found = next(interruptions(scene, service), None)
    assert found is None, (f"{service} was interrupted {(found[0] - scene.last_fault_ns) / 1e9:.1f} s after the fault: "
                           f"{found[1]}")
    scene.expect_reply_now(service)


def interruptions(scene: Scene, service: str) -> Iterator[tuple[int, str]]:
    """(stamp, what was seen) of whatever happened to ``service`` since the last fault that is more than nothing."""
    topology, since = scene.cluster.topology, scene.last_fault_ns
    settings = topology.services[service]
    unanswered, served = failed_reply(service, since), set()
    for event in scene.run.log.events():
        if event.t_ns < since:
            continue
        if unanswered(event):
            yield event.t_ns, f"a client got no answer ({event.data['error']})"
        elif event.kind == "reply" and event.data["service"] == service and event.data["ok"]:
            served.add(event.data["from"])
            if len(served) > 1 and settings.active == "one" and not settings.real_servers:
                yield event.t_ns, f"answers came from {', '.join(sorted(map(str, served)))}"
        elif event.node in topology.service_nodes and (part := _part(settings, event)):
            yield event.t_ns, f"{part} {'began' if _is_there(event) else 'ended'} on {event.node}"


def _part(settings: Service, event: Event) -> str | None:
    """The part of the service that ``event`` is about, if it is one that has only one node at a time, or its daemon."""
    if event.data.get("baseline"):
        return None  # what was so already
    if event.kind == "mount" and settings.filesystem and event.data["mountpoint"] == settings.filesystem.mountpoint:
        return f"the mount of {settings.filesystem.mountpoint}"
    if event.kind == "address" and settings.vip and event.data["ip"] == str(settings.vip.address):
        return f"the address {settings.vip.address}"
    # a director's proxy runs beside the address on every director: its restart elsewhere interrupts nobody
    if event.kind == "listen" and settings.daemon and not settings.real_servers and (
            event.data["port"] == settings.daemon.port):
        return f"the daemon on port {settings.daemon.port}"
    return None


def _is_there(event: Event) -> bool:
    return bool(event.data["mounted"] if event.kind == "mount" else event.data["present"])
