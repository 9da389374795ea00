"""Clusters that ``fenceline up`` left standing: how they are found again, and how one talks to them.

Each has a supervisor process. It holds the lock of ``NAME.lock`` in the state folder's ``clusters/`` for as
long as it lives: a name whose lock is free belongs to the dead, whatever files it left. ``NAME.json`` says
what it is, ``NAME.sock`` (mode 0600) is where it listens. The protocol is one JSON line for the request,
{"op": ..., ...}, and one for the reply: {"ok": true, "result": ...}, or {"ok": false, "error": ...,
"detail": ...}.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import FencelineError, HostError
from fenceline.journal.journal import state_dir

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,30}")
#: Bytes that a request or a reply may have: a status is a few kilobytes.
LARGEST = 4 * 2**20
#: Clients that may wait to be accepted.
QUEUE = 16
_SUFFIXES = (".sock", ".json", ".lock")


class ControlError(FencelineError):
    """There is no such cluster, or its supervisor does not answer."""


class Refused(FencelineError):
    """The supervisor could not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A cluster of a living supervisor. ``run`` is its run folder, ``folder`` its scratch folder with the
    SSH key; ``namespace`` and ``folder`` are empty while it is coming up."""

    name: str
    pid: int
    topology: str
    run: str
    since: str
    ready: bool = False
    id: str = ""
    driver: str = ""
    namespace: str = ""
    folder: str = ""


def clusters_dir() -> Path:
    """Where supervisors are found."""
    return state_dir() / "clusters"


class Claim:
    """The name of a cluster, ours for as long as this process lives or until ``release``.

    Raises:
        ControlError: a cluster of this name is up already.
        HostError: the state folder can't be written.
    """

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise ControlError(f"{name!r} can't name a cluster: letters, digits and -, at most 31 characters")
        self.name = name
        self._fd = -1
        try:
            clusters_dir().mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take()
        except OSError as error:
            raise HostError(
                f"{clusters_dir()}: {error.strerror}; free space there or set FENCELINE_STATE to a "
                "folder that can be written"
            ) from error

    def _take(self) -> None:
        path = _file(self.name, ".lock")
        # whoever looks whether we are alive holds the lock for microseconds: one refusal proves nothing
        for _ in range(20):
            fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                HOST_CLOCK.sleep(0.01)
                continue
            # the one before us may have removed the file between our open and our lock
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(fd).st_ino == path.stat().st_ino:
                    self._fd = fd
                    _file(self.name, ".sock").unlink(missing_ok=True)
                    return
            os.close(fd)
        raise ControlError(
            f"a cluster {self.name!r} is up already: give this one another name (--name), or take "
            f"that one down: fenceline down {self.name}"
        )

    def publish(self, entry: Standing) -> None:
        """Makes ``entry`` what others find under this name."""
        draft = _file(self.name, ".new")
        draft.write_text(json.dumps(asdict(entry)) + "\n")
        draft.replace(_file(self.name, ".json"))

    def listen(self) -> socket.socket:
        """The socket that answers for this name."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # before bind: there is no moment at which others could connect
        os.fchmod(sock.fileno(), 0o600)
        with _short_path(self.name) as path:
            sock.bind(path)
        sock.listen(QUEUE)
        return sock

    def release(self) -> None:
        """Gives the name up. May be repeated."""
        if self._fd >= 0:
            _remove(self.name)
            os.close(self._fd)
            self._fd = -1


def _file(name: str, suffix: str) -> Path:
    return clusters_dir() / f"{name}{suffix}"


