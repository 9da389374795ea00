"""What all machines have in common, whoever runs them: the contract of ``machines.protocol.Machine``, on UML, on
libvirt, and on the fake that the other tests lean on.

UML's kernel is a program in its place; QEMU's is a few bytes that run in real mode: what the contract is about, they
do as well. Each says that it has booted (B) on its console, and then writes to its agent's line while it executes.
"""

from __future__ import annotations

import itertools
import os
import stat
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.core.errors import MachineError
from fenceline.machines import process
from fenceline.machines.protocol import DriverContext, MachineSpec, Nic, Power
from fenceline.machines.uml.driver import UmlDriver
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
from tests.clocks import now_ns
from tests.fabrics import real_fabric, skip_unless
from tests.fakes import FakeMachine

NODE, NETWORK = "rs-01", "service"

#: Two processes of one group, each of which writes the time to the agent's line; it dies of its panic.
UML_KERNEL = """#!{python} -S
import os, sys, time
print("B", flush=True)
with open("{folder}/pid", "w") as file:
    file.write(str(os.getpid()))
line = next(int(word.rpartition(":")[2]) for word in sys.argv if word.startswith("ssl0=null,fd:"))
os.fork()
while True:
    os.write(line, b"%d\\n" % time.monotonic_ns())
    time.sleep(0.002)
"""
MCONSOLE = """#!/bin/sh
kill -9 $(cat {folder}/pid)
"""

#: A boot sector and a sector of set-up, as QEMU takes a kernel that knows no boot protocol (16-bit code, at 0x9020:0):
#: sets the vector of the NMI, writes B to COM1, and then a dot to COM2 again and again; the NMI's handler writes what a
#: kernel says that panics to COM1, and stays there. Assembled from, in AT&T's syntax:
#:   cli; xor %ax,%ax; mov %ax,%ds; movw $nmi,8; mov %cs,10; mov $0x3f8,%dx; mov $'B',%al; out %al,(%dx)
#:   tick: mov $0x2fd,%dx; 1: in (%dx),%al; test $0x20,%al; jz 1b; mov $0x2f8,%dx; mov $'.',%al; out %al,(%dx)
#:   mov $0xffff,%cx; 2: loop 2b; jmp tick
#:   nmi: mov $text,%si; 3: mov %cs:(%si),%ah; inc %si; test %ah,%ah; jz 5f; mov $0x3fd,%dx; 4: in (%dx),%al
#:   test $0x20,%al; jz 4b; mov $0x3f8,%dx; mov %ah,%al; out %al,(%dx); jmp 3b; 5: jmp 5b
#:   text: .asciz "Kernel panic - not syncing: NMI\n"
QEMU_CODE = bytes.fromhex(
    "fa31c08ed8c70608002a008c0e0a00baf803b042eebafd02eca82074fbbaf802b02eeeb9ffffe2feebebbe47002e8a244684e47410bafd03eca8"
    "2074fbbaf80388e0eeebe8ebfe4b65726e656c2070616e6963202d206e6f742073796e63696e673a204e4d490a00")
QEMU_KERNEL = bytes(0x1f1) + b"\x01" + bytes(12) + b"\x55\xaa" + QEMU_CODE.ljust(512, b"\0") + bytes(4096)


