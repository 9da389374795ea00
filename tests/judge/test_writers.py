"""Single writer: what turns it red, and what must not."""

from __future__ import annotations

import pytest

from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, green

CHECK = "single writer"


def red(log: Log, *words: str) -> None:
    finding = log.finding(CHECK)
    assert finding.verdict is Verdict.FAIL, finding.reason
    assert finding.at_ns is not None and finding.evidence
    for word in words:
        assert word in finding.reason


def fine(log: Log) -> None:
    finding = log.finding(CHECK)
    assert finding.verdict is Verdict.PASS, finding.reason


def both() -> Log:
    """rs-02 mounts at 9 s though rs-01 goes on, with the mount."""
    return Log().baseline().ready(1).ticks(0.1, 25, A, B).mount(9, B)


def test_without_a_write_nothing_is_judged():
    finding = green().finding(CHECK)
    assert finding.verdict is Verdict.PASS
    assert "not judged" in finding.reason


def test_a_fenced_node_and_its_heir():
    log = green().write(1, A).write(6.9, A, 20, 0.1).write(8.95, B).write(9.3, B, 40, 0.1).write(20, B)
    fine(log)
    assert "62 writes" not in log.finding(CHECK).reason and "63 writes" in log.finding(CHECK).reason


def test_writes_by_turns():
    red(both().write(5, A).write(9.1, B).write(10, A), "two writers", A, B, "10.000 s")


def test_a_second_writer_while_the_first_still_has_it_mounted():
    red(both().write(9.2, A).write(9.5, B), "two writers")


def test_two_batches_at_the_same_time():
    red(both().write(9.20, A, 10, 0.09).write(9.22, B, 10, 0.09), "two writers")


def test_a_write_after_the_power_was_cut():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).off(7, A).write(6.9, A).write(7.5, A).end(25)
    red(log, "off since 7.000 s")


def test_what_was_in_the_card_when_the_power_was_cut():
    fine(Log().baseline().ready(1).ticks(0.1, 25, B).ticks(0.1, 7, A).off(7, A).write(7.05, A).end(25))


def test_a_write_after_the_fencing_device_said_done():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).bmc(6, A, "off").write(5, A).write(8, A).end(25)
    red(log, "fencing device", "off")


def test_a_fencing_device_that_failed_proves_nothing():
    fine(Log().baseline().ready(1).ticks(0.1, 25, A, B).bmc(6, A, "off", ok=False).write(5, A).write(8, A).end(25))


def test_a_node_that_was_reset_may_write_again_when_it_has_the_disk_again():
    log = green().write(6, A).write(9.1, B).mount(20, B, False).write(20.05, B).mount(21, A).write(20.9, A)
    fine(log.write(22, A))


def test_a_write_without_a_mount():
    red(Log().baseline().ready(1).ticks(0.1, 25, A, B).write(15, B).end(25), "without having it mounted")


def test_a_write_long_after_the_mount_was_gone():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).mount(5, A, False).write(15, A).end(25)
    red(log, "without having it mounted")


def test_unmounting_writes_what_is_left():
    fine(Log().baseline().ready(1).ticks(0.1, 25, A, B).mount(5, A, False).write(5.5, A, 30, 0.09).end(25))


def test_unmounting_that_writes_while_the_next_does():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).write(4, A).mount(5, A, False).mount(5.2, B)
    red(log.write(5.3, B).write(5.5, A).end(25), "two writers")


def test_an_agent_that_was_not_heard_leaves_it_open():
    log = Log().baseline().ready(1).ticks(0.1, 25, A).ticks(0.1, 12, B).ticks(18, 25, B).write(15, B).end(25)
    finding = log.finding(CHECK)
    assert finding.verdict is Verdict.UNKNOWN
    assert "not heard" in finding.reason


def dies_while_it_mounts() -> Log:
    """rs-01 is fenced at 7 s; rs-02 writes its journal at 9 s and is reset before its agent tells of the mount."""
    return Log().baseline().ready(1).ticks(0.1, 7, A).ticks(0.1, 9, B).write(6, A).off(7, A).write(9.2, B).off(9.3, B)


def test_who_dies_while_it_mounts_was_the_only_writer_if_nobody_else_had_it():
    fine(dies_while_it_mounts().power(10, A, "on").agent(20, A).ticks(20, 25, A).mount(22, A).write(22.1, A).end(25))


def test_who_dies_while_it_mounts_and_another_may_have_had_it():
    base = Log().baseline().ready(1).ticks(0.1, 7, A).ticks(0.1, 9, B).write(6, A).write(9.2, B).off(9.3, B)
    # what it unmounts it may still write
    assert base.mount(7, A, False).end(25).finding(CHECK).verdict is Verdict.UNKNOWN
    both = dies_while_it_mounts().power(7.5, A, "on").write(9.5, A).off(9.6, A).end(25)
    assert both.finding(CHECK).verdict is Verdict.UNKNOWN


def test_a_clean_move_there_and_back():
    log = Log().baseline().ready(1).ticks(0.1, 25, A, B).write(4, A).mount(5, A, False).write(5.05, A)
    log.write(5.9, B).mount(6, B).write(8, B).mount(9, B, False).write(9.1, B).write(9.8, A).mount(10, A)
    fine(log.write(12, A).end(25))


def test_an_expected_break_that_did_not_come():
    log = green().write(1, A).expect_break(CHECK)
    assert log.finding(CHECK).verdict is Verdict.FAIL


@pytest.mark.parametrize("lun", ["scratch"])
def test_a_disk_without_a_file_system_of_a_service_may_have_many_writers(lun):
    fine(both().write(5, A, lun=lun).write(6, B, lun=lun).write(7, A, lun=lun))
