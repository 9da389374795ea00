"""Then: what must have happened, and what must not. Each has a deadline, counted from the last fault."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict

from fenceline.core.errors import ClusterSilent
from fenceline.faults.software import configurations
from fenceline.guest import audit
from fenceline.judge.promise import PROMISES
from fenceline.machines.protocol import Power
from fenceline.model.event import Event, is_fencing
from fenceline.model.verdict import Verdict
from fenceline.scenario.demands import NotInTime
from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.stacks.state import ClusterState
from fenceline.steps.words import phrase, then, when


def was_fenced(node: str | None = None):
    """A predicate: ``node`` (or any) was made safe: its BMC cut its power, its watchdog or a poison pill reset it."""
    return lambda event: is_fencing(event) and (node is None or event.node == node)


def good_reply(service: str, since_ns: int, node: str | None = None):
    """A predicate: a client got an answer to what it asked after ``since_ns``, from ``node`` if given."""
    return lambda event: (event.kind == "reply" and event.data["service"] == service and event.data["ok"]
                          and event.data["sent_ns"] > since_ns and (node is None or event.data["from"] == node))


def failed_reply(service: str, since_ns: int):
    """A predicate: a client got no answer to what it asked after ``since_ns``."""
    return lambda event: (event.kind == "reply" and event.data["service"] == service and not event.data["ok"]
                          and event.data["sent_ns"] > since_ns)


@then(phrase(r"<node> is fenced within <seconds>"))
@needs("fencing")
def is_fenced(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect(was_fenced(name), float(seconds), f"{name} fenced")


@then(phrase(r"<node> is not fenced for <seconds>"))
def is_not_fenced(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    scene.forbid(was_fenced(name), float(seconds), f"{name} was fenced")


@then("nobody is fenced")
def nobody_fenced(scene: Scene) -> None:
    scene.forbid(was_fenced(), 0.0, "a node was fenced")


@then(phrase(r"nobody is fenced for <seconds>"))
def nobody_fenced_for(scene: Scene, seconds: str) -> None:
    scene.forbid(was_fenced(), float(seconds), "a node was fenced")


@then(phrase(r"<service> relocates to <node> within <seconds>"))
@needs("failover {service}")
def relocates(scene: Scene, service: str, node: str, seconds: str) -> None:
    name = scene.node(node)
    settings = scene.cluster.topology.services[service]
    if not settings.real_servers:
        scene.expect(good_reply(service, scene.in_force_ns, name), float(seconds), f"{service} answered by {name}")
        return
    # the answer comes from a real server: the node is the one that has the address, and answers come after that
    vip = str(settings.vip.address)
    took = scene.expect(lambda event: (event.kind == "address" and event.node == name and event.data["ip"] == vip
                                       and event.data["present"]), float(seconds), f"{vip} on {name}")
    scene.expect(good_reply(service, scene.last_fault_ns + int(took * 1e9)), float(seconds),
                 f"{service} answered by way of {name}")


@then(phrase(r"<service> answers within <seconds>"))
def answers(scene: Scene, service: str, seconds: str) -> None:
    """What was asked once the fault was in force, by a node that is not lost to it."""
    good = good_reply(service, scene.in_force_ns)
    scene.expect(lambda event: good(event) and not scene.is_lost(event.data["from"]), float(seconds),
                 f"{service} answering")


@then(phrase(r"<service> stops answering within <seconds>"))
def stops_answering(scene: Scene, service: str, seconds: str) -> None:
    scene.expect(failed_reply(service, scene.last_fault_ns), float(seconds), f"{service} not answering")


@then(phrase(r"<service> stays on <node> for <seconds>"))
def stays(scene: Scene, service: str, node: str, seconds: str) -> None:
    """From now on: where it was before is no matter."""
    name = scene.node(node)
    settings = scene.cluster.topology.services[service]
    if settings.real_servers:
        # whoever answers, it is by way of the node with the address
        vip = str(settings.vip.address)
        scene.forbid_from_now(lambda since: lambda event: (
            event.kind == "address" and event.data["ip"] == vip and event.data["present"] and event.node != name),
            float(seconds), f"{vip} on another node than {name}")
        held = scene.cluster.holdings_of(name)
        assert f"address {vip}" in held, f"{name} has not got {vip}; it has {', '.join(held) or 'nothing'}"
        scene.expect_reply_now(service)
        return

    scene.forbid_from_now(lambda since: lambda event: good_reply(service, since)(event) and event.data["from"] != name,
                          float(seconds), f"{service} was answered by another node than {name}")
    # silence is no proof of staying: it must answer, from there, now
    scene.expect_reply_now(service, name)


@then(phrase(r"<service> does not answer for <seconds>"))
def stays_away(scene: Scene, service: str, seconds: str) -> None:
    scene.forbid_from_now(lambda since: good_reply(service, since), float(seconds), f"{service} answered")


@then(phrase(r"<service> is restarted in place on <node> within <seconds>"))
@needs("restart")
def restarted_in_place(scene: Scene, service: str, node: str, seconds: str) -> None:
    name = scene.node(node)
    settings = scene.cluster.topology.services[service]
    port = settings.daemon.port

    def listens_again(event: Event) -> bool:
        return (event.kind == "listen" and event.node == name and event.data["port"] == port
                and event.data["present"])
    scene.expect(listens_again, float(seconds), f"{service}'s daemon restarted on {name}")
    scene.expect(good_reply(service, scene.in_force_ns, None if settings.real_servers else name), float(seconds),
                 f"{service} answered by {name}")


@then(phrase(r"<node> loses quorum within <seconds>"))
@needs("quorum")
def loses_quorum(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect(lambda event: event.kind == "quorum" and event.node == name and not event.data["quorate"],
                 float(seconds), f"{name} without quorum")


@then("the surviving partition has quorum")
@needs("quorum")
def survivors_have_quorum(scene: Scene) -> None:
    # a fenced node that is back within seconds survived nothing: corosync has taken it in, its Pacemaker not yet
    started = {event.node for event in scene.run.log.events()
               if event.kind == "power.on" and event.t_ns >= scene.last_fault_ns}
    survivors = [node for node in scene.cluster.topology.cluster_nodes
                 if scene.cluster.is_running(node) and node not in started]
    quorate = [node for node in survivors if (scene.cluster.quorum_of(node) or {}).get("quorate")]
    assert quorate, f"no node that ran all the time has quorum; these did: {', '.join(survivors) or 'none'}"
    seen: list[ClusterState] = []

    def is_told() -> bool:
        # Pacemaker learns it from corosync, and is asked after that: it may be a moment behind
        seen[:] = [_told_by(scene, quorate)]
        return seen[0].quorate
    with contextlib.suppress(NotInTime):
        scene.cluster.poll(is_told, 5.0, f"Pacemaker on {quorate[0]} to know of its quorum", NotInTime)
    assert seen[0].quorate, f"{quorate[0]} has quorum, but the partition of its DC {seen[0].coordinator} does not"


def _told_by(scene: Scene, nodes: Sequence[str]) -> ClusterState:
    """The cluster as the first of ``nodes`` sees it whose cluster software tells: where Pacemaker alone was stopped,
    its node votes on and can't."""
    for node in nodes[:-1]:
        with contextlib.suppress(ClusterSilent):
            return scene.cluster.stack.state(node)
    return scene.state(nodes[-1])