class World:
    """One machine, all that was told of it, and what its guest says; ``has_guest``: it has one."""

    def __init__(self, has_guest: bool) -> None:
        self.has_guest = has_guest
        self.told: list[tuple[str, str, int, dict]] = []
        self.machine = None
        self.driver = None
        self._stream: int | None = None
        self._heard = b""

    def listen(self, *event) -> None:
        self.told.append(event)

    def kinds(self) -> list[str]:
        return [kind for _, kind, _, _ in self.told]

    def stamp(self, kind: str) -> int:
        """Of the last ``kind``."""
        return [stamp for _, told, stamp, _ in self.told if told == kind][-1]

    def start(self) -> None:
        self.machine.start()
        self.follow()

    def follow(self) -> None:
        """The guest's line since the last start."""
        self.leave()
        if self.has_guest:
            self._stream = self.machine.agent_stream()

    def leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._heard = None, b""

    def read(self) -> bytes | None:
        """All that came by now; None: and no more will."""
        while True:
            try:
                chunk = self._stream.read(2**20)
            except BlockingIOError:
                return self._heard
            if not chunk:
                return None
            self._heard += chunk

    def executes(self) -> None:
        """The guest says something that it had not said yet."""
        if self.has_guest:
            before = len(self.read())
            until(lambda: len(self.read()) > before)

    def rests(self) -> None:
        """The guest says nothing for a while; what it had said before may still be on its way."""
        if self.has_guest:
            before = self.read()
            assert not threading.Event().wait(0.3) and self.read() == before

    def spoke_at(self) -> list[int]:
        """When the guest spoke, where it knows; call it when the line is drained."""
        return [int(line) for line in self._heard.split(b"\n")[:-1] if line.isdigit()]


def until(condition, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        threading.Event().wait(0.005)


def spec(folder: Path, fabric) -> MachineSpec:
    (folder / "rs-01.seed").write_bytes(bytes(2**20))
    nics = tuple(Nic(network, fabric.mac(NODE, network), fabric.bridge(network), fabric.tap(NODE, network))
                 for network in ("heartbeat", NETWORK))
    return MachineSpec(NODE, 64 * 2**20, nics, folder / "rs-01.seed", folder / NODE, folder / "rs-01.log")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="module")
def fabric(tmp_path_factory):
    skip_unless("ip", "nft")
    with real_fabric(load_topology("web-iscsi"), tmp_path_factory.mktemp("fabric")) as made:
        yield made


@pytest.fixture(scope="module")
def libvirt_world(tmp_path_factory):
    """What all libvirt machines share: one libvirtd of our own. ``listen`` is the present test's."""
    skip_unless("ip", "nft", "libvirtd", "qemu-system-x86_64", "qemu-img")
    pytest.importorskip("libvirt")
    from fenceline.machines.libvirt import driver as libvirt_driver
    folder = tmp_path_factory.mktemp("libvirt")
    (folder / "rootfs.ext4").write_bytes(bytes(2**20))
    (folder / "vmlinuz").write_bytes(QEMU_KERNEL)
    image = SimpleNamespace(rootfs=folder / "rootfs.ext4", qemu_kernel=folder / "vmlinuz", qemu_initrd=None)
    shared = SimpleNamespace(listen=None, folder=folder)
    patch = pytest.MonkeyPatch()
    patch.setattr(libvirt_driver, "kvm_usable", lambda image: (False, "real mode is for TCG"))
    with real_fabric(load_topology("web-iscsi"), folder) as fabric:
        shared.fabric = fabric
        context = DriverContext(image, fabric, fabric._journal, lambda *event: shared.listen(*event), folder)
        driver = libvirt_driver.LibvirtDriver(context)
        shared.driver = driver
        try:
            yield shared
        finally:
            driver.close()
            patch.undo()


