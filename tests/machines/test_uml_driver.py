"""The UML driver, with a script in place of the kernel: it needs neither root nor an image."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.core.errors import HostError, MachineError
from fenceline.journal.journal import Journal, open_entries
from fenceline.machines import process
from fenceline.machines.console import console_tail
from fenceline.machines.protocol import DriverContext, MachineSpec, Nic, Power
from fenceline.machines.uml.driver import UmlDriver
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from tests.fakes import heard

#: Says what it was given, ticks once on its agent's line, and goes on with a child of its own.
KERNEL = """#!/bin/bash
echo "$@"
for word; do case $word in ssl0=null,fd:*) echo tick >&"${word##*:}" ;; esac; done
sleep 1000 &
echo "child $!"
wait
"""


class Fabric:
    def __init__(self):
        self.cut = set()

    def command(self, arguments):
        return arguments

    def set_link(self, node, network, up):
        (self.cut.discard if up else self.cut.add)((node, network))

    def link_is_up(self, node, network):
        return (node, network) not in self.cut


@pytest.fixture
def world(tmp_path):
    kernel = tmp_path / "linux.uml"
    kernel.write_text(KERNEL)
    kernel.chmod(0o755)
    image = SimpleNamespace(uml_kernel=kernel, rootfs=Path("/images/rootfs.ext4"), uml_is_seccomp=True)
    events = []
    journal = Journal(tmp_path / "journal.jsonl")

    def listen(*event):
        events.append(event)
        if event[1] == "power.paused":
            made.stopped()
    context = DriverContext(image, Fabric(), journal, listen, tmp_path)
    driver = UmlDriver(context)
    made = SimpleNamespace(driver=driver, events=events, journal=journal, context=context, image=image, kernel=kernel,
                           stopped=lambda: None)
    yield made
    driver.close()
    journal.close(remove=True)


@pytest.fixture
def machine(world, tmp_path):
    nics = (Nic("heartbeat", "52:54:00:fe:00:0b", "br0", "t0n0"), Nic("service", "52:54:00:fe:01:0b", "br1", "t0n1"))
    return world.driver.create(MachineSpec("rs-01", 256 * 2**20, nics, tmp_path / "rs-01.seed", tmp_path / "rs-01",
                                           tmp_path / "rs-01.log", (tmp_path / "lun.raw",)))


def until(condition, within=10.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def told(world):
    return [(event[1], event[3]) for event in world.events]


def running_entry(world):
    entry, = open_entries(world.journal.path)
    return entry


def test_the_kernels_command_line(machine, world, tmp_path):
    words = machine.command(7)
    assert words[0] == str(world.kernel)
    assert {"mem=256M", "seccomp=on", f"ubd0={tmp_path}/rs-01/root.cow,/images/rootfs.ext4",
            f"ubd1r={tmp_path}/rs-01.seed", f"ubd2={tmp_path}/lun.raw", "root=/dev/ubda", "con0=fd:0,fd:1",
            "ssl0=null,fd:7", "umid=rs-01", f"uml_dir={tmp_path}/rs-01", "net.ifnames=0"} <= set(words)
    cards = [word for word in words if word.startswith("vec")]
    assert [card.partition(",depth")[0] for card in cards] == [
        "vec0:transport=tap,ifname=t0n0,mac=52:54:00:fe:00:0b", "vec1:transport=tap,ifname=t0n1,mac=52:54:00:fe:01:0b"]


def test_a_kernel_without_seccomp(machine, world):
    world.image.uml_is_seccomp = False
    assert "seccomp=on" not in machine.command(7)


def test_start_and_power_cut(machine, world):
    assert machine.power() is Power.OFF and machine.agent_stream() is None
    before = time.monotonic_ns()
    machine.start()
    assert machine.power() is Power.ON
    entry = running_entry(world)
    pid = entry.undo["pid"]
    assert entry.kind == "process" and entry.undo["group"] and process.is_ours(pid, entry.undo["start_time"])
    until(lambda: "child" in machine.spec.console.read_text())
    members = process.group_members(pid)
    assert len(members) == 2
    stamp = machine.power_off("fence")
    assert machine.power() is Power.OFF
    assert process.group_members(pid) == []  # the whole group, at once
    assert told(world) == [("power.on", {}), ("power.off", {"why": "fence"})]
    assert before < world.events[0][2] <= world.events[1][2] == stamp <= time.monotonic_ns()
    assert open_entries(world.journal.path) == []
    assert machine.power_off() == stamp and len(world.events) == 2  # off is off


def test_the_kernel_gets_our_console_and_nothing_of_our_environment(machine, monkeypatch, world):
    monkeypatch.setenv("SECRET", "x")
    world.kernel.write_text("#!/bin/sh\nenv; echo done; exec sleep 1000\n")
    machine.start()
    until(lambda: "done" in machine.spec.console.read_text())
    assert "SECRET" not in machine.spec.console.read_text()


def test_the_agents_line(machine):
    machine.start()
    first = machine.agent_stream()
    assert heard(first) == b"tick\n"
    machine.power_off()
    assert heard(first) == b""  # it ends with the machine
    first.close()
    machine.start()
    second = machine.agent_stream()
    assert heard(second) == b"tick\n"
    second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to go before others")
def test_a_machine_that_the_observers_start_is_no_faster_than_others(machine, world):
    """A fenced node came back at the observers' own nice -15, 4 times of 4."""
    loop = ObserverLoop(EventLog())
    try:
        nice = []
        loop.call(lambda: nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        assert nice == [-15]
        loop.call(machine.start)
        until(lambda: "child" in machine.spec.console.read_text())
        members = process.group_members(running_entry(world).undo["pid"])
        assert len(members) == 2
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in members} == {
            os.getpriority(os.PRIO_PROCESS, os.getpid())}
        loop.call(lambda: nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        assert nice == [-15, -15]
    finally:
        loop.stop()


def test_start_twice(machine):
    machine.start()
    with pytest.raises(MachineError, match="rs-01 is running already"):
        machine.start()
    machine.pause()
    with pytest.raises(MachineError, match="rs-01 is running already"):
        machine.start()


def test_reset(machine, world):
    machine.start()
    pid = running_entry(world).undo["pid"]
    machine.reset("fence")
    assert running_entry(world).undo["pid"] != pid
    assert told(world) == [("power.on", {}), ("power.off", {"why": "fence"}), ("power.on", {})]


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_pause_and_resume(machine, world):
    machine.start()
    pid = running_entry(world).undo["pid"]
    until(lambda: len(process.group_members(pid)) == 2)
    stopped = []
    world.stopped = lambda: stopped.append({state_of(member) for member in process.group_members(pid)})
    machine.pause()
    assert machine.power() is Power.PAUSED
    assert stopped == [{"T"}]  # when it is told
    machine.pause()
    machine.resume()
    machine.resume()
    assert machine.power() is Power.ON
    until(lambda: "T" not in {state_of(member) for member in process.group_members(pid)})
    assert [kind for kind, _ in told(world)] == ["power.on", "power.paused", "power.resumed"]


def test_the_power_of_a_paused_machine_can_be_cut(machine, world):
    machine.start()
    machine.pause()
    machine.power_off("fence")
    assert machine.power() is Power.OFF
    machine.start()
    assert machine.power() is Power.ON


@pytest.mark.parametrize("action", ["pause", "resume", "panic"])
def test_what_can_not_be_done_to_a_machine_that_is_off(machine, world, action):
    with pytest.raises(MachineError, match="rs-01 is off"):
        getattr(machine, action)()
    assert machine.power() is Power.OFF and world.events == []


def test_a_kernel_that_ends_by_itself_has_crashed(machine, world):
    world.kernel.write_text("#!/bin/sh\nsleep 1000 & exit 1\n")  # and leaves a child
    machine.start()
    pid = world.events and world.context.journal and open_entries(world.journal.path)
    until(lambda: machine.power() is Power.OFF)
    until(lambda: len(world.events) == 2)
    assert told(world)[1] == ("power.off", {"why": "crash"})
    assert open_entries(world.journal.path) == []
    for entry in pid:
        assert process.group_members(entry.undo["pid"]) == []


@pytest.mark.parametrize("words", ["Power down", "System halted"])  # as `poweroff` and `halt` in a guest end it
def test_a_kernel_that_was_shut_down_from_inside_has_not_crashed(machine, world, words):
    world.kernel.write_text(f"#!/bin/sh\necho '[   12.3] reboot: {words}'\n")
    machine.start()
    until(lambda: len(world.events) == 2)
    assert told(world)[1] == ("power.off", {"why": "poweroff"}) and machine.power() is Power.OFF
    machine.start()


#: Resets itself once: the second time it stays.
RESETS = """#!/bin/bash
[ -e {mark} ] && exec sleep 1000
touch {mark}
echo "{words}"
exec {folder}/reset
"""


@pytest.mark.parametrize(("words", "why"), [
    # as UML 7.2.7 says it: softdog's last word, that of a clean reboot, and of an SBD that swallowed its pill
    ("softdog: Initiating system reboot", "watchdog"), ("reboot: Restarting system", "reboot"),
    ("watchdog: watchdog1: watchdog did not stop!\nsysrq: Resetting", "sysrq")])
def test_a_kernel_that_resets_itself_is_seen_and_starts_again(machine, world, tmp_path, words, why):
    machine.spec.console.write_text("softdog: Initiating system reboot\n")  # of an earlier life
    world.kernel.write_text(RESETS.format(mark=tmp_path / "mark", words=words, folder=machine.spec.folder))
    machine.start()
    until(lambda: len(world.events) == 3)
    assert told(world) == [("power.on", {}), ("power.off", {"why": why}), ("power.on", {})]
    assert machine.power() is Power.ON and running_entry(world).undo["pid"]


def test_the_kernel_would_execute_what_tells_that_it_resets(machine, world):
    """UML resets itself by executing its argv[0]."""
    world.kernel.unlink()
    world.kernel.symlink_to("/usr/bin/tail")  # a binary: of a script it would be the interpreter's
    machine.command = lambda pipe: [str(world.kernel), "-f", "/dev/null"]
    machine.start()
    pid = running_entry(world).undo["pid"]
    until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:3] == [b"-f", b"/dev/null"])
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode() == f"{machine.spec.folder}/reset"


