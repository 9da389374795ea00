"""Events as lines."""

from __future__ import annotations

import pytest

from fenceline.model.event import Event, is_fencing
from fenceline.model.verdict import Finding, Judgement, Verdict
from tests.clocks import now_ns


def test_an_event_is_one_line_and_comes_back():
    event = Event(5, "guest", "rs-01", "log", {"line": "two\nlines \u2028 und Umlaute: ü"}, 7)
    assert "\n" not in event.to_json()
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize("line", ["", "{}", "[]", "12", "null", '{"t_ns": 1}', '{"t_ns": 1, "source": "x"',
                                  '{"t_ns": null, "source": "x", "node": null, "kind": "k", "data": {}}'])
def test_what_is_no_event_is_refused(line):
    with pytest.raises(ValueError):
        Event.from_json(line)


def test_the_clock_does_not_go_back():
    stamps = [now_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)


def test_the_reason_is_the_finding_that_decided():
    findings = (Finding("steps", Verdict.PASS, "fine"), Finding("evidence", Verdict.UNKNOWN, "dark"),
                Finding("single mount", Verdict.FAIL, "two mounts"))
    assert Judgement(Verdict.FAIL, findings).reason == "single mount: two mounts"
    assert Judgement(Verdict.UNKNOWN, findings).reason == "evidence: dark"
    assert Judgement(Verdict.PASS, findings[:1]).reason == "every promise was kept"


@pytest.mark.parametrize(("kind", "why", "is_one"), [
    ("power.off", "fence", True), ("power.off", "watchdog", True), ("power.off", "sysrq", True),
    ("power.off", "power_off", False), ("power.off", "reset", False), ("power.off", "reboot", False),
    ("power.off", "crash", False), ("power.paused", "fence", False)])
def test_what_makes_a_machine_safe(kind, why, is_one):
    assert is_fencing(Event(1, "machine", "rs-01", kind, {"why": why})) is is_one
