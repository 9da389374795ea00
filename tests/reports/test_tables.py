"""The tables: they add up, they say the verdict first, they hold any text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fenceline.model.verdict import Finding, Judgement, Outage, Phase, Verdict
from fenceline.reports.pages import findings_html, phases_html
from fenceline.reports.tables import (
    closing_text,
    findings_table_text,
    headline,
    outages_text,
    phases_gap,
    shown_seconds,
)
from tests.reports import sample

NASTY = "<script>alert(1)</script> & \x1b[2J\nnext"


class Cells(HTMLParser):
    """The cells of all tables, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data


def outage(*seconds: float, total: float | None = None) -> Judgement:
    phases = tuple(Phase(f"phase {number}", value, 0.01) for number, value in enumerate(seconds))
    whole = sum(seconds) if total is None else total
    return Judgement(Verdict.PASS, (), (Outage("web", 0, round(whole * 1e9), whole, 0.02, phases),))


def test_the_phases_have_bounds_and_the_sum():
    rows = [row for row in Cells(phases_html(sample.passed())).rows if row]
    assert rows[0] == ["detect", "1.20", "± 0.25"] and rows[-1] == ["away", "19.20", "± 0.02"]
    assert sum(float(row[1]) for row in rows[:-1]) == pytest.approx(float(rows[-1][1]))
    text = outages_text(sample.passed())
    assert text.startswith("web was away for 19.20 s ± 0.02 s (rs-01 → rs-02)") and "fence 7.30" in text


def test_what_is_shown_adds_up_though_every_phase_is_rounded():
    judgement = outage(*[0.0049] * 7, 1.2345)
    shown = [float(row[1]) for row in Cells(phases_html(judgement)).rows if row]
    assert sum(shown[:-1]) == pytest.approx(shown[-1])
    assert all(abs(one - phase.seconds) <= 0.01 for one, phase in
               zip(shown_seconds(judgement.outages[0]), judgement.outages[0].phases, strict=True))


def test_phases_that_do_not_add_up_are_noticed():
    wrong = outage(1.0, 2.0, total=3.5)
    assert phases_gap(wrong.outages[0]) == pytest.approx(-0.5)
    assert "do not add up: they miss the outage by -0.500 s" in phases_html(wrong)
    right = outage(1.0, 2.0)
    assert "add up" not in phases_html(right)
    assert phases_gap(outage().outages[0]) == 0.0


def test_no_outage_and_an_outage_without_an_end():
    assert outages_text(Judgement(Verdict.PASS)) == "no outage was seen by the client"
    assert "no outage" in phases_html(Judgement(Verdict.PASS))
    endless = Judgement(Verdict.FAIL, (), (replace(sample.web_outage(), end_ns=None, owner_after=None),))
    assert outages_text(endless).startswith("web did not come back: away for at least 19.20 s (rs-01 → ?)")
    assert "away so far" in phases_html(endless)
    assert "so far" not in phases_html(sample.passed())


def test_the_headline_is_the_worst_outage():
    short = replace(sample.web_outage(), seconds=99.0, phases=())
    endless = replace(sample.web_outage(), end_ns=None, seconds=3.0)
    assert headline(Judgement(Verdict.FAIL, (), (short, endless))).startswith("web did not come back")
    assert headline(Judgement(Verdict.FAIL, (), (short, endless))).endswith("and 1 more outage")
    assert "not known" in headline(Judgement(Verdict.PASS), client_was_there=False)


def test_findings_begin_with_the_verdict_and_give_every_reason():
    judgement = sample.failed()
    text = findings_table_text(judgement)
    assert text.startswith("FAIL: single mount: /srv/www was mounted on rs-01 and rs-02")
    assert re.search(r"^  PASS +liveness of web +back after 19\.20 s", text, re.MULTILINE)
    cells = Cells(findings_html(judgement))
    rows = [row for row in cells.rows if row]
    assert [row[:2] for row in rows] == [[str(finding.verdict), finding.check] for finding in judgement.findings]
    assert [row[2] for row in rows] == [finding.reason for finding in judgement.findings]


def test_a_run_without_checks_says_so():
    judgement = Judgement(Verdict.BROKEN)
    assert "no check was made" in findings_table_text(judgement)
    assert "no check was made" in findings_html(judgement)


