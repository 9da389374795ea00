"""One machine run by libvirt: a transient domain, so that nothing of it is left once it has stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator

import libvirt

from fenceline.core.errors import HostError, MachineError
from fenceline.core.wait import Deadline
from fenceline.machines import process
from fenceline.machines.console import FileTail, why_ended
from fenceline.machines.hold import Hold
from fenceline.machines.libvirt.domain import DomainSettings, domain_xml, interface_xml, is_plugged
from fenceline.machines.libvirt.run import (
    STOP_LIMIT,
    Boot,
    Hypervisors,
    base_image,
    machine_errors,
    make_overlay,
)
from fenceline.machines.protocol import AgentStream, FileStream, MachineSpec, Nic, Power

_PANIC_LIMIT = 10.0  # seconds, times the driver's slowdown
_PANIC_WORDS = b"Kernel panic - not syncing"
_AGENT_BUFFER = 2**20  # bytes


class LibvirtLink:
    """A cable pulled on both ends: the guest's card loses its carrier, and the switch's port goes down."""

    def __init__(self, machine: LibvirtMachine, nic: Nic) -> None:
        self._machine = machine
        self._nic = nic

    def down(self) -> None:
        self._machine.set_plugged(self._nic, False)

    def up(self) -> None:
        self._machine.set_plugged(self._nic, True)

    def is_up(self) -> bool:
        return self._machine.is_plugged(self._nic)


class LibvirtMachine:
    """One domain; see ``protocol.Machine``. A cable that is out stays out over ``power_off`` and ``reset``."""

    def __init__(self, spec: MachineSpec, host: Hypervisors) -> None:
        self.spec = spec
        self.host = host
        self.lock = threading.RLock()
        self._hold = Hold(spec.boot_time, self.lock, spec.name, host.context.clock)
        self.run: Boot | None = None
        self.last: Boot | None = None  # the present run, or the one that libvirt may not have forgotten yet
        self._is_paused = False
        self._stopped_at = 0
        self._stream: int | None = None
        self._held_end: int | None = None
        self._unplugged: set[str] = set()
        self.domain_name = f"{host.context.fabric.namespace}-{spec.name}"
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.domain_name}.fenceline"))
        self.overlay = spec.folder / "root.qcow2"
        self._agent = spec.folder / "agent"
        spec.folder.mkdir(parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        return self.spec.name

    def xml(self) -> str:
        """The domain as the next ``start`` will make it."""
        image = self.host.context.image
        return domain_xml(self.spec, DomainSettings(
            name=self.domain_name, uuid=self.uuid, hypervisor=self.host.kind, kernel=image.qemu_kernel,
            initrd=image.qemu_initrd, overlay=self.overlay, agent=self._agent, emulator=self._emulator(),
            unplugged=frozenset(self._unplugged)))

    @staticmethod
    def _emulator() -> str:
        return shutil.which("qemu-system-x86_64") or "/usr/bin/qemu-system-x86_64"

    # -- start and stop ------------------------------------------------------------------------------------

    def start(self) -> None:
        with self.lock:
            if self.power() is not Power.OFF:
                raise MachineError(f"{self.name} is running already")
            if not self._hold.puts_off(self._start):
                self._start()

    def _start(self) -> None:
        with self.lock:
            if self.host.kind != "test" and not self.overlay.exists():
                make_overlay(self.overlay, base_image(self.host.context.image.rootfs))
            self._open_agent()
            with self._launch_errors(f"{self.name} does not start"):
                self.launch(lambda: self.host.connection.createXML(self.xml(), self._start_flags))
                stamp = self.host.context.clock.now_ns()
                if self._start_flags:
                    self.run.domain.resume()
            self.host.context.listener(self.name, "power.on", stamp, {})

    @property
    def _start_flags(self) -> int:
        # paused, so that the journal knows of QEMU before the guest executes, and the stamp is close; libvirt ends
        # the domain when our connection goes, so even a harness that dies before the journal knows leaves none
        if self.host.kind == "test":
            return 0
        return libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY

    def _open_agent(self) -> None:
        """A new FIFO for the agent's lines: the old stream is closed."""
        self.close_agent()
        self._agent.unlink(missing_ok=True)
        os.mkfifo(self._agent, 0o600)
        # without O_NONBLOCK opening would wait for QEMU to open the other end
        self._stream = os.open(self._agent, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # held for as long as the machine is on: the stream's reader would see its end before QEMU has opened it
        self._held_end = os.open(self._agent, os.O_WRONLY | os.O_CLOEXEC)
        os.set_blocking(self._stream, True)
        # a full pipe would stall the guest's serial port; the agent's bursts fit into a megabyte
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._stream, fcntl.F_SETPIPE_SZ, _AGENT_BUFFER)

    def close_agent(self) -> None:
        """Closes both ends of ours."""
        for fd in (self._stream, self._held_end):
            if fd is not None:
                os.close(fd)
        self._stream = self._held_end = None

    def launch(self, create: Callable[[], libvirt.virDomain]) -> None:
        """Makes the domain with ``create`` and journals what undoes it. ``libvirtError`` passes through."""
        host, journal = self.host, self.host.context.journal
        self._wait_until_forgotten()
        console, entries = FileTail(self.spec.console), []
        if host.daemon is None and host.kind != "test":
            entries.append(journal.begin("domain", uri=host.uri, name=self.domain_name, uuid=self.uuid))
        try:
            run = Boot(create(), console, entries=entries)
        except BaseException:
            for entry in entries:
                journal.done(entry)
            raise
        self.run = self.last = run
        self._is_paused = False
        if host.daemon is not None:
            run.pid = host.daemon.qemu_pid(self.domain_name)
            run.started = process.start_time(run.pid)
            entries.append(journal.begin("process", pid=run.pid, start_time=run.started, group=False))
            threading.Thread(target=self._watch, args=(run,), name=f"qemu-{self.name}", daemon=True).start()

    def _watch(self, run: Boot) -> None:
        """Tells of a QEMU that ended by itself, sooner than libvirt does."""
        while not process.wait_exit(run.pid, 3600):
            pass
        process.reap(run.pid)
        self.ended_by_itself(run, "crash", self.host.context.clock.now_ns())

    @contextlib.contextmanager
    def _launch_errors(self, what: str) -> Iterator[None]:
        """A launch that failed half-way leaves nothing."""
        daemon = self.host.daemon
        try:
            with machine_errors(what, lambda: daemon.qemu_log(self.domain_name) if daemon else ""):
                yield
        except BaseException:
            if self.run is not None:
                self.cut(self.run)
                self.forget(self.run)
            raise

    def power_off(self, why: str = "power_off") -> int:
        with self.lock:
            self._hold.end()
            if self.run is None:
                return self._stopped_at
            return self.end(why, self.cut(self.run))

    def cut(self, run: Boot) -> int:
        """Takes the power from ``run``; returns the stamp (ns) by which it had stopped executing."""
        if run.pid is not None:
            # libvirt's own destroy asks QEMU to quit, which flushes, and waits for it
            process.kill(run.pid, run.started, STOP_LIMIT)
            stamp = self.host.context.clock.now_ns()
        else:
            with contextlib.suppress(libvirt.libvirtError):  # it may have ended by itself
                run.domain.suspend()
            stamp = self.host.context.clock.now_ns()
            with contextlib.suppress(libvirt.libvirtError):
                run.domain.destroy()
        return stamp

    def _wait_until_forgotten(self) -> None:
        """Until libvirt has noticed that the last run is over: only then is the domain's name free. Nobody but the
        next start waits for it."""
        last = self.last
        if last is not None and not last.gone.wait(STOP_LIMIT):
            try:
                last.domain.destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise MachineError(f"libvirt does not notice that {self.name} is off: {error}") from error
        self.last = None

    def end(self, why: str, stamp: int) -> int:
        """Writes down and tells that the machine stopped at ``stamp`` (ns); returns it."""
        self.forget(self.run)
        self._stopped_at = stamp
        self.host.context.listener(self.name, "power.off", stamp, {"why": why})
        return stamp

    def forget(self, run: Boot) -> None:
        """``run`` has ended: there is nothing to undo any more."""
        while run.entries:  # what it had in the journal has gone with its process
            self.host.context.journal.done(run.entries.pop())
        self.run = None
        self._is_paused = False
        if self._held_end is not None:  # now the stream's reader sees its end
            os.close(self._held_end)
            self._held_end = None

    def reset(self, why: str = "reset") -> None:
        with self.lock:
            self.power_off(why)
            self.start()

    # -- while it runs -------------------------------------------------------------------------------------

    def pause(self) -> None:
        with self.lock:
            run = self._running()
            if self._is_paused:
                return
            with machine_errors(f"{self.name} does not pause"):
                run.domain.suspend()
            self._is_paused = True
            self.host.context.listener(self.name, "power.paused", self.host.context.clock.now_ns(), {})

    def resume(self) -> None:
        with self.lock:
            run = self._running()
            if not self._is_paused:
                return
            stamp = self.host.context.clock.now_ns()
            with machine_errors(f"{self.name} does not resume"):
                run.domain.resume()
            self._is_paused = False
            self.host.context.listener(self.name, "power.resumed", stamp, {})

    def _running(self) -> Boot:
        if self.run is None:
            raise MachineError(f"{self.name} is off")
        return self.run

    def panic(self) -> None:
        """By a non-maskable interrupt, which ``unknown_nmi_panic`` makes fatal; power goes when the kernel has said
        that it panicked, so the machine is off afterwards, as one of UML is."""
        with self.lock:
            run = self._running()
            if self._is_paused:
                raise MachineError(f"{self.name} is paused: it can't panic")
            console = FileTail(self.spec.console)
            with machine_errors(f"{self.name} can't be given an NMI"):
                run.domain.injectNMI()
            limit = _PANIC_LIMIT * self.host.slowdown
            deadline = Deadline(self.host.context.clock, limit)
            while not (run.panicked.wait(0.02) or console.says(_PANIC_WORDS)):
                if run.gone.is_set():
                    break
                if deadline.is_over:
                    raise MachineError(f"{self.name} did not panic within {limit:g} s of an NMI: "
                                       "is kernel.unknown_nmi_panic off in the guest?")
            self.end("panic", self.cut(run))

    def power(self) -> Power:
        with self.lock:
            if self._hold.is_holding:
                return Power.ON
            if self.run is None:
                return Power.OFF
            return Power.PAUSED if self._is_paused else Power.ON

    def processes(self) -> tuple[int, ...]:
        run = self.run
        return () if run is None or run.pid is None else (run.pid,)

    def agent_stream(self) -> AgentStream | None:
        return None if self._stream is None else FileStream(self._stream)

    # -- cables --------------------------------------------------------------------------------------------

    def link(self, network: str) -> LibvirtLink:
        for nic in self.spec.nics:
            if nic.network == network:
                return LibvirtLink(self, nic)
        raise MachineError(f"{self.name} is not plugged into {network}")

    def set_plugged(self, nic: Nic, plugged: bool) -> None:
        """Puts the cable of ``nic`` in or out, on both ends, whether the machine is on or off."""
        with self.lock:
            if self.run is not None and self.host.kind != "test":
                with machine_errors(f"{self.name}'s cable in {nic.network} can't be moved"):
                    self.run.domain.updateDeviceFlags(interface_xml(nic, plugged), libvirt.VIR_DOMAIN_AFFECT_LIVE)
            self.host.context.fabric.set_link(self.name, nic.network, plugged)
            (self._unplugged.discard if plugged else self._unplugged.add)(nic.network)
            context = self.host.context
            context.listener(self.name, "link.up" if plugged else "link.down", context.clock.now_ns(),
                             {"network": nic.network})

    def is_plugged(self, nic: Nic) -> bool:
        """Whether the cable of ``nic`` is in, on both ends: read back from libvirt and the fabric."""
        with self.lock:
            card = True
            if self.run is not None:
                with machine_errors(f"{self.name}'s cards can't be read"):
                    card = is_plugged(self.run.domain.XMLDesc(), nic.mac)
            return card is not False and self.host.context.fabric.link_is_up(self.name, nic.network)

    # -- what libvirt tells --------------------------------------------------------------------------------

    def ended_by_itself(self, run: Boot, why: str, stamp: int) -> None:
        """libvirt says that ``run`` stopped, or its kernel panicked, at ``stamp`` (ns); of no meaning if we did it."""
        with self.lock:
            if self.run is not run:
                return
            if why == "panic":  # its CPUs may still spin
                stamp = self.cut(run)
            self.end(why_ended(run.console, why) if why == "crash" else why, stamp)

    def reset_itself(self, run: Boot) -> None:
        """libvirt says that the guest of ``run`` reset itself. What boots in that QEMU now is cut off and started anew,
        so that this is an end and a start like others, with a new agent's stream."""
        with self.lock:
            if self.run is not run:
                return
            why = why_ended(run.console, "sysrq")
            self.end(why, self.cut(run))
            with contextlib.suppress(HostError, MachineError):  # the machine stays off, which is told
                self.start()

    def close(self) -> None:
        with self.lock:
            self.power_off()
            self.close_agent()
            self._agent.unlink(missing_ok=True)
            self.overlay.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # what others put there is theirs
                self.spec.folder.rmdir()
