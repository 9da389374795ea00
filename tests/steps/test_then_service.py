"""A service that was left alone, and one that was not; sentences that wait; the node that serves now."""

from __future__ import annotations

import time

import pytest

from fenceline.core.errors import ClusterError, FaultError
from fenceline.model.verdict import Verdict
from fenceline.steps import then_service, waiting
from tests.clocks import now_ns
from tests.cluster.test_serving import answers
from tests.steps.test_then import green, red


@pytest.fixture
def say(stage):
    def go(node, kind, seconds_ago=0.0, **data):
        stage.run.log.record("test", node, kind, data, t_ns=now_ns() - int(seconds_ago * 1e9))
    return go


def reply(say, node="rs-01", ok=True, ago=0.0, asked=0.0):
    say(None, "reply", ago, service="web", ok=ok, sent_ns=now_ns() - int((ago + asked) * 1e9), error=None if ok
        else "refused", **{"from": node if ok else None})


def test_not_interrupted(stage, say):
    stage.last_fault_ns = now_ns() - 10**9
    red(then_service.not_interrupted, stage, "web", match="web answered")
    say("rs-01", "mount", seconds_ago=20, mountpoint="/srv/www", mounted=False)  # before the fault
    say("rs-01", "mount", mountpoint="/srv/other", mounted=False)
    say("rs-01", "address", ip="192.168.98.244", present=True, baseline=True)
    say("san-01", "listen", port=80, present=False)
    with answers(stage.cluster, "rs-01"):
        green(then_service.not_interrupted, stage, "web")


@pytest.mark.parametrize(("node", "kind", "data", "words"), [
    ("rs-01", "mount", {"mountpoint": "/srv/www", "mounted": False}, "the mount of /srv/www ended on rs-01"),
    ("rs-02", "mount", {"mountpoint": "/srv/www", "mounted": True}, "the mount of /srv/www began on rs-02"),
    ("rs-01", "address", {"ip": "192.168.98.244", "present": False}, "the address 192.168.98.244 ended on rs-01"),
    ("rs-01", "listen", {"port": 80, "present": True}, "the daemon on port 80 began on rs-01"),
])
def test_a_part_that_was_stopped_or_restarted(stage, say, node, kind, data, words):
    say(node, kind, **data)
    with answers(stage.cluster, "rs-01"):
        red(then_service.not_interrupted, stage, "web", match=words)


def test_one_question_without_an_answer_is_an_interruption(stage, say):
    stage.last_fault_ns = now_ns() - 10**9
    reply(say, ok=False, ago=0.2, asked=2)  # asked before the fault
    with answers(stage.cluster, "rs-01"):
        green(then_service.not_interrupted, stage, "web")
        reply(say, ok=False)
        red(then_service.not_interrupted, stage, "web", match=r"a client got no answer \(refused\)")


def test_one_that_another_node_answered_too(stage, say):
    stage.last_fault_ns = now_ns() - 10**9
    reply(say, ago=0.3)
    reply(say, "rs-02", ago=0.2)
    with answers(stage.cluster, "rs-02"):
        red(then_service.not_interrupted, stage, "web", match="answers came from rs-01, rs-02")


def test_time_passes_and_changes_nothing(stage):
    before, begun = stage.last_fault_ns, time.monotonic()
    green(waiting.time_passes, stage, "0.3")
    assert time.monotonic() - begun >= 0.3 and stage.last_fault_ns == before


def test_no_fault_that_could_be_over(stage):
    with pytest.raises(ClusterError, match="no fault is in force that ends by itself"):
        waiting.fault_is_over(stage)


def test_the_node_that_serves_now_is_asked_for_now(stage):
    stage.cluster.client.services = ("web",)
    with answers(stage.cluster, "rs-02"):
        assert stage.node("the node that serves now") == "rs-02"
        assert stage.node('the node that serves "web" now') == "rs-02"
        assert stage.node("the active node") == "rs-01"
    with pytest.raises(ClusterError, match="no service 'mail'"):
        stage.node('the node that serves "mail" now')


def test_nobody_serves(stage, monkeypatch):
    def nobody(service):
        raise ClusterError("the service runs on no node")
    monkeypatch.setattr(stage.cluster, "serving", nobody)
    with pytest.raises(FaultError, match="runs on no node"):
        stage.node("the node that serves now")
    stage.run.log.record("scenario", None, "scenario.end", {})
    assert stage.finding("evidence").verdict is Verdict.INVALID
