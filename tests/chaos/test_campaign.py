"""A campaign with workers that are no clusters: nothing is lost, nothing is counted twice, what hangs is ended."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from fenceline.chaos.campaign import EPISODES, Campaign
from fenceline.chaos.crew import Crew
from fenceline.chaos.disk import keep_within, size, trim
from fenceline.chaos.draw import Repertoire
from fenceline.chaos.guide import Guide
from fenceline.chaos.ledger import Ledger, NoCampaign
from fenceline.chaos.memory import remembered
from fenceline.chaos.night import junit, take_stock
from fenceline.chaos.nightpage import page_of
from fenceline.chaos.outcome import Outcome, outcome_of_json, outcome_to_json
from fenceline.chaos.plan import Plan, PlanError, load_plan
from fenceline.chaos.profile import load_profile
from fenceline.chaos.worker import keep
from fenceline.core.errors import HostError
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.fakecluster import ROOT

PLAN = Plan(topologies=("web-iscsi",), profiles={"power": 1}, time=3600, length=20, seed=4, episodes=6, clusters=2,
            guided=False)


@functools.cache
def repertoire(topology: str, profile: str) -> Repertoire:
    return Repertoire(load_topology(topology), load_profile(profile), title=profile)


class Night:
    """A campaign in ``folder`` whose workers follow a script."""

    def __init__(self, folder, script: dict | None = None, plan: Plan = PLAN, **more) -> None:
        self.folder = folder
        self.script = folder / "script.json"
        folder.mkdir(exist_ok=True)
        self.script.write_text(json.dumps(script or {}))
        self.lines: list[str] = []
        self.reaped = 0
        self.ledger = Ledger(folder, plan)
        crew = Crew((sys.executable, "-m", "tests.chaos.fakeworker", str(self.script)), plan.clusters)
        self.campaign = Campaign(folder, plan, self.ledger, crew, repertoire, say=self.lines.append,
                                 reap=self._reap, **more)

    def _reap(self) -> None:
        self.reaped += 1

    def run(self) -> list[Outcome]:
        return self.campaign.run()

    @property
    def played(self) -> list[int]:
        return sorted(int(line.split()[0]) for line in self.script.with_suffix(".played").read_text().splitlines())


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_episode_is_played_once_side_by_side(tmp_path):
    night = Night(tmp_path / "night")
    assert [outcome.verdict for outcome in night.run()] == [Verdict.PASS] * 6
    assert night.played == [0, 1, 2, 3, 4, 5]
    processes = {line.split()[2] for line in night.script.with_suffix(".played").read_text().splitlines()}
    assert len(processes) == 2
    assert any("6 episodes" in line and "an hour" in line for line in night.lines)


def test_the_same_plan_plays_the_same_schedules(tmp_path):
    texts = []
    for name in ("one", "other"):
        night = Night(tmp_path / name)
        night.run()
        texts.append([entry.schedule for entry in night.ledger.entries()])
    assert texts[0] == texts[1] and len(set(texts[0])) == 6


def test_one_that_dies_is_broken_and_the_others_go_on(tmp_path):
    night = Night(tmp_path / "night", {"2": "die"})
    found = night.run()
    assert Counter(outcome.verdict for outcome in found) == {Verdict.PASS: 5, Verdict.BROKEN: 1}
    assert "its process ended with 9" in found[2].reason and night.reaped == 1
    assert night.played == [0, 1, 2, 3, 4, 5]


def test_one_that_hangs_is_ended_by_the_watchdog(tmp_path):
    night = Night(tmp_path / "night", {"1": "hang"}, PLAN.model_copy(update={"length": 1.0, "hang": 19.0}))
    found = night.run()
    assert found[1].verdict is Verdict.BROKEN and "it hung" in found[1].reason and night.reaped == 1
    assert sum(outcome.verdict is Verdict.PASS for outcome in found) == 5


def test_workers_that_all_die_end_it(tmp_path):
    night = Night(tmp_path / "night", {str(number): "die" for number in range(6)})
    with pytest.raises(HostError, match="3 workers after each other ended"):
        night.run()


def test_after_kill_9_it_goes_on_where_it_was(tmp_path):
    """The whole campaign is killed in the middle of an episode, and begun again."""
    folder = tmp_path / "night"
    night = Night(folder, {"takes": 0.3, "3": "hang"})
    night.ledger.close()
    code = (f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; "
            f"from tests.chaos.test_campaign import go_on; go_on(Path({str(folder)!r}))")
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:  # its progress
        if line.startswith("episode 4"):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for line in night.script.with_suffix(".played").read_text().splitlines():
        try:
            os.kill(int(line.split()[2]), signal.SIGKILL)  # the worker that hangs, by its pid
        except ProcessLookupError:
            continue
    before = {number: count for number, count in Counter(night.played).items()}
    again = Night(folder, {"takes": 0.0})
    done = {entry.number: entry.outcome for entry in again.ledger.entries() if entry.outcome is not None}
    assert done and len(done) < 6
    schedules = {entry.number: entry.schedule for entry in again.ledger.entries()}
    found = again.run()
    assert [outcome.verdict for outcome in found] == [Verdict.PASS] * 6
    after = Counter(again.played)
    assert all(after[number] == before[number] for number in done), "what has an outcome is not played again"
    assert after[3] == before[3] + 1 and again.reaped == 1
    assert all(entry.schedule == schedules.get(entry.number, entry.schedule) for entry in again.ledger.entries())


def go_on(folder) -> None:
    """In a process of its own: the campaign in ``folder``."""
    ledger = Ledger(folder, PLAN)
    crew = Crew((sys.executable, "-m", "tests.chaos.fakeworker", str(folder / "script.json")), 2)
    Campaign(folder, PLAN, ledger, crew, repertoire, say=lambda line: print(line, flush=True)).run()


def test_an_outcome_that_was_kept_and_not_written_down_counts(tmp_path):
    night = Night(tmp_path / "night")
    night.ledger.begin(0, "topology: web-iscsi\nprofile: power\nactions: []\n", "2026-01-01T00:00:00")
    keep(night.folder / EPISODES / "00000", Outcome(Verdict.PASS, "kept", seconds=7.0))
    assert night.run()[0].reason == "kept"
    assert 0 not in night.played and night.reaped == 0


def test_an_outcome_is_counted_once(tmp_path):
    ledger = Ledger(tmp_path, PLAN)
    ledger.begin(0, "x", "now")
    assert ledger.end(0, Outcome(Verdict.PASS, "a"), 1.0) and not ledger.end(0, Outcome(Verdict.FAIL, "b"), 1.0)
    assert [entry.outcome.reason for entry in ledger.entries()] == ["a"]


def test_the_time_that_was_spent_counts_over_sessions(tmp_path):
    plan = PLAN.model_copy(update={"time": 10.0, "episodes": 0})
    first = Ledger(tmp_path, plan)
    first.spend(9.0)
    first.close()
    again = Ledger(tmp_path, plan)
    assert again.spent == 9.0
    again.spend(2.0)
    again.close()
    night = Night(tmp_path, plan=plan)
    assert night.run() == []


def test_another_plan_is_refused(tmp_path):
    Ledger(tmp_path, PLAN).close()
    with pytest.raises(NoCampaign, match="begun with another plan"):
        Ledger(tmp_path, PLAN.model_copy(update={"seed": 9}))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "campaign.sqlite").write_text("no database at all, but long enough to be looked at as one" * 50)
    with pytest.raises(NoCampaign, match="not a usable campaign"):
        Ledger(tmp_path / "bad", PLAN)


def test_only_the_figures_of_what_passed_are_kept(tmp_path):
    night = Night(tmp_path / "night", {"1": "fail"})
    night.run()
    kept = {path.parent.parent.name for path in night.folder.glob(f"{EPISODES}/*/run/events.jsonl")}
    assert kept == {"00001"}
    assert len(list(night.folder.glob(f"{EPISODES}/*/run/timeline.svg"))) == 6


def test_the_budget_of_the_disk_is_kept_to_and_the_first_of_each_kind_goes_last(tmp_path):
    night = Night(tmp_path / "night", {str(number): "fail" for number in range(6)},
                  PLAN.model_copy(update={"disk": 22_000}))
    night.run()
    assert size(night.folder / EPISODES) <= 22_000
    kept = {path.parent.parent.name for path in night.folder.glob(f"{EPISODES}/*/run/events.jsonl")}
    first = next(entry.number for entry in night.ledger.entries() if entry.outcome.failed)
    assert f"{first:05d}" in kept and len(kept) < 6
    assert any("the disk's budget" in line for line in night.lines)


def test_what_is_small_stays_before_all_goes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text("x" * 1000)
        (tmp_path / name / "verdict.json").write_text("y" * 100)
    assert list(keep_within(tmp_path, 1200, ["a", "b"])) == ["a"]
    assert (tmp_path / "a" / "verdict.json").exists() and (tmp_path / "b" / "events.jsonl").exists()
    trim(tmp_path / "b")
    assert not (tmp_path / "b" / "events.jsonl").exists()


def test_a_guided_one_learns_and_goes_on_with_what_it_has_learned(tmp_path):
    guide = Guide()
    Night(tmp_path / "night", {"1": "fail"}, guide=guide).run()
    assert sum(guide.hits.values()) == 6
    again = Guide()
    Night(tmp_path / "night", guide=again).run()
    assert again.hits == guide.hits


# --- afterwards -------------------------------------------------------------------------------------------------------


def stock(tmp_path, name: str, script: dict):
    night = Night(tmp_path / name, script)
    night.run()
    with remembered(tmp_path / "history.sqlite") as memory:
        found = take_stock(name, list(night.ledger.entries()), memory)
        return found, page_of(found, memory, night.folder)


def test_findings_are_new_then_known_then_gone(tmp_path):
    first, page = stock(tmp_path, "night-1", {"1": "fail", "2": "fail", "4": "fail power-off"})
    assert [(one.kind, one.count, one.is_new) for one in first.findings] == [
        ("single mount | fencing | stun + hang", 2, True), ("single mount | fencing | stun + power-off", 1, True)]
    assert first.status == 1 and page.index("Findings") < page.index("Coverage") < page.index("Episodes")
    second, page = stock(tmp_path, "night-2", {"3": "fail"})
    assert [(one.is_new, one.first, one.nights) for one in second.findings] == [(False, "night-1", 2)]
    assert [one.kind for one in second.gone] == ["single mount | fencing | stun + power-off"]
    assert second.status == 0 and ">gone<" in page and ">known<" in page
    third, _ = stock(tmp_path, "night-3", {})
    assert not third.findings and [one.kind for one in third.gone] == ["single mount | fencing | stun + hang"]


def test_the_page_needs_nothing_but_itself(tmp_path):
    _, page = stock(tmp_path, "night-1", {"1": "fail"})
    assert "http://www.w3.org" in page or "<svg" in page
    assert "<script" not in page and 'src="http' not in page and "<link" not in page
    assert 'id="e1-a"' in page and 'id="e2-a"' in page  # many pictures on one page


def test_too_little_is_told(tmp_path):
    night = Night(tmp_path / "night", {str(number): "die" for number in (0, 3)}, PLAN.model_copy(
        update={"episodes": 1, "least": 1}))
    night.run()
    with remembered(tmp_path / "history.sqlite") as memory:
        found = take_stock("night", list(night.ledger.entries()), memory)
    assert found.status == 3 and found.too_little == (
        "0 of 1 episodes passed or failed; at least 1 were wanted (1 BROKEN)")


def test_junit_counts_them(tmp_path):
    found, _ = stock(tmp_path, "night-1", {"1": "fail", "2": "die"})
    suite = ET.fromstring(junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "1", "1")
    assert suite.find("testcase/failure").get("message") == "single mount: twice"


def test_outcomes_are_read_back():
    outcome = Outcome(Verdict.FAIL, "x", ("single mount",), "f", 2, (("steady", "stun", "serves", "hang+power-off"),),
                      ("steady",), (1.5,), 2.0, 3.0, "fencing", ("stun",))
    assert outcome_of_json(outcome_to_json(outcome)) == outcome
    with pytest.raises(ValueError, match="not an outcome"):
        outcome_of_json("{}")


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_plan_takes_turns_and_follows_from_its_seed():
    plan = Plan(topologies=("a", "b"), profiles={"x": 1, "y": 1}, block=2, seed=1)
    assert [plan.what(number)[0] for number in range(6)] == ["a", "a", "b", "b", "a", "a"]
    assert {plan.what(number)[1] for number in range(30)} == {"x", "y"}
    assert plan.what(3) == plan.what(3) and plan.what(3)[2] != plan.what(4)[2]


@pytest.mark.parametrize(("text", "place"), [
    ("topologies: []\n", "topologies:"), ("topologies: [a]\ntime: never\n", "time: 'never' is not a duration"),
    ("topologies: [a]\nclusters: 0\n", "clusters:"), ("topologies: [a]\nnights: 3\n", "nights:"),
    ("topologies: [a]\ndisk: much\n", "disk: 'much' is not a size"),
])
def test_a_bad_plan_is_told_with_its_place(tmp_path, text, place):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(PlanError) as error:
        load_plan(tmp_path / "plan.yaml")
    assert place in error.value.message and "plan.yaml" in error.value.message
