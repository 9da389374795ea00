"""A log that leaves out what is repeated: small while nothing happens, and to the judge as good as the full one."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from fenceline.judge import build_history, judge, outages
from fenceline.model.event import Event
from fenceline.observe.log import EventLog
from fenceline.observe.thin_log import APART_NS, AROUND_NS, ThinLog
from tests.judge import logs

MS = 1_000_000
QUIET_S = 60


def steady(first_s: float, last_s: float, node: str = logs.A, ok: bool = True, every_ms: int = 8) -> list[Event]:
    """Replies (and a tick of every node 4 times a second) from ``first_s`` to ``last_s`` of the log."""
    found = []
    for at in range(logs.ns(first_s), logs.ns(last_s), every_ms * MS):
        found.append(Event(at, "client", node if ok else None, "reply", {
            "service": "web", "ok": ok, "sent_ns": at - (3 if ok else 900) * MS, "from": node if ok else None,
            "status": 200 if ok else None, "error": None if ok else "no connection"}, MS))
    for name in (logs.A, logs.B):
        found += [Event(at, "guest", name, "tick", {}) for at in range(logs.ns(first_s), logs.ns(last_s), 250 * MS)]
    return found


def failover(at_s: float, length_s: float) -> list[Event]:
    """The node that serves loses its power and the other one takes over."""
    log = logs.Log()
    log.add(at_s, "machine", logs.A, "power.off", why="fence")
    log.mount(at_s + length_s * 0.5, logs.B)
    log.add(at_s + length_s * 0.7, "guest", logs.B, "address", 0.02, ip=logs.VIP, present=True)
    return [*log.events, *steady(at_s + 0.9, at_s + length_s, ok=False, every_ms=4)]


def night() -> list[Event]:
    """A minute of quiet, a failover of 3 s, two minutes of quiet on the other node, a blip of 40 ms, quiet again."""
    log = logs.Log()
    log.add(0, "scenario", None, "scenario.begin", name="a test")
    log.mount(0.1, logs.A)
    log.add(0.1, "guest", logs.A, "address", 0.02, ip=logs.VIP, present=True)
    log.add(0.2, "scenario", None, "ready", service="web")
    events = [*log.events, *steady(0.3, 60), *failover(60, 3), *steady(63, 183, logs.B),
              *steady(183.0, 183.04, ok=False), *steady(183.05, 300, logs.B)]
    events.append(Event(logs.ns(300), "scenario", None, "scenario.end", {}))
    return sorted(events, key=lambda event: event.t_ns)


def thinned(events) -> ThinLog:
    log = ThinLog()
    for event in events:
        log.emit(event)
    return log


def test_what_is_repeated_far_from_anything_is_left_out():
    full = night()
    log = thinned(full)
    kept = log.seal()
    assert len(kept) < len(full) / 5
    assert len(kept) + log.left_out + len(log._held) == len(full)
    quiet = [event for event in kept if logs.ns(100) < event.t_ns < logs.ns(160) and event.kind == "reply"]
    assert len(quiet) == pytest.approx(60 * 1e9 / APART_NS, abs=8)


def test_to_the_judge_it_is_as_good_as_the_full_one():
    full = night()
    kept = thinned(full).seal()
    topology = logs.topology()
    wanted, found = outages(build_history(full, topology)), outages(build_history(kept, topology))
    assert wanted and found == wanted  # to the nanosecond, with their phases and bounds
    verdicts = [{finding.check: (finding.verdict, finding.at_ns) for finding in judge(events, topology).findings}
                for events in (full, kept)]
    assert verdicts[0] == verdicts[1]


def test_everything_around_what_happens_is_there():
    full = night()
    kept = set(map(id, thinned(full).seal()))
    for at in (logs.ns(60), logs.ns(183)):
        near = [event for event in full if at - AROUND_NS <= event.t_ns <= at + AROUND_NS]
        assert near and all(id(event) in kept for event in near)


def test_an_outage_without_end_is_not_written_again_and_again():
    log = thinned([*steady(0, 20), *steady(20, 600, ok=False, every_ms=4)])
    assert len([event for event in log.seal() if event.kind == "reply"]) < 600 * 2 + 12 * 1000 / 4 + 12 * 1000 / 8


def test_a_slow_answer_and_a_pause_are_news():
    events = steady(0, 30)
    slow = Event(logs.ns(30.3), "client", logs.A, "reply", {
        "service": "web", "ok": True, "sent_ns": logs.ns(29.0), "from": logs.A, "status": 200, "error": None})
    kept = thinned(sorted([*events, slow, *steady(30.6, 60)], key=lambda event: event.t_ns)).seal()
    assert slow in kept
    assert len([event for event in kept if logs.ns(25) < event.t_ns < logs.ns(30)]) >= 5 * 120


def test_another_node_that_answers_or_writes_is_news():
    own = [Event(logs.ns(at / 50), "storage", logs.A, "write", {"lun": "www"}) for at in range(50 * QUIET_S)]
    other = Event(logs.ns(QUIET_S), "storage", logs.B, "write", {"lun": "www"})
    kept = thinned([*own, other]).seal()
    assert other in kept and own[-1] in kept and len(kept) < len(own) / 2


@pytest.mark.parametrize("kind", ["reply", "reply.routed"])
def test_the_answers_of_both_clients_are_thinned(kind):
    events = [replace(event, kind=kind) for event in steady(0, QUIET_S) if event.kind == "reply"]
    assert len(thinned(events).seal()) < len(events) / 5


def test_an_unknown_kind_is_never_left_out():
    events = [Event(logs.ns(at / 50), "guest", logs.A, "new.kind", {}) for at in range(5000)]
    assert thinned(events).seal() == events


def test_who_waits_gets_every_event():
    log = ThinLog()
    for event in steady(0, 30):
        log.emit(event)
    last = log.events()[-1]
    got = []
    waiting = threading.Event()

    def predicate(event: Event) -> bool:
        waiting.set()
        got.append(event)
        return event.kind == "stop"
    thread = threading.Thread(target=lambda: log.wait_for(predicate, 20, "the end", last.t_ns))
    thread.start()
    assert waiting.wait(10)
    more = steady(30, 35)
    for event in more:
        log.emit(event)
    log.record("scenario", None, "stop", t_ns=logs.ns(35))
    thread.join(20)
    assert {id(event) for event in more} <= {id(event) for event in got}


def test_a_wait_sees_what_was_held_back():
    log = ThinLog()
    events = steady(0, 30)
    for event in events:
        log.emit(event)
    held = next(event for event in reversed(events) if event not in log.events())
    assert log.wait_for(lambda event: event is held, 1, "it", held.t_ns)[0] is held


def test_the_file_has_what_memory_has(tmp_path):
    log = ThinLog(tmp_path / "events.jsonl")
    for event in night():
        log.emit(event)
    sealed = log.seal()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["t_ns"] for line in lines] == [event.t_ns for event in sealed]


def test_a_new_segment_begins_anew(tmp_path):
    log = thinned(steady(0, 30))
    log.switch(None)
    first = steady(30, 31)
    for event in first:
        log.emit(event)
    assert log.events() == first and isinstance(log, EventLog)


@pytest.mark.parametrize("cut", [60.5, 61.5, 63.2, 183.02])
def test_wherever_it_ends(cut):
    full = [event for event in night() if event.t_ns < logs.ns(cut)]
    full.append(Event(logs.ns(cut), "scenario", None, "scenario.end", {}))
    topology = logs.topology()
    assert outages(build_history(thinned(full).seal(), topology)) == outages(build_history(full, topology))
