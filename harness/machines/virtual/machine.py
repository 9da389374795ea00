"""A virtual machine: a User-Mode Linux kernel whose time the calendar gives, and its devices."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from fenceline.core.errors import HostError, MachineError
from fenceline.machines import process
from fenceline.machines.virtual import calendar as time
from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.disk import Disk
from fenceline.machines.virtual.nic import NetworkCard
from fenceline.machines.virtual.vhost import Device

#: ns of virtual time that each system call, and each look at the clock, takes. By itself a guest's CPU is infinitely
#: fast, and a library that waits for a timer in a loop (libqb) never gets there.
SYSCALL_COST, CLOCK_COST = 10_000, 1_000
#: A UML kernel that resets itself executes its own argv[0] again: that is this, which says so and ends.
_RESET = "#!/bin/sh\nexit 86\n"
RESET_STATUS = 86
_EXEC_AS = ["bash", "-c", 'exec -a "$0" "$@"']


class Kernel:
    """The process of a machine, from one power-on to the end of the power.

    ``number`` is the machine's in its world; ``folder`` is its own, ``console`` the file that its console goes to.
    """

    def __init__(self, calendar: Calendar, binary: Path, name: str, number: int, folder: Path, console: Path,
                 devices: Sequence[Device], memory: int, arguments: Sequence[str] = ()) -> None:
        self.calendar, self.binary, self.name, self.number = calendar, binary, name, number
        self.folder, self.console, self.devices, self.memory = folder, console, list(devices), memory
        self.arguments = list(arguments)
        self.place: time.Machine | None = None
        self._process: subprocess.Popen | None = None
        for device in self.devices:
            device.machine = number
        folder.mkdir(parents=True, exist_ok=True)
        self._reset = folder / "reset"
        self._reset.write_text(_RESET)
        self._reset.chmod(0o755)

    def command(self) -> list[str]:
        """The command line of the kernel. It is part of what the guest's random numbers come from: nothing may be in
        it that differs from run to run, which is why paths are relative to ``folder``."""
        devices = [f"virtio_uml.device={os.path.relpath(device.path, self.folder)}:{device.virtio_id}"
                   for device in self.devices]
        return [str(self.binary), f"mem={self.memory // 2**20}M", "seccomp=on",
                f"time-travel=ext:{self.number}:{os.path.relpath(self.calendar.path, self.folder)}",
                f"tt_syscall_cost={SYSCALL_COST}", f"tt_clock_cost={CLOCK_COST}", *devices,
                "root=/dev/vda", "rw", "rootfstype=ext4", "quiet", "con=null", "con0=null,fd:1", "ssl=null",
                f"umid={self.name}", "uml_dir=.", "net.ifnames=0", "panic=0", *self.arguments]

    @property
    def pid(self) -> int | None:
        """Of the kernel's process, which leads a group; None while the power is off."""
        return None if self._process is None else self._process.pid

    def power_on(self, environment: dict[str, str], ended: Callable[[], None]) -> None:
        """Starts the kernel and lets it run to its first wait. ``ended`` is called when it ends by itself: in the
        calendar's turn, with its process still to be waited for (``reap``).

        Raises:
            HostError: the kernel can't be started.
            MachineError: it ended at once, or never gave the right to run back.
        """
        try:
            with self.console.open("ab") as console, process.ordinary_priority():
                # a group, but no session, of its own: the host's scheduler shares a CPU among sessions, and whoever has
                # the turn in this world would wait for those that wait for it
                self._process = subprocess.Popen(
                    [*_EXEC_AS, str(self._reset), *self.command()], stdin=subprocess.DEVNULL, stdout=console,
                    stderr=subprocess.STDOUT, process_group=0, cwd=self.folder,
                    env={"PATH": os.environ.get("PATH", ""), "TMPDIR": "/dev/shm", "HOME": ".", **environment})
        except OSError as error:
            raise HostError(f"can't start {self.binary}: {error.strerror}") from error
        started = self._process

        def gone() -> None:
            self.place = None
            ended()
        self.place = self.calendar.start(self.number, self.name, gone, lambda: started.poll() is None)
        if not self.place.is_alive:
            self.place = None

    def power_off(self) -> None:
        """A power cut: the processes are killed, the calendar forgets them, the devices are unplugged. May be
        repeated."""
        ended, self._process = self._process, None
        if ended is not None:
            process.kill_group(ended.pid)
            ended.wait()
        place, self.place = self.place, None
        if place is not None:
            self.calendar.drop(place)
        for device in self.devices:
            device.unplug()

    def reap(self) -> int:
        """After the kernel ended by itself: takes away what is left of it; returns its exit status.

        Raises:
            MachineError: it is still there after 10 s of real time.
        """
        ended = self._process
        if ended is None:
            return 0
        try:
            status = ended.wait(10)
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"the kernel of {self.name} hung up and did not end") from error
        with contextlib.suppress(MachineError):
            process.kill_group(ended.pid)  # children of a kernel that died
        self._process = None
        for device in self.devices:
            device.unplug()
        return status

    def cards(self) -> list[NetworkCard]:
        """Its network cards."""
        return [device for device in self.devices if isinstance(device, NetworkCard)]

    def disks(self) -> list[Disk]:
        """Its disks, in their order."""
        return [device for device in self.devices if isinstance(device, Disk)]
