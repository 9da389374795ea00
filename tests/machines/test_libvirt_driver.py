"""The driver on libvirt's own fake, ``test:///default``: needs neither root nor QEMU."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

libvirt = pytest.importorskip("libvirt")

from fenceline.core.errors import HostError, MachineError  # noqa: E402
from fenceline.journal.journal import Journal, open_entries  # noqa: E402
from fenceline.machines.libvirt import daemon as libvirtd  # noqa: E402
from fenceline.machines.libvirt import run as libvirt_run  # noqa: E402
from fenceline.machines.libvirt.driver import LibvirtDriver, undefine_domain  # noqa: E402
from fenceline.machines.protocol import DriverContext, MachineSpec, Nic, Power  # noqa: E402
from tests.fakes import heard  # noqa: E402

FAKE = "test:///default"


class FakeFabric:
    namespace = "fl-00000000"

    def __init__(self):
        self.ports = {}

    def set_link(self, node, network, up):
        self.ports[node, network] = up

    def link_is_up(self, node, network):
        return self.ports.get((node, network), True)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A driver on the fake, all that was told to its listener, and what the driver hears of libvirt, by event."""
    heard = {}
    register = libvirt.virConnect.domainEventRegisterAny
    monkeypatch.setattr(libvirt.virConnect, "domainEventRegisterAny", lambda connection, domain, event, *callback: (
        heard.setdefault(event, callback[0]), register(connection, domain, event, *callback))[1])
    image = SimpleNamespace(rootfs=tmp_path / "rootfs", qemu_kernel=tmp_path / "vmlinuz", qemu_initrd=None)
    events = []
    journal = Journal(tmp_path / "journal.jsonl")
    context = DriverContext(image, FakeFabric(), journal, lambda *event: events.append(event), tmp_path)
    driver = LibvirtDriver(context, FAKE)
    yield SimpleNamespace(driver=driver, events=events, journal=journal, folder=tmp_path, context=context, heard=heard)
    driver.close()
    journal.close(remove=True)


@pytest.fixture
def machine(world):
    nic = Nic("service", "52:54:00:fe:01:0b", "br1", "t0n1")
    return world.driver.create(MachineSpec("rs-01", 256 * 2**20, (nic,), world.folder / "rs-01.seed",
                                           world.folder / "rs-01", world.folder / "rs-01.log"))


def kinds(world):
    return [kind for _, kind, _, _ in world.events]


