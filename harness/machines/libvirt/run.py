"""What the libvirt machines need of libvirt: the hypervisor, one boot of a domain, its process and disk."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import libvirt

from fenceline.core.errors import HostError, MachineError
from fenceline.machines.console import FileTail
from fenceline.machines.libvirt.daemon import Libvirtd
from fenceline.machines.libvirt.domain import Hypervisor
from fenceline.machines.protocol import DriverContext

#: Seconds for a killed QEMU to be gone, and for libvirt to notice.
STOP_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Hypervisors:
    """What all machines of a driver share; ``daemon`` is None where the user's own libvirt runs them."""

    context: DriverContext
    connection: libvirt.virConnect
    kind: Hypervisor
    uri: str
    slowdown: float
    daemon: Libvirtd | None


@dataclass(slots=True, eq=False)
class Boot:
    """A domain from its start to its end. ``pid`` and ``started`` (clock ticks) of its QEMU are None where they
    can't be known; ``console`` is what it has said. ``gone`` and ``panicked`` are set by libvirt's event thread, which
    takes no lock."""

    domain: libvirt.virDomain
    console: FileTail
    pid: int | None = None
    started: int | None = None
    entries: list[int] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    panicked: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def machine_errors(what: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
    """libvirt's errors become ``MachineError``s that begin with ``what``; ``detail`` is asked for when one does."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise MachineError(f"{what}: {error}", detail()) from error


def base_image(rootfs: Path) -> Path:
    """A copy of the raw image ``rootfs`` beside it, for QEMU alone: a UML node locks the whole of its base, and
    QEMU takes that for a writer and refuses to start. Made once for an image (seconds, 1 GB).

    Raises:
        HostError: it can't be copied.
    """
    copy = rootfs.with_name(f"{rootfs.stem}.qemu{rootfs.suffix}")
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            copy_file(rootfs, draft)
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)
    return copy


def copy_file(source: Path, target: Path) -> None:
    """Holes stay holes; shares blocks where the file system can.

    Raises:
        HostError: it can't be copied within ten minutes.
    """
    run_tool(["cp", "--reflink=auto", "--sparse=always", str(source), str(target)], f"can't copy {source}")


def run_tool(command: list[str], what: str) -> None:
    """Runs ``command`` to its end.

    Raises:
        HostError: it fails; begins with ``what``.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{what}: {error}") from error
    if done.returncode:
        raise HostError(f"{what}: {done.stderr.strip()}")


def make_overlay(overlay: Path, rootfs: Path) -> None:
    """A new qcow2 file whose base is the raw image ``rootfs``.

    Raises:
        HostError: qemu-img can't make it.
    """
    run_tool(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(rootfs), str(overlay)],
             f"can't make the disk {overlay}")
