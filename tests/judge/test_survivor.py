"""The serving side survives a split, where the topology promises it."""

from __future__ import annotations

import pytest

from fenceline.model.cost import Cost
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, C, Log, topology
from tests.judge.test_fencings import deaf, shot
from tests.judge.test_moves import mended

SURVIVES = "serving side survives"
PASS, FAIL = Verdict.PASS, Verdict.FAIL


def base(nodes: int = 2, survivor: str = "serving", **quorum) -> Log:
    about = topology(nodes, **quorum).model_copy(update={"survivor": survivor})
    return Log(about).baseline().ready(1)


def cut(log: Log) -> Log:
    return log.fault(10, "network-cut", B, cost=deaf(B))


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("no split", base, PASS),
    ("the idle one is fenced", lambda: shot(cut(base()), 13, B), PASS),
    ("the one that serves is fenced", lambda: shot(cut(base()), 13, A), FAIL),
    ("it is fenced, where nothing is promised", lambda: shot(cut(base(survivor="any")), 13, A), PASS),
    ("it is fenced for something else", lambda: shot(base().fault(10, "hang", A, cost=Cost(lost=frozenset({A}))),
                                                     13, A), PASS),
    ("the service stops there, for want of quorum", lambda: cut(base(policy="qdevice")).listen(12, A, False).vip(
        12, A, False).mount(12, A, False), FAIL),
    ("it is mended there", lambda: mended(cut(base()), 12, A), FAIL),
    ("of three, who is alone can't survive", lambda: shot(base(3).fault(10, "network-cut", A, cost=deaf(A)), 13, A),
     PASS),
    ("long after it was mended", lambda: shot(base().fault(10, "network-cut", B, healed=12, cost=deaf(B)), 100, A),
     PASS),
])
def test_serving_side_survives(what, build, verdict):
    finding = build().end(300).finding(SURVIVES)
    assert finding.verdict is verdict, finding.reason


def test_who_served_and_was_fenced_is_named():
    finding = shot(cut(base()), 13, A).end(60).finding(SURVIVES)
    for word in (f"{A}, which had web, was fenced at 13.000 s", f"network-cut on {B}"):
        assert word in finding.reason
    assert "leaves it open" in base(survivor="any").end(9).finding(SURVIVES).reason


def test_services_on_both_sides_leave_it_open():
    log = cut(base(4, policy="qdevice"))
    assert C in log.topology.cluster_nodes
    log.vip(5, A, False).mount(5, A, False)  # nobody has it as a whole
    assert shot(log, 13, A).end(60).finding(SURVIVES).verdict is PASS
