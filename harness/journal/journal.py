"""The journal: what must be undone, on disk before it is done.

One append-only JSON-lines file per cluster in the state folder. A ``do`` line carries what undoes it; a
``done`` line says that it has been undone. The process that owns a journal holds a lock on it for as long as it
lives, so that ``reap`` can tell a dead run from a living one without trusting a pid.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError


def state_dir() -> Path:
    """Where journals are: $FENCELINE_STATE, else $XDG_STATE_HOME/fenceline, else ~/.local/state/fenceline."""
    if chosen := os.environ.get("FENCELINE_STATE"):
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "fenceline"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to undo: ``kind`` selects the function in ``fenceline.journal.reap`` that gets ``undo``."""

    id: int
    kind: str
    undo: dict[str, Any]


class Journal:
    """The journal of a living cluster. Thread-safe.

    Raises:
        HostError: the state folder can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._next = 0
        self._is_torn = False  # the last line on disk was cut short
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = _locked(path)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise HostError(f"{path}: can't keep the journal: {error.strerror}; "
                            "free space there or set FENCELINE_STATE to a folder that can be written") from error

    def begin(self, kind: str, **undo: Any) -> int:
        """Writes down what undoes the step that follows; on disk when this returns. Returns the entry's id."""
        with self._lock:
            self._next += 1
            self._write({"op": "do", "id": self._next, "kind": kind, "undo": undo})
            return self._next

    def done(self, entry: int) -> None:
        """The entry has been undone."""
        with self._lock:
            self._write({"op": "done", "id": entry})

    def close(self, remove: bool) -> None:
        """Gives the lock up; ``remove`` when everything was undone."""
        with self._lock:
            if self._fd < 0:
                return
            if remove:
                self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: dict[str, Any]) -> None:
        raw = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        if self._is_torn:
            raw = b"\n" + raw  # a line of its own, or it would be lost with the torn one
        try:
            if os.write(self._fd, raw) != len(raw):
                self._is_torn = True
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._is_torn = False
            os.fdatasync(self._fd)
        except OSError as error:
            raise HostError(f"{self.path}: can't write the journal: {error.strerror}") from error


def _locked(path: Path) -> int:
    """A descriptor of the journal ``path``, made if need be, with its lock."""
    # a reaper that comes between the two calls takes the new file for a dead run's: it holds the lock for a moment,
    # and removes the file
    for left in reversed(range(20)):
        # O_APPEND: a reaper may add its own lines after our death
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            if not left:
                os.close(fd)
                raise
            HOST_CLOCK.sleep(0.01)
        os.close(fd)
    raise AssertionError("unreachable")


def open_entries(path: Path) -> list[Entry]:
    """What the journal at ``path`` has not undone, newest first. A last line cut short by a crash is left out:
    its step never began."""
    entries: dict[int, Entry] = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        if raw["op"] == "do":
            entries[raw["id"]] = Entry(raw["id"], raw["kind"], raw["undo"])
        else:
            entries.pop(raw["id"], None)
    return sorted(entries.values(), key=lambda entry: -entry.id)
