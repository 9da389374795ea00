"""What the cluster is doing, event by event."""

from __future__ import annotations

import pytest

from fenceline.chaos.states import SECOND, Course, State, course_key, followed
from fenceline.model.event import Event
from fenceline.model.load import load_topology

A, B, S = "rs-01", "rs-02", "san-01"


class Log:
    """A log of web-iscsi in which all is well; times in s."""

    def __init__(self, topology) -> None:
        self.course, self.events, self.now = Course(topology), [], 0.0
        for node in (A, B):
            self.at(0, node, "agent.start", source="guest").at(0, node, "quorum", quorate=True, members=[A, B])
        self.holds(A).serves(A).at(0, None, "ready").after(5).serves(A)

    def after(self, seconds: float) -> Log:
        self.now += seconds
        return self

    def at(self, seconds: float, node: str | None, kind: str, source: str = "x", **data) -> Log:
        self.now += seconds
        event = Event(round(self.now * SECOND), source, node, kind, data)
        self.events.append(event)
        self.course.take(event)
        return self

    def holds(self, node: str, *, mount=True, address=True, port=True) -> Log:
        return (self.at(0, node, "mount", mountpoint="/srv/www", mounted=mount)
                .at(0, node, "address", ip="192.168.98.244/24", present=address)
                .at(0, node, "listen", port=80, present=port))

    def serves(self, node: str | None) -> Log:
        return self.at(0.2, node, "reply", service="web", ok=node is not None, **{"from": node})

    def silent(self, seconds: float = 1.0) -> Log:
        for _ in range(int(seconds / 0.2)):
            self.serves(None)
        return self

    @property
    def state(self) -> State:
        return self.course.state


@pytest.fixture
def log(web):
    return Log(web)


def test_all_is_well(log):
    assert log.state is State.STEADY and log.course.role(A) == "serves" and log.course.role(B) == "stands by"
    assert log.course.role(S) == "storage" and log.course.role(None) == "cluster"
    assert log.course.role(B, "fence-device-dead") == "fencing device"
    assert log.course.serving("web") == A


def test_a_node_that_died_is_being_detected_until_the_other_misses_it(log):
    log.at(0, A, "power.off", why="power_off")
    assert log.state is State.DETECTING
    log.at(1, B, "quorum", quorate=True, members=[B])
    assert log.state is State.FORMING
    log.after(2).serves(B)
    assert log.state is State.DEGRADED


def test_it_is_fencing_from_the_request_to_the_end_of_the_power(log):
    log.at(0, B, "quorum", quorate=True, members=[B]).at(0.1, A, "bmc.request", action="reset")
    assert log.state is State.FENCING
    log.at(0.5, A, "power.off", why="fence")
    assert log.state is not State.FENCING


def test_the_part_of_the_group_that_comes_next_is_told(log):
    log.at(0, A, "power.off", why="fence").at(0, B, "quorum", quorate=True, members=[B]).silent()
    assert log.course.doing == "taking over: filesystem"
    log.holds(B, address=False, port=False).silent()
    assert log.course.doing == "taking over: vip"
    log.holds(B, port=False).silent()
    assert log.course.doing == "taking over: daemon"
    log.holds(B).after(1).serves(B)
    assert log.course.role(B) == "serves" and log.state is State.DEGRADED


def test_what_comes_home_to_a_whole_cluster_fails_back(log):
    log.holds(A, mount=False, address=False, port=False).holds(B).serves(B).after(1)
    log.holds(B, mount=False, address=False, port=False).holds(A, address=False, port=False).silent()
    assert log.course.doing == "failing back: vip"


def test_a_member_without_quorum(log):
    log.at(0, B, "quorum", quorate=False, members=[B])
    assert log.state is State.NO_QUORUM


def test_a_machine_that_is_off_has_no_quorum_to_miss(log):
    log.at(0, B, "quorum", quorate=False, members=[B]).at(0, B, "power.off", why="fence").after(2).serves(A)
    log.at(0, A, "quorum", quorate=True, members=[A]).after(2).serves(A)
    assert log.state is State.DEGRADED


def test_a_replica_that_is_behind_is_resynced():
    course = Course(load_topology("ledger-drbd"))
    course.take(Event(10 * SECOND, "guest", "rs-02", "drbd.disk", {"resource": "r0", "disk": "Inconsistent"}))
    assert course.state is State.RESYNCING
    course.take(Event(11 * SECOND, "guest", "rs-02", "drbd.disk", {"resource": "r0", "disk": "UpToDate"}))
    assert course.state is State.STEADY


def test_without_a_coordinator_it_is_electing(log):
    log.at(0, A, "state", coordinator=None)
    assert log.state is State.ELECTING
    log.at(0, A, "state", coordinator=B)
    assert log.state is State.STEADY and log.course.role(B) == "coordinator"


def test_nobody_serves_when_the_last_answer_is_old(log):
    log.silent(3)
    assert log.course.serving("web") is None


def test_the_course_is_the_same_live_and_from_the_file(log):
    log.at(0, A, "power.off", why="power_off").at(1, B, "quorum", quorate=True, members=[B]).silent()
    log.at(0.1, A, "bmc.request", action="off").at(0.4, A, "power.off", why="fence").holds(B).after(2).serves(B)
    assert followed(log.events, log.course.topology).seen == log.course.seen
    assert log.course.seen[:2] == ["forming", "steady"] and log.course.seen[-1] == "degraded"


def test_a_course_is_told_by_its_states_and_not_by_how_often_a_membership_formed():
    assert course_key(["steady", "detecting", "forming", "fencing", "degraded"]) == course_key(
        ["steady", "detecting", "fencing", "forming", "degraded"])
    assert course_key(["steady", "fencing"]) != course_key(["steady", "taking over: vip", "fencing"])