def wait_for(condition, within=5.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def test_start_and_power_off_are_told(world, machine):
    assert machine.power() is Power.OFF
    before = time.monotonic_ns()
    machine.start()
    assert machine.power() is Power.ON
    stamp = machine.power_off("fence")
    assert machine.power() is Power.OFF
    assert before <= world.events[0][2] <= stamp <= time.monotonic_ns()
    assert [(event[0], event[1], event[3]) for event in world.events] == [
        ("rs-01", "power.on", {}), ("rs-01", "power.off", {"why": "fence"})]


def test_power_off_twice_returns_the_first_stamp(world, machine):
    machine.start()
    assert machine.power_off() == machine.power_off()
    assert kinds(world) == ["power.on", "power.off"]


def test_start_twice_is_an_error(machine):
    machine.start()
    with pytest.raises(MachineError, match="running already"):
        machine.start()


def test_pause_and_resume(world, machine):
    machine.start()
    machine.pause()
    machine.pause()
    assert machine.power() is Power.PAUSED
    machine.resume()
    machine.resume()
    assert machine.power() is Power.ON
    assert kinds(world) == ["power.on", "power.paused", "power.resumed"]


@pytest.mark.parametrize("action", ["pause", "resume", "panic"])
def test_nothing_can_be_done_to_a_machine_that_is_off(machine, action):
    with pytest.raises(MachineError, match="is off"):
        getattr(machine, action)()


def test_reset_is_a_power_cut_and_a_start(world, machine):
    machine.start()
    machine.reset("fence")
    assert machine.power() is Power.ON
    assert kinds(world) == ["power.on", "power.off", "power.on"]


def test_a_machine_that_ends_by_itself_has_crashed(world, machine):
    machine.start()
    machine.run.domain.destroy()
    wait_for(lambda: machine.power() is Power.OFF)
    assert world.events[-1][1:2] + world.events[-1][3:] == ("power.off", {"why": "crash"})
    machine.start()  # its name is free again


def test_a_machine_that_was_shut_down_from_inside_has_not_crashed(world, machine):
    machine.start()
    with machine.spec.console.open("a") as console:
        console.write("reboot: Power down\n")
    machine.run.domain.destroy()
    wait_for(lambda: machine.power() is Power.OFF)
    assert world.events[-1][1:2] + world.events[-1][3:] == ("power.off", {"why": "poweroff"})


@pytest.mark.parametrize(("words", "why"), [
    # as Linux 6.1 says it on QEMU: softdog's last word, that of a clean reboot, and of an SBD that swallowed its pill
    ("softdog: Initiating system reboot", "watchdog"), ("reboot: Restarting system", "reboot"),
    ("sysrq: Resetting", "sysrq")])
def test_a_guest_that_resets_itself_is_seen_and_starts_again(world, machine, words, why):
    machine.spec.console.write_text("softdog: Initiating system reboot\n")  # of an earlier life
    machine.start()
    first = machine.agent_stream()
    with machine.spec.console.open("a") as console:
        console.write(f"{words}\n")
    # as libvirt tells it of QEMU; the fake itself has no such event
    world.heard[libvirt.VIR_DOMAIN_EVENT_ID_REBOOT](None, machine.run.domain, None)
    wait_for(lambda: len(world.events) == 3)
    assert [(event[1], event[3]) for event in world.events] == [
        ("power.on", {}), ("power.off", {"why": why}), ("power.on", {})]
    assert machine.power() is Power.ON
    assert heard(first) == b""  # the agent's lines of the new life come over a new stream
    first.close()


def test_a_reset_of_a_machine_that_is_off_by_now_is_of_no_meaning(world, machine):
    machine.start()
    run = machine.run
    machine.power_off("fence")
    machine.reset_itself(run)
    assert kinds(world) == ["power.on", "power.off"] and machine.power() is Power.OFF


def test_a_qemu_that_ended_is_reaped_at_once_whatever_the_hosts_init_does(machine):
    """libvirt gives its name to no other before: seen as a fenced node that did not start for two minutes."""
    machine.start()
    child = os.posix_spawn("/bin/true", ["true"], {})
    machine._watch(libvirt_run.Boot(machine.run.domain, machine.run.console, pid=child))
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_an_end_of_our_own_is_told_once(world, machine):
    for _ in range(3):
        machine.start()
        machine.power_off()
    wait_for(world.driver._ends.empty)
    assert kinds(world) == ["power.on", "power.off"] * 3


def test_agent_stream_is_new_at_every_start_and_ends_with_the_machine(machine):
    machine.start()
    first = machine.agent_stream()
    with (machine.spec.folder / "agent").open("wb") as guest:
        guest.write(b'{"kind": "tick"}\n')
    assert heard(first) == b'{"kind": "tick"}\n'
    machine.power_off()
    assert heard(first) == b""
    machine.start()
    with (machine.spec.folder / "agent").open("wb") as guest:
        guest.write(b"second")
    second = machine.agent_stream()
    assert heard(second) == b"second"
    assert heard(first) == b""
    first.close()
    second.close()


def test_a_cable_stays_out_over_a_reset(world, machine):
    machine.start()
    cable = machine.link("service")
    assert cable.is_up()
    cable.down()
    assert not cable.is_up()
    assert 'state="down"' in machine.xml()
    machine.reset()
    assert not cable.is_up()
    cable.up()
    assert 'state="up"' in machine.xml()
    assert [event[3] for event in world.events if event[1].startswith("link")] == [{"network": "service"}] * 2


def test_no_such_cable(machine):
    with pytest.raises(MachineError, match="not plugged into storage"):
        machine.link("storage")


def test_close_leaves_nothing(world, machine):
    machine.start()
    world.driver.close()
    world.driver.close()
    assert machine.power() is Power.OFF
    assert not machine.spec.folder.exists()
    assert not open_entries(world.journal.path)


def test_an_unreachable_libvirt_is_the_hosts_fault(world):
    with pytest.raises(HostError, match="can't connect"):
        LibvirtDriver(world.context, "qemu+unix:///system?socket=/nonexistent")


def test_missing_programs_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(libvirtd.shutil, "which", lambda name, path=None: None if name != "qemu-img" else "/bin/x")
    with pytest.raises(HostError, match="apt-get install libvirt-daemon qemu-system-x86"):
        libvirtd.require_programs()


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(world, monkeypatch):
    monkeypatch.setattr(libvirtd, "require_programs", lambda: None)
    folder = world.folder / ("x" * 100)
    with pytest.raises(HostError, match="set TMPDIR"):
        libvirtd.Libvirtd(world.context.fabric, world.journal, folder).start()
    assert not folder.exists()
    assert not open_entries(world.journal.path)


def test_undefine_domain_ignores_one_that_has_gone():
    undefine_domain(FAKE, "rs-01", "6c9b4d0e-6ac5-5ac4-b9fc-000000000001")


def test_undefine_domain_refuses_another_name():
    connection = libvirtd.open_connection(FAKE)
    uuid = connection.lookupByName("test").UUIDString()
    connection.close()
    with pytest.raises(HostError, match="refused"):
        undefine_domain(FAKE, "rs-01", uuid)


def test_qemus_own_base_image_is_copied_once(tmp_path):
    rootfs = tmp_path / "rootfs.ext4"
    rootfs.write_bytes(b"base")
    copy = libvirt_run.base_image(rootfs)
    assert copy == tmp_path / "rootfs.qemu.ext4"
    written = copy.stat().st_mtime_ns
    assert libvirt_run.base_image(rootfs).stat().st_mtime_ns == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rootfs.ext4", "rootfs.qemu.ext4"]


def test_a_tool_that_fails_is_the_hosts_fault(tmp_path):
    with pytest.raises(HostError, match="can't copy"):
        libvirt_run.copy_file(tmp_path / "nothing", Path(tmp_path / "target"))
