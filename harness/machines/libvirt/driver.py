"""Machines from libvirt: QEMU with KVM where KVM really works, emulated (TCG) elsewhere."""

from __future__ import annotations

import contextlib
import queue
import threading

from fenceline.core.errors import HostError

try:
    import libvirt
except ImportError as missing:
    raise HostError("the libvirt driver needs libvirt-python, which is built on the host: apt-get install "
                    "libvirt-dev gcc pkg-config python3-dev, then pip install libvirt-python") from missing

from fenceline.guest.seed import Seed
from fenceline.machines.libvirt.daemon import Libvirtd, ensure_event_loop, open_connection
from fenceline.machines.libvirt.domain import Hypervisor
from fenceline.machines.libvirt.kvm import kvm_usable
from fenceline.machines.libvirt.machine import LibvirtMachine
from fenceline.machines.libvirt.run import Boot, Hypervisors
from fenceline.machines.protocol import DriverContext, MachineSpec

#: By what factor an emulated guest is slower than one with KVM, for deadlines.
EMULATION_SLOWDOWN = 5.0


class LibvirtDriver:
    """Makes libvirt machines; see ``protocol.Driver`` and ``protocol.Checkpointing``.

    Without ``uri`` a libvirtd of its own is started inside the fabric. The libvirt at a given ``uri`` must run
    inside the fabric's namespace too, for that is where the machines' taps are.

    Raises:
        HostError: libvirt or QEMU is not installed, or can't be reached.
    """

    name = "libvirt"

    def __init__(self, context: DriverContext, uri: str | None = None) -> None:
        self._clock = context.clock
        self._machines: dict[str, LibvirtMachine] = {}
        self._by_uuid: dict[str, LibvirtMachine] = {}
        self._ends: queue.SimpleQueue[tuple[LibvirtMachine, Boot, str, int] | None] = queue.SimpleQueue()
        self._daemon: Libvirtd | None = None
        self._connection: libvirt.virConnect | None = None
        self._callbacks: list[int] = []
        self._worker: threading.Thread | None = None
        ensure_event_loop()
        try:
            if uri is None:
                self._daemon = Libvirtd(context.fabric, context.journal, context.folder / "libvirt")
                self._daemon.start()
            self._connection = open_connection(uri or self._daemon.uri)
            kind = self._kind(context)
            self.slowdown = EMULATION_SLOWDOWN if kind == "qemu" else 1.0
            self._host = Hypervisors(context, self._connection, kind, uri or self._daemon.uri, self.slowdown,
                                     self._daemon)
            for kind, listener in ((libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
                                   (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot)):
                self._callbacks.append(self._connection.domainEventRegisterAny(None, kind, listener, None))
        except libvirt.libvirtError as error:
            self.close()
            raise HostError(f"libvirt at {uri or 'our own daemon'}: {error}") from error
        except BaseException:
            self.close()
            raise
        self._worker = threading.Thread(target=self._tell_ends, name="libvirt-ends", daemon=True)
        self._worker.start()

    def _kind(self, context: DriverContext) -> Hypervisor:
        if self._connection.getType() == "TEST":
            return "test"
        return "kvm" if kvm_usable(context.image)[0] else "qemu"

    def seed(self, seed: Seed) -> None:
        """Its machines need nothing of their own."""

    def session(self, node: str) -> None:
        """By SSH."""

    def create(self, spec: MachineSpec) -> LibvirtMachine:
        machine = LibvirtMachine(spec, self._host)
        self._machines[spec.name] = machine
        self._by_uuid[machine.uuid] = machine
        return machine

    def _on_lifecycle(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, event: int, _detail: int,
                      _opaque: object) -> None:
        """In libvirt's event thread, which every wait for an event relies on: takes no lock, calls no libvirt."""
        stamp = self._clock.now_ns()
        machine = self._by_uuid.get(domain.UUIDString())
        run = machine.last if machine else None
        if run is None:
            return
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            run.gone.set()
            self._ends.put((machine, run, "crash", stamp))
        elif event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
            run.panicked.set()
            self._ends.put((machine, run, "panic", stamp))

    def _on_reboot(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, _opaque: object) -> None:
        """In libvirt's event thread, as above: the guest reset itself. Starting it again takes a thread of its own, as
        the end of another machine must not wait for that."""
        machine = self._by_uuid.get(domain.UUIDString())
        if machine is not None and (run := machine.last) is not None:
            threading.Thread(target=machine.reset_itself, args=(run,), name=f"reset-{machine.name}",
                             daemon=True).start()

    def _tell_ends(self) -> None:
        while (end := self._ends.get()) is not None:
            machine, run, why, stamp = end
            machine.ended_by_itself(run, why, stamp)

    def close(self) -> None:
        """Powers every machine off and removes all that the driver made. May be repeated."""
        with contextlib.ExitStack() as undo:  # runs all of it, last first, even if one step fails
            if self._daemon is not None:
                undo.callback(self._daemon.stop)
            undo.callback(self._disconnect)
            for machine in self._machines.values():
                undo.callback(machine.close)

    def _disconnect(self) -> None:
        if self._worker is not None:
            self._ends.put(None)
            self._worker.join(5)
            self._worker = None
        if self._connection is not None:
            with contextlib.suppress(libvirt.libvirtError):  # the daemon may have died
                while self._callbacks:
                    self._connection.domainEventDeregisterAny(self._callbacks.pop())
                self._connection.close()
            self._connection = None


def undefine_domain(uri: str, name: str, uuid: str) -> None:
    """Stops and removes the domain ``name`` at ``uri``, if there is one and it has this ``uuid``.

    Raises:
        HostError: libvirt can't be reached there, or refuses.
    """
    connection = open_connection(uri)
    try:
        domain = connection.lookupByUUIDString(uuid)
        if domain.name() != name:
            raise HostError(f"refused: the domain {uuid} at {uri} is {domain.name()}, not {name}")
        is_persistent = domain.isPersistent()
        if domain.isActive():
            domain.destroy()
        if is_persistent:
            domain.undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise HostError(f"can't remove the domain {name} at {uri}: {error}") from error
    finally:
        connection.close()
