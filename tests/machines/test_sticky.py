"""The host that does not ask again, in a real fabric; the machines are played at the far ends of their cables."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from pathlib import Path

import pytest
from scapy.layers.l2 import ARP, Ether

from fenceline.machines.sticky import StickyHost
from fenceline.model.load import load_topology
from tests.fabrics import arp_answer, plugged, real_fabric, skip_unless

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "web-iscsi.yaml"
VIP, ROUTER, ALL = "192.168.98.244", "192.168.98.8", "ff:ff:ff:ff:ff:ff"
A, B = "rs-01", "rs-02"


class Card:
    """A machine's card in the service network: keeps what it is sent, and answers for the VIP if it ``owns`` it."""

    def __init__(self, fabric, node: str, fd: int) -> None:
        self.fd, self.mac = fd, fabric.mac(node, "service")
        self.owns = False
        self.asked = 0  # ARP questions for the VIP, from the router
        self.got = 0    # datagrams

    def announce(self) -> None:
        os.write(self.fd, bytes(Ether(src=self.mac, dst=ALL) / ARP(op=1, hwsrc=self.mac, psrc=VIP, pdst=VIP)))

    def take(self) -> None:
        frame = os.read(self.fd, 2048)
        if frame[12:14] == b"\x08\x06" and frame[38:42] == socket.inet_aton(VIP):
            self.asked += frame[28:32] == socket.inet_aton(ROUTER)
            answer = arp_answer(frame, bytes.fromhex(self.mac.replace(":", "")), socket.inet_aton(VIP))
            if self.owns and answer:
                os.write(self.fd, answer)
        elif frame[12:14] == b"\x08\x00" and frame[:6].hex(":") == self.mac:
            self.got += 1


@pytest.fixture
def world(tmp_path):
    """(router, its sender, the two cards by name)."""
    skip_unless("ip")
    with real_fabric(load_topology(TOPOLOGY), tmp_path) as fabric, contextlib.ExitStack() as stack:
        cards = {node: Card(fabric, node, stack.enter_context(plugged(fabric, node, "service"))) for node in (A, B)}
        router = StickyHost(fabric)
        stack.callback(router.close)
        router.create()
        with router.entered():
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        yield router, sender, cards


def send_until(sender, cards, done, within=5.0, every=0.02) -> bool:
    """Sends to the VIP until ``done()``; whether that came within ``within`` s."""
    deadline, due = time.monotonic() + within, 0.0
    while time.monotonic() < deadline:
        if time.monotonic() >= due:
            sender.sendto(b"x", (VIP, 9))
            due = time.monotonic() + every
        for fd in select.select([card.fd for card in cards.values()], [], [], every)[0]:
            next(card for card in cards.values() if card.fd == fd).take()
        if done():
            return True
    return False


def test_the_entry_is_kept_while_nobody_announces_and_follows_who_does(world):
    router, sender, cards = world
    cards[A].owns = True
    assert send_until(sender, cards, lambda: cards[A].got >= 5)
    # the address moves without a word: questions would find its new owner, and none is asked
    cards[A].owns, cards[B].owns = False, True
    asked = cards[B].asked
    before = cards[A].got
    assert send_until(sender, cards, lambda: cards[A].got >= before + 150, 10)
    assert cards[B].got == 0 and cards[B].asked == asked
    cards[B].announce()
    assert send_until(sender, cards, lambda: cards[B].got >= 5)
    # and what it was told, it does not ask about either
    before = cards[B].got
    assert send_until(sender, cards, lambda: cards[B].got >= before + 50)
    assert cards[B].asked == asked
    # the last who speaks is believed, at once
    cards[A].announce()
    before = cards[A].got
    assert send_until(sender, cards, lambda: cards[A].got >= before + 5)


def test_forgetting_makes_it_ask_once(world):
    router, sender, cards = world
    cards[A].owns = True
    assert send_until(sender, cards, lambda: cards[A].got >= 2)
    cards[A].owns, cards[B].owns = False, True
    router.forget()
    assert send_until(sender, cards, lambda: cards[B].got >= 2)


def test_nothing_is_left(tmp_path):
    skip_unless("ip")
    names = os.listdir("/var/run/netns") if Path("/var/run/netns").is_dir() else []
    with real_fabric(load_topology(TOPOLOGY), tmp_path) as fabric:
        router = StickyHost(fabric)
        router.create()
        assert "uplink0" in fabric.run(["ip", "-o", "link"])
        router.close()
        router.close()
        deadline = time.monotonic() + 5
        while "uplink0" in fabric.run(["ip", "-o", "link"]):  # the kernel tidies up in the background
            assert time.monotonic() < deadline
    assert "uplink0" not in os.listdir("/sys/class/net")
    assert not [name for name in os.listdir("/var/run/netns") if name.startswith("fl-t") and name not in names]
