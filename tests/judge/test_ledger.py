"""No lost acknowledgement: what turns it red, and what must not."""

from __future__ import annotations

from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, green, ns

CHECK = "no lost acknowledgement"


def written() -> Log:
    """Records 1 to 3 are acknowledged by rs-01, 4 gets no answer, 5 is acknowledged by rs-02 after the failover."""
    log = green().append(1, 1, A).append(2, 2, A).append(3, 3, A).append(7.05, 4, None, ok=False, took=2)
    return log.append(12, 5, B)


ALL = [[1, A, 1], [2, A, 2], [3, A, 3], [4, A, 4], [5, B, 1]]


def red(log: Log, *words: str) -> None:
    finding = log.finding(CHECK)
    assert finding.verdict is Verdict.FAIL, finding.reason
    assert finding.evidence
    for word in words:
        assert word in finding.reason


def fine(log: Log) -> None:
    finding = log.finding(CHECK)
    assert finding.verdict is Verdict.PASS, finding.reason


def test_without_a_ledger_nothing_is_judged():
    assert "not judged" in green().finding(CHECK).reason


def test_all_is_there_with_or_without_what_got_no_answer():
    fine(written().read_back(20, *ALL))
    fine(written().read_back(20, *[record for record in ALL if record[0] != 4]))


def test_a_lost_acknowledgement():
    red(written().read_back(20, ALL[0], ALL[1], ALL[4]), "1 acknowledged records of web are lost (3)", A)
    red(written().read_back(20), "4 acknowledged", "(1 to 5)")


def test_a_record_that_is_there_twice():
    red(written().read_back(20, *ALL, ALL[4]), "there 2 times")
    red(written().read_back(20, *ALL, ALL[3]), "record 4", "2 times")


def test_records_out_of_order():
    red(written().read_back(20, ALL[0], ALL[2], ALL[1], ALL[4]), "record 2 of web stands after record 3")


def test_a_late_record_without_an_answer_may_stand_anywhere():
    fine(written().read_back(20, *ALL[:3], ALL[4], ALL[3]))


def test_a_record_that_nobody_wrote():
    red(written().read_back(20, *ALL, [99, B, 2]), "record 99", "nobody wrote it")
    red(written().read_back(20, *ALL, [None, "\x00\x00", None]), "a line that nobody wrote")


def test_a_record_under_way_when_it_was_read():
    fine(written().read_back(20, *ALL, [6, B, 2]))


def test_what_was_acknowledged_after_the_reading_is_not_missed_in_it():
    fine(written().read_back(8, *ALL[:3]).read_back(20, *ALL))


def test_a_record_of_a_fenced_node():
    log = Log().baseline().ready(1).ticks(0.1, 25, B).ticks(0.1, 7, A).off(7, A)
    log.append(9, 1, B).read_back(20, [1, A, 7]).end(25)
    red(log, "record 1", "bears the name of rs-01", "off since 7.000 s")


def test_a_record_from_before_the_fencing_that_was_answered_late():
    log = Log().baseline().ready(1).ticks(0.1, 25, B).ticks(0.1, 7, A).off(7, A)
    fine(log.append(6.9, 1, None, ok=False, took=2).append(9, 2, B).read_back(20, [1, A, 7], [2, B, 1]).end(25))


def test_nobody_read_it_back():
    finding = written().finding(CHECK)
    assert finding.verdict is Verdict.UNKNOWN
    log = written().add(20, "client", None, "ledger.unread", service="web", error="timed out")
    assert "timed out" in log.finding(CHECK).reason


def test_records_of_an_earlier_scenario_are_not_asked_for():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).append(5, 11, A)
    fine(log.read_back(20, *[[number, A, number] for number in range(1, 12)]).end(25))


def test_the_evidence_leaves_the_records_out():
    finding = written().read_back(20).finding(CHECK)
    assert all(isinstance(event["data"].get("records", 0), int) for event in finding.evidence)
    assert finding.at_ns == ns(1.01)
