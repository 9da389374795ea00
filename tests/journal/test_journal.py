"""The journal: on disk before it is done; its lock tells the living from the dead."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fenceline.core.errors import HostError
from fenceline.journal import journal as module
from fenceline.journal.journal import Journal, open_entries, state_dir


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "x.jsonl"


@pytest.fixture
def journal(path):
    made = Journal(path)
    yield made
    made.close(remove=False)


def kinds(path):
    return [entry.kind for entry in open_entries(path)]


def test_what_is_begun_is_on_disk_at_once_newest_first(journal, path):
    first = journal.begin("folder", path="/x")
    second = journal.begin("netns", name="fl-1", extra=[1, None])
    assert first != second
    assert [(e.id, e.kind, e.undo) for e in open_entries(path)] == [
        (second, "netns", {"name": "fl-1", "extra": [1, None]}), (first, "folder", {"path": "/x"})]
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_done_is_gone(journal, path):
    first, second = journal.begin("a"), journal.begin("b")
    journal.done(first)
    assert kinds(path) == ["b"]
    journal.done(second)
    journal.done(second)
    assert kinds(path) == []


def test_it_is_flushed_before_begin_returns(journal, monkeypatch):
    order = []
    write, sync = os.write, os.fdatasync
    monkeypatch.setattr(module.os, "write", lambda fd, raw: (order.append("write"), write(fd, raw))[1])
    monkeypatch.setattr(module.os, "fdatasync", lambda fd: (order.append("sync"), sync(fd))[1])
    journal.begin("a")
    assert order == ["write", "sync"]


def test_a_line_cut_short_never_happened(journal, path):
    journal.begin("a")
    journal.begin("b", text="ü" * 50)
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    for end in range(begin, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert kinds(path) == ["a"], whole[begin:end]
    path.write_bytes(whole[:-1])  # the line is whole, only its end is not
    assert kinds(path) == ["b", "a"]


def test_noise_is_passed_over(journal, path):
    journal.begin("a")
    with path.open("ab") as file:
        file.write(b"\x00\xff\n\n{}x\n")
    journal.begin("b")
    assert kinds(path) == ["b", "a"]


def test_a_disk_that_is_full_is_an_error_and_what_comes_later_is_not_lost():
    """In a process of its own, whose files may not grow beyond 150 bytes."""
    code = """
import resource, sys, pathlib, tempfile
from fenceline.core.errors import HostError
from fenceline.journal.journal import Journal, open_entries
path = pathlib.Path(tempfile.mkdtemp()) / "x.jsonl"
journal = Journal(path)
first = journal.begin("first", text="x" * 40)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
for attempt in range(2):  # the first is cut short, the second finds no room at all
    try:
        journal.begin("second", text="y" * 100)
        print("began")
    except HostError as error:
        print(error.message.partition(": ")[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.begin("third")
print([entry.kind for entry in open_entries(path)])
path.unlink()
path.parent.rmdir()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
                          cwd=Path(__file__).parents[2])
    first, second, entries = done.stdout.splitlines() or [done.stderr] * 3
    assert first.startswith("can't write the journal: No space left")
    assert second.startswith("can't write the journal: File too large")
    assert entries == "['third', 'first']"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 150


def is_locked(path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_its_lock_lives_as_long_as_its_owner(path):
    journal = Journal(path)
    journal.begin("a")
    assert is_locked(path)
    journal.close(remove=False)
    journal.close(remove=True)  # closed is closed
    assert path.exists() and not is_locked(path)


def test_its_lock_dies_with_its_owner(path):
    code = ("import sys; from fenceline.journal.journal import Journal; from pathlib import Path; "
            f"j = Journal(Path({str(path)!r})); j.begin('a'); print('ready', flush=True); sys.stdin.read()")
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             cwd=Path(__file__).parents[2])
    try:
        assert child.stdout.readline() == "ready\n"
        assert is_locked(path)
    finally:
        child.kill()
        child.communicate()
    assert not is_locked(path) and kinds(path) == ["a"]


def test_children_of_the_owner_do_not_keep_the_lock(path):
    journal = Journal(path)
    with subprocess.Popen(["sleep", "30"], close_fds=False) as child:
        journal.close(remove=False)
        locked = is_locked(path)
        child.kill()
    assert not locked


def test_two_owners_are_one_too_many(journal, path):
    with pytest.raises(HostError, match="can't keep the journal"):
        Journal(path)
    journal.begin("a")
    assert kinds(path) == ["a"]


def test_close_removes_it(path):
    journal = Journal(path)
    journal.close(remove=True)
    assert not path.exists()


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="can't keep the journal.*set FENCELINE_STATE"):
        Journal(tmp_path / "file" / "x.jsonl")


def test_a_reaper_that_comes_between_opening_and_locking(path, monkeypatch):
    """It takes the file that was just made for a dead run's, and removes it: ours must be the one that is there."""
    real, calls = fcntl.flock, []

    def flock(fd, how):
        if not calls:
            path.unlink()
        calls.append(fd)
        return real(fd, how)
    monkeypatch.setattr(module.fcntl, "flock", flock)
    journal = Journal(path)
    journal.begin("a")
    assert len(calls) == 2 and kinds(path) == ["a"]
    monkeypatch.undo()
    assert is_locked(path)
    journal.close(remove=True)


def test_a_reaper_that_looks_at_the_very_moment(path):
    path.parent.mkdir(parents=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        timer = threading.Timer(0.05, held.close)
        timer.start()
        Journal(path).close(remove=True)
        timer.join()


def test_threads_do_not_share_lines_or_numbers(journal, path):
    threads = [threading.Thread(target=lambda: [journal.begin("a", text="x" * 100) for _ in range(10)])
               for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.id for entry in open_entries(path)) == list(range(1, 51))


@pytest.mark.parametrize(("variables", "wanted"), [
    ({"FENCELINE_STATE": "/a", "XDG_STATE_HOME": "/b"}, "/a"), ({"XDG_STATE_HOME": "/b"}, "/b/fenceline"),
    ({"HOME": "/h"}, "/h/.local/state/fenceline")])
def test_where_journals_are(monkeypatch, variables, wanted):
    for name in ("FENCELINE_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert state_dir() == Path(wanted)
