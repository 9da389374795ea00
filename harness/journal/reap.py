"""Removes what a run left behind that could not clean up after itself, from its journal alone."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.errors import FencelineError, HostError
from fenceline.journal.journal import Entry, open_entries, state_dir
from fenceline.machines import process
from fenceline.machines.namespace import namespace_pids, remove_namespace

_NAMESPACE = re.compile(r"fl-[0-9a-f]{8}")


@dataclass(frozen=True)
class Reaped:
    """What came of one journal: ``undone`` things removed, ``problems`` those that could not be."""

    journal: Path
    alive: bool
    undone: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def reap(folder: Path | None = None) -> list[Reaped]:
    """Undoes every journal in ``folder`` whose run is dead; leaves those of living runs alone. Safe to repeat and
    to run beside others."""
    base = folder or state_dir() / "journal"
    return [reap_one(path) for path in sorted(base.glob("*.jsonl"))] if base.is_dir() else []


@contextmanager
def _owned(path: Path):
    """True while we hold the lock of the journal ``path``: then its run is dead."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
    finally:
        os.close(fd)


def reap_one(path: Path) -> Reaped:
    """Undoes the journal at ``path`` if its run is dead."""
    try:
        with _owned(path) as dead:
            if not dead:
                return Reaped(path, alive=True)
            undone, problems = [], []
            for entry in open_entries(path):
                try:
                    undone.append(_UNDO[entry.kind](entry))
                except KeyError:
                    problems.append(f"{entry.kind}: not known to this version of Fenceline: {entry.undo}")
                except (FencelineError, OSError) as error:
                    problems.append(f"{entry.kind}: {error}")
            if not problems:
                path.unlink(missing_ok=True)
            return Reaped(path, False, tuple(filter(None, undone)), tuple(problems))
    except FileNotFoundError:
        return Reaped(path, alive=False)  # another reaper was faster


def _undo_process(entry: Entry) -> str:
    pid, started = entry.undo["pid"], entry.undo["start_time"]
    if not entry.undo.get("group"):
        return f"process {pid}" if process.kill(pid, started) else ""
    # the leader may be gone and its group not; who leads a group of that number now is a stranger
    killed = process.kill_all(lambda: process.group_members(pid)
                              if process.start_time(pid) in (None, started) else [])
    return f"process {pid}" if pid in killed else ""


def _undo_netns(entry: Entry) -> str:
    name = entry.undo["name"]
    if not _NAMESPACE.fullmatch(name):
        raise HostError(f"refused: {name!r} is not a namespace of a run")
    # a machine whose run was killed between starting it and writing down its pid is in no journal, but it is in here
    process.kill_all(lambda: namespace_pids(name))
    remove_namespace(name)
    return f"namespace {name}"


def _undo_folder(entry: Entry) -> str:
    path = Path(entry.undo["path"])
    # only what is named after a run, or lies in such a folder
    if not any(_NAMESPACE.fullmatch(part) for part in path.parts) or ".." in path.parts:
        raise HostError(f"refused: {path} is not a folder of a run (below {tempfile.gettempdir()}/fl-...)")
    if path.exists():
        shutil.rmtree(path)
        return f"folder {path}"
    return ""


def _undo_domain(entry: Entry) -> str:
    from fenceline.machines.libvirt.driver import undefine_domain
    undefine_domain(**entry.undo)
    return f"domain {entry.undo['name']}"


def _undo_fault(entry: Entry) -> str:
    # every fault is in a machine or in the fabric, and both have gone by now: newest first
    return f"fault {entry.undo['name']} (with its machines)"


_UNDO: dict[str, Callable[[Entry], str]] = {
    "process": _undo_process, "netns": _undo_netns, "folder": _undo_folder, "domain": _undo_domain,
    "fault": _undo_fault,
}
