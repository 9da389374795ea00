"""Single mount, single VIP owner, fence before takeover: each rule red and green."""

from __future__ import annotations

import pytest

from fenceline.model.verdict import Verdict
from fenceline.stacks.keepalived.model import Keepalived
from tests.judge import logs
from tests.judge.logs import A, B, Log, topology

MOUNTED, OWNER, FENCE = "single mount", "single VIP owner", "fence before takeover"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def base() -> Log:
    return Log().baseline()


def judged(log: Log, check: str):
    return log.end(60).finding(check)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("never moved", lambda log: log, PASS),
    ("a clean relocate", lambda log: log.mount(10, A, False).mount(10.1, B), PASS),
    ("a clean relocate, reported late", lambda log: log.mount(10, A, False, late=.3).mount(10.1, B, late=.5), PASS),
    ("mounted before the unmount", lambda log: log.mount(10, B).mount(10.2, A, False), FAIL),
    ("never unmounted", lambda log: log.mount(10, B), FAIL),
    ("the bounds overlap", lambda log: log.mount(10, B, late=.3).mount(10.2, A, False, late=.3), UNKNOWN),
    ("too close to tell", lambda log: log.mount(10, A, False).mount(10.05, B, late=.1), UNKNOWN),
    ("close, but known exactly", lambda log: log.mount(10, A, False).mount(10.05, B, late=.0), PASS),
    ("the agent was starved", lambda log: log.mount(10, A, False).mount(12, B, late=3), UNKNOWN),
    ("starved, but long after", lambda log: log.mount(10, A, False).mount(14, B, late=3), PASS),
    ("after the power cut", lambda log: log.off(10, A).mount(12, B), PASS),
    ("before the power cut", lambda log: log.mount(9, B).off(10, A), FAIL),
    ("a paused node still has it", lambda log: log.power(9, A, "paused").mount(12, B), FAIL),
    ("paused, fenced, taken over", lambda log: log.power(9, A, "paused").off(11, A).mount(12, B), PASS),
    ("rebooted and mounted again", lambda log: log.off(10, A).mount(12, B).power(13, A, "on").agent(15, A)
        .mount(20, A), FAIL),
    ("rebooted and clean", lambda log: log.off(10, A).mount(12, B).power(13, A, "on").agent(15, A), PASS),
    ("back and forth", lambda log: log.mount(10, A, False).mount(11, B).mount(20, B, False).mount(21, A), PASS),
    ("mounted again in place", lambda log: log.mount(10, A, False).mount(10.01, A), PASS),
    ("the last event of the log", lambda log: log.end(60).mount(61, B), FAIL),
])
def test_single_mount(what, build, verdict):
    finding = judged(build(base()), MOUNTED)
    assert finding.verdict is verdict, finding.reason


def test_a_cluster_file_system_may_be_mounted_everywhere_and_the_topology_says_what_is_one():
    log = Log(logs.farm()).mount(1, A, fstype="gfs2").mount(2, B, fstype="gfs2").end(9)
    assert log.finding(MOUNTED).verdict is PASS
    assert log.finding(FENCE).verdict is PASS


def test_the_reason_names_nodes_and_times_and_the_evidence_is_the_events():
    log = base().mount(10.5, B)
    finding = judged(log, MOUNTED)
    for word in (A, B, "/srv/www", "10.500 s", "0.010 s", "the end of the log"):
        assert word in finding.reason
    assert [(e["kind"], e["node"]) for e in finding.evidence] == [("mount", A), ("mount", B)]
    assert finding.at_ns == finding.evidence[1]["t_ns"]


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("never moved", lambda log: log, PASS),
    ("a clean relocate", lambda log: log.vip(10, A, False).vip(10.1, B).arp(10.11, B, "gratuitous"), PASS),
    ("both at once", lambda log: log.vip(10, B).vip(10.5, A, False), FAIL),
    ("the bounds overlap", lambda log: log.vip(10, B, late=.3).vip(10.2, A, False, late=.3), UNKNOWN),
    ("paused nodes answer nobody", lambda log: log.power(9, A, "paused").vip(12, B), PASS),
    ("resumed with the address", lambda log: log.power(9, A, "paused").vip(12, B).power(20, A, "resumed"), FAIL),
    ("resumed, and dropped at once", lambda log: log.power(9, A, "paused").vip(12, B).power(20, A, "resumed")
        .vip(20.5, A, False), FAIL),
    ("paused, then fenced", lambda log: log.power(9, A, "paused").vip(12, B).off(20, A), PASS),
    ("dropped before it was resumed for good", lambda log: log.vip(8, A, False).power(9, A, "paused").vip(12, B)
        .power(20, A, "resumed"), PASS),
    ("after the power cut", lambda log: log.off(10, A).vip(11, B).arp(11.1, B), PASS),
    ("restart in place", lambda log: log.vip(10, A, False).vip(11, A).arp(11.1, A), PASS),
    ("on the wire: back again without having got it", lambda log: log.vip(10, A, False).vip(11, B).arp(11.1, B)
        .arp(12, A), FAIL),
    ("on the wire: back again, having got it", lambda log: log.vip(10, A, False).vip(11, B).arp(11.1, B)
        .vip(15, B, False).vip(16, A).arp(16.1, A), PASS),
    ("the wire is faster than the guest", lambda log: log.vip(10, A, False).vip(11, B).arp(11.1, B)
        .vip(15, B, False).arp(15.9, A).vip(16, A), PASS),
    ("on the wire: twice the same", lambda log: log.arp(5, A).arp(6, A), PASS),
    ("on the wire: both by turns", lambda log: log.arp(5, A).arp(6, B).arp(7, A).arp(8, B), FAIL),
    ("a stranger", lambda log: log.arp(5, None), FAIL),
    ("a stranger at another address", lambda log: log.add(5, "wire", None, "arp", ip="192.168.98.7", mac="0",
                                                           how="reply"), PASS),
])
def test_single_vip_owner(what, build, verdict):
    finding = judged(build(base()), OWNER)
    assert finding.verdict is verdict, finding.reason