def _remove(name: str) -> None:
    for suffix in _SUFFIXES:
        _file(name, suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def _short_path(name: str) -> Iterator[str]:
    """A path to the socket that is never too long for one (108 bytes), wherever the state folder is."""
    fd = os.open(clusters_dir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}.sock"
    finally:
        os.close(fd)


@contextlib.contextmanager
def _if_dead(name: str) -> Iterator[bool]:
    """Whether no supervisor holds ``name``; while True, none can take it."""
    try:
        fd = os.open(_file(name, ".lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            dead = True
        except BlockingIOError:
            dead = False
        yield dead
    finally:
        os.close(fd)


def living() -> list[Standing]:
    """The clusters whose supervisor lives, by name; also those that are coming up."""
    found = []
    for path in sorted(clusters_dir().glob("*.json")):
        with _if_dead(path.stem) as dead:
            if not dead:
                with contextlib.suppress(OSError, ValueError, TypeError):
                    found.append(Standing(**json.loads(path.read_text())))
    return found


def dead_names() -> list[str]:
    """Names that supervisors left which were killed."""
    names = {path.stem for suffix in _SUFFIXES for path in clusters_dir().glob(f"*{suffix}")}
    found = []
    for name in sorted(names):
        with _if_dead(name) as dead:
            if dead:
                found.append(name)
    return found


def remove_dead() -> list[str]:
    """Removes what killed supervisors left in the state folder; returns their names. Their machines are the
    journals' matter."""
    removed = []
    for name in dead_names():
        with _if_dead(name) as dead:
            if dead:
                _remove(name)
                removed.append(name)
    return removed


def find(name: str | None, node: str | None = None) -> Standing:
    """The cluster ``name`` (or id); without one, the only one that is up, or the only one with this ``node``.

    Raises:
        ControlError: there is none, or more than one.
    """
    entries = living()
    if name is not None:
        chosen = [entry for entry in entries if name in (entry.name, entry.id)]
        if not chosen:
            raise ControlError(f"no cluster {name!r} is up; {_there_are(entries)}")
    else:
        chosen = entries
        if not chosen:
            raise ControlError(f"no cluster is up; {_there_are([])}")
        if len(chosen) > 1 and node is not None:
            chosen = [entry for entry in chosen if node in nodes_of(entry)] or chosen
        if len(chosen) > 1:
            raise ControlError(
                f"{len(chosen)} clusters are up, say which: {', '.join(e.name for e in chosen)}"
            )
    return chosen[0]


def _there_are(entries: list[Standing]) -> str:
    if entries:
        return f"there are {', '.join(entry.name for entry in entries)}"
    dead = dead_names()
    if dead:
        return f"the supervisor of {', '.join(dead)} was killed: remove what it left with `fenceline reap`"
    return "bring one up: fenceline up TOPOLOGY"


def nodes_of(entry: Standing) -> tuple[str, ...]:
    """The machines of a cluster, from its run folder."""
    from fenceline.model.load import load_topology

    return tuple(load_topology(str(Path(entry.run) / "topology.yaml")).nodes)


def ask(entry: Standing, op: str, within: float = 120.0, **arguments: Any) -> Any:
    """What the supervisor of ``entry`` answers to ``op``.

    Raises:
        Refused: it could not do it, and why.
        ControlError: it did not answer within ``within`` seconds.
    """
    if not entry.ready:
        raise ControlError(
            f"{entry.name} is still coming up; wait for `fenceline up`, or follow it: "
            f"tail -f {Path(entry.run) / 'supervisor.log'}"
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, _short_path(entry.name) as path:
            sock.settimeout(within)
            sock.connect(path)
            sock.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            line = read_line(sock)
    except TimeoutError as error:
        raise ControlError(
            f"{entry.name}: no answer within {within:g} s; its log: {Path(entry.run) / 'supervisor.log'}"
        ) from error
    except OSError as error:
        raise ControlError(
            f"{entry.name}: its supervisor (pid {entry.pid}) can't be reached: {error.strerror}; "
            "if it was killed: fenceline reap"
        ) from error
    if not line:
        raise ControlError(
            f"{entry.name}: its supervisor (pid {entry.pid}) ended without an answer; "
            "if it was killed: fenceline reap"
        )
    reply = json.loads(line)
    if not reply["ok"]:
        raise Refused(reply["error"], reply.get("detail", ""))
    return reply["result"]


def read_line(sock: socket.socket) -> bytes:
    """One line from ``sock``; empty if the other side ended before, or if it is longer than ``LARGEST``."""
    chunks = bytearray()
    while not chunks.endswith(b"\n"):
        chunk = sock.recv(65536)
        if not chunk or len(chunks) > LARGEST:
            return b""
        chunks += chunk
    return bytes(chunks)
