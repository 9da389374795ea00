"""The BMCs, asked by the tools that clusters ask with."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from fenceline.core.errors import FencelineError
from fenceline.fencing.bmc import BmcMode
from fenceline.machines.protocol import Power
from fenceline.model.addressing import bmc_address

ONE, OTHER = "rs-01", "rs-02"


def test_status_is_right_and_quick(bench):
    code, out, seconds = bench.power(ONE, "status")
    assert (code, out.strip()) == (0, "Chassis Power is on")
    assert seconds < 0.5
    bench.machines[ONE].state = Power.OFF
    assert bench.power(ONE, "status")[1].strip() == "Chassis Power is off"


def test_a_paused_machine_is_on(bench):
    bench.machines[ONE].state = Power.PAUSED
    assert "is on" in bench.power(ONE, "status")[1]


def test_off_cuts_the_power_of_this_node_only_and_is_told(bench):
    code, _, _ = bench.power(ONE, "off")
    assert code == 0
    assert bench.machines[ONE].calls == ["power_off fence"]
    assert bench.machines[OTHER].calls == []
    assert bench.told("bmc.request") == [(ONE, {"action": "off", "from": bench.told("bmc.request")[0][1]["from"]})]
    assert bench.told("bmc.done") == [(ONE, {"action": "off", "ok": True, "error": None})]


def test_a_slow_start_delays_neither_the_answer_nor_the_other_bmc(bench):
    bench.machines[ONE].state = Power.OFF
    bench.machines[ONE].start_takes = 1.5
    assert bench.power(ONE, "on")[2] < 0.5
    assert bench.power(OTHER, "status")[2] < 0.5
    assert bench.power(ONE, "status")[1].strip() == "Chassis Power is off"
    assert bench.machines[ONE].started.wait(5)
    bench.log.wait_for(lambda e: e.kind == "bmc.done" and e.data["action"] == "on", 2, "the start")


def test_reset_is_a_cut_and_a_start(bench):
    assert bench.power(ONE, "reset")[0] == 0
    assert bench.machines[ONE].started.wait(2)
    assert bench.machines[ONE].calls == ["power_off fence", "start"]


def test_cycle_of_a_machine_that_is_off_is_refused(bench):
    bench.machines[ONE].state = Power.OFF
    assert bench.power(ONE, "cycle")[0] != 0
    assert bench.machines[ONE].calls == []
    assert bench.told("bmc.done")[-1][1]["ok"] is False


def test_a_driver_that_fails_is_heard_by_the_client(bench):
    bench.machines[ONE].broken = True
    assert bench.power(ONE, "off")[0] != 0
    assert bench.told("bmc.done") == [(ONE, {"action": "off", "ok": False, "error": "the driver is gone"})]
    (broken,) = bench.told("broken")
    assert f"could not switch {ONE} (off): the driver is gone" in broken[1]["reason"]


def test_a_start_that_fails_breaks_the_run_as_its_client_was_told_that_it_is_done(bench):
    bench.machines[ONE].state, bench.machines[ONE].broken = Power.OFF, True
    assert bench.power(ONE, "on")[0] == 0
    bench.log.wait_for(lambda e: e.kind == "bmc.done" and not e.data["ok"], 2, "the end of the start")
    (broken,) = bench.told("broken")
    assert f"could not switch {ONE} (on)" in broken[1]["reason"]


def test_a_wrong_password_is_refused(bench):
    assert bench.power(ONE, "off", password="guess")[0] != 0
    assert bench.machines[ONE].calls == []


def test_silent_and_back(bench):
    bench.rack.set_mode(ONE, BmcMode.SILENT)
    assert bench.power(ONE, "off", tries=1)[0] != 0
    assert bench.machines[ONE].calls == []
    assert bench.told("bmc.request") == []
    assert bench.power(OTHER, "status")[0] == 0
    bench.rack.set_mode(ONE, BmcMode.NORMAL)
    assert bench.power(ONE, "status")[0] == 0


def test_wrong_password_mode(bench):
    bench.rack.set_mode(ONE, BmcMode.WRONG_PASSWORD)
    assert bench.power(ONE, "off")[0] != 0
    assert bench.machines[ONE].calls == []
    bench.rack.set_mode(ONE, BmcMode.NORMAL)
    assert bench.power(ONE, "off")[0] == 0


def test_a_liar_says_off_and_cuts_nothing(bench):
    bench.rack.set_mode(ONE, BmcMode.LIES)
    assert "is on" in bench.power(ONE, "status")[1]
    assert bench.power(ONE, "off")[0] == 0
    assert "is off" in bench.power(ONE, "status")[1]
    assert bench.machines[ONE].calls == []
    assert (ONE, {"action": "off", "ok": True, "error": None, "mode": "lies"}) in bench.told("bmc.done")
    bench.rack.set_mode(ONE, BmcMode.NORMAL)
    assert "is on" in bench.power(ONE, "status")[1]


def test_an_early_one_says_off_at_once_and_cuts_later(bench):
    bench.rack.set_mode(ONE, BmcMode.EARLY(1.5))
    code, _, seconds = bench.power(ONE, "off")
    assert code == 0 and seconds < 1.0
    assert "is off" in bench.power(ONE, "status")[1] and bench.machines[ONE].calls == []
    assert bench.told("bmc.done")[0] == (ONE, {"action": "off", "ok": True, "error": None, "mode": "early"})
    assert bench.power(ONE, "on")[0] == 0  # as fence_ipmilan does: on again as soon as it is told that it is off
    assert "is on" in bench.power(ONE, "status")[1]
    assert bench.machines[ONE].started.wait(5)
    assert bench.machines[ONE].calls == ["power_off fence", "start"]
    assert [data["action"] for _, data in bench.told("bmc.done")].count("off") == 1
    bench.machines[ONE].state = Power.OFF
    assert "is off" in bench.power(ONE, "status")[1]  # all is done that was said to be: it tells the truth again


@pytest.fixture
def buttons(bench):
    """Whose button was pressed; ``obeys`` makes a machine switch itself off."""
    pressed, obeys = [], set()

    def press(node):
        pressed.append((node, bench.rack.has_pressed(node)))
        if node in obeys:
            bench.machines[node].state = Power.OFF
    bench.rack._press = press
    yield SimpleNamespace(pressed=pressed, obeys=obeys)
    bench.rack._press = lambda node: None


def test_a_gentle_one_lets_the_machine_switch_itself_off(bench, buttons):
    buttons.obeys.add(ONE)
    bench.rack.set_mode(ONE, BmcMode.GENTLE(30))
    begun = time.monotonic()
    assert bench.power(ONE, "cycle")[0] == 0
    assert bench.machines[ONE].started.wait(5) and time.monotonic() - begun < 10
    assert buttons.pressed == [(ONE, True)] and not bench.rack.has_pressed(ONE)


def test_a_gentle_one_cuts_the_power_of_a_machine_that_does_not_hear(bench, buttons):
    bench.rack.set_mode(ONE, BmcMode.GENTLE(1))
    assert bench.power(ONE, "off")[0] == 0
    assert "is on" in bench.power(ONE, "status")[1] and bench.machines[ONE].calls == []
    bench.log.wait_for(lambda e: e.kind == "bmc.done" and e.data["action"] == "off", 5, "the cut")
    assert bench.machines[ONE].calls == ["power_off fence"] and buttons.pressed == [(ONE, True)]


def test_one_on_the_node_s_supply_is_dead_when_that_is(bench):
    bench.rack.set_mode(ONE, BmcMode.ON_NODE_SUPPLY)
    assert bench.power(ONE, "off")[0] == 0  # by the device: its node's supply is as good as ever
    bench.log.record("machine", ONE, "power.off", {"why": "fence"})
    assert "is off" in bench.power(ONE, "status")[1]
    assert bench.power(ONE, "on")[0] == 0 and bench.machines[ONE].started.wait(2)
    bench.log.record("machine", ONE, "power.off", {"why": "power_off"})
    bench.machines[ONE].state = Power.OFF
    assert bench.power(ONE, "status", tries=1)[0] != 0
    assert bench.power(OTHER, "status")[0] == 0
    bench.machines[ONE].state = Power.ON
    assert "is on" in bench.power(ONE, "status")[1]


@pytest.mark.parametrize("action", ["cycle", "reset", "off"])
def test_one_that_gives_no_power_again(bench, action):
    bench.rack.set_mode(ONE, BmcMode.LEAVES_OFF)
    assert bench.power(ONE, action)[0] == 0
    assert bench.power(ONE, "on")[0] == 0
    assert "is off" in bench.power(ONE, "status")[1]
    assert bench.machines[ONE].calls == ["power_off fence"]


def test_a_slow_bmc_does_it_once_and_does_not_hold_up_the_others(bench):
    bench.rack.set_mode(ONE, BmcMode.SLOW(1.6))
    asked = subprocess.Popen(
        bench.fabric.command(["ipmitool", "-I", "lanplus", "-H", str(bmc_address(bench.topology, ONE)), "-U",
                              "fenceline", "-E", "chassis", "power", "off"]),
        env={"IPMI_PASSWORD": "secret", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE)
    begin = time.monotonic()
    assert bench.power(OTHER, "status")[2] < 0.5
    asked.communicate(timeout=15)
    assert asked.returncode == 0
    assert time.monotonic() - begin >= 1.4
    # ipmitool asked again after a second: the same request
    assert bench.machines[ONE].calls == ["power_off fence"]


def test_wired_to_the_wrong_node(bench):
    bench.rack.set_mode(ONE, BmcMode.WRONG_NODE(OTHER))
    assert bench.power(ONE, "off")[0] == 0
    assert bench.machines[ONE].calls == []
    assert bench.machines[OTHER].calls == ["power_off fence"]


def test_a_mode_for_a_node_without_a_bmc_is_refused(bench):
    with pytest.raises(FencelineError, match="san-01.*has no BMC"):
        bench.rack.set_mode("san-01", BmcMode.SILENT)
    with pytest.raises(FencelineError, match="nobody"):
        bench.rack.set_mode(ONE, BmcMode.WRONG_NODE("nobody"))


def test_noise_does_no_harm(bench):
    with bench.fabric.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = (str(bmc_address(bench.topology, ONE)), 623)
    with sock:
        for noise in (b"", b"x", b"\x06\x00\xff\x07" + b"\x06" * 20, b"\x06\x00\xff\x07\x06\x10" + bytes(12),
                      b"\x06\x00\xff\x07\x06\x12" + bytes(40), b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x00\x00\x00"):
            sock.sendto(noise, address)
    assert bench.power(ONE, "status")[0] == 0
    assert not bench.told("broken")


class Relay:
    """Sends what arrives at a port of the fabric's loopback on to a BMC, always from the same source port."""

    def __init__(self, bench) -> None:
        with bench.fabric.entered():
            self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.outside.bind(("0.0.0.0", 0))
        self.port = self.inside.getsockname()[1]
        self.bmc, self.client, self.ended = ("", 0), ("", 0), False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.ended:
            for sock in select.select([self.inside, self.outside], [], [], 0.1)[0]:
                packet, peer = sock.recvfrom(4096)
                if sock is self.inside:
                    self.client = peer
                    self.outside.sendto(packet, self.bmc)
                else:
                    self.inside.sendto(packet, self.client)

    def close(self) -> None:
        self.ended = True
        self.thread.join()
        self.inside.close()
        self.outside.close()


