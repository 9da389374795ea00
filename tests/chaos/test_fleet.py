"""A fleet: many workers, one that dies, one that is cut off, one that runs something else."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from fenceline.chaos.campaign import Campaign
from fenceline.chaos.draw import Repertoire
from fenceline.chaos.ledger import Ledger
from fenceline.chaos.plan import Plan
from fenceline.chaos.profile import load_profile
from fenceline.core.errors import HostError
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.fakecluster import ROOT

pytest.importorskip("distributed", reason="fenceline[fleet] is not installed")

from fenceline.chaos.fleet import CLUSTER, Fleet, difference, packed, unpack  # noqa: E402

IDENTITY = {"code": "abc", "guest image": "def"}
#: A worker process without clusters: what `fenceline worker` does, with the fake worker's processes.
_WORKER = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from distributed import Worker
from fenceline.chaos.fleet import CLUSTER, open_here
open_here({{"code": sys.argv[3], "guest image": "def"}},
          (sys.executable, "-m", "tests.chaos.fakeworker", sys.argv[2]), 1)
async def go():
    async with Worker(sys.argv[1], nthreads=1, resources={{CLUSTER: 1}}, name=sys.argv[4], dashboard=False,
                      death_timeout=30) as worker:
        await worker.finished()
asyncio.run(go())
"""


@functools.cache
def repertoire(topology: str, profile: str) -> Repertoire:
    return Repertoire(load_topology(topology), load_profile(profile), title=profile)


@pytest.fixture
def scheduler(monkeypatch):
    """A scheduler that gives a silent worker up after 10 s."""
    import dask
    import distributed
    monkeypatch.chdir(ROOT)
    with dask.config.set({"distributed.scheduler.worker-ttl": "10s", "distributed.admin.log-length": 0}), \
            distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def workers(scheduler, tmp_path):
    """Starts worker processes; they are ended, by their pids."""
    started: list[subprocess.Popen] = []

    def start(name: str, script: Path, code: str = "abc") -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, "-c", _WORKER, scheduler, str(script), code, name],
                                        cwd=ROOT, start_new_session=True))
        return started[-1]
    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()


def test_no_episode_is_lost_and_none_counted_twice_though_workers_die(scheduler, workers, tmp_path):
    """Three workers; one is killed with -9 in the middle of an episode, one is cut off (it stands still)."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"takes": 0.5}))
    first, second, _ = (workers(name, script) for name in ("one", "two", "three"))
    plan = Plan(topologies=("web-iscsi",), profiles={"power": 1}, time=600, length=20, seed=4, episodes=24,
                guided=False)
    ledger = Ledger(tmp_path / "night", plan)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        done = sum(one.startswith("episode") for one in said)
        if done == 4:
            os.killpg(first.pid, signal.SIGKILL)
        if done == 8:
            os.killpg(second.pid, signal.SIGSTOP)
    found = Campaign(tmp_path / "night", plan, ledger, Fleet(scheduler, IDENTITY, say), repertoire, say=say).run()
    assert [outcome.verdict for outcome in found] == [Verdict.PASS] * 24
    assert sum(line.startswith("episode") for line in said) == 24
    assert len(list((tmp_path / "night" / "episodes").glob("*/run/schedule.yaml"))) == 24
    played = Counter(int(line.split()[0]) for line in script.with_suffix(".played").read_text().splitlines())
    assert set(played) == set(range(24))


def test_a_worker_that_runs_something_else_is_refused(scheduler, workers, tmp_path):
    script = tmp_path / "script.json"
    script.write_text("{}")
    workers("other", script, code="xyz")
    workers("same", script)
    plan = Plan(topologies=("web-iscsi",), profiles={"power": 1}, time=600, length=20, episodes=6, guided=False)
    said: list[str] = []
    fleet = Fleet(scheduler, IDENTITY, said.append)
    threading.Event().wait(0.1)
    Campaign(tmp_path / "night", plan, Ledger(tmp_path / "night", plan), fleet, repertoire).run()
    fitting = [line for line in said if "refused" in line]
    assert not fitting or ("the worker other" in fitting[0] and "its code is xyz, here it is abc" in fitting[0])
    assert {line.split()[2] for line in script.with_suffix(".played").read_text().splitlines()}.__len__() == 1


def test_a_scheduler_that_is_not_there_is_told():
    with pytest.raises(HostError, match=r"the scheduler tcp://127.0.0.1:1 can't be reached.*dask scheduler"):
        Fleet("tcp://127.0.0.1:1", IDENTITY)


def test_a_folder_comes_back_as_it_was_and_nowhere_else(tmp_path):
    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "run" / "logs" / "a").write_text("x")
    unpack(packed(tmp_path / "run"), tmp_path / "back")
    assert (tmp_path / "back" / "logs" / "a").read_text() == "x"


@pytest.mark.parametrize(("found", "why"), [
    (IDENTITY, None), (None, "not started by `fenceline worker`"),
    ({"code": "abc"}, "its guest image is not known, here it is def"),
    ({"code": "x", "guest image": "def"}, "its code is x, here it is abc")])
def test_what_a_worker_runs_is_compared(found, why):
    told = difference(IDENTITY, found)
    assert (told is None) if why is None else why in told
    assert CLUSTER