def test_a_kernel_that_is_not_there(machine, world):
    world.kernel.unlink()
    with pytest.raises(HostError, match="can't start .*linux.uml"):
        machine.start()
    assert machine.power() is Power.OFF and open_entries(world.journal.path) == [] and world.events == []


@pytest.fixture
def mconsole(tmp_path, monkeypatch):
    """Puts a script in uml_mconsole's place."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def go(text):
        (folder / "uml_mconsole").write_text("#!/bin/sh\n" + text)
        (folder / "uml_mconsole").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return go


def test_panic(machine, world, mconsole):
    machine.start()
    pid = running_entry(world).undo["pid"]
    mconsole(f'echo "$@" > {machine.spec.folder}/asked; kill -9 {pid}')
    machine.panic()
    assert machine.power() is Power.OFF
    assert (machine.spec.folder / "asked").read_text() == f"{machine.spec.folder}/rs-01/mconsole sysrq c\n"
    assert told(world)[-1] == ("power.off", {"why": "panic"})
    assert process.group_members(pid) == []
    time.sleep(0.05)
    assert [kind for kind, _ in told(world)].count("power.off") == 1  # the watcher does not tell it again


def test_a_panic_that_does_not_come(machine, world, mconsole, monkeypatch):
    machine.start()
    mconsole("echo 'no such console' >&2; exit 1")
    monkeypatch.setattr(process, "wait_exit", lambda pid, within: False)
    with pytest.raises(MachineError, match="rs-01 did not panic within 10 s: no such console"):
        machine.panic()
    monkeypatch.undo()
    assert machine.power() is Power.ON


def test_without_uml_mconsole_the_host_is_to_blame(machine, monkeypatch, tmp_path):
    machine.start()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="uml_mconsole is not installed"):
        machine.panic()


def test_cables(machine, world):
    cable = machine.link("service")
    assert cable.is_up()
    cable.down()
    cable.down()
    assert not cable.is_up() and machine.link("heartbeat").is_up()
    cable.up()
    assert cable.is_up()
    assert told(world) == [("link.down", {"network": "service"})] * 2 + [("link.up", {"network": "service"})]
    with pytest.raises(MachineError, match="rs-01 is not plugged into storage"):
        machine.link("storage")


def test_close_may_be_repeated_and_leaves_nothing(machine, world):
    machine.start()
    pid = running_entry(world).undo["pid"]
    world.driver.close()
    world.driver.close()
    assert process.group_members(pid) == [] and open_entries(world.journal.path) == []
    assert machine.agent_stream() is None


def test_the_end_of_a_console(tmp_path):
    path = tmp_path / "x.log"
    assert console_tail(path) == f"(no console at {path})"
    path.write_bytes(b"".join(b"line %d\r\n" % number for number in range(10_000)) + b"\xff\n")
    lines = console_tail(path, 3).splitlines()
    assert lines == [f"last lines of {path}:", "  line 9998", "  line 9999", "  \ufffd"]


def kinds(world):
    return [event[1] for event in world.events]


def wait_for(condition, within=5.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)
