"""The report of an acceptance: its verdict in one sentence, a row a scenario, what broke with the lines to blame."""

import json
import re

import pytest

from fenceline.accept import acceptance
from fenceline.accept.handed import of_sources
from fenceline.accept.project import make_project
from fenceline.cli import main
from fenceline.core.errors import FencelineError
from fenceline.importers.source import Source
from fenceline.judge.verdict import judgement_to_json
from fenceline.model.load import dump_topology
from fenceline.model.verdict import Verdict
from fenceline.reports.acceptance import Row, sentence
from tests.accept.clusters import CLEAN
from tests.reports import sample

BANNED = CLEAN["pacemaker"]["crm.txt"].replace("location home g 50: one", "location cli-ban-g-on-two g -inf: two")


@pytest.fixture
def project(tmp_path):
    files = {**CLEAN["pacemaker"], "crm.txt": BANNED}
    make_project(of_sources([Source(name, text) for name, text in files.items()])).write(tmp_path)
    return tmp_path


def run_folder(base, scenario, events=None):
    """A saved run, as the plugin leaves it."""
    folder = base / "runs" / re.sub(r"\W+", "-", scenario)
    folder.mkdir(parents=True)
    topology = sample.web_iscsi()
    (folder / "topology.yaml").write_text(dump_topology(topology))
    (folder / "run.json").write_text(json.dumps({"scenario": scenario, "versions": {"pacemaker": "2.1.5"}}))
    log = sample.heartbeat_cut() if events is None else events
    (folder / "events.jsonl").write_text("".join(one.to_json() + "\n" for one in log))
    return folder


def test_the_report_has_the_verdict_the_table_what_broke_and_who_is_to_blame(project):
    base = project / "reports" / "a"
    run_folder(base, "The node that serves loses its power")
    found = acceptance.write_report(project, base, wanted=1)
    page = found.page.read_text()
    assert found.sentence in page.replace("&#39;", "'")
    assert "pacemaker" in page and "2.1.5" in page
    assert "crm.txt:19" in page and "cli-ban-g-on-two" in page
    assert "Stood in for" in page and "The node that serves loses its power" in page
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")
    assert not found.accepted  # a mistake is in the text


def test_a_project_without_runs_is_not_accepted(project):
    found = acceptance.write_report(project, project / "reports" / "none")
    assert not found.accepted and not found.is_decided
    assert found.sentence == "pair was not tried: no scenario was run; 1 mistake can be seen in its text."


def row(verdict, outage=None, name="The node hangs"):
    return Row(name, verdict, "because", outage)


@pytest.mark.parametrize(("rows", "planned", "findings", "words"), [
    ([row(Verdict.PASS, 12.3)], 1, 0, "pair survives what it must: all 1 scenarios were survived, the longest outage "
                                      "was 12.3 s of 45 s, and no mistake can be seen in its text."),
    ([row(Verdict.PASS)], 1, 0, "no client lost anything"),
    ([row(Verdict.PASS), row(Verdict.FAIL)], 2, 1, "pair does not survive what it must: 1 of 2 scenarios were not "
                                                   "survived, first of all: the node hangs; 1 mistake can be seen"),
    ([row(Verdict.PASS), row(Verdict.UNKNOWN)], 2, 0,
     "is not accepted yet: 1 of 2 scenarios did not come to an answer"),
    ([row(Verdict.PASS)], 3, 0, "is not accepted yet: 2 of 3 were not run"),
    ([row(Verdict.PASS)], 1, 2, "survived all 1 scenarios, no client lost anything; but 2 mistakes"),
])
def test_the_verdict_is_one_sentence(rows, planned, findings, words):
    assert words in sentence("pair", rows, planned, findings, 45.0)


def test_accept_needs_an_adopted_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["accept"]) == 1
    assert "there is no adoption.json" in capsys.readouterr().err
    (tmp_path / "adoption.json").write_text("{")
    with pytest.raises(FencelineError, match="adopt the cluster again"):
        acceptance.read_told(tmp_path)
    (tmp_path / "adoption.json").write_text("{}")
    with pytest.raises(FencelineError, match="it says nothing of budget"):
        acceptance.read_told(tmp_path)


def test_adopt_tells_the_findings_and_where_it_said_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in {**CLEAN["pacemaker"], "crm.txt": BANNED}.items():
        (tmp_path / name).write_text(text)
    assert main(["adopt", "crm.txt", "corosync.conf"]) == 0
    out = capsys.readouterr().out
    assert "crm.txt:19: cli-ban-g-on-two was left" in out and "1 finding;" in out and "pair/adoption.md" in out
    assert "failover budget: token 3 s + consensus 3.6 s" in out
    assert main(["adopt", "crm.txt", "corosync.conf"]) == 1
    assert "in the way in pair" in capsys.readouterr().err


def test_a_run_that_is_no_whole_run_is_left_out(project):
    base = project / "reports" / "a"
    (base / "runs" / "half").mkdir(parents=True)
    (base / "runs" / "half" / "events.jsonl").write_text("{")
    assert acceptance.write_report(project, base).sentence.startswith("pair was not tried")


def test_what_was_judged_is_what_the_report_says(project):
    base = project / "reports" / "a"
    folder = run_folder(base, "The node that serves hangs")
    from fenceline.judge import judge_folder
    verdict = json.loads(judgement_to_json(judge_folder(folder)))["verdict"]
    page = acceptance.write_report(project, base, wanted=1).page.read_text()
    assert f"<td>{verdict}</td>" in page


def test_a_pdf_needs_a_browser_that_prints(project, monkeypatch, tmp_path):
    page = acceptance.write_report(project, project / "reports" / "a").page
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(FencelineError, match="no Chromium"):
        acceptance.write_pdf(page)
    browser = tmp_path / "bin" / "chromium"
    browser.parent.mkdir()
    browser.write_text("#!/bin/sh\nexit 1\n")
    browser.chmod(0o755)
    with pytest.raises(FencelineError, match="did not print"):
        acceptance.write_pdf(page)
    browser.write_text('#!/bin/sh\nfor a; do case $a in --print-to-pdf=*) : > "${a#*=}";; esac; done\n')
    assert acceptance.write_pdf(page) == page.with_suffix(".pdf")


def test_our_own_words_are_no_secret(project):
    text = (project / "adoption.md").read_text()
    assert "address, user and password are the fabric's own" in text