@pytest.fixture(params=["uml", "libvirt", "fake"])
def world(request, tmp_path, monkeypatch):
    made = World(request.param != "fake")
    if request.param == "fake":
        log = EventLog()
        log.listeners.append(lambda event: made.listen(event.node, event.kind, event.t_ns, event.data))
        made.machine = FakeMachine(NODE, load_topology("web-iscsi"), log)
        made.machine.state = Power.OFF
        yield made
    elif request.param == "uml":
        fabric = request.getfixturevalue("fabric")
        script(tmp_path / "bin" / "uml_mconsole", MCONSOLE.format(folder=tmp_path))
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        kernel = script(tmp_path / "linux.uml", UML_KERNEL.format(python=sys.executable, folder=tmp_path))
        image = SimpleNamespace(uml_kernel=kernel, rootfs=Path("/nowhere"), uml_is_seccomp=False)
        made.driver = UmlDriver(DriverContext(image, fabric, fabric._journal, made.listen, tmp_path))
        made.machine = made.driver.create(spec(tmp_path, fabric))
        yield made
        made.machine.close()
    else:
        shared = request.getfixturevalue("libvirt_world")
        shared.listen, made.driver = made.listen, shared.driver
        made.machine = shared.driver.create(spec(tmp_path, shared.fabric))
        yield made
        made.machine.close()
        # the next test's machine has the same name, and does not know of this one
        until(lambda: not made.machine.host.connection.listAllDomains())
    made.leave()


def test_it_is_off_until_it_is_started(world):
    assert world.machine.power() is Power.OFF and world.told == []
    before = now_ns()
    world.start()
    after = now_ns()
    assert world.machine.power() is Power.ON and world.kinds() == ["power.on"]
    assert before <= world.stamp("power.on") <= after
    world.executes()
    assert all(world.stamp("power.on") <= spoke for spoke in world.spoke_at())  # before that it did not execute


def test_what_runs_is_not_started_again(world):
    world.start()
    with pytest.raises(MachineError, match="rs-01 is running already"):
        world.machine.start()
    world.machine.pause()
    with pytest.raises(MachineError, match="rs-01 is running already"):
        world.machine.start()
    assert world.kinds() == ["power.on", "power.paused"]


def test_a_power_cut(world):
    world.start()
    world.executes()
    before = now_ns()
    stamp = world.machine.power_off("fence")
    assert before <= stamp <= now_ns() and world.machine.power() is Power.OFF
    assert world.told[-1][1:] == ("power.off", stamp, {"why": "fence"})
    if world.has_guest:
        until(lambda: world.read() is None)  # its line ends with it
        assert all(spoke <= stamp for spoke in world.spoke_at())  # after that nothing executed
    assert world.machine.power_off("again") == stamp and world.kinds() == ["power.on", "power.off"]


def test_a_pause(world):
    world.start()
    world.executes()
    world.machine.pause()
    assert world.machine.power() is Power.PAUSED
    world.rests()
    assert all(spoke <= world.stamp("power.paused") for spoke in world.spoke_at())
    world.machine.pause()
    world.machine.resume()
    assert world.machine.power() is Power.ON
    world.executes()
    slept = (world.stamp("power.paused"), world.stamp("power.resumed"))
    assert not [spoke for spoke in world.spoke_at() if slept[0] < spoke < slept[1]]
    world.machine.resume()
    assert world.kinds() == ["power.on", "power.paused", "power.resumed"]


def test_the_power_of_a_paused_machine_can_be_cut(world):
    world.start()
    world.machine.pause()
    world.machine.power_off()
    assert world.machine.power() is Power.OFF
    world.start()
    assert world.machine.power() is Power.ON
    world.executes()


def test_a_reset_is_a_power_cut_and_a_start(world):
    world.start()
    world.executes()
    world.machine.reset("fence")
    assert world.machine.power() is Power.ON
    assert [(kind, data) for _, kind, _, data in world.told] == [
        ("power.on", {}), ("power.off", {"why": "fence"}), ("power.on", {})]
    if world.has_guest:
        until(lambda: world.read() is None)
    world.follow()
    world.executes()
    if world.has_guest:
        until(lambda: world.machine.spec.console.read_text().count("B") == 2)  # one file, through all its lives


def test_a_panic(world):
    world.start()
    world.executes()
    if world.has_guest:
        until(lambda: "B" in world.machine.spec.console.read_text())
    world.machine.panic()
    assert world.machine.power() is Power.OFF and world.told[-1][1] == "power.off"
    assert world.told[-1][3] == {"why": "panic"}
    if world.has_guest:
        until(lambda: world.read() is None)
        assert all(spoke <= world.stamp("power.off") for spoke in world.spoke_at())
    world.start()
    world.executes()
    assert world.kinds() == ["power.on", "power.off", "power.on"]


