"""A cluster file system freezes, and is the same everywhere: what turns it red, and what must not."""

from __future__ import annotations

import pytest

from fenceline.judge.cluster_fs import losses
from fenceline.judge.history import build_history
from fenceline.judge.outages import outages
from fenceline.judge.verdict import judge
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, farm, green

FREEZE, SAME = "cluster file system freezes", "same on every node"
PASS, FAIL = Verdict.PASS, Verdict.FAIL


def both(fencing: str = "ipmi") -> Log:
    """Both nodes mount at 0.5 s and write every 100 ms until 10 s; rs-02 leaves the membership at 12 s."""
    log = Log(farm(fencing=fencing)).ready(1).ticks(0.1, 60, A)
    for node in (A, B):
        log.power(0.01, node, "on", baseline=True).mount(0.5, node, fstype="gfs2").quorum(0.4, node, True, A, B)
    for number in range(100):
        log.append(0.6 + number / 10, 2 * number + 1, A, to=A).append(0.6 + number / 10, 2 * number + 2, B, to=B)
    return log.quorum(12, A, True, A)


def lost() -> Log:
    """... as its power was cut at 10.6 s; it is fenced at 16 s and rs-01 goes on at 17 s."""
    log = both().off(10.6, B, "power_off")
    return log.append(10.6, 201, None, ok=False, took=2, to=A).append(12.7, 202, None, ok=False, took=2, to=A)


def fenced(log: Log) -> Log:
    return log.bmc(15.9, B).append(17, 300, A, to=A).append(17.1, 301, A, to=A).end(30)


def test_a_survivor_that_waits_for_the_fencing():
    finding = fenced(lost()).finding(FREEZE)
    assert finding.verdict is PASS
    assert finding.reason == "rs-01 froze for 6.500 s when it lost rs-02"


def test_a_survivor_that_does_not():
    finding = fenced(lost().append(14, 250, A, to=A)).finding(FREEZE)
    assert finding.verdict is FAIL and finding.evidence
    for word in (A, B, "acknowledged 1 records of web", "14.000 s", "11.990 s", "before it was fenced"):
        assert word in finding.reason


def test_what_was_sent_before_the_loss_was_seen_or_shortly_after_it_is_left_out():
    assert fenced(lost().append(11.9, 250, A, took=2, to=A).append(12.9, 251, A, to=A)).finding(FREEZE).verdict is PASS


def test_one_that_is_never_fenced_stays_lost():
    assert lost().end(60).finding(FREEZE).reason == "rs-01 froze when it lost rs-02, and wrote no more"
    finding = lost().append(50, 250, A, to=A).end(60).finding(FREEZE)
    assert finding.verdict is FAIL and "never fenced" in finding.reason


@pytest.mark.parametrize("action", ["off", "reset", "cycle", "status"])
def test_a_device_that_lies_has_fenced_nobody(action):
    """rs-02 was not off: nobody cut its power, whatever the device says."""
    log = both().bmc(13, B, action).append(17, 250, A, to=A).end(30)
    assert log.finding(FREEZE).verdict is FAIL


def test_a_device_that_fails_has_fenced_nobody():
    assert lost().bmc(13, B, ok=False).append(17, 250, A, to=A).end(30).finding(FREEZE).verdict is FAIL


def test_a_device_that_finds_it_off_already_has_said_enough():
    assert lost().bmc(13, B, "status").append(17, 250, A, to=A).end(30).finding(FREEZE).verdict is PASS


def test_an_operator_who_says_that_it_is_off_has_fenced_it_only_if_it_was():
    def told(log: Log) -> Verdict:
        log.fault(13, "manual-fencing", B, node=B, by=A).append(17, 250, A, to=A).end(30)
        return log.finding(FREEZE).verdict
    assert told(lost()) is PASS
    assert told(both()) is FAIL
    other = lost().fault(13, "manual-fencing", A, node=A, by=B).append(17, 250, A, to=A).end(30)
    assert other.finding(FREEZE).verdict is FAIL


def test_one_that_was_switched_on_again_has_forgotten_its_locks():
    assert lost().power(20, B, "on").append(25, 250, A, to=A).end(30).finding(FREEZE).verdict is PASS


def test_one_that_was_fenced_while_it_was_a_member_is_seen_to_leave_only_afterwards():
    """Its Pacemaker died, not its corosync: rs-01 goes on as soon as the lock manager has heard of the fencing."""
    log = both().bmc(10.9, B).off(10.95, B).power(11.2, B, "on").append(13.5, 250, A, to=A)
    assert log.quorum(20, B, True, A, B).quorum(20, A, True, A, B).end(30).finding(FREEZE).verdict is PASS


