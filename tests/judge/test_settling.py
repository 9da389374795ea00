"""What is still open when a scenario's steps are done, and until when it is worth waiting."""

from __future__ import annotations

import pytest

from fenceline.judge.history import build_history
from fenceline.judge.settling import detection_s, open_matters, tells
from fenceline.model.load import load_topology
from tests.judge.logs import SAN, VIP, A, B, Log, farm, green, ns, topology

#: Neither hears the other.
APART = [("heartbeat", A, B), ("heartbeat", B, A)]


def matters(log: Log, at: float) -> list[tuple[str, float]]:
    """What is open at ``at`` s, and by when it is due (s), in the log up to then."""
    events = [event for event in log.events if event.t_ns <= ns(at) and event.kind != "scenario.end"]
    return [(matter.what, round((matter.due_ns - ns(0)) / 1e9, 2))
            for matter in open_matters(build_history(events, log.topology), ns(at))]


def base(about=None) -> Log:
    return Log(about).baseline().ready(0.5)


def costs(log: Log, t: float, name: str, *targets: str, healed: float | None = None, lasts_s: float | None = None,
          id: int = 1, **cost) -> Log:
    """A fault at ``t`` that costs ``cost``."""
    log.add(t, "fault", None, "fault.begin", id=id, fault=name, targets=list(targets), params={},
            cost=cost, **({"lasts_s": lasts_s} if lasts_s else {}))
    log.add(t + 0.02, "fault", None, "fault.injected", id=id).add(t + 0.4, "fault", None, "fault.confirmed", id=id)
    return log.add(healed, "fault", None, "fault.healed", id=id) if healed else log


def test_a_healthy_cluster_has_settled():
    assert matters(base().good(0, 10, A), 10) == []


def test_a_failover_that_is_over_has_settled():
    assert matters(green(), 24.9) == []


@pytest.mark.parametrize(("what", "log", "at", "wanted"), [
    # seen: PASS 40 ms after the active node was shot, "no outage was seen"
    ("the active node was shot a moment ago", costs(base().good(0, 5, A), 5, "power-off", A, lost=[A]).off(
        5.01, A, "power_off"), 5.5,
     [("power-off on rs-01, which may not have shown yet", 9.22), ("an answer of web, which rs-01 had", 15.02),
      ("the end of rs-01, which may not have shown yet", 6.51)]),
    # seen: somebody's script had it shot, the promise was broken, and 1 s later the log was closed on an open outage
    ("it was shot for nothing", base().good(0, 11.5, A).off(11.5, A), 12,
     [("the end of rs-01, which may not have shown yet", 13.0)]),
    ("and another one has answered", base().good(0, 11.5, A).off(11.5, A).good(11.6, 12, B), 12, []),
    ("who was shot did not serve", base().good(0, 12, A).off(11.5, B), 12, []),
    # seen: an address was added by hand, and the log closed 0.3 s later: whether it would be announced nobody knew
    ("an address was taken a moment ago", base().good(0, 12, A).vip(11.5, B), 12,
     [(f"the announcement of {VIP} by rs-02", 13.5)]),
    ("and announced", base().good(0, 12, A).vip(11.5, B).sent(11.6, B), 12, []),
    ("and given up again", base().good(0, 12, A).vip(11.5, B).vip(11.8, B, False), 12, []),
    ("nobody has answered since, long after", costs(base().good(0, 5, A), 5, "power-off", A, lost=[A]).off(
        5.01, A, "power_off"), 12, [("an answer of web, which rs-01 had", 15.02)]),
    ("the lost one itself has answered", costs(base().good(0, 12, A), 5, "cut-off", A, lost=[A]), 12,
     [("an answer of web, which rs-01 had", 15.02)]),
    ("another one has answered", costs(base().good(0, 5, A), 5, "cut-off", A, lost=[A]).off(7, A).good(8, 12, B), 12,
     []),
    ("the standby was cut off a moment ago", costs(base().good(0, 12, A), 5, "cut-off", B, lost=[B]), 8,
     [("cut-off on rs-02, which may not have shown yet", 9.22)]),
    ("and is fenced already", costs(base().good(0, 12, A), 5, "cut-off", B, lost=[B]).off(7, B), 8, []),
    ("and nothing came of it", costs(base().good(0, 12, A), 5, "cut-off", B, lost=[B]), 9.3, []),
    ("an even split that nobody has decided yet",
     costs(base().good(0, 12, A), 5, "network-cut", A, B, unheard=APART), 8,
     [("network-cut on rs-01, rs-02, which may not have shown yet", 9.22)]),
    # seen on emulated machines: half a minute of waiting for the one who had fenced the other
    ("and the one that is left need not be", costs(base().good(0, 5, A), 5, "network-cut", A, B, unheard=APART).off(
        7, A).good(7.5, 12, B), 8, []),
    ("healed at once, before it was noticed", costs(base().good(0, 12, A), 5, "cut-off", B, lost=[B], healed=5.6), 7,
     [("cut-off on rs-02, which may not have shown yet", 9.22)]),
    ("a daemon of the standby dies", costs(base().good(0, 12, A), 5, "daemon-kill", B, victims=[B]), 7,
     [("daemon-kill on rs-02, which may not have shown yet", 9.22)]),
    ("what takes nothing away is not waited for", costs(base().good(0, 12, A), 5, "config-change"), 5.5, []),
    ("nor the loss of a machine that is no member", costs(base().good(0, 12, A), 5, "hang", SAN, lost=[SAN]), 5.5, []),
    ("a disturbed service shows within a client's patience", costs(base().good(0, 12, A), 5, "service-kill", A,
                                                                    disturbed=["web"]), 6,
     [("service-kill on rs-01, which may not have shown yet", 6.52)]),
    ("and no longer", costs(base().good(0, 12, A), 5, "service-kill", A, disturbed=["web"]), 6.6, []),
    ("a fault that ends by itself", costs(base().good(0, 12, A), 5, "io-load", A, lasts_s=20), 12,
     [("io-load on rs-01, which lasts 20 s", 25.02)]),
    ("and has been healed before", costs(base().good(0, 12, A), 5, "io-load", A, lasts_s=20, healed=9), 12, []),
    ("or went with its machine's power", costs(base().good(0, 12, B), 5, "io-load", A, lasts_s=20).off(7, A), 12, []),
    ("a fencing device was asked", base().good(0, 12, A).add(11.5, "bmc", B, "bmc.request", action="reset"), 12,
     [("the fencing of rs-02", 71.5)]),
    ("only for its state", base().good(0, 12, A).add(11.5, "bmc", B, "bmc.request", action="status"), 12, []),
    ("and has done it", base().good(0, 12, A).bmc(11.5, B), 12, []),
    ("one that is known not to work", costs(base().good(0, 12, A), 2, "fence-device-dead", B, unfenceable=[B]).add(
        11.5, "bmc", B, "bmc.request", action="reset"), 12, []),
])
def test_what_is_open(what, log, at, wanted):
    assert matters(log, at) == wanted


