"""Machines in virtual time: User-Mode Linux kernels whose time is the calendar's; see ``protocol.Machine``."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from pathlib import Path

from fenceline.core.errors import FencelineError, MachineError
from fenceline.guest.seed import Seed
from fenceline.machines import process
from fenceline.machines.console import FileTail, why_ended
from fenceline.machines.hold import Hold
from fenceline.machines.protocol import DriverContext, Link, MachineSpec, Power
from fenceline.machines.virtual.build import VirtualKernel
from fenceline.machines.virtual.calendar import Machine as Place
from fenceline.machines.virtual.clock import VirtualClock
from fenceline.machines.virtual.console import Console
from fenceline.machines.virtual.disk import Disk, Medium
from fenceline.machines.virtual.machine import RESET_STATUS, Kernel
from fenceline.machines.virtual.nic import NetworkCard
from fenceline.machines.virtual.seeded import seed_of, seeded_library
from fenceline.machines.virtual.session import CommandLine, ConsoleSession, seed_shell
from fenceline.machines.virtual.stream import LineStream

_PANIC_WITHIN = 10.0  # s that a kernel may take to panic


class _VirtualLink:
    """A cable; the guest's card sees it come and go."""

    def __init__(self, machine: VirtualMachine, network: str) -> None:
        self._machine, self._network = machine, network

    def down(self) -> None:
        self._set(False)

    def up(self) -> None:
        self._set(True)

    def _set(self, up: bool) -> None:
        context = self._machine.context
        context.fabric.set_link(self._machine.name, self._network, up)
        context.listener(self._machine.name, "link.up" if up else "link.down", context.clock.now_ns(),
                         {"network": self._network})

    def is_up(self) -> bool:
        return self._machine.context.fabric.link_is_up(self._machine.name, self._network)


