"""Intervals: who executed, held what and was quorate, when."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history
from fenceline.judge.history import Edge, Ended, History
from tests.judge.logs import MOUNT, PORT, VIP, A, B, Log, ns

KEY = ("mount", MOUNT)


def history(log: Log) -> History:
    return build_history(log.events, log.topology)


def spans(intervals, log_start=0.0):
    """(node, start, end, why it ended, value), in seconds."""
    return [(i.node, round((i.start.latest_ns - ns(0)) / 1e9, 3),
             None if i.end is None else round((i.end.latest_ns - ns(0)) / 1e9, 3), str(i.ended), i.value)
            for i in intervals]


def test_an_edge_keeps_the_bound_on_its_lateness():
    log = Log().mount(3.0, A, late=0.5)
    start = history(log).facts[KEY][0].start
    assert start == Edge(ns(2.5), ns(3.0), log.events[0])


def test_mount_and_unmount():
    log = Log().mount(1, A).mount(2, A, False).mount(3, B)
    assert spans(history(log).facts[KEY]) == [(A, 1, 2, "released", True), (B, 3, None, "open", True)]


def test_a_repeated_report_does_not_start_anew():
    log = Log().mount(1, A).mount(2, A).vip(1, A).vip(2, A).listen(1, A).listen(2, A)
    facts = history(log).facts
    for key in (KEY, ("address", VIP), ("listen", PORT)):
        assert spans(facts[key]) == [(A, 1, None, "open", True)]


def test_an_address_with_its_prefix_length_is_the_address():
    log = Log().add(1, "guest", A, "address", ip=f"{VIP}/24", device="eth1", present=True)
    assert history(log).holder(("address", VIP), ns(1)) == A


def test_other_mounts_addresses_and_ports_are_left_out():
    log = Log().add(1, "guest", A, "mount", source="x", mountpoint="/mnt", fstype="ext4", mounted=True)
    log.add(1, "guest", A, "address", ip="10.0.0.1", device="eth0", present=True)
    log.add(1, "guest", A, "listen", port=22, present=True)
    assert not any(history(log).facts.values())


def test_power_off_ends_everything_at_its_stamp():
    log = Log().mount(1, A).vip(1, A).quorum(1, A, True, A, B).off(4, A)
    found = history(log)
    assert spans(found.facts[KEY]) == [(A, 1, 4, "off", True)]
    assert spans(found.facts["address", VIP]) == [(A, 1, 4, "off", True)]
    assert spans(found.quorum[A]) == [(A, 1, 4, "off", True)]


def test_a_paused_node_keeps_what_it_has():
    log = Log().mount(1, A).power(2, A, "paused").add(5, "scenario", None, "scenario.end")
    found = history(log)
    assert spans(found.facts[KEY]) == [(A, 1, None, "open", True)]
    assert found.power_at(A, ns(3)) == "paused"


def test_power_over_a_life():
    log = Log().power(1, A, "on").power(2, A, "paused").power(3, A, "resumed").off(4, A).power(5, A, "on")
    log.add(0, "scenario", None, "scenario.begin")
    assert [(s, e, v) for _, s, e, _, v in spans(history(log).power[A])] == [
        (0, 1, "off"), (1, 2, "on"), (2, 3, "paused"), (3, 4, "on"), (4, 5, "off"), (5, None, "on")]


@pytest.mark.parametrize(("build", "before"), [
    (lambda log: log.power(1, A, "on"), "off"),
    (lambda log: log.power(1, A, "resumed"), "paused"),
    (lambda log: log.power(1, A, "paused"), "on"),
    (lambda log: log.off(1, A), "on"),
    (lambda log: log.mount(0.5, A).power(1, A, "on"), "on"),  # a baseline in any order
    (lambda log: log.mount(1, A), "on"),
])
def test_what_was_before_the_first_power_event(build, before):
    log = build(Log().add(0, "scenario", None, "scenario.begin"))
    assert history(log).power_at(A, ns(0.9)) == before


def test_pausing_or_resuming_a_machine_that_is_off_changes_nothing():
    log = Log().off(1, A).power(2, A, "paused").power(3, A, "resumed")
    assert history(log).power_at(A, ns(4)) == "off"


def test_a_report_drained_from_a_dead_machines_pipe_does_not_live_on():
    log = Log().off(1, A).mount(1.01, A)
    assert history(log).facts[KEY] == ()


def test_after_a_reboot_everything_is_new():
    log = Log().mount(1, A).off(2, A).power(3, A, "on").agent(4, A).mount(9, A)
    assert spans(history(log).facts[KEY]) == [(A, 1, 2, "off", True), (A, 9, None, "open", True)]


def test_an_agent_that_restarts_and_says_the_same_changes_nothing():
    # it says "not there" of everything before it looks
    log = Log().mount(1, A).quorum(1, A, True, A).agent(5, A).mount(5.05, A).quorum(5.1, A, True, A)
    found = history(log)
    assert spans(found.facts[KEY]) == [(A, 1, None, "open", True)]
    assert spans(found.quorum[A]) == [(A, 1, None, "open", True)]


def test_what_a_restarted_agent_does_not_say_again_is_void():
    log = Log().mount(1, A).ticks(2, 3, A).agent(5, A)
    interval = history(log).facts[KEY][0]
    assert interval.ended is Ended.VOID
    # it may have ended at any time since the agent was last heard
    assert (interval.end.earliest_ns, interval.end.latest_ns) == (ns(2.75), ns(5))


def test_said_again_much_later_is_a_new_start():
    log = Log().mount(1, A).agent(5, A).mount(9, A)
    assert spans(history(log).facts[KEY]) == [(A, 1, 5, "void", True), (A, 9, None, "open", True)]


def test_an_agents_own_lateness_bounds_what_its_restart_voids():
    log = Log().mount(1, A).add(4.9, "guest", A, "tick").add(5, "guest", A, "agent.start", 3.0)
    assert history(log).facts[KEY][0].end.earliest_ns == ns(2)


def test_a_holder_has_it_from_the_stamp_of_its_start_until_that_of_its_end():
    found = history(Log().add(0, "scenario", None, "ready").mount(2, A, late=.5).mount(4, A, False, late=.5))
    assert [found.holder(KEY, ns(t)) for t in (1.9, 2, 3.9, 4)] == [None, A, A, None]


def test_quorum_intervals():
    log = Log().quorum(1, A, True, A, B).quorum(2, A, True, A).quorum(3, A, False, A).quorum(4, A, True, A, B)
    assert spans(history(log).quorum[A]) == [
        (A, 1, 3, "released", True), (A, 3, 4, "released", False), (A, 4, None, "open", True)]


def test_the_order_of_arrival_does_not_matter():
    log = Log().mount(3, B).mount(1, A).mount(2, A, False)
    assert spans(history(log).facts[KEY]) == [(A, 1, 2, "released", True), (B, 3, None, "open", True)]


def test_the_scenarios_end_is_not_the_logs():
    found = history(Log().mount(1, A).end(5).off(9, A))
    assert (found.end_ns, found.log_end_ns) == (ns(5), ns(9))


def test_an_empty_log():
    found = history(Log())
    assert (found.start_ns, found.events) == (0, ())
