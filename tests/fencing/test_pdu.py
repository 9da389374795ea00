"""Power distribution units: SNMP as their clients speak it, and the power of who is plugged in."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.fencing import snmp
from fenceline.fencing.bmc import BmcRack
from fenceline.fencing.pdu import PORT, STATE, SWITCH, PduRack
from fenceline.machines.protocol import Power
from fenceline.model.addressing import pdu_address
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
from tests.fabrics import real_fabric, skip_unless
from tests.fencing.conftest import Bench, FakeMachine

NODE = "rs-01"


class Units(Bench):
    """A bench with units, and their client."""

    units: PduRack

    def send(self, unit: str, outlet: int, value: int | None = None, community: str = "secret") -> object:
        """What the outlet's state is, or the answer to an order; None where none comes."""
        with self.fabric.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(0.5)
            sock.connect((str(pdu_address(self.topology, unit)), PORT))
            sock.send(snmp.request(7, community, (*(STATE if value is None else SWITCH), outlet), value))
            try:
                return snmp.value_in(sock.recv(4096))
            except TimeoutError:
                return None

    def wait(self, unit: str, outlet: int, value: int) -> None:
        until = time.monotonic() + 5
        while self.send(unit, outlet) != value:
            assert time.monotonic() < until

    def cut(self) -> None:
        for unit in ("pdu-a", "pdu-b"):
            assert self.send(unit, 1, 2) == 2
            self.wait(unit, 1, 2)


@pytest.fixture
def bench(tmp_path):
    skip_unless("ip")
    topology = load_topology("web-iscsi-levels")
    log = EventLog()
    machines = {node: FakeMachine(node) for node in topology.cluster_nodes}
    with real_fabric(topology, tmp_path) as fabric:
        units = PduRack(fabric, topology, log, "secret", machines.__getitem__)
        rack = BmcRack(fabric, topology, log, "secret", machines, has_supply=units.has_supply)
        made = Units(fabric, topology, rack, log, machines)
        made.units = units
        try:
            yield made
        finally:
            rack.close()
            units.close()


def test_a_node_with_two_supplies_is_off_when_both_outlets_are(bench):
    assert bench.send("pdu-a", 1, 2) == 2
    bench.wait("pdu-a", 1, 2)
    assert bench.machines[NODE].calls == [] and not bench.told("bmc.request") and bench.units.has_supply(NODE)
    bench.cut()
    assert bench.machines[NODE].calls == ["power_off fence"] and not bench.units.has_supply(NODE)
    (_, asked), = bench.told("bmc.request")
    assert (asked["action"], asked["device"]) == ("off", "pdu-b") and bench.told("bmc.done")[0][1]["ok"]
    assert [data["on"] for _, data in bench.told("outlet")] == [False, False]
    bench.send("pdu-a", 1, 1)
    assert bench.machines[NODE].started.wait(5)
    assert bench.machines["rs-02"].calls == []


def test_a_bmc_on_its_nodes_supply_is_dead_without_it(bench):
    if shutil.which("ipmitool") is None:
        pytest.skip("ipmitool is not installed")
    assert bench.power(NODE, "status")[0] == 0
    bench.cut()
    assert bench.power(NODE, "status", tries=1)[0] != 0
    bench.units.reset(NODE)
    bench.machines[NODE].state = Power.ON
    assert bench.power(NODE, "status")[0] == 0


def test_who_does_not_know_the_community_hears_nothing(bench):
    assert bench.send("pdu-a", 1, community="public") is None
    assert bench.send("pdu-a", 1, 2, community="public") is None and bench.send("pdu-a", 1) == 1


def test_one_that_is_dead_says_so_and_keeps_its_outlets_on(bench):
    class Site:
        topology, fabric, pdus, bmc_password = bench.topology, bench.fabric, bench.units, "secret"
    fault = make_fault("pdu-dead", unit="pdu-a")
    with pytest.raises(FaultError, match="still answers"):
        fault.confirm(Site, 0)
    fault.inject(Site)
    assert fault.confirm(Site, 0) == {"snmp": "no answer"} and bench.send("pdu-a", 1, 2) is None
    with pytest.raises(FaultError, match="does not answer"):
        fault.confirm_healed(Site)
    fault.heal(Site)
    assert fault.confirm_healed(Site) == {"outlets": {"1": 1, "2": 1}}


@pytest.mark.parametrize("tool", ["snmpget", "snmpwalk"])
def test_the_clients_of_the_field_understand_it(bench, tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    name = ".".join(map(str, STATE if tool == "snmpwalk" else (*STATE, 1)))
    done = subprocess.run(bench.fabric.command([tool, "-m", "", "-Oeqn", "-v", "1", "-c", "secret", str(
        pdu_address(bench.topology, "pdu-a")), "." + name]), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0 and f".{'.'.join(map(str, STATE))}.1 1" in done.stdout, done.stderr


def test_packets_by_the_book():
    table = {(1, 3, 6, 1, 200, 1): 5, (1, 3, 6, 1, 200, 2): b"x" * 200, (1, 3, 6, 1, 4, 70000): (1, 3, 6)}
    for name, value in table.items():
        assert snmp.value_in(snmp.answer(snmp.request(-3, "c", name), "c", table, lambda *_: False)) == value
    assert snmp.value_in(snmp.answer(snmp.request(1, "c", (1, 3, 9)), "c", table, lambda *_: False)) is None
    for noise in (b"", b"0", b"\x30\x84\xff\xff\xff\xff", bytes(40), snmp.request(1, "c", (1, 3))[:-3]):
        assert snmp.answer(noise, "c", table, lambda *_: True) is None
