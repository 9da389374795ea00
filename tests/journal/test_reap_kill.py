"""A run is killed with SIGKILL at every step of its journal, and at random moments; then ``reap``, then: what is left?

The runs are cheap fakes, but of the real things: the real journal, the real fabric, real processes in groups, real
folders. ``benchmarks/reap_kill.py`` does the same with whole clusters.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fenceline.journal.journal import Journal
from fenceline.journal.reap import reap
from fenceline.machines import process
from fenceline.machines.fabric import Fabric
from fenceline.model.load import load_topology

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "web-iscsi.yaml"
RANDOM_KILLS = 300  # of runs without a fabric: some 10 ms each
RANDOM_FABRIC_KILLS = 60  # of runs with one: some 200 ms each
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace")


class KillingJournal(Journal):
    """Kills its own process at its ``step``-th write: ``before`` it, with half the line ``torn``, or ``after`` it."""

    def __init__(self, path: Path, step: int, how: str) -> None:
        self._left, self._how = step, how
        super().__init__(path)

    def _write(self, line: dict) -> None:
        self._left -= 1
        if self._left == 0 and self._how == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._left == 0 and self._how == "torn":
            os.write(self._fd, b'{"op":"do","id":99,"ki')
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(line)
        if self._left == 0 and self._how == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def life(journal: Journal, identity: str, with_fabric: bool) -> None:
    """What a cluster does with its journal from beginning to end, in the order in which ``Cluster`` does it."""
    folder = Path(tempfile.gettempdir()) / f"fl-{identity}"
    folder_entry = journal.begin("folder", path=str(folder))
    folder.mkdir()
    (folder / "lun.raw").write_bytes(bytes(1000))
    fabric = None
    if with_fabric:
        fabric = Fabric(identity, load_topology(TOPOLOGY), journal)
        fabric.create()
    machines = []
    for _ in range(3):
        # a machine is a group of processes, one of which forks; its pid is written down only once it runs. In the
        # fabric the reaper finds one that is not in the journal; outside it waits for a word that a dead run never says
        command = ["sh", "-c", "read go || exit 0; sleep 600 & exec sleep 600"]
        started = subprocess.Popen(fabric.command(command) if fabric else command, start_new_session=True, cwd=folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={"FENCELINE_TEST": identity, "PATH": os.environ["PATH"]})
        if fabric:
            started.stdin.write(b"go\n")
            started.stdin.flush()
        entry = journal.begin("process", pid=started.pid, start_time=process.start_time(started.pid), group=True)
        if not fabric:
            started.stdin.write(b"go\n")
            started.stdin.flush()
        machines.append((started, entry))
    fault = journal.begin("fault", name="network-cut", parameters={})
    if fabric:
        fabric.set_link("rs-01", "heartbeat", up=False)
    journal.done(fault)
    for started, entry in reversed(machines):
        process.kill_group(started.pid)
        started.wait()
        journal.done(entry)
    if fabric:
        fabric.close()
    shutil.rmtree(folder)
    journal.done(folder_entry)
    journal.close(remove=True)


def killed(make: Callable[[Path], Journal], state: Path, identity: str, with_fabric: bool,
           after: float | None = None) -> bool:
    """Lives in a forked process that is killed, by itself or ``after`` seconds; returns whether it was."""
    pid = os.fork()
    if pid == 0:
        try:
            life(make(state / f"{identity}.jsonl"), identity, with_fabric)
        finally:
            os._exit(7 if (state / f"{identity}.jsonl").exists() else 0)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the fake run failed by itself"
    return os.WIFSIGNALED(status)


def residue(identity: str) -> list[str]:
    """What is left of the run ``identity``."""
    name = f"fl-{identity}"
    left = [str(path) for path in (Path("/var/run/netns") / name, Path(tempfile.gettempdir()) / name) if path.exists()]
    if name in Path("/proc/self/mountinfo").read_text():
        left.append("a mount")
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                marked = f"FENCELINE_TEST={identity}".encode() in Path(f"/proc/{entry}/environ").read_bytes()
            except (OSError, ValueError):
                continue
            if marked and process.start_time(int(entry)) is not None and int(entry) != os.getpid():
                left.append(f"process {entry}")
    return left


def reaped_clean(state: Path, identity: str) -> None:
    deadline = time.monotonic() + 2
    # a process that the run was forking when it died holds the journal's lock for a moment more: not dead yet
    while True:
        done = reap(state)
        if not any(one.alive for one in done) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    assert not [problem for one in done for problem in one.problems]
    reap(state)  # safe to run twice
    assert not list(state.iterdir())
    while (left := residue(identity)) and time.monotonic() < deadline:
        time.sleep(0.01)  # one that was being forked when its run died is about to see that it is alone
    assert left == []


def steps(with_fabric: bool) -> int:
    """How many lines ``life`` writes: two for each entry."""
    return 2 * (1 + with_fabric + 3 + 1)


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_killed_at_every_step_of_the_journal(tmp_path, how):
    for step in range(1, steps(with_fabric=True) + 1):
        identity = secrets.token_hex(4)
        assert killed(lambda path, step=step: KillingJournal(path, step, how), tmp_path, identity, True)
        reaped_clean(tmp_path, identity)


def test_it_writes_as_many_lines_as_we_think(tmp_path):
    assert not killed(lambda path: KillingJournal(path, steps(True) + 1, "before"), tmp_path, "0badc0de", True)
    assert residue("0badc0de") == [] and not list(tmp_path.iterdir())


def test_killed_at_random_moments_with_a_fabric(tmp_path):
    chance = random.Random(20260214)
    begun = time.monotonic()
    assert not killed(Journal, tmp_path, "0badc0de", True)
    whole = time.monotonic() - begun
    in_life = 0
    for _ in range(RANDOM_FABRIC_KILLS):
        identity = secrets.token_hex(4)
        in_life += killed(Journal, tmp_path, identity, True, after=chance.uniform(0, whole))
        reaped_clean(tmp_path, identity)
    print(f"{in_life} of {RANDOM_FABRIC_KILLS} killed in their life, residue 0")
    assert in_life >= RANDOM_FABRIC_KILLS // 3


def test_killed_at_random_moments(tmp_path):
    chance = random.Random(20260214)
    in_life = 0
    for _ in range(RANDOM_KILLS):
        identity = secrets.token_hex(4)
        in_life += killed(Journal, tmp_path, identity, False, after=chance.uniform(0, 0.03))
        reaped_clean(tmp_path, identity)
    print(f"{in_life} of {RANDOM_KILLS} killed in their life, residue 0")
    assert in_life >= RANDOM_KILLS // 3