def parts_held(scene: Scene, node: str, service: str) -> list[str]:
    """What ``node`` holds of ``service``: its mount, its address, the port of its daemon where the cluster starts that
    and no other service has the same."""
    topology = scene.cluster.topology
    settings = topology.services[service]
    parts = {f"mount {part.mountpoint}" for part in settings.filesystems}
    parts |= {f"address {part.address}" for part in settings.vips}
    if settings.daemon and not topology.stack.runs_everywhere and not any(
            other.daemon and other.daemon.port == settings.daemon.port
            for name, other in topology.services.items() if name != service):
        parts.add(f"listen {settings.daemon.port}")
    return sorted(parts & set(scene.cluster.holdings_of(node)))


@then(phrase(r"<service> runs nowhere within <seconds>"))
def runs_nowhere(scene: Scene, service: str, seconds: str) -> None:
    cluster = scene.cluster

    def holders() -> list[str]:
        return [node for node in cluster.topology.service_nodes
                if cluster.machine(node).power() is Power.ON and parts_held(scene, node, service)]
    scene.expect_poll(lambda: not holders(), float(seconds), f"no node to hold a part of {service}")


@then(phrase(r"<node> stops <service> within <seconds>"))
def node_stops(scene: Scene, node: str, service: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect_poll(lambda: not parts_held(scene, name, service), float(seconds),
                      f"{name} to have stopped {service}")


@then(phrase(r"<node> rejoins within <seconds>"))
def rejoins(scene: Scene, node: str, seconds: str) -> None:
    name = scene.node(node)
    scene.expect_poll(lambda: name in scene.cluster.state().online(), float(seconds), f"{name} online again")


@when(phrase(r"the cluster is whole again within <seconds>"))
@then(phrase(r"the cluster is whole again within <seconds>"))
def whole_again(scene: Scene, seconds: str) -> None:
    scene.expect_whole(float(seconds))


@then(phrase(r"the outage of <service> was at most <seconds>"))
def outage_at_most(scene: Scene, service: str, seconds: str) -> None:
    longest = max((outage.seconds for outage in scene.outages(service)), default=0.0)
    assert longest <= float(seconds), f"{service} was away for {longest:.2f} s, at most {seconds} s were allowed"


def assert_promise(scene: Scene, promise: str) -> None:
    finding = scene.settled_finding(promise)
    if finding.verdict is not Verdict.PASS:
        # not `assert`: pytest would add the finding's whole evidence to the words
        raise AssertionError(f"{promise}: {finding.reason}")


@then("no node has anything to show that it should not: core files, crashes, full disks, empty logs")
def audited(scene: Scene) -> None:
    cluster = scene.cluster
    found = [audit.parse(node, cluster.session(node).run(audit.command(cluster.stack.logs), within=30).out)
             for node in cluster.topology.cluster_nodes if cluster.is_running(node)]
    scene.run.log.record("stack", None, "audit", {one.node: asdict(one) for one in found})
    problems = [problem for one in found for problem in one.problems()]
    assert not problems, "; ".join(problems)


@then("all nodes have the same configuration")
@needs("configuration")
def same_configuration(scene: Scene) -> None:
    digests = configurations(scene.cluster)
    assert len(set(digests.values())) == 1, "the nodes' configurations differ: " + ", ".join(
        f"{node} {digest[:12]}" for node, digest in digests.items())


@then(phrase(r'the promise "(?P<promise>[^"]+)" is broken within <seconds>'))
def promise_broken(scene: Scene, promise: str, seconds: str) -> None:
    assert promise in PROMISES, PROMISES.unknown(promise)
    scene.expect_broken(promise, float(seconds))
