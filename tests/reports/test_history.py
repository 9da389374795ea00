"""Run folders into SQLite, out again, compared and drawn."""

from __future__ import annotations

import json
import sqlite3

import pytest

from fenceline.cli import main
from fenceline.reports import history
from fenceline.reports.compare import compare, comparison_text
from fenceline.reports.history_page import history_page


def make_run(base, number, seconds=4.0, verdict="PASS", scenario="Power-off", plus_minus=0.03, topology="web",
             host="box", origin="x.feature", **versions):
    folder = base / f"202601{number:02d}-run"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({
        "scenario": scenario, "origin": origin, "topology": topology, "driver": "auto", "driver_used": "uml",
        "host": host, "host_kernel": "6.1", "seed": 1, "begun": f"2026-01-{number:02d}T00:00:00+00:00",
        "versions": {"pacemaker": "2.1.5", "image": str(number)} | versions}))
    (folder / "topology.yaml").write_text("name: web\n")
    outages = [{"service": "web", "seconds": seconds, "plus_minus": plus_minus, "start_ns": 1, "end_ns": 2,
                "phases": [{"name": "detect", "seconds": seconds / 2, "plus_minus": 0.02},
                           {"name": "fence", "seconds": seconds / 2, "plus_minus": 0.02}]}] if seconds else []
    (folder / "verdict.json").write_text(json.dumps({
        "verdict": verdict, "reason": "every <promise> was kept", "outages": outages,
        "figures": {"longest_outage_s": seconds, "longest_outage_plus_minus_s": plus_minus, "seconds": 60.0}}))
    return folder


def make_runs(base, values, **more):
    for number, seconds in enumerate(values, 1):
        make_run(base, number, seconds, **more)
    return history.load(base)


def test_a_run_is_remembered_once(tmp_path):
    folder = make_run(tmp_path / "runs", 1)
    with history.opened(tmp_path / "h.sqlite") as db:
        assert history.record_run(db, folder)
        assert not history.record_run(db, folder)
        assert history.gather(db, tmp_path / "runs") == 0
        run, = history.runs(db)
    assert (run.series.topology, run.series.scenario, run.series.driver) == ("web", "Power-off", "uml")
    assert (run.outage, run.verdict, run.host, run.versions) == (
        4.0, "PASS", "box", {"pacemaker": "2.1.5", "image": "1"})
    assert run.phases == (("detect", 2.0), ("fence", 2.0))
    assert history.load(tmp_path / "h.sqlite") == [run]


def test_the_rows_of_an_outline_are_no_runs_of_one_scenario(tmp_path):
    for number, row in enumerate(["web", "web-2 s", "web-9 s", "web-9 s"], 1):
        make_run(tmp_path, number, origin=f"x.feature::test_hangs[{row}]")
    found = history.by_series(history.load(tmp_path))
    assert {series.scenario: len(runs) for series, runs in found.items()} == {
        "Power-off": 1, "Power-off [web-2 s]": 1, "Power-off [web-9 s]": 2}


@pytest.mark.parametrize("missing", ["run.json", "verdict.json", "topology.yaml"])
def test_what_is_no_run(tmp_path, missing):
    folder = make_run(tmp_path, 1)
    (folder / missing).unlink()
    with history.opened(tmp_path / "h.sqlite") as db:
        with pytest.raises(history.NoRunFolder, match="not a finished run"):
            history.record_run(db, folder)
        assert history.gather(db, tmp_path) == 0


def test_what_is_no_history(tmp_path):
    (tmp_path / "text").write_text("not SQLite, but long enough to be taken for a header of it" * 20)
    with pytest.raises(ValueError, match="not a history"):
        history.load(tmp_path / "text")
    with pytest.raises(OSError, match="no such history"):
        history.load(tmp_path / "nothing")
    with pytest.raises(sqlite3.Error), history.opened(tmp_path / "text"):
        pass


OLD = [4.0, 4.1, 4.2, 4.3, 4.4, 4.5]


@pytest.mark.parametrize(("new", "answer"), [
    ([value + 1 for value in OLD], "slower"),
    ([value - 1 for value in OLD], "faster"),
    (OLD[::-1], "same"),
    ([value + 0.04 for value in OLD], "same"),  # within what chance does
    ([5.0, 5.1, 5.2], "too few"),
])
def test_slower_or_not(tmp_path, new, answer):
    found, = compare(make_runs(tmp_path / "a", OLD), make_runs(tmp_path / "b", new))
    assert found.answer == answer
    assert answer in comparison_text([found])


