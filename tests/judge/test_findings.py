"""Order and overlap within error bounds, to the nanosecond; and how findings are put together."""

from __future__ import annotations

import pytest

from fenceline.judge.findings import CLEAN_GAP_NS, MAX_EVIDENCE, TRUSTED_LATE_NS, Tally, after, overlap
from fenceline.judge.history import Edge, Ended, Interval
from fenceline.model.event import Event
from fenceline.model.verdict import Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
GAP, LATE = CLEAN_GAP_NS, TRUSTED_LATE_NS


@pytest.mark.parametrize(("end", "start", "expected"), [
    ((5, 5), (5, 5), True),
    ((5, 5), (4, 4), False),
    ((3, 5), (2, 4), None),
    ((3, 5), (3, 3), None),              # it may have been the same instant
    ((3, 5), (5, 9), True),
    ((0, 0), (-1, GAP), True),           # clean, and known well enough
    ((0, 0), (-1, GAP - 1), None),       # too close
    ((0, 0), (GAP - LATE, GAP), True),
    ((0, 0), (GAP - LATE - 1, GAP), None),  # too uncertain
])
def test_after(end, start, expected):
    assert after(Edge(*end), Edge(*start)) is expected


def held(start: tuple[int, int], end: tuple[int, int] | None = None) -> Interval:
    if end is None:
        return Interval("n", ("mount", "/"), Edge(*start))
    return Interval("n", ("mount", "/"), Edge(*start), Edge(*end), Ended.RELEASED)


@pytest.mark.parametrize(("one", "other", "expected", "at"), [
    (held((0, 0)), held((7, 9)), FAIL, 9),                          # both to the end
    (held((0, 0), (10, 10)), held((5, 6), (20, 20)), FAIL, 6),
    (held((0, 0), (10, 10)), held((9, 10), (20, 20)), UNKNOWN, 10),
    (held((0, 0), (8, 10)), held((7, 8), (20, 20)), UNKNOWN, 8),     # perhaps no time at all
    (held((0, 0), (10, 10)), held((10, 12), (20, 20)), PASS, 12),
    (held((0, 0), (10, 10)), held((10, 10)), PASS, 10),
    (held((0, 0), (4, 4)), held((1, 5)), UNKNOWN, 5),
    (held((1, 5)), held((0, 0), (4, 4)), UNKNOWN, 5),                # whichever is named first
    (held((0, 0), (4, 5)), held((10, 10), (20, 20)), PASS, 10),
    (held((0, 0), (4, 20)), held((10, 10), (15, 15)), UNKNOWN, 10),
    (held((0, 0), (GAP, GAP)), held((GAP - 5, 2 * GAP), (3 * GAP, 3 * GAP)), PASS, 2 * GAP),
    (held((0, 0), (GAP, GAP)), held((GAP - 5, 2 * GAP - 1), (3 * GAP, 3 * GAP)), UNKNOWN, 2 * GAP - 1),
    (held((GAP - 5, 2 * GAP), (3 * GAP, 3 * GAP)), held((0, 0), (GAP, GAP)), PASS, 2 * GAP),
])
def test_overlap(one, other, expected, at):
    assert overlap(one, other) == (expected, at)


def test_the_worst_decides_and_of_those_the_first():
    tally = Tally("x")
    tally.add(UNKNOWN, 1, "early")
    tally.add(FAIL, 5, "late")
    tally.add(FAIL, 3, "soon")
    finding = tally.finding("fine")
    assert (finding.verdict, finding.at_ns, finding.reason) == (FAIL, 3, "soon; late")


@pytest.mark.parametrize(("count", "reason"), [(0, "fine"), (3, "a; a; a"), (4, "a; a; a (and 1 more)")])
def test_many_reasons_are_counted(count, reason):
    tally = Tally("x")
    for number in range(count):
        tally.add(FAIL, number, "a")
    assert tally.finding("fine").reason == reason


def test_evidence_is_each_event_once_and_a_dozen_at_most():
    tally = Tally("x")
    for number in range(20):
        event = Event(number, "guest", "n", "mount")
        tally.add(FAIL, number, "a", event, event, None)
    assert [item["t_ns"] for item in tally.finding("").evidence] == list(range(MAX_EVIDENCE))
