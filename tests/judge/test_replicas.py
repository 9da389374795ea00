"""DRBD's replicas, green and red: primaries, split brains, and what each protocol may lose."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history
from fenceline.judge.ledger import lost_records
from fenceline.model.load import load_topology, parse_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import Log, ns

ONE, OTHER = "node1", "node2"


def drbd(**changes):
    made = load_topology("ledger-drbd").model_dump(mode="json", exclude_unset=True)
    made["storage"]["drbd"][0] |= changes
    return parse_topology(made, "a test")


def log(**changes) -> Log:
    made = Log(drbd(**changes))
    for node in (ONE, OTHER):
        made.power(0, node, "on", baseline=True)
    return made


def role(made: Log, t: float, node: str, what: str, late: float = 0.02) -> Log:
    return made.add(t, "guest", node, "drbd.role", late, resource="r0", role=what)


def appended(made: Log, t: float, number: int, node: str = ONE) -> Log:
    return made.add(t, "client", node, "append", service="ledger", id=number, ok=True, sent_ns=ns(t - 0.01),
                    error=None, **{"from": node})


def read(made: Log, t: float, *numbers: int, node: str = ONE) -> Log:
    return made.add(t, "client", OTHER, "ledger.read", service="ledger", sent_ns=ns(t - 0.01),
                    records=[[number, node, number] for number in numbers], **{"from": OTHER})


# -- primaries -----------------------------------------------------------------------------------------------------


def test_one_primary_after_the_other():
    made = role(role(role(role(log(), 0.1, ONE, "Primary"), 0.1, OTHER, "Secondary"), 5, ONE, "Secondary"), 6, OTHER,
                "Primary")
    finding = made.end(9).finding("single writer")
    assert finding.verdict is Verdict.PASS and "r0: node1, node2" in finding.reason


def test_a_primary_that_lost_its_power_is_none():
    made = role(log(), 0.1, ONE, "Primary").off(5, ONE)
    assert role(made, 5.5, OTHER, "Primary").end(9).finding("single writer").verdict is Verdict.PASS


def test_two_primaries_at_once():
    made = role(role(log(), 0.1, ONE, "Primary"), 6, OTHER, "Primary").end(9)
    finding = made.finding("single writer")
    assert finding.verdict is Verdict.FAIL
    assert "r0 was primary on node1 and node2 at once, at 6.000 s" in finding.reason


def test_a_paused_primary_stays_one():
    made = role(log(), 0.1, ONE, "Primary").power(4, ONE, "paused")
    assert role(made, 6, OTHER, "Primary").end(9).finding("single writer").verdict is Verdict.FAIL


def test_stamps_that_leave_it_open():
    made = role(role(role(log(), 0.1, ONE, "Primary"), 5, OTHER, "Primary", late=2), 5.05, ONE, "Secondary", late=2)
    assert made.end(9).finding("single writer").verdict is Verdict.UNKNOWN


def test_dual_primary_is_what_it_is_for():
    made = role(role(log(dual_primary=True), 0.1, ONE, "Primary"), 6, OTHER, "Primary").end(9)
    assert made.finding("single writer").verdict is Verdict.PASS


# -- split brain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("helper", ["initial-split-brain", "split-brain"])
def test_a_split_brain(helper):
    made = log().add(5, "guest", OTHER, "drbd.helper", 0.02, resource="r0", helper=helper).end(9)
    finding = made.finding("no split brain")
    assert finding.verdict is Verdict.FAIL and "r0 had two histories when they met at 5.000 s" in finding.reason
    assert "node2" in finding.reason


def test_other_helpers_are_no_split_brain():
    made = log().add(5, "guest", OTHER, "drbd.helper", 0.02, resource="r0", helper="fence-peer").end(9)
    assert made.finding("no split brain").verdict is Verdict.PASS


def test_without_drbd_there_is_none():
    assert "not judged" in Log().baseline().end(9).finding("no split brain").reason


# -- what a protocol may lose --------------------------------------------------------------------------------------


def failed_over(protocol: str, kept: int = 7, power: bool = True, cut: float = 5.5, **changes) -> Log:
    """Ten records, one each 100 ms from 4.5 s on; node1's power is cut; node2 has the first ``kept``."""
    made = log(protocol=protocol, **changes)
    for number in range(1, 11):
        appended(made, 4.4 + number / 10, number)
    if power:
        made.off(cut, ONE, "power_off")
    return read(made, 9, *range(1, kept + 1)).end(10)


def finding_of(made: Log):
    return made.finding("no lost acknowledgement")


def test_protocol_a_may_lose_the_last_ones():
    made = failed_over("A")
    finding = finding_of(made)
    assert finding.verdict is Verdict.PASS
    assert "3 of 10 acknowledged records are lost (8 to 10), which the topology allows: protocol A" in finding.reason
    assert [event.data["id"] for event in lost_records(build_history(made.events, made.topology), "ledger")] == [
        8, 9, 10]


def test_nothing_lost_is_said_so():
    assert "10 acknowledged records are there" in finding_of(failed_over("A", kept=10)).reason


def test_protocol_c_may_lose_none():
    finding = finding_of(failed_over("C"))
    assert finding.verdict is Verdict.FAIL and "protocol C may lose none" in finding.reason


def test_protocol_a_may_lose_none_without_a_power_cut():
    finding = finding_of(failed_over("A", power=False))
    assert finding.verdict is Verdict.FAIL and "may lose none while node1 has power" in finding.reason


def test_protocol_a_may_lose_no_more_than_its_timeout():
    # the first lost one is from 5.2 s: more than 2 s + 1 s before the cut
    finding = finding_of(failed_over("A", cut=8.3))
    assert finding.verdict is Verdict.FAIL and "3.1 s before the power of node1 was cut" in finding.reason
    assert finding_of(failed_over("A", cut=8.1)).verdict is Verdict.PASS


def test_a_replica_has_no_holes():
    made = log(protocol="A")
    for number in range(1, 6):
        appended(made, 4 + number / 10, number)
    made.off(5, ONE, "power_off")
    finding = finding_of(read(made, 9, 1, 2, 3, 5).end(10))
    assert finding.verdict is Verdict.FAIL and "a replica has no holes" in finding.reason


def test_protocol_b_may_lose_with_both_nodes_only():
    finding = finding_of(failed_over("B"))
    assert finding.verdict is Verdict.FAIL and "protocol B may lose none while the peer has power" in finding.reason
    both = failed_over("B")
    both.off(5.6, OTHER, "power_off")
    assert finding_of(both).verdict is Verdict.PASS


def test_the_figures_count_what_was_lost():
    from fenceline.judge.verdict import judge
    made = failed_over("A")
    assert judge(made.events, made.topology).figures["acknowledged_lost"] == {"ledger": 3}