def test_what_is_smaller_than_the_error_is_not_slower(tmp_path):
    found, = compare(make_runs(tmp_path / "a", OLD, plus_minus=2.0),
                     make_runs(tmp_path / "b", [value + 1 for value in OLD], plus_minus=2.0))
    assert found.p_slower < 0.05 and found.answer == "same"


def test_runs_that_did_not_pass_have_no_failover_time(tmp_path):
    found, = compare(make_runs(tmp_path / "a", OLD),
                     make_runs(tmp_path / "b", [value + 1 for value in OLD], verdict="FAIL"))
    assert (found.answer, found.failed_after, found.after) == ("too few", 6, None)


def test_versions_are_told_apart_and_a_new_one_may_be_compared(tmp_path):
    found, = compare(make_runs(tmp_path / "a", OLD), make_runs(tmp_path / "b", [value + 1 for value in OLD],
                                                               pacemaker="2.1.6"))
    assert (found.answer, found.changed) == ("slower", ("pacemaker 2.1.5 -> 2.1.6",))
    assert "pacemaker 2.1.5 -> 2.1.6" in comparison_text([found])


def test_a_package_that_older_runs_said_nothing_of_makes_no_other_software(tmp_path):
    make_run(tmp_path, 1, pacemaker="2.1.5")
    make_run(tmp_path, 2, drbd="9.22")
    make_run(tmp_path, 3, drbd="9.23")
    one, two, three = history.load(tmp_path)
    assert one.series == two.series != three.series


def test_a_mixture_of_versions_is_not_compared(tmp_path):
    make_runs(tmp_path / "a" / "old", [9.0] * 6, pacemaker="2.1.4")
    for folder in (tmp_path / "a" / "old").iterdir():
        folder.rename(tmp_path / "a" / f"older-{folder.name}")
    for number, seconds in enumerate(OLD, 11):
        make_run(tmp_path / "a", number, seconds)
    mixed = history.load(tmp_path / "a")
    assert {len(runs) for runs in history.by_series(mixed).values()} == {6}
    found, = compare(mixed, make_runs(tmp_path / "b", OLD))
    assert (found.answer, found.left_out, found.before.n, found.changed) == ("same", (6, 0), 6, ())
    assert "left out, with other versions: 6 before, 0 after" in comparison_text([found])


def test_hosts_are_not_compared_unless_asked_for(tmp_path, capsys):
    here, there = make_runs(tmp_path / "a", OLD), make_runs(tmp_path / "b", [value + 1 for value in OLD], host="other")
    assert compare(here, there) == []
    assert [one.answer for one in compare(here, there, any_host=True)] == ["slower"]
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "on the same host; across hosts: --any-host" in capsys.readouterr().err
    assert main(["compare", "--any-host", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "slower" in capsys.readouterr().out


def test_an_outage_whose_end_was_not_seen_is_no_failover_time(tmp_path):
    make_runs(tmp_path, OLD)
    path = make_run(tmp_path, 9, 60.0) / "verdict.json"
    path.write_text(path.read_text().replace('"end_ns": 2', '"end_ns": null'))
    found = history.load(tmp_path)
    assert [run.failover for run in found] == [*OLD, None]
    assert compare(found, found)[0].before.n == 6
    assert "60.00</td>" not in history_page(found, tmp_path)


def test_the_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no Allure results here
    make_runs(tmp_path / "a", OLD)
    make_runs(tmp_path / "b", [value + 1 for value in OLD])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "slower" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "b"), str(tmp_path / "a")]) == 0
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "nothing")]) == 1
    make_runs(tmp_path / "c", [4.0])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 3
    page, db = tmp_path / "page.html", tmp_path / "h.sqlite"
    assert main(["report", "--runs-dir", str(tmp_path / "a"), "--history", str(db), "-o", str(page)]) == 0
    assert "Power-off" in page.read_text()
    assert len(history.load(db)) == 6


def test_the_page_stands_alone_and_links_into_the_runs(tmp_path):
    runs = make_runs(tmp_path / "runs", OLD) + make_runs(tmp_path / "more", [0, 0], scenario="Nothing <happens>")
    page = history_page(runs, tmp_path)
    assert "http" not in page and "<script" not in page
    assert 'href="runs/20260101-run"' in page
    assert "Nothing &lt;happens&gt;" in page and "every &lt;promise&gt; was kept" in page
    assert "median 4.25 s" in page
    assert "No outage in any run." in page
    assert f"[{runs[0].series.software}] pacemaker 2.1.5" in page and "host box" in page


def test_a_page_without_runs(tmp_path):
    assert "No runs yet." in history_page([], tmp_path)
