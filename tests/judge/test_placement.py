"""Services that depend on each other: each bond red and green."""

from __future__ import annotations

import pytest

from fenceline.model.load import parse_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, topology

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
APP_VIP, APP_PORT = "192.168.98.245", 8080


class Two(Log):
    """As ``Log``, with a second service ``app``."""

    def app(self, t: float, node: str, present: bool = True, late: float = 0.02) -> Log:
        return self.add(t, "guest", node, "address", late, ip=APP_VIP, device="eth1", present=present)


def log(**bond) -> Two:
    raw = topology().model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"]["group"] = raw["services"]["web"]["group"][1:]
    raw["services"]["web"]["group"][1]["document_root"] = "/var/www/html"
    raw["services"]["app"] = {"group": [{"kind": "vip", "address": APP_VIP}, {
        "kind": "daemon", "name": "nginx", "port": APP_PORT, "document_root": "/var/www/html"}]} | bond
    made = Two(parse_topology(raw, "a test"))
    made.add(-5, "scenario", None, "begin")
    for node in (A, B):
        made.agent(0.1, node).quorum(0.2, node, True, A, B)
    return made


def web_up(made: Two, t: float, node: str = A) -> Two:
    return made.vip(t, node).listen(t + 1, node)


def after() -> Two:
    return log(after=["web"])


def apart() -> Two:
    return web_up(log(apart_from=["web"]), 1)


def beside() -> Two:
    return web_up(log(colocated_with=["web"]), 1)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("first one, then the other", lambda: web_up(after(), 1).app(3, A), PASS),
    ("on another node", lambda: web_up(after(), 1).app(3, B), PASS),
    ("before it", lambda: web_up(after().app(1, A), 3), FAIL),
    ("while its daemon starts", lambda: after().vip(1, A).app(1.5, A).listen(3, A), FAIL),
    ("the other never", lambda: after().app(3, A), FAIL),
    ("the other had stopped", lambda: web_up(after(), 1).listen(3, A, False).vip(4, A, False).app(6, B), FAIL),
    ("too close to tell", lambda: after().vip(1, A).listen(3, A, late=2).app(2, A, late=1.5), UNKNOWN),
    ("stopped in reverse", lambda: web_up(after(), 1).app(3, A).app(5, A, False).listen(6, A, False)
        .vip(7, A, False), PASS),
    ("stopped in the wrong order", lambda: web_up(after(), 1).app(3, A).listen(6, A, False).vip(7, A, False)
        .app(9, A, False), FAIL),
    ("both lost with their node", lambda: web_up(after(), 1).app(3, A).off(5, A), PASS),
    ("there when the log began", lambda: web_up(log(after=["web"]).app(-4.9, A), -4.8), PASS),
])
def test_after(what, build, verdict):
    finding = build().end(60).finding("placement")
    assert finding.verdict is verdict, finding.reason


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("on two nodes", lambda: apart().app(3, B), PASS),
    ("on one", lambda: apart().app(3, A), FAIL),
    ("one after the other", lambda: apart().listen(5, A, False).vip(6, A, False).app(8, A), PASS),
    ("at the same moment", lambda: apart().vip(6, A, False, late=2).app(5.5, A, late=1.5), UNKNOWN),
])
def test_apart(what, build, verdict):
    finding = build().end(60).finding("placement")
    assert finding.verdict is verdict, finding.reason


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("on one node", lambda: beside().app(3, A), PASS),
    ("on two", lambda: beside().app(3, B), FAIL),
    ("moved together", lambda: web_up(beside().app(3, A).app(8, A, False).listen(8, A, False).vip(9, A, False), 10, B)
        .app(11, B), PASS),
    ("left behind", lambda: web_up(beside().app(3, A).listen(8, A, False).vip(9, A, False), 10, B), FAIL),
    ("left behind for a moment", lambda: web_up(beside().app(3, A).listen(8, A, False).vip(9, A, False), 10, B)
        .app(12, A, False).app(13, B), PASS),
])
def test_beside(what, build, verdict):
    finding = build().end(60).finding("placement")
    assert finding.verdict is verdict, finding.reason


def test_what_was_broken_is_named():
    finding = apart().app(3, A).end(60).finding("placement")
    assert f"app and web were both on {A} at 8.000 s" in finding.reason
    assert "not judged" in Log().end(5).finding("placement").reason
