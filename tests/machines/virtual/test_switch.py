"""The switch of a virtual network and its packet faults; frames between ports that the test makes."""

from __future__ import annotations

import pytest

from fenceline.machines.virtual.frames import HEADER, Frame, udp_ports
from fenceline.machines.virtual.switch import LATENCY, NS_PER_BYTE, Port, Rule, Switch

A, B, C = (bytes.fromhex(f"52540000000{number}") for number in (1, 2, 3))
EVERYBODY = b"\xff" * 6


class Card(Port):
    def __init__(self, calendar, mac):
        super().__init__(mac.hex())
        self.mac, self.heard, self._calendar = mac, [], calendar

    def deliver(self, frame):
        self.heard.append((self._calendar.now, frame.data))


@pytest.fixture
def lan(calendar):
    switch = Switch(calendar, "lan", seed=1)
    cards = [Card(calendar, mac) for mac in (A, B, C)]
    for card in cards:
        switch.plug_in(card)
        switch._where[card.mac] = card
    return switch, *cards


def frame(source, target, body=bytes(86)):
    return Frame(target + source + b"\x88\xb5" + body)


def heard(card):
    return [data[14:] for _, data in card.heard]


def test_a_frame_to_an_unknown_card_reaches_all_and_one_to_a_known_card_only_that(lan, calendar):
    switch, a, b, c = lan
    switch._where.clear()
    switch.send(a, frame(A, B))
    calendar.run_until(10**6)
    assert len(b.heard) == len(c.heard) == 1 and not a.heard
    switch.send(b, frame(B, A))
    calendar.run_until(2 * 10**6)
    assert len(a.heard) == 1 and len(c.heard) == 1


def test_a_frame_takes_its_latency_and_its_length(lan, calendar):
    switch, a, b, _ = lan
    switch.send(a, frame(A, EVERYBODY))
    switch.send(a, frame(A, EVERYBODY))  # the cable carries one at a time
    calendar.run_until(10**6)
    assert [when for when, _ in b.heard] == [LATENCY + 100 * NS_PER_BYTE, LATENCY + 200 * NS_PER_BYTE]


def test_a_pulled_cable_sends_nothing(lan, calendar):
    switch, a, b, _ = lan
    a.is_up = False
    switch.send(a, frame(A, EVERYBODY))
    calendar.run_until(10**6)
    assert not b.heard


def test_a_cut_is_one_way_and_ends_with_its_rule(lan, calendar):
    switch, a, b, c = lan
    switch.add(Rule("cut", frozenset((A,)), frozenset((B,)), loss=1))
    switch.send(a, frame(A, EVERYBODY))
    switch.send(b, frame(B, EVERYBODY))
    calendar.run_until(10**6)
    assert not b.heard and len(c.heard) == 2 and len(a.heard) == 1
    switch.remove("cut")
    switch.send(a, frame(A, B))
    calendar.run_until(2 * 10**6)
    assert len(b.heard) == 1


def test_a_rule_for_one_kind_of_packet_leaves_others_alone(lan, calendar):
    switch, a, b, _ = lan
    udp = bytes.fromhex("45000020000040004011000001020304050607081535153600080000") + bytes(40)
    packet = Frame(B + A + b"\x08\x00" + udp)
    assert udp_ports(packet) == (0x1535, 0x1536) and udp_ports(frame(A, B)) is None
    switch.add(Rule("totem", match=lambda one: udp_ports(one) == (0x1535, 0x1536), loss=1))
    switch.send(a, packet)
    switch.send(a, frame(A, B))
    calendar.run_until(10**6)
    assert len(b.heard) == 1 and switch.rules[0].lost == 1


def test_loss_is_from_the_seed_and_near_its_share(calendar):
    def lost(seed):
        switch = Switch(calendar, "lan", seed)
        a, b = Card(calendar, A), Card(calendar, B)
        switch.plug_in(a)
        switch.plug_in(b)
        switch.add(Rule("loss", loss=0.3))
        for number in range(1000):
            switch.send(a, frame(A, B, number.to_bytes(4, "big")))
        calendar.run_until(calendar.now + 10**9)
        return heard(b)
    assert lost(1) == lost(1) != lost(2)
    assert 640 < len(lost(1)) < 760


def test_delay_jitter_and_reordering(lan, calendar):
    switch, a, b, _ = lan
    rule = Rule("slow", delay=10**7, jitter=10**6)
    switch.add(rule)
    for _ in range(50):
        switch.send(a, frame(A, B))
    calendar.run_until(10**9)
    times = [when for when, _ in b.heard]
    assert len(times) == 50 and min(times) >= 9 * 10**6 and max(times) < 12 * 10**6
    switch.add(Rule("slow", delay=10**8, reorder=0.5))
    b.heard.clear()
    for number in range(50):
        switch.send(a, frame(A, B, number.to_bytes(1, "big")))
    calendar.run_until(2 * 10**9)
    assert len(heard(b)) == 50 and heard(b) != sorted(heard(b))


def test_duplicates_and_corruption(lan, calendar):
    switch, a, b, _ = lan
    switch.add(Rule("twice", duplicate=1))
    switch.send(a, frame(A, B, b"x" * 50))
    calendar.run_until(10**6)
    assert heard(b) == [b"x" * 50] * 2
    switch.remove("twice")
    switch.add(Rule("noise", corrupt=1))
    b.heard.clear()
    switch.send(a, frame(A, B, b"x" * 50))
    calendar.run_until(2 * 10**6)
    (got,) = heard(b)
    assert sum(bin(one ^ ord("x")).count("1") for one in got) == 1


def test_a_rate_spreads_frames_and_drops_what_would_wait_too_long(lan, calendar):
    switch, a, b, _ = lan
    switch.add(Rule("thin", rate=100_000, queue=5 * 10**6))
    for _ in range(20):
        switch.send(a, frame(A, B))  # 1 ms each
    calendar.run_until(10**9)
    assert len(b.heard) == 6 and switch.rules[0].lost == 14
    assert b.heard[1][0] - b.heard[0][0] >= 10**6


def test_what_is_held_is_delivered_late_and_in_order(lan, calendar):
    switch, a, b, _ = lan
    rule = Rule("hold", holds=True)
    switch.add(rule)
    for number in range(5):
        switch.send(a, frame(A, B, bytes([number])))
    calendar.run_until(10**9)
    assert not b.heard
    switch.release(rule)
    calendar.run_until(2 * 10**9)
    assert heard(b) == [bytes([number]) for number in range(5)]


def test_a_checksum_that_was_left_to_the_card_is_filled_in():
    # checksum over the bytes from 14 on, stored at 14 + 6
    left = Frame(B + A + b"\x08\x00" + bytes.fromhex("0102030405060000"), HEADER.pack(1, 0, 0, 0, 14, 6, 0))
    done = left.completed()
    assert done.data[20:22] != bytes(2) and done.header[0] == 0
    assert done.completed() is done