def vrrp() -> Log:
    """A log of directors, whose backup takes the address before the master hears of it."""
    about = topology()
    stack = Keepalived(kind="keepalived", advert_interval=0.2)
    return Log(about.model_copy(update={"stack": stack})).vip(0, A).arp(0.1, A)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("let go on hearing the advert", lambda log: log.vip(10, B).vip(10.1, A, False), PASS),
    ("within the bounds", lambda log: log.vip(9.99, A, False).vip(10, B), PASS),
    ("both announce it, until it is heard", lambda log: log.arp(10, B, "gratuitous").vip(10.01, B).arp(10.05, A)
        .vip(10.1, A, False).arp(10.06, B).arp(11, B), PASS),
    ("let go too late", lambda log: log.vip(10, B).vip(10.4, A, False), FAIL),
    ("never let go", lambda log: log.vip(10, B), FAIL),
    ("was switched off, and let nothing go", lambda log: log.vip(10, B).off(10.1, A, "power_off"), FAIL),
])
def test_what_changes_hands_by_vrrp_has_two_owners_no_longer_than_an_advert(what, build, verdict):
    for check in (OWNER, FENCE):
        finding = judged(build(vrrp()), check)
        assert finding.verdict is verdict, (check, finding.reason)
    # no other stack has that excuse
    assert judged(vrrp().arp(10, B).vip(10.1, A, False).vip(10.1, B).arp(10.5, A), OWNER).verdict is FAIL
    log = base()
    assert judged(log.vip(10, B).vip(10.1, A, False), OWNER).verdict is FAIL


def test_a_log_that_ends_before_an_advert_can_have_been_heard_leaves_it_open():
    for check in (OWNER, FENCE):
        for end, verdict in ((10.05, UNKNOWN), (10.6, UNKNOWN), (11, FAIL)):
            assert vrrp().vip(10, B).end(end).finding(check).verdict is verdict, (check, end)
        assert base().vip(10, B).end(10.05).finding(check).verdict is FAIL


