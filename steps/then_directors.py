"""Then: what must be seen of services that real servers answer behind a director."""

from __future__ import annotations

from fenceline.scenario.scene import Scene
from fenceline.steps.then import failed_reply, good_reply
from fenceline.steps.words import phrase, then


@then(phrase(r"every client of <service> is answered again within <seconds>"))
def all_answered(scene: Scene, service: str, seconds: str) -> None:
    took = scene.expect_no_more(lambda since: failed_reply(service, since), float(seconds), 1.0,
                                f"{service} to answer everybody")
    scene.say(f"  the last client of {service} that got no answer asked {took:.2f} s after the fault")


@then(phrase(r"only <node> answers for <service> during <seconds>"))
def only_answers(scene: Scene, node: str, service: str, seconds: str) -> None:
    name = scene.node(node)
    scene.forbid_from_now(lambda since: lambda event: (good_reply(service, since)(event)
                                                       and event.data["from"] != name),
                          float(seconds), f"{service} was answered by another machine than {name}")
    scene.expect_reply_now(service, name)


@then(phrase(r"<node> answers for <service> within <seconds>"))
def machine_answers(scene: Scene, node: str, service: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect(good_reply(service, scene.in_force_ns, name), float(seconds), f"{service} answered by {name}")
