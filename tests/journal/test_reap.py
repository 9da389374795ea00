"""The reaper: it removes what the dead left and nothing else, from their journals alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fenceline.core.errors import HostError
from fenceline.journal import journal as journal_module
from fenceline.journal import reap as module
from fenceline.journal.journal import Journal, open_entries
from fenceline.journal.reap import reap, reap_one
from fenceline.machines import process
from fenceline.machines.fabric import Fabric
from fenceline.model.load import load_topology

NETNS = Path("/var/run/netns")
needs_netns = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None,
                                 reason="needs root, ip and nft")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "journal"
    made.mkdir()
    return made


def dead_journal(folder, *entries, name="a.jsonl"):
    """A journal whose run is dead."""
    journal = Journal(folder / name)
    for kind, undo in entries:
        journal.begin(kind, **undo)
    journal.close(remove=False)
    return folder / name


def sleeper(**options):
    return subprocess.Popen(["sleep", "1000"], start_new_session=True, **options)


@pytest.fixture
def child():
    made = sleeper()
    yield made
    with contextlib.suppress(ProcessLookupError):
        os.killpg(made.pid, signal.SIGKILL)
    made.wait()


def run_folder(tmp_path):
    made = tmp_path / "fl-0123abcd"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "file").touch()
    return made


def test_nothing_to_reap(tmp_path, folder):
    assert reap(folder) == [] == reap(tmp_path / "nowhere")


def test_a_living_run_is_left_alone(folder, tmp_path, child):
    mine = run_folder(tmp_path)
    journal = Journal(folder / "a.jsonl")
    journal.begin("folder", path=str(mine))
    journal.begin("process", pid=child.pid, start_time=process.start_time(child.pid), group=True)
    found, = reap(folder)
    assert found.alive and found.undone == () == found.problems
    assert mine.exists() and child.poll() is None and (folder / "a.jsonl").exists()
    journal.close(remove=False)
    found, = reap(folder)
    assert not found.alive and len(found.undone) == 2
    assert not mine.exists() and child.wait(5) == -signal.SIGKILL and not (folder / "a.jsonl").exists()


def test_a_journal_of_which_all_is_undone_is_removed(folder):
    path = dead_journal(folder)
    assert reap_one(path) == module.Reaped(path, False)
    assert not path.exists()


def test_newest_first(folder, monkeypatch):
    order = []
    monkeypatch.setitem(module._UNDO, "test", lambda entry: order.append(entry.undo["n"]) or f"test {entry.undo['n']}")
    found = reap_one(dead_journal(folder, *(("test", {"n": n}) for n in range(5))))
    assert order == [4, 3, 2, 1, 0] and found.undone == tuple(f"test {n}" for n in order)


def test_what_was_done_is_not_undone_again(folder, monkeypatch):
    order = []
    monkeypatch.setitem(module._UNDO, "test", lambda entry: order.append(entry.undo["n"]) or "x")
    journal = Journal(folder / "a.jsonl")
    journal.done([journal.begin("test", n=n) for n in range(3)][1])
    journal.close(remove=False)
    reap(folder)
    assert order == [2, 0]


def test_twice_is_harmless(folder, tmp_path, child):
    mine = run_folder(tmp_path)
    path = dead_journal(folder, ("folder", {"path": str(mine)}), ("fault", {"name": "hang", "parameters": {}}), (
        "process", {"pid": child.pid, "start_time": process.start_time(child.pid), "group": True}))
    text = path.read_bytes()
    assert reap(folder)[0].undone == (f"process {child.pid}", "fault hang (with its machines)", f"folder {mine}")
    child.wait()
    path.write_bytes(text)
    found, = reap(folder)
    assert found.problems == () and found.undone == ("fault hang (with its machines)",) and not path.exists()


def test_one_that_was_faster(folder):
    assert reap_one(folder / "gone.jsonl") == module.Reaped(folder / "gone.jsonl", False)


# -- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "fl-", "fl-0123abc", "fl-0123ABCD", "fl-0123abcde", "eth0", "../fl-0123abcd",
                                  "fl-0123abcd\n", "-all"])
def test_a_namespace_that_is_no_runs(folder, monkeypatch, name):
    monkeypatch.setattr(module, "remove_namespace", lambda name: pytest.fail(f"removed {name!r}"))
    monkeypatch.setattr(module, "namespace_pids", lambda name: pytest.fail(f"looked into {name!r}"))
    path = dead_journal(folder, ("netns", {"name": name}))
    found = reap_one(path)
    assert len(found.problems) == 1 and "refused" in found.problems[0] and path.exists()


@pytest.mark.parametrize("place", ["", "other", "fl-xyz", "fl-0123abcd/../other", "xfl-0123abcd"])
def test_a_folder_that_is_no_runs(folder, tmp_path, place):
    (tmp_path / "other").mkdir()
    (tmp_path / "fl-0123abcd").mkdir()
    victim = tmp_path / place
    if ".." not in place:
        victim.mkdir(exist_ok=True)
    path = dead_journal(folder, ("folder", {"path": f"{tmp_path}/{place}"}))
    found = reap_one(path)
    assert "refused" in found.problems[0] and path.exists()
    assert victim.exists() and (tmp_path / "other").exists()


def test_a_link_is_not_followed(folder, tmp_path):
    mine = run_folder(tmp_path)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (mine / "link").symlink_to(tmp_path / "precious")
    reap_one(dead_journal(folder, ("folder", {"path": str(mine)})))
    assert not mine.exists() and (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize("entry", [("wormhole", {"x": 1}), ("process", {}), ("netns", {})])
def test_what_it_does_not_know_is_a_problem_and_stays_written_down(folder, tmp_path, entry):
    mine = run_folder(tmp_path)
    path = dead_journal(folder, ("folder", {"path": str(mine)}), entry)
    found = reap_one(path)
    assert len(found.problems) == 1 and found.problems[0].startswith(entry[0])
    assert found.undone == (f"folder {mine}",) and not mine.exists()  # the rest is undone all the same
    assert path.exists() and len(open_entries(path)) == 2


def test_a_problem_in_one_journal_does_not_spare_the_next(folder, tmp_path):
    mine = run_folder(tmp_path)
    dead_journal(folder, ("wormhole", {}), name="a.jsonl")
    dead_journal(folder, ("folder", {"path": str(mine)}), name="b.jsonl")
    first, second = reap(folder)
    assert first.problems and second.undone and not mine.exists()


@pytest.mark.parametrize("error", [HostError("busy"), PermissionError(13, "denied")])
def test_what_can_not_be_removed_is_said(folder, monkeypatch, error):
    def fail(entry):
        raise error
    monkeypatch.setitem(module._UNDO, "test", fail)
    path = dead_journal(folder, ("test", {}))
    found = reap_one(path)
    assert found.problems[0].startswith("test: ") and path.exists()


# -- processes -----------------------------------------------------------------------------------------------------


def test_a_stranger_with_the_same_pid_lives(folder, child):
    started = process.start_time(child.pid)
    for group in (True, False):
        path = dead_journal(folder, ("process", {"pid": child.pid, "start_time": started - 1, "group": group}))
        assert reap_one(path) == module.Reaped(path, False)
        assert child.poll() is None


def test_a_process_alone(folder, child):
    path = dead_journal(folder, ("process", {"pid": child.pid, "start_time": process.start_time(child.pid)}))
    assert reap_one(path).undone == (f"process {child.pid}",)
    assert child.wait(5) == -signal.SIGKILL


def test_a_group_whose_leader_has_gone(folder):
    leader = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!"], stdout=subprocess.PIPE, text=True,
                              start_new_session=True)
    started = process.start_time(leader.pid) or 1
    member = int(leader.stdout.readline())
    leader.wait()
    assert process.start_time(member) is not None
    reap_one(dead_journal(folder, ("process", {"pid": leader.pid, "start_time": started, "group": True})))
    assert process.start_time(member) is None
    leader.stdout.close()


# -- killed at every step ------------------------------------------------------------------------------------------

#: What a run makes, in its order; every point is passed before and after.
POINTS = 40


def _run_until_killed(folder: str, base: str, identity: str, kill_at: int, with_netns: bool) -> None:
    """A run in small: journal, folder, namespace, a process in it. SIGKILLs itself at point number ``kill_at``."""
    count = 0

    def point() -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    write, run, popen = os.write, subprocess.run, subprocess.Popen

    def slow_write(fd: int, raw: bytes) -> int:
        point()
        half = len(raw) // 2
        write(fd, raw[:half])
        point()
        write(fd, raw[half:])
        point()
        return len(raw)

    def counted_run(*arguments, **options):
        point()
        done = run(*arguments, **options)
        point()
        return done
    journal_module.os.write = slow_write
    subprocess.run = counted_run

    journal = Journal(Path(folder) / f"{identity}.jsonl")
    point()
    mine = Path(base) / f"fl-{identity}"
    journal.begin("folder", path=str(mine))
    mine.mkdir()
    point()
    (mine / "disk").write_text("x")
    point()
    command = sleep_of(identity)
    if with_netns:
        fabric = Fabric(identity, load_topology("web-iscsi"), journal)
        fabric.create()
        command = fabric.command(command)
    point()
    child = popen(command, start_new_session=True)
    point()
    if with_netns:
        # as a driver does it: the pid is known only when the process runs
        journal.begin("process", pid=child.pid, start_time=process.start_time(child.pid), group=True)
    point()
    journal.begin("fault", name="hang", parameters={})
    point()
    while True:
        point()


def processes_in(identity: str) -> list[int]:
    name = f"fl-{identity}"
    if not (NETNS / name).exists():
        return []
    return [int(pid) for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True,
                                               check=True).stdout.split()]


def sleep_of(identity: str) -> list[str]:
    """A command that no other run has."""
    return ["sleep", str(10**6 + int(identity, 16))]


def sleepers_of(identity: str) -> list[int]:
    """The living processes with that command, wherever they are."""
    wanted, found = "\0".join(sleep_of(identity)).encode() + b"\0", []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{entry}/cmdline").read_bytes() == wanted and process.start_time(int(entry)) is not None:
                found.append(int(entry))
    return found


@needs_netns
def test_killed_at_every_step_nothing_is_left(folder, tmp_path):
    """Some three dozen runs, each killed a step later than the one before, and reaped."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.journal.test_reap"])
    survived = 0
    for kill_at in range(1, POINTS + 1):
        identity = secrets.token_hex(4)
        try:
            child = context.Process(target=_run_until_killed,
                                    args=(str(folder), str(tmp_path), identity, kill_at, True))
            child.start()
            child.join(20)
            assert child.exitcode == -signal.SIGKILL, f"point {kill_at}: {child.exitcode}"
            made = [(NETNS / f"fl-{identity}").exists(), bool(sleepers_of(identity)),
                    (tmp_path / f"fl-{identity}").exists()]
            survived += any(made)
            for found in reap(folder):
                assert not found.problems, f"point {kill_at}: {found.problems}"
            assert not (tmp_path / f"fl-{identity}").exists(), f"point {kill_at}: its folder is left"
            assert not (NETNS / f"fl-{identity}").exists(), f"point {kill_at}: its namespace is left"
            assert list(folder.iterdir()) == [], f"point {kill_at}: its journal is left"
            assert sleepers_of(identity) == [], f"point {kill_at}: its process is left"
        finally:
            for pid in sleepers_of(identity):
                os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", f"fl-{identity}"], capture_output=True, check=False)
    assert survived > POINTS // 2  # most of them had left something: the test is about something
    assert all(made)  # the last one had made everything