def elected() -> Log:
    """A log of directors that boot together: both become master before either has heard the other's first advert."""
    log = Log(topology().model_copy(update={"stack": Keepalived(kind="keepalived", advert_interval=0.2)}))
    return log.arp(0.990, A, "gratuitous").vip(1, A).arp(1.004, B, "gratuitous").vip(1.01, B).arp(1.05, A, "gratuitous")


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("the second gives in at once", lambda log: log.vip(1.01, B, False).arp(1.9, A), PASS),
    ("the second gives in on the advert", lambda log: log.vip(1.15, B, False).arp(1.9, A), PASS),
    ("the first gives in on the advert", lambda log: log.vip(1.15, A, False).arp(1.9, B), PASS),
    ("neither gives in", lambda log: log.arp(1.9, A), FAIL),
    ("the second gives in too late", lambda log: log.vip(1.5, B, False).arp(1.9, A), FAIL),
    ("the second gives in, and is off later", lambda log: log.vip(1.15, B, False).off(9, B, "power_off"), PASS),
    ("the second comes back for a moment", lambda log: log.vip(1.15, B, False).vip(9, B).vip(9.1, B, False), FAIL),
    ("the second is switched off with it", lambda log: log.off(1.1, B, "power_off"), FAIL),
])
def test_two_that_take_an_address_at_once_settle_it_within_an_advert(what, build, verdict):
    worst = {judged(build(elected()), check).verdict for check in (OWNER, FENCE)}
    assert worst == {PASS} if verdict is PASS else FAIL in worst


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("resumed, and dropped within the bounds", lambda log: log.power(9, A, "paused").vip(12, B)
        .power(20, A, "resumed").vip(20.5, A, False, late=11), UNKNOWN),
    ("paused within the bounds of the other's start", lambda log: log.power(12, A, "paused").vip(12.05, B, late=.2),
        UNKNOWN),
    ("paused at an unknown moment before", lambda log: log.power(12, A, "paused", 5).vip(11, B), UNKNOWN),
    ("resumed at an unknown moment, gone by then", lambda log: log.power(9, A, "paused").vip(12, B)
        .vip(19, B, False).power(20, A, "resumed", 5), UNKNOWN),
    ("paused at an unknown moment, removed later", lambda log: log.vip(11, B).power(12, A, "paused", 5)
        .vip(20, B, False).power(29, A, "resumed").vip(30, A, False), UNKNOWN),
    ("resumed after it was gone", lambda log: log.power(9, A, "paused").vip(12, B).vip(14, B, False)
        .power(20, A, "resumed", 5), PASS),
    ("got while it was resumed", lambda log: log.vip(5, A, False).power(9, A, "paused").power(12, A, "resumed")
        .vip(12.1, A, late=2).vip(12.2, A, False).vip(13, B), PASS),
])
def test_the_bounds_of_power_and_address_add_up(what, build, verdict):
    finding = judged(build(base()), OWNER)
    assert finding.verdict is verdict, finding.reason


@pytest.mark.parametrize(("start", "late", "verdict"), [
    (16.9, 0, PASS), (17.02, .02, PASS), (17.2, .02, FAIL), (17.2, .3, PASS),  # up to 1 s after the claim at 16 s
    (11.1, .02, PASS), (11.05, .02, FAIL),                                     # not before the rival's, at 11.1 s
])
def test_how_far_a_guests_report_may_be_from_the_wire(start, late, verdict):
    log = base().vip(10, A, False).arp(11.1, B).vip(start, A, late=late).arp(16, A)
    assert judged(log, OWNER).verdict is verdict


def test_a_stranger_is_called_one():
    assert "a stranger, 00:16:3e:00:00:66" in judged(base().arp(5, None), OWNER).reason


@pytest.mark.parametrize("take", [Log.mount, Log.vip])
@pytest.mark.parametrize(("what", "before", "verdict", "word"), [
    ("fenced", lambda log, take: log.off(10, A), PASS, ""),
    ("fenced within the error bound of the start", lambda log, take: log.off(11.99, A), UNKNOWN, "other way round"),
    ("fenced afterwards", lambda log, take: log.off(13, A), FAIL, "powered off only at 13.000 s"),
    ("never", lambda log, take: log, FAIL, "never released"),
    ("released", lambda log, take: take(log, 10, A, False), PASS, ""),
    ("released afterwards", lambda log, take: take(log, 13, A, False), FAIL, "released it only at 13.000 s"),
    ("paused only", lambda log, take: log.power(10, A, "paused"), FAIL, "only paused"),
    ("paused, then fenced", lambda log, take: log.power(9, A, "paused").off(10, A), PASS, ""),
    ("its power was cut, not by fencing", lambda log, take: log.off(10, A, "power_off"), PASS, ""),
    ("its agent restarted around then", lambda log, take: log.agent(13, A), UNKNOWN, "agent restarted"),
])
def test_fence_before_takeover(take, what, before, verdict, word):
    finding = judged(take(before(base(), take), 12, B), FENCE)
    assert finding.verdict is verdict, finding.reason
    assert word in finding.reason


def test_the_takeovers_moment_is_its_stamp():
    log = base().mount(12, B, late=.3)
    finding = judged(log, FENCE)
    assert finding.at_ns == log.events[-2].t_ns


def test_good_news_names_what_it_is_about():
    assert judged(base(), MOUNTED).reason.endswith("/srv/www")
    assert judged(base(), OWNER).reason.endswith("192.168.98.244")
    assert judged(base().mount(9, A, False).mount(10, A), MOUNTED).reason.endswith("/srv/www")


def test_the_end_is_said_by_its_stamp():
    assert "to 10.200 s" in judged(base().mount(9, B).mount(10.2, A, False, late=.3), MOUNTED).reason


