"""What a client machine must have seen: a pause is no error."""

from __future__ import annotations

import pytest

from steps import then_client
from tests.judge import logs
from tests.steps.test_then import green, judged, red  # noqa: F401 - a fixture


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
