"""All machines of a driver saved, and put back, at one instant: their memory by libvirt, their disks by copies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libvirt

from fenceline.core.errors import HostError, MachineError
from fenceline.machines.libvirt_machine import LibvirtMachine
from fenceline.machines.libvirt_run import STOP_LIMIT, Hypervisors, copy_file, machine_errors
from fenceline.machines.protocol import Power
from fenceline.model.event import now_ns

_MANIFEST = "checkpoint.json"


@contextlib.contextmanager
def _locked(machines: Sequence[LibvirtMachine]) -> Iterator[None]:
    """Nobody else does anything to ``machines``."""
    with contextlib.ExitStack() as stack:
        for machine in sorted(machines, key=lambda one: one.name):
            stack.enter_context(machine.lock)
        yield


def _all_at_once(action: Callable[[LibvirtMachine], None], machines: Sequence[LibvirtMachine]) -> None:
    """``action`` on all ``machines`` in parallel; raises the first error when all have ended."""
    if machines:
        with ThreadPoolExecutor(len(machines)) as pool:
            for done in [pool.submit(action, machine) for machine in machines]:
                done.result()


def save(host: Hypervisors, machines: Sequence[LibvirtMachine], folder: Path) -> None:
    """See ``LibvirtDriver.checkpoint``. The manifest is written last: a folder without one is no checkpoint."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"can't save to {folder}: {error.strerror}") from error
    with _locked(machines):
        powers = {machine.name: machine.power() for machine in machines}
        live = [machine for machine in machines if powers[machine.name] is not Power.OFF]
        for machine in live:  # first all of them, a few ms apart: no one sees another stand still for long
            machine.pause()
        try:
            _all_at_once(lambda machine: _save_memory(machine, folder), live)
            for machine in machines:
                for disk, copy in _disks(machine, folder):
                    _copy(disk, copy)
            _all_at_once(lambda machine: _restore_memory(host, machine, folder), live)
        except BaseException:
            # libvirt's save ends QEMU: what could not be brought back is off, and says so
            for machine in live:
                if machine.run is not None and machine.run.gone.is_set():
                    machine.end("crash", now_ns())
            raise
        manifest = {"machines": {name: power.value for name, power in powers.items()}}
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for machine in live:
            if powers[machine.name] is Power.ON:
                machine.resume()


def restore(host: Hypervisors, machines: Sequence[LibvirtMachine], folder: Path) -> None:
    """See ``LibvirtDriver.restore``."""
    try:
        powers = {name: Power(power)
                  for name, power in json.loads((folder / _MANIFEST).read_text())["machines"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise MachineError(f"{folder} holds no checkpoint: {error}") from error
    if set(powers) != {machine.name for machine in machines}:
        raise MachineError(f"the checkpoint in {folder} is of {', '.join(powers)}, "
                           f"not of {', '.join(machine.name for machine in machines)}")
    with _locked(machines):
        for machine in machines:
            machine.power_off("restore")
        for machine in machines:
            for disk, copy in _disks(machine, folder):
                _copy(copy, disk)
        live = [machine for machine in machines if powers[machine.name] is not Power.OFF]
        for machine in live:
            machine.open_agent()
        try:
            _all_at_once(lambda machine: _restore_memory(host, machine, folder), live)
        except BaseException:
            for machine in live:  # all or none: half a cluster of another time is of no use
                if machine.run is not None:
                    machine.cut(machine.run)
                    machine.forget(machine.run)
            raise
        for machine in live:
            machine.begin_paused(now_ns())
        for machine in live:
            if powers[machine.name] is Power.ON:
                machine.resume()


def _disks(machine: LibvirtMachine, folder: Path) -> list[tuple[Path, Path]]:
    """Each writable disk of ``machine`` that there is by now, with its copy in ``folder``."""
    pairs = [(machine.overlay, folder / f"{machine.name}.root.qcow2")]
    pairs += [(disk, folder / f"{machine.name}.disk{number}") for number, disk in enumerate(machine.spec.disks)]
    return [(disk, copy) for disk, copy in pairs if disk.exists() or copy.exists()]


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        copy_file(source, target)
    else:
        target.unlink(missing_ok=True)


def _memory(machine: LibvirtMachine, folder: Path) -> Path:
    return folder / f"{machine.name}.memory"


def _save_memory(machine: LibvirtMachine, folder: Path) -> None:
    with machine_errors(f"{machine.name} can't be saved"):
        machine.run.domain.saveFlags(str(_memory(machine, folder)), None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
    if not machine.run.gone.wait(STOP_LIMIT):
        raise MachineError(f"{machine.name} was saved, but libvirt does not end its domain")


def _restore_memory(host: Hypervisors, machine: LibvirtMachine, folder: Path) -> None:
    """Leaves ``machine`` paused."""
    if machine.run is not None:
        machine.drop_entries(machine.run)

    def create() -> libvirt.virDomain:
        host.connection.restoreFlags(str(_memory(machine, folder)), None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
        return host.connection.lookupByName(machine.domain_name)

    daemon = host.daemon
    with machine_errors(f"{machine.name} can't be restored",
                        lambda: daemon.qemu_log(machine.domain_name) if daemon else ""):
        machine.launch(create, is_paused=True)