def test_hostile_text_neither_becomes_markup_nor_moves_the_cursor():
    finding = Finding(NASTY, Verdict.FAIL, NASTY)
    bad = Outage(NASTY, 0, 1, 1.0, 0.1, (Phase(NASTY, 1.0, 0.1),), NASTY, NASTY)
    judgement = Judgement(Verdict.FAIL, (finding,), (bad,))
    for html in (findings_html(judgement), phases_html(judgement)):
        assert "script" not in Cells(html).tags and "&lt;script&gt;" in html
    for text in (findings_table_text(judgement), outages_text(judgement)):
        assert "\x1b" not in text


def test_long_reasons_are_wrapped_below_each_other():
    lines = findings_table_text(Judgement(Verdict.FAIL, (Finding("c", Verdict.FAIL, "word " * 100),))).splitlines()
    assert all(len(line) <= 110 for line in lines[1:]) and len(lines) > 4


def test_a_line_an_outage_names_the_phases_that_took_time_and_counts_what_it_leaves_out():
    from fenceline.reports.tables import outages_text
    outages = tuple(Outage("web", 0, 1, seconds, 0.02, (Phase("detect", seconds, 0.02), Phase("fence", 0.0, 0.0)),
                           "rs-01", "rs-02") for seconds in (3.0, 1.0, 2.0))
    text = outages_text(Judgement(Verdict.PASS, (), outages), most=2)
    assert text.splitlines() == ["web was away for 3.00 s ± 0.02 s (rs-01 → rs-02): detect 3.00",
                                 "web was away for 2.00 s ± 0.02 s (rs-01 → rs-02): detect 2.00", "and 1 shorter"]
    assert outages_text(Judgement(Verdict.PASS, (), ())) == "no outage was seen by the client"


def test_a_pass_says_which_promises_were_to_break():
    from fenceline.model.verdict import BROKEN_AS_EXPECTED
    findings = (Finding("single mount", Verdict.PASS, f"{BROKEN_AS_EXPECTED}: both"),)
    assert "broken, as the scenario expected: single mount" in Judgement(Verdict.PASS, findings).reason


def test_what_the_healing_cost_is_told_apart_from_the_failover():
    healing = Outage("web", 0, 1, 9.0, 0.02, (), "rs-02", "rs-01", True)
    both = Judgement(Verdict.PASS, (), (*outage(1.0, 2.0).outages, healing))
    assert headline(both) == "web was away for 3.00 s ± 0.02 s"
    assert "while the faults were healed, web was away for 9.00 s" in outages_text(both)
    assert headline(Judgement(Verdict.PASS, (), (healing,))) == "no outage was seen by the client"


@pytest.mark.parametrize(("figures", "text"), [
    ({}, ""),
    ({"settled_s": 0.04}, "settled within 0.0 s after the last step"),
    ({"settled_s": 1.2, "whole_again_s": 9.8, "redundancy": None},
     "settled within 1.2 s after the last step, whole again 9.8 s after the faults were healed"),
    ({"redundancy": {"seconds": 31.2, "plus_minus": 0.04, "restored_s": 40.0, "after_heal_s": 9.8}},
     "redundancy was restored after 31.2 s ± 0.0 s, 9.8 s after the last fault was healed"),
    ({"redundancy": {"seconds": 31.2, "plus_minus": 0.04, "restored_s": 40.0, "after_heal_s": None}},
     "redundancy was restored after 31.2 s ± 0.0 s"),
    ({"redundancy": {"seconds": 31.2, "plus_minus": 0.04, "restored_s": None, "after_heal_s": None}},
     "redundancy was not restored: no full standby for at least 31.2 s")])
def test_how_the_scenario_ended(figures, text):
    assert closing_text(Judgement(Verdict.PASS, (), (), figures)) == text


def test_what_clients_behind_a_router_lost_stands_beside_what_the_others_lost():
    from fenceline.reports.tables import outages_text
    figures = {"routed_outages": [
        {"service": "web", "start_s": 10.0, "seconds": 14.98, "plus_minus": 0.31, "is_over": True},
        {"service": "<b>", "start_s": 40.0, "seconds": 60.0, "plus_minus": 0.25, "is_over": False}]}
    judgement = Judgement(Verdict.PASS, (), (), figures)
    text = outages_text(judgement)
    assert text.splitlines()[1:] == ["web was away for 14.98 s ± 0.31 s for clients behind a router",
                                     "<b> is away, for at least 60.00 s ± 0.25 s for clients behind a router"]
    assert outages_text(judgement, most=1).splitlines()[1:] == [text.splitlines()[2], "and 1 shorter of theirs"]
    page = phases_html(judgement)
    assert "web was away for 14.98 s" in page and "&lt;b&gt;" in page and "<b>" not in page
