"""Who owns a service."""

from __future__ import annotations

import json

import pytest

from fenceline.stacks.state import ClusterState, MemberState, ResourceState


def part(name, *nodes, group="web", active=True, failed=False):
    return ResourceState(name, "ocf:heartbeat:x", "Started", nodes, active, failed, True, group)


def state(*resources):
    return ClusterState("a", True, "a", (MemberState("a", True), MemberState("b", False)), resources)


@pytest.mark.parametrize(("resources", "owner"), [
    ((part("x", "a"), part("y", "a")), "a"),
    ((part("x", "a"), part("y", "b")), None),                 # spread over two nodes
    ((part("x", "a"), part("y", "a", "b")), None),            # one part on both
    ((part("x", "a"), part("y", active=False)), None),        # partly started
    ((part("x", "a"), part("y", "a", failed=True)), None),
    ((part("x", active=False), part("y", active=False)), None),
    ((part("x"),), None),                                     # active, they say, but nowhere
    ((part("x", "b", group="other"),), None),
    ((), None),
    ((part("x", "b"), part("y", "b")), None),                 # on a node that is lost
    ((part("web", "a", group=None),), "a"),                   # not a group, but one resource of that name
    ((part("x", "a"), part("z", "b", group="other")), "a"),
])
def test_owner(resources, owner):
    assert state(*resources).owner("web") == owner


def test_online():
    assert state().online() == ("a",)


def test_a_snapshot_goes_into_the_log():
    raw = json.loads(json.dumps(state(part("x", "a")).as_dict()))
    assert raw["resources"][0]["nodes"] == ["a"] and raw["members"][1] == {
        "name": "b", "online": False, "standby": False, "pending": False, "unclean": False, "maintenance": False}