def test_an_open_outage_is_waited_for_until_its_budget_is_used_up():
    """So that liveness never ends a fraction of a second before it is decided."""
    log = base().good(0, 5, A).bad(5, 20, took=0.001).end(20)
    (what, due), = matters(log, 12)
    assert what == "web, which does not answer"
    assert 15 < due < 16  # the budget, what it may be off, and half a second
    assert matters(log, 17) == []
    assert log.finding("liveness at the end").verdict == "FAIL"


def test_an_outage_that_is_excused_or_expected_is_not_waited_for():
    both = costs(costs(base().good(0, 5, A), 5, "power-off", A, lost=[A]), 5, "power-off", B, lost=[B], id=2)
    assert matters(both.bad(5.1, 12, took=0.001), 12) == []
    log = base().good(0, 5, A).bad(5, 12, took=0.001)
    assert matters(log.add(0.6, "scenario", None, "expect", outage="web", why="so"), 12) == []


def test_delays_of_fencing_and_sbds_own_time_are_added():
    about = load_topology("web-iscsi")
    assert about.fencing.delay == {B: 4.0}
    log = costs(Log(about).baseline().ready(0.5).good(0, 12, A), 5, "hang", B, lost=[B])
    assert matters(log, 8)[0][1] == pytest.approx(5.02 + detection_s(about) + 4)
    sbd = load_topology("web-iscsi-sbd")
    log = costs(Log(sbd).baseline().ready(0.5).good(0, 12, A), 5, "hang", A, lost=[A])
    assert matters(log, 8)[0][1] == pytest.approx(5.02 + detection_s(sbd) + sbd.fencing.sbd.message_wait)


@pytest.mark.parametrize(("name", "seconds"), [
    ("web-iscsi", 4.2), ("web-nfs-heartbeat", 5.0), ("lvs-keepalived", 3.6)])
def test_what_each_stack_takes_to_notice(name, seconds):
    assert detection_s(load_topology(name)) == pytest.approx(seconds)


def test_of_what_real_servers_answer_the_director_must_be_another():
    about = load_topology("lvs-keepalived")
    vip, web = "192.168.70.200", "www1"
    first, second = about.cluster_nodes

    def log(taken: bool) -> Log:
        made = Log(about).add(0, "scenario", None, "ready", service="web")
        made.add(0.1, "guest", first, "address", 0.02, ip=vip, device="eth1", present=True)
        costs(made, 5, "cut-off", first, lost=[first])
        for step in range(600):
            made.request(step / 50, 0.004, True, web)
        if taken:
            made.add(6, "guest", second, "address", 0.02, ip=vip, device="eth1", present=True)
        return made
    assert ("an answer of web, which lb1 had", 15.02) in matters(log(False), 11)
    assert matters(log(True), 11) == []


def test_of_a_service_on_all_nodes_one_that_is_left_must_answer():
    log = costs(base(farm()).good(0, 5, A), 5, "power-off", A, lost=[A]).off(5.01, A, "power_off")
    assert ("an answer of web, which rs-01 had", 15.02) in matters(log, 11)
    assert matters(log.good(8, 12, B), 12) == []


def test_the_time_that_a_fault_adds_is_waited_for_too():
    log = costs(base().good(0, 5, A), 5, "power-off", A, lost=[A], slower_s=4.0).off(5.01, A, "power_off")
    assert ("an answer of web, which rs-01 had", 19.02) in matters(log, 12)


def test_slow_machines_are_given_their_time():
    log = costs(Log().baseline().add(0.5, "scenario", None, "ready", service="web", slowdown=5.0).good(0, 12, A),
                5, "hang", B, lost=[B])
    assert matters(log, 8) == [("hang on rs-02, which may not have shown yet", 26.02)]


def test_a_cluster_without_fencing_still_takes_its_time_to_notice():
    log = costs(base(topology(fencing="none")).good(0, 12, A), 5, "cut-off", B, lost=[B])
    assert matters(log, 8) == [("cut-off on rs-02, which may not have shown yet", 9.22)]


def test_what_tells_that_it_is_worth_looking_again():
    events = {event.kind: event for event in green().events if event.data.get("ok", True)}
    assert {kind for kind, event in events.items() if tells(event)} == {
        "power.on", "power.off", "mount", "address", "listen", "quorum", "agent.start", "reply", "bmc.request",
        "bmc.done", "fault.healed"}
