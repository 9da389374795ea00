"""The fabric, for real: a namespace of its own, with the bridges and taps of web-iscsi, and frames on them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import FaultError, HostError
from fenceline.faults import make_fault
from fenceline.faults.base import FaultControl
from fenceline.journal.journal import Journal, open_entries
from fenceline.machines import namespace
from fenceline.machines.fabric import Fabric
from fenceline.machines.namespace import remove_namespace
from fenceline.model.addressing import address, mac
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
from tests.fabrics import Cable, arp_answer, plugged, real_fabric
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft"))), reason="needs root, ip and nft")

MARK = b"\x88\xb5fenceline"  # an experimental EtherType, IEEE 802


def host_view() -> tuple[str, ...]:
    """What the host's own namespace looks like."""
    commands = (["ip", "-o", "link"], ["ip", "-o", "address"], ["ip", "route", "show", "table", "all"],
                ["nft", "list", "ruleset"], ["sysctl", "-n", "net.ipv4.ip_forward"])
    return tuple(subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands)


@pytest.fixture(scope="module")
def topology():
    return load_topology("web-iscsi")


@pytest.fixture(scope="module")
def fabric(topology, tmp_path_factory):
    with real_fabric(topology, tmp_path_factory.mktemp("journal")) as made:
        yield made


def to_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def frame(fabric, node, network) -> bytes:
    """A broadcast of ours."""
    return b"\xff" * 6 + to_bytes(fabric.mac(node, network)) + MARK + bytes(40)


