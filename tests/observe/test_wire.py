"""The wire: frames as scapy makes them, then a real bridge."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from pathlib import Path

import pytest
from scapy.layers.l2 import ARP, Ether

from fenceline.core.errors import Timeout
from fenceline.machines.sockets import stamp_of
from fenceline.model.load import load_topology
from fenceline.observe.wire import Claim, Throttle, WireObserver, dissect, who_has
from tests.clocks import now_ns
from tests.fabrics import plugged, real_fabric, skip_unless

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "web-iscsi.yaml"
VIP, MAC, CLIENT = "192.168.98.244", "52:54:00:fe:01:0b", "192.168.98.9"
ALL = "ff:ff:ff:ff:ff:ff"


def frame(dst=ALL, **arp) -> bytes:
    return bytes(Ether(src=MAC, dst=dst) / ARP(hwsrc=MAC, **arp))


@pytest.mark.parametrize("raw, how", [
    (frame(op=1, psrc=VIP, pdst=VIP), "gratuitous"),
    (frame(op=2, psrc=VIP, pdst=VIP, hwdst=ALL), "gratuitous"),
    (frame(op=2, psrc=VIP, pdst=CLIENT), "gratuitous"),  # broadcast: Pacemaker's send_arp does this
    (frame(dst="02:00:00:00:00:01", op=2, psrc=VIP, pdst=CLIENT), "reply"),
    (frame(dst="02:00:00:00:00:01", op=2, psrc=VIP, pdst=CLIENT) + bytes(18), "reply"),  # padded to 60 bytes
])
def test_claims(raw, how):
    assert dissect(raw) == Claim(VIP, MAC, how)


@pytest.mark.parametrize("raw", [
    frame(op=1, psrc=VIP, pdst=CLIENT),  # a question, even though it names its sender
    frame(op=1, psrc="0.0.0.0", pdst=VIP),  # is it free?
    frame(op=1, psrc="0.0.0.0", pdst="0.0.0.0"),
    frame(op=2, psrc=VIP, pdst=VIP)[:40],
    bytes(Ether(src=MAC, dst=ALL, type=0x0800)) + bytes(40),
    frame(op=2, psrc=VIP, pdst=VIP, hwtype=6),
    b"",
])
def test_no_claims(raw):
    assert dissect(raw) is None


def test_the_question_is_one_that_scapy_understands():
    asked = Ether(who_has(VIP, CLIENT, bytes.fromhex("020000000001")))
    assert (asked.dst, asked.src, asked[ARP].op) == (ALL, "02:00:00:00:00:01", 1)
    assert (asked[ARP].psrc, asked[ARP].pdst, asked[ARP].hwsrc) == (CLIENT, VIP, "02:00:00:00:00:01")
    assert dissect(bytes(asked)) is None


def test_only_news_is_logged():
    throttle, ms = Throttle(), 1_000_000
    one, two = Claim(VIP, MAC, "reply"), Claim(VIP, "52:54:00:fe:01:0c", "reply")
    assert [throttle.is_news(one, t * ms) for t in (0, 200, 400, 999, 1000, 1200)] == [
        True, False, False, False, True, False]
    assert throttle.is_news(two, 1300 * ms)
    assert throttle.is_news(one, 1310 * ms)  # two owners: each time the other speaks
    assert throttle.is_news(Claim(VIP, MAC, "gratuitous"), 1320 * ms)
    assert not throttle.is_news(Claim(VIP, MAC, "gratuitous"), 1330 * ms)


def test_kernel_stamps_become_monotonic():
    earlier = time.time_ns() - 300_000_000
    data = struct.pack("qq", *divmod(earlier, 1_000_000_000))
    age = now_ns() - stamp_of([(socket.SOL_SOCKET, 35, data)])
    assert 290_000_000 < age < 500_000_000
    assert abs(now_ns() - stamp_of([])) < 50_000_000
    # a stamp from the future, after a step of the wall clock: not later than now
    future = struct.pack("qq", *divmod(time.time_ns() + 10_000_000_000, 1_000_000_000))
    assert stamp_of([(socket.SOL_SOCKET, 35, future)]) <= now_ns()


@pytest.fixture
def fabric(tmp_path):
    skip_unless("ip")
    with real_fabric(load_topology(TOPOLOGY), tmp_path) as made:
        yield made


def test_an_owner_is_found_and_his_moves_are_seen(fabric, log, loop):
    """Guests are played by packet sockets at the far ends of two cables of the service bridge."""
    topology = fabric.topology
    bridge = fabric.bridge("service")
    for index, node in enumerate(("rs-01", "rs-02")):
        fabric.ip_batch([
            f"link add g{index} address {fabric.mac(node, 'service')} type veth peer name h{index}",
            f"link set h{index} master {bridge} up", f"link set g{index} up"])
    with fabric.entered():
        guests = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2)]
    for index, guest in enumerate(guests):
        guest.bind((f"g{index}", 0x0806))
        guest.settimeout(2)
    observer = WireObserver(fabric, topology, log, loop)
    observer.start()
    try:
        asked = Ether(guests[0].recv(2048))
        assert (asked[ARP].pdst, asked[ARP].psrc) == (VIP, CLIENT)
        one, two = (fabric.mac(node, "service") for node in ("rs-01", "rs-02"))
        before = now_ns()
        guests[0].send(bytes(Ether(src=one, dst=asked.src) / ARP(
            op=2, hwsrc=one, psrc=VIP, hwdst=asked.src, pdst=CLIENT)))
        event, _ = log.wait_for(lambda e: e.kind == "arp", 2, "the answer")
        assert (event.node, event.data) == ("rs-01", {"ip": VIP, "mac": one, "how": "reply"})
        assert before <= event.t_ns <= before + 50_000_000
        for _ in range(5):
            guests[1].send(bytes(Ether(src=two, dst=ALL) / ARP(op=1, hwsrc=two, psrc=VIP, pdst=VIP)))
        event, _ = log.wait_for(lambda e: e.kind == "arp" and e.node == "rs-02", 2, "the move")
        assert event.data["how"] == "gratuitous"
        # between two guests: the host's stack would never see it
        guests[0].send(bytes(Ether(src=one, dst=two) / ARP(op=2, hwsrc=one, psrc=VIP, pdst="192.168.98.12")))
        log.wait_for(lambda e: e.kind == "arp" and e.node == "rs-01", 2, "the unicast", event.t_ns + 1)
        log.switch(None)
        guests[0].send(bytes(Ether(src=one, dst=ALL) / ARP(op=1, hwsrc=one, psrc=VIP, pdst=VIP)))
        log.wait_for(lambda e: e.kind == "arp", 2, "the owner in the new segment")
        assert not [e for e in log.events() if e.kind == "broken"]
    finally:
        observer.stop()
        for guest in guests:
            guest.close()


def test_what_is_announced_is_seen_on_the_cable_though_the_switch_drops_it(fabric, log, loop):
    """And nothing else that passes there: no answers, no announcement that only passes by to this machine."""
    observer = WireObserver(fabric, fabric.topology, log, loop)
    mac = fabric.mac("rs-02", "service")

    def say(fd, **arp):
        os.write(fd, bytes(Ether(src=mac, dst=ALL) / ARP(hwsrc=mac, psrc=VIP, **arp)))
    observer.start()
    try:
        log.wait_for(lambda e: e.kind == "wire.watch" and e.data == {"addresses": [VIP]}, 2, "the watch to begin")
        with plugged(fabric, "rs-01", "service"), plugged(fabric, "rs-02", "service") as two:
            for _ in range(50):  # a bridge passes nothing on until it has seen the carrier of a cable just plugged in
                say(two, op=1, pdst=CLIENT)
                os.write(two, bytes(Ether(src=mac, dst=fabric.mac("rs-01", "service")) / ARP(
                    op=2, hwsrc=mac, psrc=VIP, pdst="192.168.98.11")))
                with contextlib.suppress(Timeout):
                    log.wait_for(lambda e: e.kind == "arp", 0.1, "the answer")
                    break
            log.wait_for(lambda e: e.kind == "arp", 0, "the answer")
            fabric.run(["nft", "-f", "-"], "table bridge deaf { chain in {\ntype filter hook prerouting priority 0\n"
                                           f"arp saddr ip {VIP} drop\n}}\n}}\n")
            say(two, op=2, pdst=VIP)
            event, _ = log.wait_for(lambda e: e.kind == "arp.sent", 2, "the announcement on the cable")
            assert (event.node, event.data) == ("rs-02", {"ip": VIP, "mac": mac})
            fabric.run(["nft", "delete", "table", "bridge", "deaf"])
            log.switch(None)
            log.wait_for(lambda e: e.kind == "wire.watch", 2, "the watch in the new segment")
            say(two, op=1, pdst=VIP)
            log.wait_for(lambda e: e.kind == "arp" and e.data["how"] == "gratuitous", 2, "it on the bridge")
            sent = [e.node for e in log.events() if e.kind == "arp.sent"]
            assert sent == ["rs-02"]  # not rs-01's, to which it was sent on
    finally:
        observer.stop()
