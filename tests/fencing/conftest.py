"""A rack of BMCs in a fabric of its own, against machines that only remember."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fenceline.fencing.bmc import BmcMode, BmcRack
from fenceline.machines.fabric import Fabric
from fenceline.machines.protocol import Power
from fenceline.model.addressing import bmc_address
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
from tests.clocks import now_ns
from tests.fabrics import real_fabric, skip_unless

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "web-iscsi.yaml"


class FakeMachine:
    """A machine as the rack sees it. ``start_takes`` in s; ``broken`` makes its driver fail."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = Power.ON
        self.calls: list[str] = []
        self.start_takes = 0.0
        self.broken = False
        self.started = threading.Event()

    def power(self) -> Power:
        return self.state

    def power_off(self, why: str = "power_off") -> int:
        self.calls.append(f"power_off {why}")
        if self.broken:
            raise RuntimeError("the driver is gone")
        self.state = Power.OFF
        return now_ns()

    def start(self) -> None:
        self.calls.append("start")
        if self.broken:
            raise RuntimeError("the driver is gone")
        time.sleep(self.start_takes)
        self.state = Power.ON
        self.started.set()


class Bench:
    """The rack, its log, its machines, and a client in the fabric."""

    def __init__(self, fabric: Fabric, topology, rack: BmcRack, log: EventLog, machines) -> None:
        self.fabric, self.topology, self.rack, self.log, self.machines = fabric, topology, rack, log, machines

    def client(self, node: str, *words: str, password: str = "", tries: int = 2) -> tuple[int, str, float]:
        """ipmitool's return code, output and time (s)."""
        begin = time.monotonic()
        done = subprocess.run(
            self.fabric.command(["ipmitool", "-I", "lanplus", "-H", str(bmc_address(self.topology, node)),
                                 "-U", "fenceline", "-E", "-N", "1", "-R", str(tries), *words]),
            env={"IPMI_PASSWORD": password or "secret", "PATH": os.environ["PATH"]}, capture_output=True,
            text=True, timeout=20, check=False)
        return done.returncode, done.stdout + done.stderr, time.monotonic() - begin

    def power(self, node: str, action: str, **options) -> tuple[int, str, float]:
        return self.client(node, "chassis", "power", action, **options)

    def told(self, kind: str) -> list[tuple[str | None, dict]]:
        return [(event.node, event.data) for event in self.log.events() if event.kind == kind]


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory):
    skip_unless("ip", "ipmitool")
    topology = load_topology(TOPOLOGY)
    log = EventLog()
    machines = {node: FakeMachine(node) for node in topology.cluster_nodes}
    with real_fabric(topology, tmp_path_factory.mktemp("journal")) as fabric:
        rack = BmcRack(fabric, topology, log, "secret", machines)
        try:
            yield Bench(fabric, topology, rack, log, machines)
        finally:
            rack.close()


@pytest.fixture
def bench(shared_bench):
    for node, machine in shared_bench.machines.items():
        shared_bench.rack.set_mode(node, BmcMode.NORMAL)
        FakeMachine.__init__(machine, node)
    shared_bench.log.switch(None)
    yield shared_bench
    is_broken = any(machine.broken for machine in shared_bench.machines.values())
    assert bool(shared_bench.told("broken")) is is_broken