def test_without_a_takeover_it_says_so():
    assert judged(base(), FENCE).reason == "nothing was taken over"


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("honest", lambda log: log.bmc(10, A).off(10.05, A), PASS),
    ("stamped a little later", lambda log: log.bmc(10, A).off(10.9, A), PASS),
    ("a lie", lambda log: log.bmc(10, A), FAIL),
    ("a lie: stopped much later", lambda log: log.bmc(10, A).off(15, A), FAIL),
    ("a lie about off", lambda log: log.bmc(10, A, "off"), FAIL),
    ("a lie about a cycle", lambda log: log.bmc(10, A, "cycle"), FAIL),
    ("it admits its failure", lambda log: log.bmc(10, A, ok=False), PASS),
    ("only asked", lambda log: log.bmc(10, A, "status"), PASS),
    ("switched on", lambda log: log.bmc(10, A, "on"), PASS),
    ("off already", lambda log: log.off(5, A, "power_off").bmc(10, A, "off"), PASS),
    ("on again by the time it is done", lambda log: log.bmc(10, A, "cycle", took=3).off(11, A).power(12, A, "on"),
        PASS),
    ("off and on long before", lambda log: log.off(5, A).power(6, A, "on").bmc(10, A), FAIL),
    ("paused is not off", lambda log: log.power(9, A, "paused").bmc(10, A, "off"), FAIL),
    ("the second time it lies", lambda log: log.bmc(5, A).off(5.05, A).power(6, A, "on").bmc(20, A), FAIL),
    ("another one was asked before", lambda log: log.bmc(5, B).off(5.05, B).off(9, A).power(10, A, "on").bmc(20, A),
        FAIL),
    ("something else was asked before", lambda log: log.off(9, A).power(10, A, "on").bmc(11, A, "status")
        .bmc(20, A, "off"), FAIL),
    ("at once", lambda log: log.bmc(10, A, took=0).off(9.99, A).power(10, A, "on"), PASS),
    ("stopped exactly at the limit", lambda log: log.bmc(10, A, took=0).off(11, A), PASS),
    ("stopped before the limit, within the bounds", lambda log: log.bmc(10, A, took=0)
        .power(11.5, A, "off", 1, why="fence"), PASS),
    ("others were asked meanwhile", lambda log: log.bmc(10, A, "off", took=3).off(10.5, A).power(11, A, "on")
        .bmc(12, A, "status").bmc(12, B, "off", took=.1).off(12.1, B), PASS),
    ("asked again afterwards", lambda log: log.bmc(10, A, "off").off(10.05, A).power(10.06, A, "on")
        .bmc(20, A, "off", ok=False), PASS),
    ("shot the other one", lambda log: log.bmc(10, A, "off").off(10.05, B), FAIL),
])
def test_the_fencing_device_tells_the_truth(what, build, verdict):
    finding = judged(build(base()), FENCE)
    assert finding.verdict is verdict, finding.reason
    if verdict is FAIL:
        assert "went on executing" in finding.reason


def test_an_old_power_cut_is_no_answer_to_an_unseen_request():
    done = {"action": "off", "ok": True, "error": None}
    log = base().off(3, A).power(4, A, "on").add(10, "bmc", A, "bmc.done", **done).end(60)
    assert log.finding(FENCE).verdict is FAIL


def test_a_log_that_ends_at_the_answer_does_not_convict_the_device():
    assert base().bmc(10, A).finding(FENCE).verdict is UNKNOWN


def test_an_answer_whose_request_was_not_seen():
    done = {"action": "off", "ok": True, "error": None}
    log = base().off(9, A).power(9.5, A, "on").add(10, "bmc", A, "bmc.done", **done).end(60)
    assert log.finding(FENCE).verdict is PASS
    assert base().add(10, "bmc", A, "bmc.done", **done).end(60).finding(FENCE).verdict is FAIL


def test_many_violations_are_counted_and_the_first_decides():
    log = base()
    for second in range(10, 20):
        log.arp(second, None)
    finding = judged(log, OWNER)
    assert "10.000 s" in finding.reason and "(and 7 more)" in finding.reason
    assert len(finding.evidence) == 10


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("its own node", lambda log: log.bmc(10, A, "off", took=.5).off(10.4, A), PASS),
    ("the other node", lambda log: log.bmc(10, A, "off", took=.5).off(10.4, B), FAIL),
    ("the other node had been asked for too", lambda log: log.bmc(9, B, "reset", ok=False).bmc(10, A, "off", took=.5)
        .off(10.3, A).off(10.4, B), PASS),
    ("nobody was asked: another device's doing", lambda log: log.off(10.4, B), PASS),
    ("it was asked for its state only", lambda log: log.bmc(10, A, "status", took=.5).off(10.4, B), PASS),
])
def test_a_device_cuts_the_power_of_its_own_node(what, build, verdict):
    finding = build(base()).end(10.6).finding(FENCE)
    assert finding.verdict is verdict, finding.reason
    if verdict is FAIL:
        assert "wired to another node" in finding.reason
