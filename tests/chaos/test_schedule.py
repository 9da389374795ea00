"""Schedules are read, written, and refused with the place of every error."""

from __future__ import annotations

import pytest

from fenceline.chaos.schedule import (
    SERVES_NOW,
    ScheduleError,
    check,
    dump_schedule,
    load_schedule,
    parse_schedule,
    resolved,
    topology_key,
    topology_of,
)

BY_HAND = """\
topology: web-iscsi
actions:
- {fault: stun, with: {node: the standby, seconds: 5}, at: 12.3s}
- {fault: network-cut, with: {node: the node that serves now, networks: heartbeat}, at: 20s, for: 10s}
- {fault: packet-drop, with: {network: storage, percent: 10}, after: fencing starts, delay: 200ms, for: 5s}
"""


@pytest.fixture
def by_hand(tmp_path):
    path = tmp_path / "schedule.yaml"
    path.write_text(BY_HAND)
    return load_schedule(path)


def test_one_that_was_written_by_hand_is_read(by_hand, web):
    assert [action.when for action in by_hand.actions] == ["at 12.3 s", "at 20 s", "200 ms after fencing starts"]
    check(by_hand, web, "by hand")


def test_what_is_written_is_read_back(by_hand, tmp_path):
    again = tmp_path / "again.yaml"
    again.write_text(dump_schedule(by_hand))
    assert load_schedule(again) == by_hand
    assert dump_schedule(load_schedule(again)) == dump_schedule(by_hand)
    assert load_schedule(again).key == by_hand.key


def test_the_key_tells_another_schedule_and_no_other_seed(by_hand):
    assert by_hand.with_actions(by_hand.actions[:2]).key != by_hand.key
    assert by_hand.model_copy(update={"seed": 9}).key == by_hand.key


@pytest.mark.parametrize(("text", "place"), [
    ("topology: web-iscsi\nactions:\n- {fault: stun}\n", "actions.0: say when"),
    ("topology: web-iscsi\nactions:\n- {fault: stun, at: 1s, after: fencing starts}\n", "actions.0: say when"),
    ("topology: web-iscsi\nactions:\n- {fault: stun, at: 1s, delay: 1s}\n", "actions.0: `delay` counts"),
    ("topology: web-iscsi\nactions:\n- {fault: stun, at: soon}\n", "actions.0.at: 'soon' is not a duration"),
    ("actions: []\n", "topology: Field required"),
    ("topology: web-iscsi\nactors: []\n", "actors: Extra inputs"),
    ("topology: [\n", ":2:1: not YAML"),
    ("- stun\n", "expected a mapping"),
])
def test_an_error_names_its_place(tmp_path, text, place):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ScheduleError) as error:
        load_schedule(path)
    assert str(path) in error.value.message and place in error.value.message


def test_what_does_not_fit_the_topology_is_said_all_at_once(web):
    schedule = parse_schedule({"topology": "web-iscsi", "actions": [
        {"fault": "stunn", "with": {"node": "rs-01"}, "at": 1},
        {"fault": "stun", "with": {"node": "rs-09"}, "at": 1},
        {"fault": "stun", "with": {"node": "the quorum device"}, "at": 1},
        {"fault": "stun", "with": {"node": "rs-01", "seconds": 5000}, "at": 1},
        {"fault": "stun", "with": {"node": "rs-01"}, "after": "the moon rises"},
        {"fault": "nfs-hang", "at": 1}]}, "x")
    with pytest.raises(ScheduleError) as error:
        check(schedule, web, "x.yaml")
    for place in ("actions.0: no fault 'stunn'; the nearest: stun", "actions.1: no node 'rs-09'",
                  "actions.2: 'the quorum device' is no node here", "actions.3: fault stun: seconds",
                  "actions.4: 'the moon rises' is no moment", "actions.5: the fault nfs-hang can't be injected"):
        assert place in error.value.message
    assert error.value.status == 2


def test_a_topology_that_has_changed_since_is_refused(by_hand, web):
    known = by_hand.model_copy(update={"topology_key": topology_key(web)})
    assert topology_of(known).name == "web-iscsi"
    with pytest.raises(ScheduleError, match="has changed since this schedule was drawn"):
        topology_of(known.model_copy(update={"changes": {"services": {"web": {"failover_budget": "20s"}}}}))
    with pytest.raises(ScheduleError, match="service: the topology 'web-iscsi' has no 'mail'"):
        topology_of(by_hand.model_copy(update={"service": "mail"}))


def test_only_nodes_are_roles(by_hand):
    given = by_hand.actions[1].parameters
    assert resolved("network-cut", given, {SERVES_NOW: "rs-02"}.__getitem__) == {
        "node": "rs-02", "networks": "heartbeat"}
