"""Outages: what counts as one, its bounds, and phases that add up."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history, outages
from fenceline.judge.outages import PHASES
from fenceline.model.verdict import Outage
from tests.judge.logs import SAN, A, B, Log, green, ns


def of(log: Log) -> tuple[Outage, ...]:
    return outages(build_history(log.events, log.topology))


def phases(outage: Outage) -> dict[str, float]:
    assert tuple(phase.name for phase in outage.phases) == (
        PHASES if outage.end_ns is not None else (*PHASES[:-1], "no reply"))
    assert round(sum(phase.seconds for phase in outage.phases) * 1e9) == round(outage.seconds * 1e9)
    assert all(phase.seconds >= 0 and phase.plus_minus >= 0 for phase in outage.phases)
    return {phase.name: round(phase.seconds, 3) for phase in outage.phases if phase.seconds}


def base() -> Log:
    return Log().baseline().ready(0.5)


@pytest.mark.parametrize(("what", "log", "expected"), [
    ("none", base().good(0, 10, A), []),
    ("a second of failures", base().good(0, 4, A).bad(4, 5).good(5, 10, A), [1.02]),
    ("refused at once", base().good(0, 4, A).bad(4, 5, took=.001).good(5, 10, A), [1.02]),
    ("one failed request", base().good(0, 4, A).bad(4, 4.02, took=.001).good(4.02, 10, A), [.04]),
    ("one that was given up late", base().good(0, 10, A).request(4.01, 1, False), [.02]),
    ("two", base().good(0, 3, A).bad(3, 4).good(4, 6, A).bad(6, 6.5).good(6.5, 10, A), [1.02, .52]),
    ("a slow answer is an answer", base().good(0, 4, A).good(4, 7, A, took=.8).good(7, 10, A), []),
    ("answers that come one by one, late", base().good(0, 4, A).good(4, 9, A, took=.9, every=.95).good(9.5, 12, A), []),
    ("an answer after more than a second is none", base().good(0, 4, A).request(4, 1.5, True, A).good(5.6, 9, A),
     [1.516]),
    ("one slow answer among quick ones", base().good(0, 10, A).request(4.01, 1.5, True, A), []),
    ("the harness did not ask", base().good(0, 4, A).good(4.6, 10, A), []),
    ("to the end", base().good(0, 4, A).bad(4, 9).end(10), [6.016]),
    ("never answered", base().bad(1, 9).end(10), [9.0]),
    ("before it was ready", Log().baseline().good(0, 1, A).bad(1, 2).good(2, 9, A).ready(5), []),
    ("before its first good answer", base().bad(0, 3).good(3, 9, A), []),
    ("after the scenario", base().good(0, 4, A).end(4).bad(4.1, 9), []),
])
def test_what_counts_as_an_outage(what, log, expected):
    assert [round(outage.seconds, 3) for outage in of(log)] == expected


def test_an_outage_lasts_from_the_last_good_reply_to_the_first():
    outage, = of(base().good(0, 4, A).bad(4, 6).good(6, 9, B))
    assert (outage.start_ns, outage.end_ns) == (ns(3.98 + .004), ns(6.004))
    assert (outage.owner_before, outage.owner_after) == (A, B)


def test_a_request_that_waited_in_an_outage_but_failed_after_it_makes_no_other():
    log = base().good(0, 4, A).bad(4, 5.99, took=1).good(6, 9, A)
    assert len(of(log)) == 1


def test_a_request_that_was_sent_just_before_the_last_good_reply_makes_no_other():
    log = base().good(0, 4, A).request(3.979, 1.0, False).bad(4, 6).good(6, 9, A)
    assert [round(outage.seconds, 3) for outage in of(log)] == [2.02]


def test_an_open_outage_has_no_end():
    outage, = of(base().good(0, 4, A).bad(4, 9).end(10))
    assert outage.end_ns is None
    assert phases(outage) == {"no reply": 6.016}


def test_the_error_bound_is_one_probe_and_the_stamps():
    outage, = of(base().good(0, 4, A).bad(4, 6).good(6, 9, A))
    # up to the first lost question, which may have been under way for 4 ms; back since the last lost one; stamps
    assert outage.plus_minus == pytest.approx((0.016 + 0.004 + 0.001) + (0.02 + 0.004 + 0.001))


def test_a_service_that_stalls_now_and_then_may_have_been_there_for_as_long_as_its_stalls():
    stalled = base().good(0, 2, A).request(2.001, 0.09, True, A).good(2.1, 4, A).bad(4, 6).good(6, 9, A)
    outage, = of(stalled)
    assert outage.plus_minus == pytest.approx((0.016 + 0.09 + 0.001) + (0.02 + 0.004 + 0.001))


def test_a_client_that_asks_seldom_knows_less():
    log = base().good(0, 4, A).bad(4, 8.5, took=1, every=1.02).good(9, 12, A)
    outage, = of(log)
    assert outage.plus_minus == pytest.approx((4 + 0.004 - 3.984 + 0.001) + (9.004 - 7.06 + 0.001))


def test_an_answer_whose_packets_were_repeated_does_not_widen_the_bound():
    log = base().good(0, 4, A).bad(4, 4.9).request(4.91, 0.991, True, A).bad(4.93, 5.9).good(5.9, 9, A)
    outage, = of(log)
    assert outage.seconds == pytest.approx(5.901 - 3.984, abs=0.002)
    assert outage.plus_minus < 0.1


def test_the_owner_is_who_had_the_address_where_replies_do_not_say():
    log = base().good(0, 4, None).vip(4.1, A, False).bad(4, 6).vip(5, B).good(6, 9, None)
    outage, = of(log)
    assert (outage.owner_before, outage.owner_after) == (A, B)


def failover(log: Log) -> Log:
    """Power of rs-01 cut at 4 s."""
    log.good(0, 4, A).bad(4, 12).good(12, 15, B)
    return log.off(4, A, "power_off").quorum(5.2, B, True, B).bmc(6, A, "off", took=.5)


def test_the_phases_of_a_power_cut():
    log = failover(base()).mount(8, B).vip(9, B).listen(11.5, B)
    outage, = of(log)
    assert phases(outage) == {"detect": 1.216, "fence": 1.3, "storage": 1.5, "vip": 1.0, "service": 2.5,
                              "first reply": .504}
    assert outage.phases[3].plus_minus == pytest.approx(.02)  # the fencing's stamp is exact, the mount's is not
    assert outage.phases[4].plus_minus == pytest.approx(.04)


def test_quorum_that_came_later_than_the_membership():
    log = base().good(0, 4, A).bad(4, 12).good(12, 15, B).off(4, A, "power_off")
    log.quorum(5.2, B, False, B).quorum(7.2, B, True, B).mount(9, B)
    assert phases(of(log)[0]) == {"detect": 1.216, "quorum": 2.0, "storage": 1.8, "first reply": 3.004}


def test_fenced_by_a_power_off():
    log = base().good(0, 4, A).bad(4, 12).good(12, 15, B).power(4, A, "paused")
    log.quorum(5.2, B, True, B).bmc(6, A, "reset", took=2).off(7, A).mount(9, B)
    assert phases(of(log)[0]) == {"detect": 1.216, "fence": 1.8, "storage": 2.0, "first reply": 3.004}


def test_what_was_detected_before_the_clients_noticed_takes_none_of_their_time():
    outage = of(green())[0]
    assert phases(outage) == {"fence": .016, "storage": 1.9, "vip": .5, "service": .6, "first reply": .104}


def test_out_of_order_steps_are_clamped():
    log = failover(base()).vip(7, B).mount(8, B).listen(8.5, B)  # the address before the file system
    assert phases(of(log)[0]) == {"detect": 1.216, "fence": 1.3, "storage": 1.5, "service": .5, "first reply": 3.504}


def test_the_address_by_its_gratuitous_arp():
    log = failover(base()).mount(8, B).arp(9, B, "gratuitous").listen(11.5, B)
    assert phases(of(log)[0])["vip"] == 1.0


def test_an_attempt_that_failed_is_not_what_brought_it_back():
    log = failover(base()).mount(7, B).mount(8, B, False).mount(10, B).listen(11, B)
    assert phases(of(log)[0])["storage"] == 3.5


def test_a_report_that_trails_the_first_reply_is_still_part_of_it():
    log = failover(base()).mount(8, B).vip(9, B).listen(12.05, B, late=.12)
    found = phases(of(log)[0])
    assert found["service"] == 3.004 and "first reply" not in found


def test_a_service_killed_and_restarted_in_place():
    log = base().good(0, 4, A).listen(4.05, A, False).bad(4, 7, took=.001).listen(6.9, A).good(7, 9, A)
    # a port that closes is the fault itself: the first reaction that is seen is the new one
    assert phases(of(log)[0]) == {"detect": 2.916, "first reply": .104}


def test_a_clean_move():
    log = base().good(0, 4, A).bad(4, 8, took=.001).good(8, 9, B)
    log.listen(4.1, A, False).vip(4.5, A, False).mount(5, A, False).mount(6, B).vip(7, B).listen(7.5, B)
    assert phases(of(log)[0]) == {"detect": .516, "storage": 1.5, "vip": 1.0, "service": .5, "first reply": .504}


def test_what_belongs_to_others_is_left_out():
    """Reports of another outage, another node, another address, and a fencing that failed."""
    log = failover(base())
    log.mount(.6, B).mount(1, B, False).vip(.6, B).vip(1, B, False).listen(.6, B).listen(1, B, False)  # long before
    log.quorum(5.0, SAN, True, B).off(4.5, B, "crash").power(4.6, B, "on").agent(4.7, B).quorum(4.9, B, True, A, B)
    log.bmc(4.5, B, "off", took=.1).bmc(4.4, A, "off", took=.1, ok=False).bmc(4.6, A, "status")
    log.add(7, "wire", B, "arp", ip="192.168.98.7", mac="0", how="gratuitous").arp(7.1, None, "gratuitous")
    log.arp(7.2, A, "gratuitous").arp(7.3, B, "reply").arp(10, B, "gratuitous")
    log.mount(8, A).listen(8.4, A).mount(9, B).listen(11, B)
    log.mount(13, B, False).mount(14, B).listen(13, B, False).listen(14, B)  # after it
    assert phases(of(log)[0]) == {"detect": 1.216, "fence": 1.3, "storage": 2.5, "vip": 1.0, "service": 1.0,
                                  "first reply": 1.004}


def test_a_move_within_a_membership_that_shrank_elsewhere_is_no_detection():
    log = base().good(0, 4, A).bad(4, 8, took=.001).good(8, 9, B)
    log.quorum(4.2, B, True, A, B).vip(5, A, False).vip(7, B)
    assert phases(of(log)[0])["detect"] == 1.016


def test_a_report_that_trails_is_the_first_reaction_too():
    log = base().good(0, 4, A).listen(4.05, A, False).bad(4, 7, took=.001).listen(7.06, A).good(7, 9, A)
    assert phases(of(log)[0]) == {"detect": 3.02}


def test_a_step_at_the_very_edge_takes_all_or_nothing():
    log = base().good(0, 4, A).bad(4, 8, took=.001).good(8, 9, B).off(3.984, A).mount(8.004, B, late=0)
    assert phases(of(log)[0]) == {"detect": 4.02}


def test_a_gap_of_a_quarter_second_needs_a_request_that_took_too_long():
    quick = base().good(0, 4, A).request(4, .2, True, A).good(4.2, 9, A)
    slow = base().good(0, 4, A).request(3.99, 1.1, True, A).good(5.1, 9, A)
    assert (len(of(quick)), len(of(slow))) == (0, 1)


def test_linear_enough_for_a_long_log():
    log = base()
    for minute in range(20):
        log.good(minute * 60, minute * 60 + 50, A).bad(minute * 60 + 50, minute * 60 + 60)
    assert len(log.events) > 60_000
    assert len(of(log)) == 20


def test_what_may_be_off_by_its_whole_length_is_told_as_no_outage():
    from fenceline.judge import certain
    from fenceline.model.verdict import Outage
    found = [Outage("web", 0, 7, seconds, error) for seconds, error in ((0.016, 0.02), (0.5, 0.5), (0.5, 0.4999))]
    open_one = Outage("web", 0, None, 0.1, 5.0)
    assert certain([*found, open_one]) == (found[2], open_one)
