"""The picture: well-formed whatever the log says, true to it, and readable."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from fenceline.judge.outages import PHASES
from fenceline.model.verdict import Finding, Judgement, Phase, Verdict
from fenceline.reports import lanes, palette, timeline
from fenceline.reports.frame import LEFT, RIGHT_EDGE, WIDTH, Frame
from fenceline.reports.svg import clean, fit, text_width, wrap
from fenceline.reports.timeline import timeline_png, timeline_svg
from tests.reports import sample
from tests.reports.sample import SECOND, at, event

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> & \" ' \x00 \x1b[31m \ud800"


def picture(events=None, judgement=None) -> ElementTree.Element:
    events = sample.heartbeat_cut() if events is None else events
    return ElementTree.fromstring(timeline_svg(events, sample.web_iscsi(), judgement or sample.passed()))


def texts(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def tips(root: ElementTree.Element, tag: str = "rect") -> list[str]:
    return [node.findtext(f"{SVG}title") or "" for node in root.iter(f"{SVG}{tag}")
            if node.find(f"{SVG}title") is not None]


def boxes(root: ElementTree.Element) -> list[tuple[str, float, float, float, float]]:
    """Every text as (text, left, right, top, bottom)."""
    found = []
    for node in root.iter(f"{SVG}text"):
        size, x, base = float(node.get("font-size")), float(node.get("x")), float(node.get("y"))
        width = text_width(node.text or "", size, node.get("font-weight") == "bold")
        left = x - {"end": width, "middle": width / 2}.get(node.get("text-anchor"), 0.0)
        found.append((node.text or "", left, left + width, base - size * 0.75, base + size * 0.2))
    return found


def collisions(root: ElementTree.Element) -> list[tuple[str, str]]:
    found = boxes(root)
    return [(one[0], other[0]) for index, one in enumerate(found) for other in found[index + 1:]
            if one[1] < other[2] and other[1] < one[2] and one[3] < other[4] and other[3] < one[4]]


def busy() -> tuple[list, Judgement]:
    """A chaos campaign: many faults, outages, fencings and broken promises at the same places."""
    events, outages = sample.heartbeat_cut(), []
    for number in range(20):
        t = 20 + number * 2.3
        events += [event(t, "fault.begin", id=f"c{number}", fault="packet loss 30 %", targets=["rs-01", "rs-02"]),
                   event(t, "fault.injected", id=f"c{number}"),
                   event(t + 0.3, "bmc.request", "rs-02", action="off"),
                   event(t + 0.5, "bmc.done", "rs-02", action="off", ok=number % 2 == 0, error="timeout")]
        if number % 3:
            events.append(event(t + 4, "fault.healed", id=f"c{number}"))
        outages.append(replace(sample.web_outage(), start_ns=at(t), end_ns=at(t + 1), seconds=1.0,
                               phases=tuple(Phase(name, 0.2, 0.01) for name in "abcde")))
    findings = tuple(Finding(f"check {number}", Verdict.FAIL, "x", at(50 + number * 0.2)) for number in range(12))
    return events, Judgement(Verdict.FAIL, findings, tuple(outages))


def test_title_verdict_and_failover_time_are_in_words():
    shown = texts(picture())
    assert "Heartbeat cut triggers fence then relocate" in shown
    assert "PASS" in shown
    assert "web was away for 19.20 s ± 0.02 s (rs-01 → rs-02)" in shown
    assert "Heartbeat loss · topology web-iscsi · seed 42" in shown


def test_the_phases_are_drawn_and_their_sum_is_written():
    root = picture()
    assert {"detect 1.20 +", "fence 7.30 +", "first reply 1.80", "= 19.20 s ± 0.02 s"} <= set(texts(root))
    phase = re.compile(r"(detect|quorum|fence|storage|vip|service|first reply) \d")
    widths = [float(node.get("width")) for node in root.iter(f"{SVG}rect")
              if phase.match(node.findtext(f"{SVG}title") or "")]
    whole = next(float(node.get("width")) for node in root.iter(f"{SVG}rect")
                 if (node.findtext(f"{SVG}title") or "").startswith("web was away"))
    assert sum(widths) == pytest.approx(whole, abs=0.5)


def test_phases_that_do_not_add_up_are_not_written_as_a_sum():
    outage = sample.web_outage()
    wrong = replace(outage, phases=(*outage.phases[:-1], Phase("first reply", 4.0, 0.05)))
    shown = texts(picture(judgement=Judgement(Verdict.PASS, (), (wrong,))))
    assert "≠ 19.20 s ± 0.02 s" in shown and "= 19.20 s ± 0.02 s" not in shown


def test_every_lane_of_every_member_is_there_and_the_storage_host_is_not():
    shown = texts(picture())
    assert shown.count("power") == shown.count("mount /srv/www") == shown.count("port 80") == 2
    assert shown.count(f"VIP {sample.VIP}") == 2 and "san-01" not in shown


def test_a_storage_host_that_something_happened_to_is_shown():
    shown = texts(picture([*sample.heartbeat_cut(), event(40, "power.paused", "san-01")]))
    assert "san-01" in shown and shown.count("power") == 3 and shown.count("mount /srv/www") == 2


def test_states_are_true_to_the_log():
    found = tips(picture())
    assert "power: off (fence), 45.60 s to 46.50 s" in found
    assert "mount /srv/www: yes, 18.40 s to 45.60 s" not in found
    assert "mount /srv/www: yes, 16.00 s to 45.60 s" in found  # the power cut ended it, no agent said so
    assert "mount /srv/www: yes, 50.20 s to 80.00 s" in found
    assert "quorum, members: no quorum, 35.90 s to 36.60 s" in found
    assert "cables: heartbeat cut, 34.00 s to 63.00 s" in found
    assert "heartbeat cut rs-01: 34.0 s to 63.0 s" in found


def test_the_agents_restart_voids_what_was_known():
    log = [event(0, "mount", "rs-01", mountpoint="/srv/www", mounted=True), event(5, "agent.start", "rs-01")]
    assert lanes.guest_spans(log, "rs-01", "mount", "mountpoint", "/srv/www", at(9)) == [
        lanes.Span(at(0), at(5), "yes")]


def test_writes_near_each_other_are_one_bar_and_every_disk_has_a_lane():
    log = [event(1, "write", "rs-01", lun="www", count=1), event(1.4, "write", "rs-01", lun="www", count=20),
           event(3, "write", "rs-01", lun="www", count=2), event(2, "write", "rs-02", lun="www", count=9),
           event(2, "write", "rs-01", lun="db", count=9)]
    spans = lanes.write_spans(log, "rs-01", "www")
    assert [(span.start_ns, span.end_ns, span.label) for span in spans] == [
        (at(1) - 2_000_000, at(1.4), "21"), (at(3) - 2_000_000, at(3), "2")]
    root = picture(sample.heartbeat_cut() + [event(30 + number / 4, "write", "rs-01", lun="www", count=3)
                                             for number in range(20)])
    assert texts(root).count("writes www") == 2 and any("writes www: 60," in tip for tip in tips(root))
    assert "writes www" not in texts(picture())


def test_replicas_have_a_lane_where_there_are_some():
    log = [event(1, "drbd.role", "rs-01", resource="r0", role="Secondary"),
           event(1, "drbd.disk", "rs-01", resource="r0", disk="UpToDate", peer_disk="UpToDate", replication="Off"),
           event(2, "drbd.role", "rs-01", resource="r0", role="Primary"),
           event(3, "drbd.connection", "rs-01", resource="r0", connection="Connecting", peer_role="Unknown"),
           event(4, "drbd.role", "rs-01", resource="r0", role="Secondary"),
           event(5, "drbd.disk", "rs-01", resource="r0", disk="Outdated", peer_disk="UpToDate", replication="Off"),
           event(5, "drbd.role", "rs-01", resource="r1", role="Primary"),
           event(6, "drbd.role", "rs-01", resource="r0", role="Unconfigured")]
    assert [(span.start_ns, span.state, span.label) for span in lanes.drbd_spans(log, "rs-01", "r0", at(9))] == [
        (at(1), "secondary", "secondary"), (at(2), "primary", "primary"), (at(3), "primary", "primary, Connecting"),
        (at(4), "secondary", "secondary, Connecting"), (at(5), "behind", "secondary, Outdated, Connecting")]
    assert texts(picture(sample.heartbeat_cut() + log)).count("DRBD r0") == 2
    assert "DRBD r0" not in texts(picture())


def test_a_ledgers_acknowledgements_are_shown():
    log = sample.heartbeat_cut() + [
        event(30 + number / 10, "append", "rs-01", service="web", id=number, ok=number < 40) for number in range(60)]
    root = picture(log)
    assert {"record acked", "not acked"} <= set(texts(root))
    assert {"record acked: 40", "not acked: 20"} <= set(tips(root, "path"))
    assert "record acked" not in texts(picture())


def test_a_pause_is_neither_on_nor_off():
    log = [event(0, "power.on", "n"), event(2, "power.paused", "n"), event(3, "power.resumed", "n")]
    assert [(span.state, span.start_ns, span.end_ns) for span in lanes.power_spans(log, "n", at(5))] == [
        ("on", at(0), at(2)), ("paused", at(2), at(3)), ("on", at(3), at(5))]


def test_silence_of_the_client_is_not_drawn_as_an_answer():
    log = [event(t, "reply", service="web", ok=True, sent_ns=at(t), sender="a") for t in (0, 0.5, 5, 5.5)]
    assert [(span.start_ns, span.end_ns) for span in lanes.answering_spans(log, "web", at(9))] == [
        (at(0), at(0.5)), (at(5), at(5.5))]


def test_without_an_agents_word_the_wire_tells_the_owner_of_the_vip():
    log = [entry for entry in sample.heartbeat_cut() if entry.kind != "address"]
    assert f"VIP {sample.VIP}: yes, 18.45 s to 52.65 s" in tips(picture(log))
    assert not [tip for tip in tips(picture()) if "18.45 s" in tip]


def test_fencing_marks_name_what_was_done_and_status_requests_are_left_out():
    root = picture()
    assert {"off done 45.62 s", "on done 46.50 s"} <= set(texts(root))
    assert not [tip for tip in tips(root, "path") if "status" in tip]
    log = [*sample.heartbeat_cut(), event(40, "bmc.done", "rs-02", action="off", ok=False, error="timeout")]
    assert "off FAILED 40.00 s" in texts(picture(log))


def test_fault_bands_lie_behind_everything_and_merge():
    events, judgement = busy()
    svg = timeline_svg(events, sample.web_iscsi(), judgement)
    assert svg.index('fill="url(#fault)"') < svg.index("<text")
    root = ElementTree.fromstring(timeline_svg(sample.heartbeat_cut() + [
        event(40, "fault.injected", id="f2")], sample.web_iscsi(), sample.passed()))
    bands = [node for node in root.iter(f"{SVG}rect")
             if node.get("fill") == "url(#fault)" and node.get("height") != "10"]  # 10: the legend's
    assert len(bands) == 1  # one is in the other
    frame = Frame(lanes.window_of(lanes.in_order(sample.heartbeat_cut()), sample.passed()))
    assert float(bands[0].get("x")) == pytest.approx(frame.x(at(34)), abs=0.1)
    assert float(bands[0].get("x")) + float(bands[0].get("width")) == pytest.approx(RIGHT_EDGE, abs=0.2)


def test_faults_that_did_not_take_effect_or_were_not_healed_say_so():
    log = [event(0, "power.on", "rs-01"), event(1, "fault.begin", id=1, fault="pause", targets=["rs-01"]),
           event(1, "fault.injected", id=1), event(2, "fault.unconfirmed", id=1, reason="x"), event(9, "scenario.end")]
    assert "pause rs-01 NOT CONFIRMED · 1.0 s to the end" in texts(picture(log))


def test_a_long_log_is_cut_and_says_so():
    root = picture()
    assert any(text.startswith("Shown: 29.0 s to 68.0 s of a log of 80.0 s") for text in texts(root))
    window = lanes.window_of(lanes.in_order(sample.heartbeat_cut()), sample.passed())
    assert (window.seconds(window.start_ns), window.seconds(window.end_ns)) == (pytest.approx(28.98), 68.0)


def test_a_short_log_a_log_without_faults_and_one_with_an_endless_outage_are_not_cut_short():
    short = [event(0, "power.on", "rs-01"), event(12, "fault.injected", id=1), event(29, "scenario.end")]
    assert not lanes.window_of(short, Judgement(Verdict.PASS)).is_cut
    calm = [event(0, "power.on", "rs-01"), event(300, "scenario.end")]
    assert not lanes.window_of(calm, Judgement(Verdict.PASS)).is_cut
    endless = replace(sample.web_outage(), end_ns=None)
    window = lanes.window_of(lanes.in_order(sample.heartbeat_cut()), Judgement(Verdict.FAIL, (), (endless,)))
    assert window.end_ns == at(80)
    shown = texts(picture(judgement=Judgement(Verdict.FAIL, (), (endless,))))
    assert "= 19.20 s ± 0.02 s so far" in shown
    assert "web did not come back: away for at least 19.20 s (rs-01 → rs-02)" in shown


def test_a_broken_promise_is_never_cut_off_and_is_flagged():
    late = Judgement(Verdict.FAIL, (Finding("single mount", Verdict.FAIL, "two", at(79)),))
    assert lanes.window_of(lanes.in_order(sample.heartbeat_cut()), late).end_ns == at(80)
    assert "FAIL: single mount" in texts(picture(judgement=late))
    assert "FAIL: single mount" not in texts(picture())


def test_a_promise_that_broke_as_expected_is_flagged_too():
    expected = Finding("single mount", Verdict.PASS, "broken as expected: twice", at(50))
    root = picture(judgement=Judgement(Verdict.PASS, (expected, Finding("steps", Verdict.PASS, "all", at(50)))))
    assert "broken: single mount" in texts(root) and not any("steps" in text for text in texts(root))


@pytest.mark.parametrize("topology", [None, "web-iscsi"])
@pytest.mark.parametrize("events", [[], [event(3, "tick", "rs-01")], [event(3, "reply", service="web", ok=True)]])
def test_next_to_nothing_in_the_log_still_gives_a_picture(events, topology):
    judgement = Judgement(Verdict.BROKEN, (Finding("harness", Verdict.BROKEN, "no host"),))
    root = ElementTree.fromstring(timeline_svg(events, topology and sample.web_iscsi(), judgement))
    assert ("The event log is empty." in texts(root)) is (not events)
    assert "BROKEN: harness: no host" in texts(root)


def test_no_outage_is_only_said_where_a_client_was_there():
    assert "no outage was seen by the client" in texts(picture(judgement=Judgement(Verdict.PASS)))
    assert "no client asked: outages are not known" in texts(picture([], judgement=Judgement(Verdict.PASS)))


def test_text_is_escaped_everywhere():
    log = [event(0, "scenario.begin", name=NASTY, feature=NASTY, seed=NASTY),
           event(1, "fault.begin", id=1, fault=NASTY, targets=[NASTY]), event(1, "fault.injected", id=1),
           event(1, "power.off", "rs-01", why=NASTY), event(2, "link.down", "rs-01", network=NASTY),
           event(3, "quorum", "rs-02", quorate=True, members=[NASTY]),
           event(3, "bmc.done", "rs-01", action=NASTY, ok=False, error=NASTY),
           event(3, "reply", service=NASTY, ok=True, sender=NASTY, sent_ns=at(2)),
           event(4, "reply", service=NASTY, ok=True, sender=NASTY, sent_ns=at(2))]
    outage = replace(sample.web_outage(), service=NASTY, start_ns=at(1), end_ns=at(4), owner_before=NASTY,
                     phases=(Phase(NASTY, 19.2, 0.1),))
    judgement = Judgement(Verdict.FAIL, (Finding(NASTY, Verdict.FAIL, NASTY, at(2)),), (outage,))
    svg = timeline_svg(log, sample.web_iscsi(), judgement)
    root = ElementTree.fromstring(svg)  # well-formed
    svg.encode()  # and can be written
    assert "<script" not in svg and not list(root.iter("script")) and not list(root.iter(f"{SVG}script"))


def test_an_overlong_name_is_cut_before_the_verdict():
    log = [event(0, "scenario.begin", name="a very long name " * 40)]
    found = boxes(picture(log))
    title = next(box for box in found if box[0].startswith("a very long"))
    badge = next(box for box in found if box[0] == "PASS")
    assert title[0].endswith("…") and title[2] < badge[1]


@pytest.mark.parametrize("make", [lambda: (sample.heartbeat_cut(), sample.passed()),
                                  lambda: (sample.heartbeat_cut(), sample.failed()), busy,
                                  lambda: ([], Judgement(Verdict.PASS))])
def test_no_label_overlaps_another_or_leaves_the_picture(make):
    events, judgement = make()
    root = picture(events, judgement=judgement)
    assert collisions(root) == []
    height = float(root.get("height"))
    assert [box for box in boxes(root) if box[1] < 0 or box[2] > WIDTH or box[3] < 0 or box[4] > height] == []


def test_the_picture_of_a_long_run_stays_small():
    log = [event(index * 0.02, "reply", service="web", ok=index % 3 > 0, sent_ns=at(index * 0.02 - 0.001),
                 sender="rs-01") for index in range(100_000)]
    size = len(timeline_svg(log, sample.web_iscsi(), Judgement(Verdict.PASS)))
    assert size < 300_000


def test_too_many_faults_are_counted_rather_than_piled_up():
    log = [event(0, "power.on", "rs-01"), *(event(1, "fault.injected", id=f"f{number}") for number in range(15))]
    assert f"and {15 - timeline.MAX_FAULT_ROWS} more faults, as bands only" in texts(picture(log))


def lightness(colour: str) -> float:
    red, green, blue = (int(colour[index:index + 2], 16) / 255 for index in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_neighbouring_phases_differ_in_grey():
    fills = [lightness(palette.PHASES[name][0]) for name in PHASES]
    assert abs(fills[-2] - lightness(palette.PHASES["no reply"][0])) > 0.3
    assert all(abs(one - other) > 0.3 for one, other in zip(fills, fills[1:], strict=False))


def test_states_of_one_lane_differ_in_grey_or_in_pattern():
    for group in {group for group, _ in palette.STATES}:
        fills = [fill for (of, _), (fill, _, _) in palette.STATES.items() if of == group]
        plain = [lightness(fill) for fill in fills if not fill.startswith("url")]
        assert len(set(fills)) == len(fills)
        assert all(abs(one - other) > 0.3 for index, one in enumerate(plain) for other in plain[index + 1:])


def test_ticks_of_the_axis_are_round_and_not_too_near():
    for span_s in (0.003, 1, 7, 39, 100, 5000):
        frame = Frame(lanes.Window(0, 0, int(span_s * SECOND), int(span_s * SECOND)))
        step = frame.tick_seconds()
        assert (RIGHT_EDGE - LEFT) * step / span_s >= 60
        assert f"{step:e}"[0] in "125" and step <= span_s


def test_fit_and_wrap_never_exceed_their_width():
    for text in ("W" * 50, "漢字" * 30, "a b " * 50, "x"):
        assert text_width(fit(text, 100, 11), 11) <= 100
        lines = wrap(text, 100, 11, 2)
        assert len(lines) <= 2 and all(text_width(line, 11) <= 100 for line in lines)
    assert fit("short", 100, 11) == "short" and wrap("one two", 500, 11, 2) == ["one two"]
    assert clean("a\n b\x00") == "a b\ufffd"


def test_png_where_there_is_a_converter(monkeypatch):
    pytest.importorskip("resvg_py")
    png = timeline_png(timeline_svg(sample.heartbeat_cut(), sample.web_iscsi(), sample.passed()))
    if png is None:
        pytest.skip("this host has no fonts")
    assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") == WIDTH * timeline.PNG_ZOOM
    monkeypatch.setattr(timeline, "_can_write_text", lambda: False)
    assert timeline_png("<svg/>") is None  # a picture without its text would mislead


def test_no_png_without_a_converter(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert timeline_png("<svg/>") is None