def test_one_source_port_for_two_bmcs_does_not_mix_them_up(bench):
    """An ephemeral port comes again; and a client that died leaves its session open."""
    with contextlib.closing(Relay(bench)) as relay:
        for node, action in ((ONE, "status"), (OTHER, "off"), (ONE, "status"), (OTHER, "status")):
            relay.bmc = (str(bmc_address(bench.topology, node)), 623)
            done = subprocess.run(
                bench.fabric.command(["ipmitool", "-I", "lanplus", "-H", "127.0.0.1", "-p", str(relay.port),
                                      "-U", "fenceline", "-E", "chassis", "power", action]),
                env={"IPMI_PASSWORD": "secret", "PATH": os.environ["PATH"]}, capture_output=True, text=True,
                timeout=15, check=False)
            assert done.returncode == 0, done.stderr
    assert bench.machines[ONE].calls == []
    assert bench.machines[OTHER].calls == ["power_off fence"]
    assert [node for node, _ in bench.told("bmc.request")] == [ONE, OTHER, ONE, OTHER]


def test_fence_ipmilan_reboots(bench):
    if shutil.which("fence_ipmilan") is None:
        pytest.skip("fence_ipmilan is not installed")
    begin = time.monotonic()
    done = subprocess.run(
        bench.fabric.command(["fence_ipmilan", "--lanplus", "-a", str(bmc_address(bench.topology, ONE)), "-l",
                              "fenceline", "-p", "secret", "-o", "reboot", "--power-wait", "0"]),
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert bench.machines[ONE].calls == ["power_off fence", "start"]
    assert time.monotonic() - begin < 10
