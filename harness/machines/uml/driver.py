"""Machines from User-Mode Linux: each node a Linux kernel of its own, run as an ordinary process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading

from fenceline.core.errors import HostError, MachineError
from fenceline.guest.seed import Seed
from fenceline.machines import process
from fenceline.machines.console import FileTail, why_ended
from fenceline.machines.hold import Hold
from fenceline.machines.protocol import AgentStream, DriverContext, FileStream, Link, MachineSpec, Power

# A UML kernel that resets itself executes its own argv[0] again. That is this, which says so and ends: the machine is
# then switched on anew, as a real one would be, and nothing is missed.
_RESET = "#!/bin/sh\nexit 86\n"
_RESET_STATUS = 86
_EXEC_AS = ["bash", "-c", 'exec -a "$0" "$@"']


class _UmlLink:
    """A cable, pulled on the switch's side: UML's vector transport knows no carrier."""

    def __init__(self, machine: UmlMachine, network: str) -> None:
        self._fabric = machine.context.fabric
        self._listener = machine.context.listener
        self._clock = machine.context.clock
        self._node = machine.name
        self._network = network

    def down(self) -> None:
        self._fabric.set_link(self._node, self._network, up=False)
        self._listener(self._node, "link.down", self._clock.now_ns(), {"network": self._network})

    def up(self) -> None:
        self._fabric.set_link(self._node, self._network, up=True)
        self._listener(self._node, "link.up", self._clock.now_ns(), {"network": self._network})

    def is_up(self) -> bool:
        return self._fabric.link_is_up(self._node, self._network)


class UmlMachine:
    """One UML kernel; see ``protocol.Machine``."""

    def __init__(self, spec: MachineSpec, context: DriverContext) -> None:
        self.spec = spec
        self.context = context
        self._lock = threading.RLock()
        self._hold = Hold(spec.boot_time, self._lock, spec.name, context.clock)
        self._process: subprocess.Popen | None = None
        self._entry: int | None = None
        self._paused = False
        self._stopped_at = 0
        self._stream: int | None = None
        self._said: FileTail | None = None
        spec.folder.mkdir(parents=True, exist_ok=True)
        self._reset = spec.folder / "reset"
        self._reset.write_text(_RESET)
        self._reset.chmod(0o755)

    @property
    def name(self) -> str:
        return self.spec.name

    def command(self, agent_pipe: int) -> list[str]:
        """The command line of the kernel; ``agent_pipe`` is the file descriptor of the agent's serial line."""
        spec, image = self.spec, self.context.image
        disks = [f"ubd0={spec.folder / 'root.cow'},{image.rootfs}", f"ubd1r={spec.seed}"]
        disks += [f"ubd{number}={path}" for number, path in enumerate(spec.disks, start=2)]
        cards = [f"vec{number}:transport=tap,ifname={nic.tap},mac={nic.mac},depth=64,gro=1"
                 for number, nic in enumerate(spec.nics)]
        seccomp = ["seccomp=on"] if image.uml_is_seccomp else []
        return [str(image.uml_kernel), f"mem={spec.memory // 2**20}M", *seccomp, *disks, "root=/dev/ubda", "rw",
                "rootfstype=ext4", "quiet", "con=null", "con0=fd:0,fd:1", "ssl=null", f"ssl0=null,fd:{agent_pipe}",
                f"umid={self.name}", f"uml_dir={spec.folder}", *cards,
                "net.ifnames=0", "panic=0"]

    def start(self) -> None:
        with self._lock:
            if self.power() is not Power.OFF:
                raise MachineError(f"{self.name} is running already")
            if not self._hold.puts_off(self._start):
                self._start()

    def _start(self) -> None:
        with self._lock:
            kernel = self.context.image.uml_kernel
            if not os.access(kernel, os.X_OK):
                raise HostError(f"can't start {kernel}: {'not executable' if kernel.exists() else 'No such file'}")
            self._close_stream()
            read_end, write_end = os.pipe2(os.O_CLOEXEC)
            # a pipe too full would stall the guest's console driver; the agent's bursts fit into a megabyte
            with contextlib.suppress(OSError):
                import fcntl
                fcntl.fcntl(read_end, fcntl.F_SETPIPE_SZ, 2**20)
            try:
                with self.spec.console.open("ab") as console:
                    self._said = FileTail(self.spec.console)
                    words = [*_EXEC_AS, str(self._reset), *self.command(write_end)]
                    stamp = self.context.clock.now_ns()
                    # a fencing device starts us from a thread of the observers', which goes before all others
                    with process.ordinary_priority():
                        self._process = subprocess.Popen(
                            self.context.fabric.command(words), stdin=subprocess.DEVNULL, stdout=console,
                            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(write_end,),
                            cwd=self.spec.folder, env={"PATH": os.environ.get("PATH", ""), "TMPDIR": "/dev/shm",
                                                       "HOME": str(self.spec.folder)})
            except OSError as error:
                os.close(read_end)
                raise HostError(f"can't start {self.context.image.uml_kernel}: {error.strerror}") from error
            finally:
                os.close(write_end)
            self._stream = read_end
            pid = self._process.pid
            self._entry = self.context.journal.begin(
                "process", pid=pid, start_time=process.start_time(pid), group=True)
            self._paused = False
            self.context.listener(self.name, "power.on", stamp, {})
            threading.Thread(target=self._watch, args=(self._process,), daemon=True,
                             name=f"uml-{self.name}").start()

    def _watch(self, started: subprocess.Popen) -> None:
        """Tells the listener when the kernel ends by itself: halted, panicked, or reset, and then starts it again."""
        # not reaped before the lock is ours: its number, which is its group's, must stay nobody else's
        while not process.wait_exit(started.pid, 3600):
            pass
        with self._lock:
            if self._process is not started:
                return
            with contextlib.suppress(MachineError):
                process.kill_group(started.pid)  # children of a kernel that died
            status = started.wait()
            if status != _RESET_STATUS:
                self._ended(why_ended(self._said, "crash"), self.context.clock.now_ns())
                return
            self._ended(why_ended(self._said, "sysrq"), self.context.clock.now_ns())
            with contextlib.suppress(HostError):  # no longer there: the machine stays off, which is told
                self.start()

    def _ended(self, why: str, stamp: int) -> None:
        self._process = None
        self._paused = False
        self._stopped_at = stamp
        if self._entry is not None:
            self.context.journal.done(self._entry)
            self._entry = None
        self.context.listener(self.name, "power.off", stamp, {"why": why})

    def power_off(self, why: str = "power_off") -> int:
        with self._lock:
            self._hold.end()
            if self._process is None:
                return self._stopped_at
            ended = self._process
            process.kill_group(ended.pid)
            stamp = self.context.clock.now_ns()
            ended.wait()
            self._ended(why, stamp)
            return stamp

    def reset(self, why: str = "reset") -> None:
        with self._lock:
            self.power_off(why)
            self.start()

    def pause(self) -> None:
        with self._lock:
            if self._process is None:
                raise MachineError(f"{self.name} is off")
            if self._paused:
                return
            process.stop_group(self._process.pid)
            self._paused = True
            self.context.listener(self.name, "power.paused", self.context.clock.now_ns(), {})

    def resume(self) -> None:
        with self._lock:
            if self._process is None:
                raise MachineError(f"{self.name} is off")
            if not self._paused:
                return
            self.context.listener(self.name, "power.resumed", self.context.clock.now_ns(), {})
            self._paused = False
            os.killpg(self._process.pid, signal.SIGCONT)

    def panic(self) -> None:
        with self._lock:
            if self._process is None:
                raise MachineError(f"{self.name} is off")
            if self._paused:
                raise MachineError(f"{self.name} is paused: it can't panic")
            said = self._sysrq("c")
            # a kernel that panicked does not answer any more, so only its end tells that it did
            if not process.wait_exit(self._process.pid, 10):
                raise MachineError(f"{self.name} did not panic within 10 s: {said or 'no answer from uml_mconsole'}")
            process.kill_group(self._process.pid)
            stamp = self.context.clock.now_ns()
            self._process.wait()
            self._ended("panic", stamp)

    def _sysrq(self, letter: str) -> str:
        socket = str(self.spec.folder / self.name / "mconsole")
        try:
            done = subprocess.run(["uml_mconsole", socket, "sysrq", letter], capture_output=True, text=True,
                                  timeout=3, check=False)
        except FileNotFoundError as error:
            raise HostError("uml_mconsole is not installed: `fenceline doctor` says what installs it") from error
        except subprocess.TimeoutExpired:
            return ""
        return (done.stderr or done.stdout).strip()

    def power(self) -> Power:
        with self._lock:
            if self._hold.is_holding:
                return Power.ON
            if self._process is None:
                return Power.OFF
            return Power.PAUSED if self._paused else Power.ON

    def link(self, network: str) -> Link:
        if network not in [nic.network for nic in self.spec.nics]:
            raise MachineError(f"{self.name} is not plugged into {network}")
        return _UmlLink(self, network)

    def processes(self) -> tuple[int, ...]:
        started = self._process
        return () if started is None else (started.pid,)

    def agent_stream(self) -> AgentStream | None:
        return None if self._stream is None else FileStream(self._stream)

    def _close_stream(self) -> None:
        if self._stream is not None:
            os.close(self._stream)
            self._stream = None

    def close(self) -> None:
        self.power_off()
        self._close_stream()


class UmlDriver:
    """Makes UML machines; see ``protocol.Driver``."""

    name = "uml"
    slowdown = 1.0

    def __init__(self, context: DriverContext) -> None:
        self._context = context
        self._machines: list[UmlMachine] = []

    def seed(self, seed: Seed) -> None:
        """Its machines need nothing of their own."""

    def session(self, node: str) -> None:
        """By SSH."""

    def create(self, spec: MachineSpec) -> UmlMachine:
        machine = UmlMachine(spec, self._context)
        self._machines.append(machine)
        return machine

    def close(self) -> None:
        """Powers every machine off."""
        for machine in self._machines:
            machine.close()
