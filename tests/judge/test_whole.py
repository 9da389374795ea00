"""Whether the cluster was whole again, and for how long it had no full standby."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history, judge
from fenceline.judge.redundancy import redundancy
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, green, topology

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def closed(log: Log | None = None, problems: list[str] | None = None, **told) -> Log:
    """``log`` (by default the green run), healed at 21 s and looked at until 22 s."""
    log = log or green()
    log.add(21, "scenario", None, "healing", faults=[])
    return log.add(22, "scenario", None, "whole", **{
        "seconds": 1.0, "within": 240.0, "problems": problems or [], "switched_on": [], "cleaned": []} | told)


def test_a_whole_cluster():
    finding = closed().finding("whole again")
    assert (finding.verdict, finding.reason) == (PASS, "the cluster was whole 1.0 s after the faults were healed")


def test_what_is_missing_breaks_the_promise_and_is_said():
    judgement = judge(closed(problems=["rs-01 is not online", "r0 on rs-02 is StandAlone"], seconds=240.1).events,
                      topology())
    assert judgement.verdict is FAIL
    assert judgement.reason == ("whole again: not whole 240.1 s after the faults were healed, 240 s are allowed: "
                                "rs-01 is not online; r0 on rs-02 is StandAlone")


def test_what_an_administrator_did_is_said():
    finding = closed(switched_on=[A], cleaned=["web-nginx_monitor_0 on rs-01: error"]).finding("whole again")
    assert finding.verdict is PASS
    assert finding.reason.endswith("rs-01 was left off and switched on by hand; failures were cleaned up: "
                                   "web-nginx_monitor_0 on rs-01: error")


def test_a_fault_that_could_not_be_healed_leaves_it_open_and_hides_nothing():
    def unhealed(log: Log) -> Log:
        log.fault(20.5, "standby", B, id=7).add(21, "scenario", None, "healing", faults=["standby"])
        return log.add(21.5, "fault", None, "fault.unhealed", id=7, reason="rs-02 does not answer")
    finding = unhealed(green()).finding("whole again")
    assert finding.verdict is UNKNOWN
    assert "the fault standby on rs-02 could not be healed: rs-02 does not answer" in finding.reason
    assert judge(unhealed(green()).events, topology()).verdict is UNKNOWN
    # a broken promise of safety, and a step that failed, decide as without it
    assert judge(unhealed(green().mount(16, A)).events, topology()).reason.startswith("single mount")
    failed = green().add(20.4, "scenario", None, "step", text="x", status="failed", error="y")
    assert judge(unhealed(failed).events, topology()).verdict is FAIL


def test_a_fault_that_was_healed_at_the_second_try_does_not_leave_it_open():
    log = green().fault(20.5, "standby", B, id=7, healed=21.2)
    log.add(21, "fault", None, "fault.unhealed", id=7, reason="x")
    assert closed(log).finding("whole again").verdict is PASS


def test_a_log_that_ends_in_the_middle_of_it_leaves_it_open():
    finding = green().add(21, "scenario", None, "healing", faults=[]).finding("whole again")
    assert finding.verdict is UNKNOWN and "is not told" in finding.reason


@pytest.mark.parametrize(("log", "why"), [
    (green(), "the log was closed before anything was healed"),
    (green().add(22, "scenario", None, "whole", skipped="the run was FAIL before (steps)"), "the run was FAIL before")])
def test_where_it_was_not_asked_for_that_is_said(log, why):
    finding = log.finding("whole again")
    assert finding.verdict is PASS and finding.reason.startswith(f"not asked for: {why}")


def test_a_break_that_is_expected():
    assert judge(closed(problems=["x"]).expect_break("whole again").events, topology()).verdict is PASS
    assert judge(closed().expect_break("whole again").events, topology()).verdict is FAIL
    # it excuses nothing else
    assert judge(closed(green().mount(16, A), ["x"]).expect_break("whole again").events, topology()).verdict is FAIL


def test_what_the_healing_cost_is_no_failover_time_but_must_be_in_time():
    def log(until: float, budget: float = 10.0) -> Log:
        made = Log(topology(budget=budget)).baseline().ready(0.5).good(0, 22, A)
        made.add(20, "scenario", None, "healing", faults=[])
        return made.bad(22, until, took=0.001).good(until, 45, A).end(45)
    judgement = judge(log(24).events, topology())
    outage, = judgement.outages
    assert outage.healing and judgement.failovers == ()
    assert judgement.figures["longest_outage_s"] == 0.0 and judgement.figures["outages"] == 0
    assert judgement.figures["healing_outage_s"] == pytest.approx(2, abs=0.1)
    late = judge(log(40).events, topology())
    assert {finding.check: finding.verdict for finding in late.findings}["liveness at the end"] is FAIL


def test_the_figures_say_how_long_the_end_took():
    figures = judge(closed(green().add(20.9, "scenario", None, "settled", seconds=0.7, waited_for=[])
                          .add(23, "scenario", None, "settled", seconds=5.0, waited_for=[], after="healing")).events,
                    topology()).figures
    assert (figures["settled_s"], figures["whole_again_s"]) == (0.7, 1.0)
    assert judge(green().events, topology()).figures["settled_s"] is None
    assert judge(closed(problems=["x"]).events, topology()).figures["whole_again_s"] is None


# --- until redundancy is back ---------------------------------------------------------------------------------------


def told(log: Log) -> dict | None:
    return redundancy(build_history(log.events, log.topology))


def base(about=None) -> Log:
    return Log(about).baseline().ready(0.5)


def test_nothing_was_lost():
    assert told(base().good(0, 20, A).end(20)) is None
    assert told(base().fault(5, "service-kill", A, service="web").end(20)) is None


def test_from_the_fault_to_the_moment_at_which_all_see_each_other():
    found = told(green())
    assert found == {"lost_s": pytest.approx(5.02), "restored_s": 15.0, "seconds": pytest.approx(9.98),
                     "plus_minus": pytest.approx(0.02), "after_heal_s": pytest.approx(3.0)}


def test_a_cluster_that_never_was_ready_had_none():
    log = green()
    log.events = [event for event in log.events if event.kind != "ready"]
    assert told(log) is None


def test_a_log_that_ends_before():
    found = told(base().off(5, A, "power_off").quorum(6, B, True, B).end(20))
    assert found["restored_s"] is None and found["seconds"] == 15 and found["after_heal_s"] is None


def test_a_node_is_away_until_it_is_a_member():
    log = base().off(5, A, "power_off").quorum(6, B, True, B).power(8, A, "on").quorum(9, B, True, A, B)
    assert told(log.quorum(12, A, True, A, B).end(20))["restored_s"] == 12


def test_a_paused_node_and_one_in_standby():
    assert told(base().power(5, A, "paused").power(7, A, "resumed").end(20))["seconds"] == 2
    assert told(base().fault(5, "standby", A, healed=9).end(20))["restored_s"] == 9


def test_a_replica_that_is_behind():
    about = load_topology("ledger-drbd")
    first, second = about.cluster_nodes
    log = Log(about).add(0, "scenario", None, "ready", service="ledger")
    for node, t in ((first, 5.0), (second, 5.1)):
        log.add(t, "guest", node, "drbd.connection", resource="r0", connection="Connecting", peer_role="Unknown")
        log.add(t + 4, "guest", node, "drbd.connection", resource="r0", connection="Connected", peer_role="Primary")
    log.add(8, "guest", second, "drbd.disk", resource="r0", disk="Inconsistent", peer_disk="UpToDate", replication="x")
    log.add(14, "guest", second, "drbd.disk", resource="r0", disk="UpToDate", peer_disk="UpToDate", replication="x")
    assert told(log.end(20))["seconds"] == 9


def test_directors_know_no_members():
    about = load_topology("lvs-keepalived")
    first, second = about.cluster_nodes
    log = Log(about).add(0, "scenario", None, "ready", service="web").quorum(1, first, True, first)
    assert told(log.end(20)) is None
    log.off(5, first, "power_off").power(6, first, "on").quorum(11, first, True, first)
    assert told(log)["seconds"] == 6


def test_the_longest_counts():
    log = base().power(5, A, "paused").power(7, A, "resumed").power(10, B, "paused").power(15, B, "resumed").end(20)
    assert told(log)["lost_s"] == 10
