"""The verdict: precedence, expectations, files, and one green run that every mutation turns red."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from fenceline.judge import PROMISES, judge, judge_folder, judgement_to_json, load_run
from fenceline.model.load import dump_topology
from fenceline.model.verdict import Judgement, Verdict
from tests.judge.logs import A, B, Log, green, ns, topology

PASS, FAIL, UNKNOWN, INVALID, BROKEN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.INVALID, Verdict.BROKEN


def judged(log: Log) -> Judgement:
    return judge(log.events, log.topology)


def verdicts(judgement: Judgement) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in judgement.findings}


def without(log: Log, *kinds: str, node: str | None = None) -> Log:
    log.events = [event for event in log.events
                  if event.kind not in kinds or (node is not None and event.node != node)]
    return log


def changed(log: Log, kind: str, node: str | None, t: float, /, **change) -> Log:
    """The event of ``kind`` at ``t`` with fields (or data, by ``data``) replaced."""
    found = [event for event in log.events if event.kind == kind and event.node == node and event.t_ns == ns(t)]
    assert len(found) == 1, (kind, node, t, found)
    log.events[log.events.index(found[0])] = replace(found[0], **change)
    return log


def no_replies(log: Log, begin: float, end: float) -> Log:
    log.events = [event for event in log.events if event.kind != "reply"
                  or not ns(begin) <= event.data["sent_ns"] < ns(end)]
    return log


def failing(log: Log, begin: float) -> Log:
    """As if no request from ``begin`` on had been answered well."""
    log.events = [replace(event, data=event.data | {"ok": False, "from": None})
                  if event.kind == "reply" and event.data["sent_ns"] >= ns(begin) else event for event in log.events]
    return log


def test_the_green_run_is_green():
    judgement = judged(green())
    assert judgement.verdict is PASS, judgement.reason
    assert judgement.reason == "every promise was kept"
    assert set(verdicts(judgement)) == {"evidence", *PROMISES, "steps"}
    assert set(verdicts(judgement).values()) == {PASS}


def in_place_of(log: Log, new: str, old: str) -> Log:
    """What ``new`` took over, ``old`` got again when it was back."""
    for kind in ("mount", "address", "listen"):
        log = without(log, kind, node=new)
    return log.mount(17, old).vip(18, old).listen(19, old)


MUTATIONS: list[tuple[str, Callable[[Log], Log], str, Verdict]] = [
    ("the power cut never came", lambda log: without(log, "power.off"), "fence before takeover", FAIL),
    ("it came after the takeover", lambda log: changed(log, "power.off", A, 7.1, t_ns=ns(9.2)),
     "fence before takeover", FAIL),
    ("mounted before the fence", lambda log: changed(log, "mount", B, 9.0, t_ns=ns(7.0)), "single mount", FAIL),
    ("address before the fence", lambda log: changed(log, "address", B, 9.5, t_ns=ns(7.0)), "single VIP owner", FAIL),
    ("the old owner mounts again", lambda log: log.mount(16, A), "single mount", FAIL),
    ("the old owner takes the address again", lambda log: log.vip(16, A), "single VIP owner", FAIL),
    ("the old owner answers ARP again", lambda log: log.arp(16.5, A), "single VIP owner", FAIL),
    ("a stranger answers ARP", lambda log: log.arp(16.5, None), "single VIP owner", FAIL),
    ("paused instead of off", lambda log: changed(log, "power.off", A, 7.1, kind="power.paused", data={}),
     "fence before takeover", FAIL),
    ("a BMC lies", lambda log: log.bmc(18, B, "off"), "fence before takeover", FAIL),
    ("the survivor had no quorum", lambda log: changed(log, "quorum", B, 6.2, data={"quorate": False, "members": [B]}),
     "no service without quorum", FAIL),
    ("the returning node starts the daemon too early", lambda log: log.listen(14, A).listen(14.5, A, False),
     "no service without quorum", FAIL),
    ("there was no fault", lambda log: without(log, "fault.begin", "fault.injected", "fault.confirmed",
                                               "fault.healed"), "healthy cluster fences nobody", FAIL),
    ("the fence came before the fault", lambda log: changed(log, "bmc.request", A, 7.0, t_ns=ns(4.5)),
     "healthy cluster fences nobody", FAIL),
    ("the survivor is fenced, too", lambda log: log.bmc(24.2, B).off(24.3, B), "one fault, one fencing", FAIL),
    ("who was fenced is fenced once more", lambda log: log.bmc(24.2, A).off(24.3, A), "one fault, one fencing", FAIL),
    ("a harmless fault, and somebody is fenced", lambda log: changed(log, "fault.begin", None, 5, data={
        "id": 1, "fault": "config-change", "targets": [], "params": {}, "cost": {}}), "fenced only for cause", FAIL),
    ("the service is restarted for nothing", lambda log: log.listen(20, B, False).listen(22, B),
     "moved only for cause", FAIL),
    ("the node that was lost had it again", lambda log: in_place_of(log, B, A), "standby takes over", FAIL),
    ("the service did not come back", lambda log: failing(log, 10.2), "liveness at the end", FAIL),
    ("it came back too late", lambda log: failing(log, 7.1).good(18, 25, B), "liveness at the end", FAIL),
    ("a step failed", lambda log: log.add(21, "scenario", None, "step", text="the VIP stays", status="failed",
                                          error="it moved", seconds=1), "steps", FAIL),
    ("a step was too late to tell", lambda log: log.add(21, "scenario", None, "step", text="it rejoins", error="so now",
                                                        status="undecided", seconds=1), "steps", UNKNOWN),
    ("an expected break did not come", lambda log: log.expect_break("single mount"), "single mount", FAIL),
    ("the mount was told very late", lambda log: changed(log, "mount", B, 9.0, late_ns=3_000_000_000),
     "single mount", UNKNOWN),
    ("nobody watched the end", lambda log: no_replies(log, 21, 25), "liveness at the end", UNKNOWN),
    ("never ready", lambda log: without(log, "ready"), "evidence", INVALID),
    ("the fault was not confirmed", lambda log: without(log, "fault.confirmed"), "evidence", INVALID),
    ("nobody asked", lambda log: without(log, "reply"), "evidence", INVALID),
    ("an agent was never heard", lambda log: without(log, *(
        "tick", "mount", "address", "listen", "quorum", "agent.start"), node=B), "evidence", INVALID),
    ("the harness broke", lambda log: log.add(30, "scenario", None, "broken", reason="x"), "evidence", BROKEN),
    ("the client stalled", lambda log: no_replies(log, 18, 20), "evidence", BROKEN),
]


@pytest.mark.parametrize(("what", "mutate", "check", "verdict"), MUTATIONS, ids=[item[0] for item in MUTATIONS])
def test_every_mutation_of_the_green_run_is_found(what, mutate, check, verdict):
    judgement = judged(mutate(green()))
    assert verdicts(judgement)[check] is verdict, [f for f in judgement.findings if f.verdict is not PASS]
    assert judgement.verdict is not PASS
    if verdict is not UNKNOWN:
        assert judgement.verdict is verdict, judgement.reason


def broken(log: Log) -> Log:
    return log.add(30, "scenario", None, "broken", reason="the disk is full")


def invalid(log: Log) -> Log:
    return without(log, "fault.confirmed")


def violated(log: Log) -> Log:
    return log.mount(16, A)


def step(log: Log) -> Log:
    return log.add(21, "scenario", None, "step", text="x", status="failed", error="y", seconds=1)


def unknown(log: Log) -> Log:
    return changed(log, "mount", B, 9.0, late_ns=3_000_000_000)


@pytest.mark.parametrize(("mutations", "verdict", "reason"), [
    ((), PASS, "every promise"),
    ((unknown,), UNKNOWN, "single mount"),
    ((unknown, step), FAIL, "steps"),
    ((unknown, invalid), INVALID, "evidence"),
    ((invalid, step), INVALID, "evidence"),
    ((broken, step), BROKEN, "evidence"),
    ((broken, invalid), BROKEN, "the disk is full"),
    ((violated,), FAIL, "single mount"),
    ((violated, step), FAIL, "single mount"),
    ((violated, unknown), FAIL, "single mount"),
    ((violated, invalid), FAIL, "single mount"),
    ((violated, broken, invalid), FAIL, "single mount"),
])
def test_precedence(mutations, verdict, reason):
    log = green()
    for mutate in mutations:
        log = mutate(log)
    judgement = judged(log)
    assert judgement.verdict is verdict
    assert reason in judgement.reason


@pytest.mark.parametrize("check", list(PROMISES))
def test_a_break_that_is_expected_and_does_not_come_fails(check):
    judgement = judged(green().expect_break(check))
    assert judgement.verdict is FAIL
    assert judgement.reason.startswith(f"{check}: expected to break and did not")


def test_a_break_that_is_expected_and_comes_passes():
    log = violated(green())
    for name in ("single mount", "fence before takeover"):
        log.expect_break(name)
    judgement = judged(log)
    assert judgement.verdict is PASS, judgement.reason
    mount = next(finding for finding in judgement.findings if finding.check == "single mount")
    assert mount.reason.startswith("broken as expected: /srv/www was mounted on two nodes")
    assert mount.evidence


def test_an_undecided_expected_break_stays_undecided():
    assert verdicts(judged(unknown(green()).expect_break("single mount")))["single mount"] is UNKNOWN


def test_an_expected_break_that_did_not_come_proves_nothing_in_an_invalid_run():
    assert judged(invalid(green()).expect_break("single mount")).verdict is INVALID


def test_the_failed_step_is_quoted():
    judgement = judged(step(green()))
    assert judgement.reason == 'steps: "x" failed at 21.000 s: y'


def test_an_empty_log_is_broken():
    judgement = judge([], topology())
    assert judgement.verdict is BROKEN
    assert judgement_to_json(judgement)


def test_a_log_without_an_end_is_broken_but_hides_no_violation():
    """Its harness was killed, or its disk was full: what would have come is not known."""
    log = green()
    log.events = [event for event in log.events if event.kind != "scenario.end"]
    assert judged(log).verdict is BROKEN and "the log has no end" in judged(log).reason
    assert judged(log.mount(20, A)).verdict is FAIL


def test_the_figures():
    figures = judged(green()).figures
    assert (figures["requests"], figures["requests_failed"], figures["outages"]) == (1150, 155, 1)
    assert figures["longest_outage_s"] == pytest.approx(3.12)
    assert figures["fenced"] == [{"node": A, "at_s": 7.1}]
    assert figures["faults"] == [{"id": "1", "fault": "network-cut", "targets": [A], "begin_s": 5.0,
                                  "confirmed_s": 5.4, "healed_s": 12.0}]


# --- saved runs -----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    def save(log: Log, tail: str = ""):
        (tmp_path / "topology.yaml").write_text(dump_topology(log.topology))
        (tmp_path / "events.jsonl").write_text("".join(event.to_json() + "\n" for event in log.events) + tail)
        return tmp_path
    return save


def test_a_saved_run_is_judged_to_the_same_bytes(saved):
    log = violated(green())
    first = judgement_to_json(judged(log))
    folder = saved(log)
    assert judgement_to_json(judge_folder(folder)) == first
    assert judgement_to_json(judge_folder(str(folder))) == first
    assert json.loads(first)["verdict"] == "FAIL"


def test_the_order_of_arrival_does_not_change_the_verdict():
    shuffled = green()
    random.Random(7).shuffle(shuffled.events)
    # equal stamps keep their order of arrival, which is all that may differ
    assert judged(shuffled).verdict is PASS


def test_a_half_written_last_line_is_left_out(saved):
    log = green()
    half = log.events[-1].to_json()[:40]
    assert load_run(saved(log, half))[0] == log.events
    assert load_run(saved(log, "\xff"[:1]))[0] == log.events


def test_a_whole_last_line_without_a_newline_is_read(saved):
    log = green()
    extra = log.events[0].to_json()
    assert len(load_run(saved(log, extra))[0]) == len(log.events) + 1


def test_a_bad_line_in_the_middle_is_an_error(saved):
    folder = saved(green())
    path = folder / "events.jsonl"
    path.write_text("{oops\n" + path.read_text())
    with pytest.raises(ValueError, match=r"events\.jsonl:1: "):
        load_run(folder)


def test_a_run_of_a_hundred_thousand_events_is_quick():
    log = green()
    about = log.events[:]
    for second in range(1, 80):  # the green run's clients and ticks again and again
        log.events += [replace(event, t_ns=event.t_ns + second * 25_000_000_000,
                               data=event.data | {"sent_ns": event.data["sent_ns"] + second * 25_000_000_000})
                       for event in about if event.kind == "reply"]
    log.events = [event for event in log.events if event.kind != "scenario.end"]
    assert len(log.events) > 99_000
    begun = time.process_time()
    judged(log)
    assert time.process_time() - begun < 20  # 1 s on the machine where it was written
