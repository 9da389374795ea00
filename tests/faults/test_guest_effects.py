"""Faults made in a guest: what of the guest's answers confirms them, and what does not. The answers are scripted."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest

from fenceline.core.errors import FaultError, MachineError
from fenceline.faults import clock, make_fault
from fenceline.faults.background import worker_of
from fenceline.faults.clock import _SET_TICK
from fenceline.guest.ssh import Result
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology, parse_topology
from fenceline.observe.log import EventLog
from tests.model.sample import raw


class Guest:
    """Answers every command that contains a known text with what belongs to it; the latest answer counts."""

    def __init__(self, log: EventLog, node: str) -> None:
        self.log, self.node = log, node
        self.answers: list[tuple[str, int, object, str]] = []
        self.asked: list[str] = []

    def says(self, part: str, out: object = "", status: int = 0, err: str = "") -> None:
        self.answers.insert(0, (part, status, out, err))

    def run(self, command, within=30.0, check=True, text=None):
        line = command if isinstance(command, str) else " ".join(command)
        self.asked.append(line)
        for part, status, out, err in self.answers:
            if part in line:
                if isinstance(out, Exception):
                    raise out
                return Result(line, status, out() if callable(out) else str(out), err, 0.0)
        return Result(line, 0, "", "", 0.0)

    def wait(self, within):
        return 0.0


@pytest.fixture
def cluster():
    made = raw(fencing={"method": "sbd", "sbd": {"luns": ["sbd"]}},
               storage__iscsi__luns__1={"name": "sbd", "filesystem": None})
    topology, log = parse_topology(made, "web-iscsi with sbd"), EventLog()
    guests = {node: Guest(log, node) for node in topology.nodes}
    for guest in guests.values():
        guest.says("date +%s.%N", lambda: f"{time.time():.6f}")

    def poll(condition, within, what, error):
        if not condition():
            raise error(f"waited {within:g} s for {what}")
        return 0.0

    class Faults:
        pass
    for node in topology.nodes:  # its agent ticks whenever somebody might wait for it
        log.record("guest", node, "tick", {}, t_ns=2**62)
    return SimpleNamespace(topology=topology, log=log, clock=log.clock, guests=guests, session=guests.__getitem__,
                           poll=poll, boot_deadline=1.0, is_running=lambda node: True, faults=Faults(),
                           machine=lambda node: SimpleNamespace(power=lambda: Power.ON),
                           stack=SimpleNamespace(name="pacemaker", daemons={"corosync": "corosync"}))


MEMINFO = "/proc/meminfo"
CASES = [
    # fault, parameters, the command's text, what a healthy guest says, what a broken one says
    ("memory-pressure", {"percent": 50}, MEMINFO, {"out": "500000\n0\n1000\n"}, {"out": "500000\n0\n200\n240000\n"}),
    ("memory-pressure", {"percent": 90}, MEMINFO, {"out": "500000\n0\n"}, {"out": "500000\n1\n"}),
    ("io-load", {}, "/proc/diskstats", {"out": "1000\n1200\n"}, {"out": "1000\n90000\n"}),
    ("disk-full", {"disk": "logs"}, "-probe", {}, {"status": 1, "err": "write error: No space left on device"}),
    ("disk-full", {"disk": "service"}, "-probe", {"status": 1, "err": "Read-only file system"},
     {"status": 1, "err": "write error: No space left on device"}),
    ("file-exhaustion", {}, "setpriv", {}, {"status": 2, "err": "Too many open files in system"}),
    ("process-exhaustion", {}, "/bin/true", {}, {"out": MachineError("no SSH")}),
    ("clock-step", {"seconds": 60}, "date +%s", {"out": lambda: f"{time.time():.6f}"},
     {"out": lambda: f"{time.time() + 60:.6f}"}),
    ("clock-step", {"seconds": "-1min"}, "date +%s", {"out": lambda: f"{time.time() + 60:.6f}"},
     {"out": lambda: f"{time.time() - 60:.6f}"}),
    ("clock-drift", {"percent": 8}, "date +%s", {"out": lambda: f"{time.time():.6f}"},
     {"out": lambda: f"{time.time() + 0.08 * (time.monotonic() % 1000):.6f}"}),
    ("daemon-stop", {"daemon": "corosync"}, "/stat", {"out": "S\nT\n"}, {"out": "T\nT\n"}),
    ("service-stop", {"service": "web"}, "python3 -S -", {"status": 1}, {"out": "T T\n"}),
    ("service-stop", {"service": "web"}, "python3 -S -", {"out": "S T\n"}, {"out": "T T\n"}),
    ("session-logout", {}, "iscsi_session", {"out": "LOGGED_IN\n"}, {"out": ""}),
    ("fence-watchdog-dead", {}, "python3 -S -", {"out": "3\n"}, {"out": "65535\n"}),
    ("daemon-respawn-loop", {"daemon": "corosync"}, "pgrep -x corosync; sleep", {"out": "900\n900\n"},
     {"out": "900\n950\n950\n1001\n"}),
    ("session-reset", {}, "ss -Htn", {"out": "10.71.3.11:41000\n"}, {"out": "10.71.3.11:41002\n"}),
    ("session-reset", {}, "ss -Htn", {"out": ""}, {"out": "10.71.3.11:41002\n"}),
    ("dns-gone", {}, "getent hosts", {"out": "4000000\n"}, {"out": "2004000000\n"}),
]


@pytest.mark.parametrize(("name", "parameters", "part", "healthy", "broken"), CASES,
                         ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)])
def test_confirmed_by_its_effect_only(cluster, name, parameters, part, healthy, broken):
    fault = make_fault(name, node="rs-01", **parameters)
    guest = cluster.guests["rs-01"]
    guest.says("fenceline-iscsi-before", out="10.71.3.11:41000\n")
    guest.says(part, **healthy)
    with pytest.raises(FaultError):
        fault.confirm(cluster, 0)
    guest.says(part, **broken)
    assert fault.confirm(cluster, 0)


@pytest.mark.parametrize(("name", "parameters", "part", "healed", "left"), [
    ("memory-pressure", {}, "pgrep -c", {"out": "0"}, {"out": "2"}),
    ("disk-full", {"disk": "service"}, "[ -e", {"status": 1}, {"status": 0}),
    ("file-exhaustion", {}, "setpriv", {}, {"status": 2, "err": "Too many open files in system"}),
    ("process-exhaustion", {}, "cat /proc/sys/kernel/threads-max", {"out": "3900"}, {"out": "20"}),
    ("clock-step", {}, "date +%s", {"out": lambda: f"{time.time():.6f}"}, {"out": lambda: f"{time.time() + 5:.6f}"}),
    ("daemon-stop", {"daemon": "corosync"}, "/stat", {"out": "S\n"}, {"out": "T\n"}),
    ("session-logout", {}, "iscsi_session", {"out": "LOGGED_IN\n"}, {"out": "FAILED\n"}),
    ("fence-watchdog-dead", {}, "python3 -S -", {"out": "5\n"}, {"out": "65535\n"}),
    ("daemon-respawn-loop", {"daemon": "corosync"}, "ps -o etimes=", {"out": "      7\n"}, {"out": "      0\n"}),
    ("daemon-respawn-loop", {"daemon": "corosync"}, "ps -o etimes=", {"out": "      7\n"}, {"out": ""}),
    ("session-reset", {}, "iscsi_session", {"out": "LOGGED_IN\n"}, {"out": "FAILED\n"}),
    ("dns-gone", {}, "getent hosts", {"out": "4000000\n"}, {"out": "2004000000\n"}),
    ("clock-strobe", {"period": 0.1}, "date +%s", {"out": lambda: f"{time.time():.6f}"},
     {"out": lambda: f"{time.time() + 60:.6f}"}),
])
def test_healed_only_when_it_is_gone(cluster, name, parameters, part, healed, left):
    fault = make_fault(name, node="rs-01", **parameters)
    for guest in cluster.guests.values():
        guest.says(part, **healed)
    cluster.guests["rs-01"].says(part, **left)
    with pytest.raises(FaultError):
        fault.confirm_healed(cluster)
    cluster.guests["rs-01"].says(part, **healed)
    assert fault.confirm_healed(cluster)


def slow_clock(seconds):
    """A right clock that takes so long to answer."""
    def out():
        time.sleep(seconds)
        return f"{time.time():.6f}"
    return out


def test_a_guest_that_answers_too_slowly_for_its_drift_to_be_known_confirms_nothing(cluster, monkeypatch):
    monkeypatch.setattr(clock, "_DRIFT_WINDOW", 0.2)
    monkeypatch.setattr(clock, "_DRIFT_PATIENCE", 0.5)
    cluster.guests["rs-01"].says("date +%s", out=slow_clock(0.1))
    fault = make_fault("clock-drift", node="rs-01", percent=5)
    for look in (lambda: fault.confirm(cluster, 0), lambda: fault.confirm_healed(cluster)):
        with pytest.raises(FaultError, match="whether the clock of rs-01 drifts can't be told"):
            look()


def test_a_guest_that_answers_too_slowly_for_its_clock_to_be_known_confirms_nothing(cluster, monkeypatch):
    monkeypatch.setattr(clock, "_OFFSET_KNOWN", 0.04)
    cluster.guests["rs-01"].says("date +%s", out=slow_clock(0.1))
    with pytest.raises(FaultError, match="the clock of rs-01 can't be read"):
        make_fault("clock-step", node="rs-01", seconds=2).confirm(cluster, 0)


def test_target_stop_is_seen_by_every_initiator(cluster):
    fault = make_fault("target-stop")
    fault.inject(cluster)
    assert "echo 0 >" in cluster.guests["san-01"].asked[-1]
    cluster.guests["rs-01"].says("iscsi_session", out="FAILED\n")
    cluster.guests["rs-02"].says("iscsi_session", out="LOGGED_IN\n")
    with pytest.raises(FaultError):
        fault.confirm(cluster, 0)
    cluster.guests["rs-02"].says("iscsi_session", out="FREE\n")
    assert fault.confirm(cluster, 0)
    with pytest.raises(FaultError):
        fault.confirm_healed(cluster)


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("memory-pressure", {"percent": 0}, "above 0"), ("memory-pressure", {"seconds": "1h"}, "to 600"),
    ("io-load", {"workers": 33}, "from 1 to 32"), ("disk-full", {"disk": "tmp"}, "not one of logs, service"),
    ("clock-step", {"seconds": 0}, "from 2 to 86400"), ("clock-step", {"seconds": 1}, "from 2 to 86400"),
    ("clock-step", {"seconds": "-2000000"}, "-86400"), ("clock-drift", {"percent": 11}, "from 2 to 10"),
    ("clock-drift", {"percent": 1}, "from 2 to 10"), ("clock-strobe", {"seconds": 2}, "from 3"),
    ("clock-strobe", {"period": 0}, "from 0.1"), ("slow-boot", {"seconds": 0}, "from 1"),
    ("packet-hold", {"network": "heartbeat", "period": 9}, "to 5"),
    ("packet-loss-bursts", {"network": "heartbeat", "percent": 90}, "at most 80"),
    ("packet-loss-bursts", {"network": "heartbeat", "burst": 0.5}, "from 1 to 20"),
    ("process-exhaustion", {"seconds": 0}, "from 1"),
])
def test_out_of_range(name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, node="rs-01", **parameters)


def test_what_is_not_there(cluster):
    with pytest.raises(FaultError, match="no daemon 'cman'"):
        make_fault("daemon-stop", node="rs-01", daemon="cman").inject(cluster)
    with pytest.raises(FaultError, match="no service 'mail'"):
        make_fault("service-stop", node="rs-01", service="mail").inject(cluster)
    with pytest.raises(FaultError, match="no service 'mail'"):
        make_fault("vip-stranger", service="mail").inject(cluster)
    cluster.guests["rs-01"].says("pkill -SIGSTOP", status=1)
    with pytest.raises(FaultError, match="does not run"):
        make_fault("daemon-stop", node="rs-01", daemon="corosync").inject(cluster)


def test_the_tick_goes_where_adjtimex_has_it():
    import ctypes

    class Timex(ctypes.Structure):
        _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                    ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                    ("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
                    ("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long), ("tick", ctypes.c_long)]
    assert f'pack_into("q", raw, {Timex.tick.offset},' in _SET_TICK
    assert 'pack_into("I", raw, 0, 0x4000)' in _SET_TICK


@pytest.mark.parametrize(("name", "value", "opposite"), [("maintenance", "true", "false"),
                                                         ("fencing-off", "false", "true")])
def test_properties_are_set_and_taken_back(cluster, name, value, opposite):
    found = {}
    cluster.stack.set_property = found.__setitem__
    cluster.stack.property = found.get
    fault = make_fault(name)
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(cluster, 0)
    fault.inject(cluster)
    assert list(found.values()) == [value] and fault.confirm(cluster, 0)
    with pytest.raises(FaultError, match="still"):
        fault.confirm_healed(cluster)
    fault.heal(cluster)
    assert list(found.values()) == [opposite] and fault.confirm_healed(cluster)
    assert worker_of(cluster, fault) is None


def test_a_watchdog_that_nobody_has_open_can_not_be_made_deaf(cluster):
    with pytest.raises(FaultError, match="no SBD on rs-01 has a watchdog open"):
        make_fault("fence-watchdog-dead", node="rs-01").inject(cluster)
    cluster.topology = load_topology("web-iscsi")
    with pytest.raises(FaultError, match="web-iscsi is not fenced by sbd"):
        make_fault("fence-watchdog-dead", node="rs-01").inject(cluster)


def test_a_strobe_goes_there_and_back(cluster):
    fault, guest = make_fault("clock-strobe", node="rs-01", seconds=60), cluster.guests["rs-01"]
    looks = itertools.count()

    def poll(condition, within, what, error):
        if not any(condition() for _ in range(8)):
            raise error(what)
    cluster.poll = poll
    for always in (0, 60):
        guest.says("date +%s.%N", lambda always=always: f"{time.time() + always:.6f}")
        with pytest.raises(FaultError, match="there and back"):
            fault.confirm(cluster, 0)
    guest.says("date +%s.%N", lambda: f"{time.time() + 60 * (next(looks) % 3 == 0):.6f}")
    seen = fault.confirm(cluster, 0)
    assert seen["ahead"] >= 2 and seen["right"] >= 2


def test_a_node_that_is_fenced_for_its_dying_daemon_is_an_effect_too(cluster):
    fault = make_fault("daemon-respawn-loop", node="rs-01", daemon="corosync")
    cluster.guests["rs-01"].says("pgrep", out=MachineError("gone"))
    with pytest.raises(FaultError):
        fault.confirm(cluster, 0)
    cluster.log.record("machine", "rs-01", "power.off", {"why": "fence"})
    assert fault.confirm(cluster, 0)


def test_a_connection_that_is_not_there_can_not_be_reset(cluster):
    cluster.guests["rs-01"].says("python3 -S -", out="0\n")
    with pytest.raises(FaultError, match="rs-01 has no connection to the target"):
        make_fault("session-reset", node="rs-01").inject(cluster)


@pytest.mark.parametrize("name", ["_STROBE", "_SHUT_DOWN", "_TIMEOUT", "_SET_TICK"])
def test_scripts_for_the_guest_are_python(name):
    from fenceline.faults import clock, storage, watchdog
    source = next(getattr(module, name) for module in (clock, storage, watchdog) if hasattr(module, name))
    compile(source, name, "exec")


def test_a_daemon_that_nobody_starts_again_is_started_once_it_may_live(cluster):
    started = []
    cluster.stack.start_daemon = lambda *who: started.append(who)
    make_fault("daemon-respawn-loop", node="rs-01", daemon="corosync").heal(cluster)
    assert started == [("rs-01", "corosync")]
    assert "kill -KILL -- -$(cat /run/fenceline-respawn-corosync.pid)" in cluster.guests["rs-01"].asked[-1]


@pytest.mark.parametrize("slow", [0.0, -3.0])
def test_a_clock_is_stepped_by_its_own_time(cluster, slow):
    """A guest may need seconds to begin with the command: the time that was right when it was sent is then past."""
    guest = cluster.guests["rs-01"]
    guest.says("date +%s.%N", lambda: f"{time.time() + slow:.6f}")
    make_fault("clock-step", node="rs-01", seconds=60).inject(cluster)
    (line,) = [line for line in guest.asked if "clock_settime" in line]
    assert float(line.split()[-1]) == pytest.approx(60 - slow, abs=0.2)
