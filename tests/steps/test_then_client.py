"""What a client machine must have seen: a pause is no error."""

from __future__ import annotations

import pytest

from fenceline.steps import then_client
from tests.clocks import now_ns
from tests.judge import logs
from tests.steps.test_then import green, judged, promise, red  # noqa: F401 - a fixture


def log(error: str = "no answer within 2 s", kind: str = "append") -> logs.Log:
    """A log with an outage of 3.1 s, in which a request of the client ended with ``error``."""
    made = logs.green()
    return made.add(11.0, "client", None, kind, service="web", id=1, ok=False, sent_ns=logs.ns(10.5), error=error,
                    **{"from": None})


def test_only_a_pause(judged):  # noqa: F811 - the fixture
    green(then_client.only_a_pause, judged(log()), "web", "3.5")
    red(then_client.only_a_pause, judged(log()), "web", "3", match=r"web paused for 3\.1\d s, at most 3 s were")


@pytest.mark.parametrize("error", ["status 500", "Connection refused", "connected, then: Connection reset by peer"])
def test_an_error_is_no_pause(judged, error):  # noqa: F811 - the fixture
    red(then_client.only_a_pause, judged(log(error)), "web", "60", match=f"1 requests of web's client .* '{error}'")


def test_what_never_ends_is_no_pause_either(judged):  # noqa: F811 - the fixture
    gone = logs.Log().baseline().ready(2.0).ticks(0.1, 40, logs.A, logs.B).good(0.1, 20, logs.A).bad(20, 39).end(40)
    red(then_client.only_a_pause, judged(gone), "web", "60", match="web has not come back")


def test_a_new_owner_announced_itself(judged):  # noqa: F811 - the fixture
    def moved():
        log = logs.Log().watched(0.05).baseline().ready(2).ticks(0.1, 40, logs.A, logs.B)
        return log.vip(9.5, logs.A, False).vip(10, logs.B)
    green(promise("new owner announces itself"), judged(moved().sent(10.2, logs.B).end(40)))
    red(promise("new owner announces itself"), judged(moved().end(40)), match="new owner announces itself: .*to nobody")


def test_clients_behind_a_router_are_answered(stage):
    def say(kind="reply.routed", ok=True, asked=0.0, service="web"):
        stage.run.log.record("client", "rs-02", kind, {
            "service": service, "ok": ok, "sent_ns": now_ns() - int(asked * 1e9), "from": "rs-02"})
    say("reply")
    say(ok=False)
    say(asked=5)
    say(service="mail")
    red(then_client.answers_routed, stage, "web", "0.2", match="behind a router: not within 0.2 s")
    say()
    green(then_client.answers_routed, stage, "web", "5")