def test_a_fencing_of_long_ago_does_not_count():
    """It was fenced at 1 s, came back and was a member; nobody fenced it when it was lost at 12 s."""
    log = both().bmc(1, B).off(1.05, B).power(1.2, B, "on").mount(3, B, fstype="gfs2").quorum(3, B, True, A, B)
    finding = log.append(17, 250, A, to=A).end(30).finding(FREEZE)
    assert finding.verdict is FAIL and "never fenced" in finding.reason


def test_one_that_is_a_member_again_is_not_lost_any_more():
    assert both().quorum(20, A, True, A, B).append(25, 250, A, to=A).end(30).finding(FREEZE).verdict is PASS


def test_one_that_unmounted_has_left_in_peace():
    log = both().mount(11, B, False, fstype="gfs2").append(17, 250, A, to=A).end(30)
    assert log.finding(FREEZE).verdict is PASS
    assert "no node was lost" in log.finding(FREEZE).reason


def test_both_sides_of_a_split_must_freeze():
    log = both().quorum(12, B, True, B).append(14, 250, B, to=B).off(16, B).bmc(15.95, B).end(30)
    finding = log.finding(FREEZE)
    assert finding.verdict is FAIL and "rs-02 acknowledged 1 records" in finding.reason


def test_an_observer_that_ends_itself_has_lost_nobody():
    log = both().quorum(12.5, B, False).end(30)
    assert {loss.survivor for loss in losses(build_history(log.events, log.topology))} == {A}


def test_without_a_cluster_file_system_nothing_is_judged():
    assert "not judged" in green().finding(FREEZE).reason
    assert "not judged" in green().finding(SAME).reason


def test_the_same_on_every_node():
    log = both().end(30)
    log.read_back(20, [1, A, 1], [2, B, 1], node=A).read_back(21, [1, A, 1], [2, B, 1], [3, A, 2], node=B)
    finding = log.finding(SAME)
    assert finding.verdict is PASS and "read 2 times through rs-01, rs-02" in finding.reason


@pytest.mark.parametrize("other", [
    [[1, A, 1]], [[2, B, 1], [1, A, 1]], [[1, A, 1], [None, "\x00", None], [2, B, 1]], []])
def test_a_node_that_reads_something_else(other):
    log = both().end(30)
    log.read_back(20, [1, A, 1], [2, B, 1], node=A).read_back(21, *other, node=B)
    finding = log.finding(SAME)
    assert finding.verdict is FAIL and "differs" in finding.reason and A in finding.reason and B in finding.reason
    assert all(isinstance(event["data"]["records"], int) for event in finding.evidence)


def test_a_broken_freeze_is_a_verdict_of_its_own():
    log = fenced(lost().append(14, 250, A, to=A))
    assert judge(log.events, log.topology).verdict is FAIL


def test_what_is_promised_of_groups_that_run_on_one_node_is_not_promised_of_one_on_all():
    """One node has only the mount for a while, the other only the daemon; and the first gets its own back."""
    log = Log(farm()).ready(1).mount(1, A, fstype="gfs2").listen(1.1, B).mount(9, A, False, fstype="gfs2")
    log.mount(12, B, fstype="gfs2").mount(20, B, False, fstype="gfs2").mount(21, A, fstype="gfs2").end(30)
    assert log.finding("group together").verdict is PASS
    assert log.finding("moved only for cause").verdict is PASS


# -- what the clients of a service that is active on all nodes lost ----------------------------------------------------


def test_its_outage_is_the_time_in_which_nobody_could_write():
    log = fenced(lost())
    found, = outages(build_history(log.events, log.topology))
    assert 6.3 < found.seconds < 6.6
    assert {phase.name: round(phase.seconds, 1) for phase in found.phases if phase.seconds}["detect"] == 1.5
    assert "fence" in {phase.name for phase in found.phases if phase.seconds}


def test_while_another_node_is_written_to_there_is_no_outage():
    log = both()
    for number in range(150):
        log.append(10.6 + number / 10, 1000 + number, A, to=A)
    log.append(11, 2000, None, ok=False, took=2, to=B).append(14, 2001, None, ok=False, took=0.001, to=B).end(25)
    assert outages(build_history(log.events, log.topology)) == ()


def test_records_of_two_nodes_may_stand_in_either_order_unless_one_was_there_before_the_other_was_sent():
    log = Log(farm()).ready(1).append(2, 1, A, took=0.5, to=A).append(2.1, 2, B, to=B).append(3, 3, A, to=A).end(30)
    check = "no lost acknowledgement"
    assert log.read_back(20, [2, B, 1], [1, A, 1], [3, A, 2]).finding(check).verdict is PASS
    log = Log(farm()).ready(1).append(2, 1, A, took=0.5, to=A).append(2.1, 2, B, to=B).append(3, 3, A, to=A).end(30)
    finding = log.read_back(20, [3, A, 2], [2, B, 1], [1, A, 1]).finding(check)
    assert finding.verdict is FAIL and "record 2 of web stands after record 3" in finding.reason
