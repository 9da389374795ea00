"""Network namespaces of the host: made, entered, removed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fenceline.core.errors import HostError

_CLONE_NEWNET = 0x40000000  # linux/sched.h
NETNS_DIR = Path("/var/run/netns")
_libc = ctypes.CDLL(None, use_errno=True)


def run_command(arguments: Sequence[str], text: str | None = None) -> str:
    """Runs a command in the calling thread's namespace, with ``text`` as its input; returns its output.

    Raises:
        HostError: it is not there, failed, or did not end.
    """
    try:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError as error:
        raise HostError(f"{arguments[0]} is not installed: `fenceline doctor` says what installs it") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"`{' '.join(arguments)}` did not end within {error.timeout:g} s") from error
    if done.returncode:
        raise HostError(f"`{' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def entered_namespace(fd: int) -> Iterator[None]:
    """The calling *thread* is inside the network namespace ``fd``.

    Raises:
        HostError: the host refuses.
    """
    own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(fd)
        try:
            yield
        finally:
            _setns(own)
    finally:
        os.close(own)


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        raise HostError(f"can't enter the fabric's namespace: {os.strerror(ctypes.get_errno())}")


def unshared_namespace() -> int:
    """A new network namespace without a name, as a descriptor: it lasts until that is closed.

    Raises:
        HostError: the host refuses.
    """
    made: list[int | str] = []

    def make() -> None:  # in a thread of its own, which ends in the new namespace: ours stays where it is
        if _libc.unshare(_CLONE_NEWNET):
            made.append(os.strerror(ctypes.get_errno()))
        else:
            made.append(os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    thread = threading.Thread(target=make, name="fenceline-unshare")
    thread.start()
    thread.join()
    if isinstance(made[0], str):
        raise HostError(f"can't make a network namespace: {made[0]}")
    return made[0]


def namespace_pids(name: str) -> list[int]:
    """The processes in the namespace ``name``; none if it is not there."""
    return [int(pid) for pid in _unless_gone("pids", name).split()]


def remove_namespace(name: str) -> None:
    """Removes the namespace ``name`` if it is there; the kernel removes its devices when no process uses it."""
    _unless_gone("del", name)


def _unless_gone(verb: str, name: str) -> str:
    """What `ip netns VERB NAME` prints; nothing if that namespace is not there, or goes meanwhile: the last
    command of a run that was killed may be about to remove it."""
    if not (NETNS_DIR / name).exists():
        return ""
    try:
        return run_command(["ip", "netns", verb, name])
    except HostError:
        if (NETNS_DIR / name).exists():
            raise
        return ""