def test_what_sleeps_can_not_panic(world):
    world.start()
    world.machine.pause()
    with pytest.raises(MachineError, match="rs-01 is paused: it can't panic"):
        world.machine.panic()
    assert world.machine.power() is Power.PAUSED


@pytest.mark.parametrize("action", ["pause", "resume", "panic"])
def test_what_is_off_can_not(world, action):
    with pytest.raises(MachineError, match="rs-01 is off"):
        getattr(world.machine, action)()
    assert world.machine.power() is Power.OFF and world.told == []


def test_cables(world):
    cable, other = world.machine.link(NETWORK), world.machine.link("heartbeat")
    world.start()
    cable.down()
    cable.down()
    assert not cable.is_up() and other.is_up()
    world.machine.reset()
    assert not cable.is_up() and other.is_up()  # out is out
    cable.up()
    cable.up()
    assert cable.is_up() and other.is_up()
    told = [(kind, data) for _, kind, _, data in world.told if kind.startswith("link")]
    assert [told[0], told[-1]] == [("link.down", {"network": NETWORK}), ("link.up", {"network": NETWORK})]
    with pytest.raises(MachineError, match="rs-01 is not plugged into storage-2"):
        world.machine.link("storage-2")


def test_stamps_go_one_way(world):
    begin = now_ns()
    world.start()
    for step in (world.machine.pause, world.machine.resume, world.machine.reset, world.machine.pause,
                 world.machine.power_off, world.machine.start, world.machine.power_off):
        step()
    stamps = [begin, *(stamp for _, _, stamp, _ in world.told), now_ns()]
    assert all(one <= next_one for one, next_one in itertools.pairwise(stamps))
    assert world.kinds() == ["power.on", "power.paused", "power.resumed", "power.off", "power.on", "power.paused",
                             "power.off", "power.on", "power.off"]


def held(world, seconds: float) -> None:
    """The machine again, with a power-on that takes ``seconds``; it was on once."""
    world.machine = world.driver.create(replace(world.machine.spec, boot_time=seconds))
    world.machine.start()
    assert world.kinds() == ["power.on"], "the first time is not held"
    world.machine.power_off()
    world.told.clear()


@pytest.mark.parametrize("world", ["uml", "libvirt"], indirect=True)
def test_a_power_on_takes_its_time(world):
    held(world, 0.3)
    before = now_ns()
    world.machine.start()
    assert world.machine.power() is Power.ON, "as its fencing device says"
    assert world.kinds() == []
    with pytest.raises(MachineError, match="running already"):
        world.machine.start()
    until(lambda: world.kinds() == ["power.on"])
    assert world.stamp("power.on") - before >= 0.3e9
    world.machine.reset()
    assert world.kinds() == ["power.on", "power.off"] and world.machine.power() is Power.ON
    until(lambda: world.kinds()[2:] == ["power.on"])


@pytest.mark.parametrize("world", ["uml", "libvirt"], indirect=True)
def test_a_power_cut_ends_a_power_on(world):
    held(world, 600)
    world.machine.start()
    world.machine.power_off("fence")
    assert world.machine.power() is Power.OFF and world.kinds() == [], "nothing had executed"
    world.machine.start()
    assert world.machine.power() is Power.ON
    world.machine.close()
    assert world.machine.power() is Power.OFF and world.kinds() == []


def test_it_leaves_nothing(world):
    world.start()
    folder = getattr(world.machine, "spec", SimpleNamespace(folder=None)).folder
    world.machine.close()
    world.machine.close()
    assert world.machine.power() is Power.OFF
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and folder is not None
                and process.start_time(int(pid)) is not None and str(folder) in cmdline(pid)]


def cmdline(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