class VirtualMachine:
    """One virtual machine; see ``protocol.Machine``. Every stamp is exact."""

    def __init__(self, spec: MachineSpec, context: DriverContext, kernel: VirtualKernel, number: int,
                 seed: int, line: CommandLine) -> None:
        self.spec, self.context = spec, context
        self._clock: VirtualClock = context.clock
        self._seed, self._boots = seed, 0
        self._lock = threading.RLock()
        self._hold = Hold(spec.boot_time, self._lock, spec.name, self._clock)
        self._paused = self._panics = False
        self._stopped_at = 0
        self._entry: int | None = None
        self._said: FileTail | None = None
        self._stream = LineStream(self._clock)
        self._ended: deque[Kernel] = deque()
        self.line = line
        spec.folder.mkdir(parents=True, exist_ok=True)
        self._media = [Medium(context.image.rootfs), Medium(spec.seed), *map(Medium, spec.disks)]
        self._kernel = self._make(kernel.binary, number)

    def _make(self, binary: Path, number: int) -> Kernel:
        calendar, folder, fabric = self._clock.calendar, self.spec.folder, self.context.fabric
        devices: list = [Disk(calendar, f"{self.name}.vd{letter}", folder / f"vd{letter}", medium)
                         for letter, medium in zip("abcdefghijklmnop", self._media, strict=False)]
        for nic in self.spec.nics:
            card = NetworkCard(calendar, f"{self.name}.{nic.network}", folder / f"net-{nic.network}",
                               fabric.switches[nic.network], nic.mac)
            fabric.cards[self.name, nic.network] = card
            devices.append(card)
        devices.append(Console(calendar, f"{self.name}.agent", folder / "hvc0", self._stream.heard))
        self.line.console = Console(calendar, f"{self.name}.shell", folder / "hvc1", self.line.heard)
        devices.append(self.line.console)
        return Kernel(calendar, binary, self.name, number, folder, self.spec.console, devices, self.spec.memory)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Of its kernel, which leads the group of all its processes; None while it is off."""
        return self._kernel.pid

    def disk(self, number: int) -> Disk:
        """Its disk ``number``, from 0: root, seed, and what follows."""
        return self._kernel.disks()[number]

    def start(self) -> None:
        with self._lock:
            if self.power() is not Power.OFF:
                raise MachineError(f"{self.name} is running already")
            if not self._hold.puts_off(self._start):
                self._start()

    def _start(self) -> None:
        with self._lock:
            self._boots += 1
            self._stream = self._stream.renewed()
            self._kernel.devices[-2].heard = self._stream.heard
            self._said = FileTail(self.spec.console)
            stamp = self._clock.now_ns()
            self._paused = False
            self._kernel.power_on({"LD_PRELOAD": str(seeded_library()),
                                   "FENCELINE_SEED": str(seed_of(self._seed, self.name, self._boots))},
                                  lambda: self._gone(self._boots))
            pid = self._kernel.pid
            self._entry = self.context.journal.begin("process", pid=pid, start_time=process.start_time(pid), group=True)
            self.context.listener(self.name, "power.on", stamp, {})

    def _gone(self, boot: int) -> None:
        """Its kernel ended by itself. In the calendar's turn: what follows from that is a thread's."""
        self._clock.thread(lambda: self._look_after(boot), f"end-of-{self.name}")

    def _look_after(self, boot: int) -> None:
        with self._lock:
            if boot != self._boots or self._kernel.pid is None:
                return
            status = self._kernel.reap()
            why = why_ended(self._said, "sysrq" if status == RESET_STATUS else "panic" if self._panics else "crash")
            self._lose_caches()
            self._is_off(why, self._clock.now_ns())
            if status == RESET_STATUS:
                with contextlib.suppress(FencelineError):  # it stays off, which is told
                    self.start()

    def _is_off(self, why: str, stamp: int) -> None:
        self._paused = False
        self._stopped_at = stamp
        self.line.gone()
        if self._entry is not None:
            self.context.journal.done(self._entry)
            self._entry = None
        self.context.listener(self.name, "power.off", stamp, {"why": why})

    def _lose_caches(self) -> None:
        for disk in self._kernel.disks():
            disk.lose_cache()

    def power_off(self, why: str = "power_off") -> int:
        with self._lock:
            self._hold.end()
            if self._kernel.pid is None:
                return self._stopped_at
            self._kernel.power_off()
            self._lose_caches()
            stamp = self._clock.now_ns()
            self._is_off(why, stamp)
            return stamp

    def reset(self, why: str = "reset") -> None:
        with self._lock:
            self.power_off(why)
            self.start()

    def pause(self) -> None:
        with self._lock:
            place = self._place()
            if self._paused:
                return
            self._clock.calendar.pause(place)
            self._paused = True
            self.context.listener(self.name, "power.paused", self._clock.now_ns(), {})

    def resume(self) -> None:
        with self._lock:
            place = self._place()
            if not self._paused:
                return
            self.context.listener(self.name, "power.resumed", self._clock.now_ns(), {})
            self._clock.calendar.resume(place)
            self._paused = False

    def _place(self) -> Place:
        if self._kernel.place is None:
            raise MachineError(f"{self.name} is off")
        return self._kernel.place

    def panic(self) -> None:
        self._place()
        if self._paused:
            raise MachineError(f"{self.name} is paused: it can't panic")
        boot, self._panics = self._boots, True
        with contextlib.suppress(FencelineError):  # a kernel that panicked does not answer
            ConsoleSession(self.line).run("echo c >/proc/sysrq-trigger", within=_PANIC_WITHIN, check=False)
        with self._lock:
            self._panics = False
            if self._boots == boot and self._kernel.pid is not None:
                self._kernel.power_off()
                self._lose_caches()
                self._is_off("panic", self._clock.now_ns())

    def power(self) -> Power:
        if self._hold.is_holding:
            return Power.ON
        if self._kernel.pid is None:
            return Power.OFF
        return Power.PAUSED if self._paused else Power.ON

    def link(self, network: str) -> Link:
        if network not in [nic.network for nic in self.spec.nics]:
            raise MachineError(f"{self.name} is not plugged into {network}")
        return _VirtualLink(self, network)

    def processes(self) -> tuple[int, ...]:
        """None that matter: what the host does meanwhile has no part in this time."""
        return ()

    def agent_stream(self) -> LineStream:
        return self._stream

    def close(self) -> None:
        self.power_off()
        for device in self._kernel.devices:
            device.close()
        for medium in self._media:
            medium.close()


class VirtualDriver:
    """Makes virtual machines; see ``protocol.Driver``."""

    name = "virtual"
    slowdown = 1.0

    def __init__(self, context: DriverContext, kernel: VirtualKernel, seed: int = 0) -> None:
        self._context, self._kernel, self._seed = context, kernel, seed
        self._machines: list[VirtualMachine] = []
        self._lines: dict[str, CommandLine] = {}
        self._clock: VirtualClock = context.clock
        self._clock.calendar.listen(context.folder / "clock")

    def seed(self, seed: Seed) -> None:
        """What a machine needs of its seed to be one of ours."""
        seed_shell(seed)

    def session(self, node: str) -> ConsoleSession:
        """Commands in ``node``, which may be yet to be made."""
        return ConsoleSession(self._lines.setdefault(node, CommandLine(self._clock, node)))

    def create(self, spec: MachineSpec) -> VirtualMachine:
        line = self._lines.setdefault(spec.name, CommandLine(self._clock, spec.name))
        machine = VirtualMachine(spec, self._context, self._kernel, len(self._machines) + 1, self._seed, line)
        self._machines.append(machine)
        return machine

    def close(self) -> None:
        """Powers every machine off."""
        for machine in self._machines:
            machine.close()