def test_killed_without_a_namespace_its_folder_is_still_removed(folder, tmp_path):
    """What needs no root."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.journal.test_reap"])
    for kill_at in range(1, 8):
        identity = secrets.token_hex(4)
        # up to the process: outside of a namespace nobody could find it
        child = context.Process(target=_run_until_killed, args=(str(folder), str(tmp_path), identity, kill_at, False))
        child.start()
        child.join(20)
        assert child.exitcode == -signal.SIGKILL
        assert sleepers_of(identity) == [] and not any(found.problems for found in reap(folder))
        assert not (tmp_path / f"fl-{identity}").exists() and list(folder.iterdir()) == []


@needs_netns
def test_a_process_in_the_namespace_is_found_without_being_written_down(folder):
    """Killed between starting a machine and writing down its pid."""
    identity = secrets.token_hex(4)
    subprocess.run(["ip", "netns", "add", f"fl-{identity}"], check=True)
    inside = sleeper_in(identity)
    outside = sleeper()
    try:
        found = reap_one(dead_journal(folder, ("netns", {"name": f"fl-{identity}"})))
        assert found.problems == () and not (NETNS / f"fl-{identity}").exists()
        assert inside.wait(5) == -signal.SIGKILL
        assert outside.poll() is None
    finally:
        for one in (inside, outside):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()
        subprocess.run(["ip", "netns", "del", f"fl-{identity}"], capture_output=True, check=False)


def sleeper_in(identity):
    """Returns when the process has entered the namespace."""
    made = subprocess.Popen(["ip", "netns", "exec", f"fl-{identity}", "sleep", "1000"], start_new_session=True)
    for _ in range(500):
        if made.pid in processes_in(identity):
            return made
        time.sleep(0.01)
    raise AssertionError("it did not enter its namespace")
