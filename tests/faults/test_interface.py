"""Interfaces that are taken down in the guest, and paths that lose big packets: what of it is seen, and what is not."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.model.cost import Cost
from tests.faults.test_faults import NODE, inject, ticking


@pytest.mark.parametrize(("addresses", "down"), [
    ("kept", "ip link set dev eth0 down"), ("gone", "ip link set dev eth0 down; ip addr flush dev eth0")])
def test_an_interface_goes_and_comes_back(cluster, addresses, down):
    fault = make_fault("interface-down", node=NODE, networks="heartbeat", addresses=addresses)
    cluster.fabric.arp = set()
    active = cluster.faults.inject(fault)
    assert cluster.sessions[NODE].commands == [down] and active.evidence["cable"] == "in"
    cluster.fabric.arp = {(NODE, "heartbeat")}
    with ticking(cluster):
        cluster.faults.heal(active)
    assert cluster.sessions[NODE].commands[1:] == ["ip link set dev eth0 up; ip addr replace 10.71.1.11/24 dev eth0"]
    assert cluster.machines[NODE].cut == set()


def test_one_that_still_answers_is_not_down(cluster):
    cluster.fabric.arp = {(NODE, "heartbeat")}
    with pytest.raises(FaultError, match="rs-01 still answers ARP on heartbeat"):
        cluster.faults.inject(make_fault("interface-down", node=NODE, networks="heartbeat"))


def test_a_cable_that_is_out_confirms_no_interface(cluster):
    fault, since = inject(cluster, "interface-down", node=NODE, networks="heartbeat")
    cluster.machines[NODE].cut.add("heartbeat")
    with pytest.raises(FaultError, match="it is the cable of rs-01 in heartbeat that is out"):
        fault.confirm(cluster, since)


def test_one_that_stays_down_is_not_healed(cluster):
    cluster.fabric.arp = set()
    with pytest.raises(FaultError, match="does not answer ARP on heartbeat"):
        make_fault("interface-down", node=NODE, networks="heartbeat").confirm_healed(cluster)


@pytest.mark.parametrize(("parameters", "message"), [
    ({"networks": "management"}, "could not be told to heal"), ({"networks": "moon"}, "no network 'moon' in web-iscsi"),
    ({"networks": "heartbeat", "addresses": "lost"}, "not one of kept, gone")])
def test_what_is_refused(cluster, parameters, message):
    with pytest.raises(FaultError, match=message):
        cluster.faults.inject(make_fault("interface-down", node=NODE, **parameters))
    assert cluster.sessions[NODE].commands == []


PING = "{0} packets transmitted, {1} received, 0% packet loss\nrtt min/avg/max/mdev = 0.1/0.2/0.3/0.1 ms\n"


@pytest.mark.parametrize(("small", "big", "is_seen"), [(5, 0, True), (5, 5, False), (0, 0, False), (5, 1, False)])
def test_big_packets_are_lost_and_small_ones_are_not(cluster, small, big, is_seen):
    def answer(command):
        return 0, PING.format(5, small if command[-1] == "56" else big)
    cluster.sessions[NODE].answer = answer
    fault = make_fault("packet-size-drop", network="storage", size=1000)
    if is_seen:
        assert fault.confirm(cluster, 0) == {"pings": "rs-01 pinged rs-02", "small": "5 of 5", "big": "0 of 5"}
        assert [command[-1] for command in cluster.sessions[NODE].commands] == ["56", "1044"]
    else:
        with pytest.raises(FaultError, match="not confirmed"):
            fault.confirm(cluster, 0)


def test_big_packets_that_nobody_could_send(cluster):
    for node in ("rs-02", "san-01"):
        cluster.machines[node].power_off()
    with pytest.raises(FaultError, match="nobody else runs on storage"):
        make_fault("packet-size-drop", network="storage").confirm(cluster, 0)


def test_what_a_hole_costs(web):
    assert make_fault("packet-size-drop", network="service").costs(web) == Cost()
    assert make_fault("packet-size-drop", network="heartbeat").costs(web).unheard == frozenset({
        ("heartbeat", "rs-01", "rs-02"), ("heartbeat", "rs-02", "rs-01")})
    assert make_fault("packet-size-drop", network="storage").costs(web).unfit == frozenset({"san-01"})


def test_an_interface_costs_what_its_cable_does(web):
    down = make_fault("interface-down", node=NODE, networks="heartbeat,service").costs(web)
    assert down == make_fault("network-cut", node=NODE, networks="heartbeat,service").costs(web) != Cost()


@pytest.mark.parametrize("size", [599, 1401, "many"])
def test_sizes_out_of_range(size):
    with pytest.raises(FaultError):
        make_fault("packet-size-drop", network="storage", size=size)