def hears(fd, sender: bytes, within=0.3) -> bool:
    """Whether a frame of ours from ``sender`` arrives."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            data = os.read(fd, 4096)
            if data[6:12] == sender and data[12:12 + len(MARK)] == MARK:
                return True
    return False


def passes(fabric, network, source, target) -> bool:
    """Whether a frame goes from machine to machine."""
    with plugged(fabric, source, network) as one, plugged(fabric, target, network) as other:
        deadline = time.monotonic() + 3
        while "LOWER_UP" not in fabric.run(["ip", "link", "show", fabric.tap(target, network)]):
            assert time.monotonic() < deadline
        for _ in range(5):  # a port that has just come up may lose a frame or two
            os.write(one, frame(fabric, source, network))
            if hears(other, to_bytes(fabric.mac(source, network)), 0.1):
                return True
    return False


@contextlib.contextmanager
def answering(fabric, node, network, as_if=None):
    """A machine that answers ARP for its address (or for ``as_if``)."""
    own = to_bytes(fabric.mac(node, network))
    ip = (as_if or address(fabric.topology, node, network)).packed

    def go(stop):
        while not stop.is_set():
            if select.select([fd], [], [], 0.02)[0] and (answer := arp_answer(os.read(fd, 4096), own, ip)):
                os.write(fd, answer)
    with plugged(fabric, node, network) as fd, meanwhile(go):
        yield


def links(fabric) -> dict[str, dict]:
    return {link["ifname"]: link for link in json.loads(fabric.run(["ip", "-j", "-d", "link"]))}


def test_a_bridge_for_each_network_and_a_tap_for_each_card(fabric, topology):
    found = links(fabric)
    taps = {fabric.tap(node, network): fabric.bridge(network)
            for node in topology.nodes for network in topology.networks_of(node)}
    assert set(found) == {"lo", *taps, *(fabric.bridge(network) for network in topology.networks)}
    assert {name: found[name]["master"] for name in taps} == taps
    assert len(taps) == 10 and max(map(len, taps)) <= 15
    for network in topology.networks:
        settings = found[fabric.bridge(network)]["linkinfo"]["info_data"]
        assert (settings["stp_state"], settings["forward_delay"], settings["mcast_snooping"]) == (0, 0, 0)


def test_our_addresses_are_those_of_the_plan_and_no_others(fabric):
    found = {link["ifname"]: [one["local"] for one in link["addr_info"]]
             for link in json.loads(fabric.run(["ip", "-j", "address"]))}
    assert {name: sorted(addresses) for name, addresses in found.items() if addresses and name != "lo"} == {
        "br1": ["192.168.98.9"], "br3": ["10.71.4.1", "10.71.4.111", "10.71.4.112"]}


def test_there_is_no_way_out(fabric):
    routes = fabric.run(["ip", "route"]).splitlines()
    assert len(routes) == 2 and all("scope link" in route for route in routes)
    assert fabric.run(["ip", "-6", "route", "show", "default"]) == ""
    assert fabric.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).strip() == "0"
    assert not [link for link in links(fabric).values() if link.get("linkinfo", {}).get("info_kind") == "veth"]
    with fabric.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, \
            pytest.raises(OSError, match="unreachable"):
        sock.connect(("192.0.2.1", 53))


def test_the_host_is_not_touched(tmp_path, topology):
    before = host_view()
    with real_fabric(topology, tmp_path) as made:
        made.set_link("rs-01", "heartbeat", up=False)
        during = host_view()
    assert before == during == host_view()


def test_close_leaves_nothing_and_may_be_repeated(tmp_path, topology):
    journal = Journal(tmp_path / "x.jsonl")
    made = Fabric(f"t{secrets.token_hex(3)}", topology, journal)
    made.close()  # before it was made
    made.create()
    place = Path("/var/run/netns") / made.namespace
    assert place.exists()
    assert [(entry.kind, entry.undo) for entry in open_entries(journal.path)] == [("netns", {"name": made.namespace})]
    made.close()
    made.close()
    assert not place.exists() and open_entries(journal.path) == []
    journal.close(remove=True)
    remove_namespace(made.namespace)  # nothing to remove is fine


@pytest.mark.parametrize("ask", [remove_namespace, namespace.namespace_pids])
def test_a_namespace_that_another_removes_meanwhile_has_gone_and_one_that_stays_is_an_error(tmp_path, monkeypatch, ask):
    monkeypatch.setattr(namespace, "NETNS_DIR", tmp_path)
    name, place = f"fl-{secrets.token_hex(4)}", None

    def refused(command):
        if place:
            place.unlink()
        raise HostError("no such file")
    monkeypatch.setattr(namespace, "run_command", refused)
    (tmp_path / name).touch()
    with pytest.raises(HostError):
        ask(name)
    place = tmp_path / name
    assert not ask(name)


def test_a_thread_enters_alone_and_comes_back(fabric):
    def inode():
        return os.stat(f"/proc/self/task/{threading.get_native_id()}/ns/net").st_ino
    outside, seen = inode(), {}
    with fabric.entered():
        thread = threading.Thread(target=lambda: seen.update(main=os.stat("/proc/self/ns/net").st_ino))
        inside = inode()
        assert inside != outside
    with pytest.raises(ZeroDivisionError), fabric.entered():
        _ = 1 / 0
    assert inode() == outside
    thread.start()
    thread.join()
    assert seen["main"] == outside


def test_a_command_inside(fabric):
    assert fabric.run(["cat"], "hello") == "hello"
    assert fabric.command(["x", "y z"]) == ["ip", "netns", "exec", fabric.namespace, "x", "y z"]
    with pytest.raises(HostError, match="`ip netns exec .* false` failed"):
        fabric.run(["false"])
    with pytest.raises(HostError, match="nft .*failed: .*No such file"):
        fabric.run(["nft", "list", "table", "bridge", "moon"])


def test_what_the_host_lacks_is_named(fabric, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError, match="ip is not installed: `fenceline doctor`"):
        fabric.run(["true"])


def test_a_command_that_hangs_is_the_hosts_fault(fabric, monkeypatch):
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, timeout, **k: real(*a, timeout=0.2, **k))
    with pytest.raises(HostError, match="`ip netns exec .* sleep 2` did not end within 0.2 s"):
        fabric.run(["sleep", "2"])


def test_without_root_it_says_so(tmp_path, topology, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    journal = Journal(tmp_path / "x.jsonl")
    with pytest.raises(HostError, match="needs root"):
        Fabric("tffffff", topology, journal).create()
    assert open_entries(journal.path) == []
    journal.close(remove=True)


def test_a_cable_that_is_cut_carries_nothing_in_either_direction(fabric):
    assert passes(fabric, "heartbeat", "rs-01", "rs-02")
    fabric.set_link("rs-01", "heartbeat", up=False)
    fabric.set_link("rs-01", "heartbeat", up=False)  # may be repeated
    assert not fabric.link_is_up("rs-01", "heartbeat") and fabric.link_is_up("rs-02", "heartbeat")
    try:
        assert not passes(fabric, "heartbeat", "rs-01", "rs-02")
        assert not passes(fabric, "heartbeat", "rs-02", "rs-01")
        assert passes(fabric, "storage", "rs-01", "rs-02")  # its other cables are in
    finally:
        fabric.set_link("rs-01", "heartbeat", up=True)
    fabric.set_link("rs-01", "heartbeat", up=True)
    assert fabric.link_is_up("rs-01", "heartbeat")
    assert passes(fabric, "heartbeat", "rs-01", "rs-02") and passes(fabric, "heartbeat", "rs-02", "rs-01")


def test_networks_do_not_leak_into_each_other(fabric):
    with plugged(fabric, "rs-01", "heartbeat") as one, plugged(fabric, "rs-02", "storage") as other:
        for _ in range(3):
            os.write(one, frame(fabric, "rs-01", "heartbeat"))
        assert not hears(other, to_bytes(fabric.mac("rs-01", "heartbeat")), 0.2)


def test_who_answers_arp(fabric):
    assert not fabric.answers_arp("rs-01", "heartbeat", 0.15)
    with answering(fabric, "rs-01", "heartbeat"):
        assert fabric.answers_arp("rs-01", "heartbeat", 3)
        assert not fabric.answers_arp("rs-02", "heartbeat", 0.15)
        assert not fabric.answers_arp("rs-01", "storage", 0.15)
        fabric.set_link("rs-01", "heartbeat", up=False)
        assert not fabric.answers_arp("rs-01", "heartbeat", 0.3)
        fabric.set_link("rs-01", "heartbeat", up=True)
        assert fabric.answers_arp("rs-01", "heartbeat", 3)
    with answering(fabric, "rs-01", "heartbeat", as_if=address(fabric.topology, "rs-02", "heartbeat")):
        assert not fabric.answers_arp("rs-01", "heartbeat", 0.15)


@pytest.fixture
def cluster(fabric, topology):
    """As much of a cluster as network faults need, around the real fabric."""
    made = SimpleNamespace(
        fabric=fabric, topology=topology, log=EventLog(), clock=HOST_CLOCK, boot_deadline=3.0,
            is_running=lambda node: True,
        machine=lambda node: SimpleNamespace(link=lambda network: Cable(made, node, network)))
    made.faults = FaultControl(made)
    return made


def test_the_fault_network_cut_for_real(cluster):
    fault = make_fault("network-cut", node="rs-01", networks=("heartbeat",))
    with answering(cluster.fabric, "rs-01", "heartbeat"):
        with pytest.raises(FaultError, match="still answers ARP on heartbeat"):
            assert cluster.fabric.answers_arp("rs-01", "heartbeat", 3)
            fault.confirm(cluster, 0)
        fault.inject(cluster)
        fault.confirm(cluster, 0)
        with pytest.raises(FaultError, match="are still out"):
            fault.confirm_healed(cluster)
        fault.heal(cluster)
        assert fault.confirm_healed(cluster) == {"links": "up", "arp": "answers"}


@pytest.mark.parametrize("percent", [30.0, 100.0])
def test_the_fault_packet_drop_for_real(cluster, percent):
    fabric = cluster.fabric
    fault = make_fault("packet-drop", network="heartbeat", percent=percent)
    with plugged(fabric, "rs-01", "heartbeat") as one:
        fault.inject(cluster)

        def send(stop):  # all the time: a switch's port that was just plugged in takes a moment to forward
            while not stop.wait(0.001):
                os.write(one, frame(fabric, "rs-01", "heartbeat"))
        try:
            with meanwhile(send):
                found = fault.confirm(cluster, 0)
            assert found["packets"] >= 60 and abs(found["percent"] - percent) < 25
            with pytest.raises(FaultError, match="is still there"):
                fault.confirm_healed(cluster)
        finally:
            fault.heal(cluster)
        fault.heal(cluster)
        assert fault.confirm_healed(cluster) == {"rule": "gone"}
    assert fabric.link_is_up("rs-01", "heartbeat")  # the table of the cables is still there


def test_cards_have_the_addresses_of_the_plan(fabric, topology):
    assert fabric.mac("rs-01", "service") == mac(topology, "rs-01", "service")
