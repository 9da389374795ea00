"""What a machine is, whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.machines.image import GuestImage

if TYPE_CHECKING:
    from fenceline.guest.seed import Seed
    from fenceline.guest.ssh import Result


class Power(StrEnum):
    """Whether a machine's CPUs execute."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card: plugged into ``bridge`` of the fabric through the host-side interface ``tap``."""

    network: str
    mac: str
    bridge: str
    tap: str


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine to make. ``memory`` in bytes; ``seed`` is the tar on its second disk; ``folder`` its own
    scratch folder (disks, sockets); ``console`` the file that its console is written to; ``disks`` raw
    images that follow as third and further disks (shared disks excluded); ``boot_time`` how long (s) each power-on but
    the first takes before the guest executes."""

    name: str
    memory: int
    nics: tuple[Nic, ...]
    seed: Path
    folder: Path
    console: Path
    disks: tuple[Path, ...] = ()
    boot_time: float = 0.0


class Session(Protocol):
    """Runs commands in one guest: see ``fenceline.guest.ssh.Session``."""

    node: str

    def run(self, command: str | Sequence[str], within: float = 30.0, check: bool = True,
            text: str | None = None) -> Result: ...
    def wait(self, within: float) -> float: ...
    def close(self) -> None: ...


#: Called with (machine name, event kind, stamp in ns, data): power.on, power.off, power.paused, ...
PowerListener = Callable[[str, str, int, dict], None]


class AgentStream(Protocol):
    """Bytes that come, for whoever polls it by the clock."""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, b"" at the end. Raises BlockingIOError: there are none yet."""
    def close(self) -> None: ...


class FileStream:
    """What comes from the file descriptor ``fd``, of which it makes a copy of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        os.set_blocking(self._fd, False)

    def fileno(self) -> int:
        """For whoever waits for it."""
        return self._fd

    def read(self, size: int) -> bytes:
        """See ``AgentStream``."""
        return os.read(self._fd, size)

    def close(self) -> None:
        """Closes the copy. May be repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Link(Protocol):
    """The cable of one network card. ``down`` and ``up`` are seen on both ends and may be repeated."""

    def down(self) -> None: ...
    def up(self) -> None: ...
    def is_up(self) -> bool: ...


class Machine(Protocol):
    """A node with its own kernel. Methods raise ``MachineError``; every one returns only when it is done.

    ``power_off`` is a power cut: nothing is flushed, nobody is asked. Each change of power is told to the
    driver's listener, stamped at the moment after which the machine certainly did not execute (or, for
    power.on, before which it did not).
    """

    spec: MachineSpec

    @property
    def name(self) -> str: ...
    def start(self) -> None: ...
    def power_off(self, why: str = "power_off") -> int:
        """Cuts the power; returns the stamp (ns) by which it had stopped executing. Off already: the old stamp."""
    def reset(self, why: str = "reset") -> None:
        """Power cut and start."""
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def panic(self) -> None:
        """Makes the guest's kernel panic; it stays dead until ``reset`` or ``power_off`` and ``start``."""
    def power(self) -> Power: ...
    def link(self, network: str) -> Link: ...
    def processes(self) -> tuple[int, ...]:
        """The pids of the host's processes that execute it (their children are not listed); none while it is off."""
    def agent_stream(self) -> AgentStream | None:
        """The guest agent's JSON lines since the last ``start``, for one reader, who closes it. None: it never
        started."""
    def close(self) -> None:
        """Power off and remove everything that the machine left on the host, except the console's file."""


class Driver(Protocol):
    """Makes machines. One per cluster. ``slowdown`` is by what factor deadlines (never promises) are stretched,
    because machines are emulated."""

    name: str
    slowdown: float

    def seed(self, seed: Seed) -> None:
        """Adds what a machine needs of its ``seed`` to be one of the driver's."""
    def session(self, node: str) -> Session | None:
        """The driver's own way to run commands in ``node``; None: by SSH, over the management network."""
    def create(self, spec: MachineSpec) -> Machine: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DriverContext:
    """What a driver needs: the image, the fabric's namespace, the journal, who to tell about power, and the clock that
    stamps it."""

    image: GuestImage
    fabric: "Fabric"  # noqa: F821, UP037 - fenceline.machines.fabric; imported there would be a circle
    journal: "Journal"  # noqa: F821, UP037
    listener: PowerListener
    folder: Path
    clock: Clock = HOST_CLOCK
