"""A stranger that has the service's address, in a real fabric, seen by the real observer."""

from __future__ import annotations

import os
import threading
import time

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.address import STRANGER_MAC
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.wire import WireObserver
from tests.clocks import now_ns


@pytest.fixture
def watched(net):
    cluster = net.cluster
    loop = ObserverLoop(cluster.log, cluster.fabric)
    observer = WireObserver(cluster.fabric, cluster.topology, cluster.log, loop)
    observer.start()
    yield cluster
    observer.stop()
    loop.stop()


def test_a_stranger_claims_the_vip_until_he_leaves(watched):
    fault = make_fault("vip-stranger", service="webservice")
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(watched, now_ns())
    begun = now_ns()
    fault.inject(watched)
    try:
        assert fault.confirm(watched, begun)["mac"] == STRANGER_MAC
        with pytest.raises(FaultError, match="still there"):
            fault.confirm_healed(watched)
    finally:
        fault.heal(watched)
    fault.heal(watched)
    assert fault.confirm_healed(watched) == {"stranger": "gone"}


class Announcer:
    """The owner's session: what it is told to run announces the VIP three times, as arping -A does."""

    def __init__(self, guest, vip):
        self.guest, self.vip = guest, bytes(int(part) for part in vip.split("."))

    def run(self, command, within=30.0):
        assert "arping" in command
        body = b"\x00\x01\x08\x00\x06\x04\x00\x02" + self.guest.own + self.vip + b"\xff" * 6 + self.vip + bytes(18)

        def announce():
            for _ in range(3):
                time.sleep(0.3)
                os.write(self.guest._fd, b"\xff" * 6 + self.guest.own + b"\x08\x06" + body)
        threading.Thread(target=announce).start()


@pytest.fixture
def announced(net, monkeypatch):
    cluster = net.cluster
    vip = str(cluster.topology.services["webservice"].vip.address)
    owner = cluster.topology.cluster_nodes[0]
    network = cluster.topology.networks_with("service")[0]
    monkeypatch.setattr(cluster, "session", lambda node: Announcer(net.guests[owner, network], vip))
    monkeypatch.setattr(cluster, "owner", lambda service: owner, raising=False)
    return cluster


def test_announcements_that_nobody_hears(announced):
    fault = make_fault("garp-drop", service="webservice")
    fault.inject(announced)
    try:
        seen = fault.confirm(announced, now_ns())
        assert seen["dropped"] >= 3 and seen["heard"] == 0
        with pytest.raises(FaultError, match="still there"):
            fault.confirm_healed(announced)
    finally:
        fault.heal(announced)
    fault.heal(announced)
    assert fault.confirm_healed(announced) == {"rule": "gone"}


def test_announcements_that_are_heard(announced):
    """A rule that is for another address drops nothing."""
    fault = make_fault("garp-drop", service="webservice")
    announced.fabric.run(["nft", "-f", "-"], f"table bridge {fault._table} {{\n counter dropped {{ }}\n}}\n")
    try:
        with pytest.raises(FaultError, match=r"not confirmed: 0 announcements of \S+ dropped, \d+ broadcasts heard"):
            fault.confirm(announced, now_ns())
    finally:
        fault.heal(announced)
