"""Fencing of several devices, quorum and ping nodes, as Pacemaker and Corosync are told them."""

from __future__ import annotations

import pytest

from fenceline.judge.demand import has_quorum, unfenceable
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology, parse_topology
from fenceline.stacks.pacemaker.cib import cib_xml
from fenceline.stacks.pacemaker.corosync import corosync_conf
from tests.model.sample import raw
from tests.model.wrong_values import PDUS, SBD_DISK, fencing, ping, quorum
from tests.stacks.test_cib import changed, cib, locations, pairs, primitive
from tests.stacks.test_corosync import parsed


def levels(root) -> dict[tuple[str, str], str]:
    return {(one.get("target"), one.get("index")): one.get("devices") for one in root.iter("fencing-level")}


def test_levels_of_a_bmc_and_two_units():
    root = cib(load_topology("web-iscsi-levels"))
    for node in ("rs-01", "rs-02"):
        assert levels(root)[node, "1"] == f"fence-{node}"
        assert levels(root)[node, "2"] == ",".join(f"fence-{node}-pdu-{unit}-{node[-1]}" for unit in "ab")
    outlet = primitive(root, "fence-rs-02-pdu-b-2")
    found = pairs(outlet.find("instance_attributes"))
    assert outlet.get("type") == "fence_apc_snmp"
    assert (found["ip"], found["port"], found["pcmk_host_list"]) == ("10.77.4.102", "2", "rs-02")
    assert locations(root, "fence-rs-02-pdu-b-2") == {"rs-02": "-INFINITY"}
    assert pairs(primitive(root, "fence-rs-01"))["login_timeout"] == "2"
    assert pairs(root.find(".//crm_config"))["priority-fencing-delay"] == "4s"
    assert [child.tag for child in root.find("configuration")] == [
        "crm_config", "nodes", "resources", "constraints", "fencing-topology", "rsc_defaults"]


def test_two_outlets_of_one_unit_are_two_devices_of_one_level():
    one = {"pdu-a": {"outlets": {1: "rs-01", 2: "rs-01", 3: "rs-02", 4: "rs-02"}}}
    root = changed(**fencing([["pdu-a"]], pdus=one))
    assert levels(root) == {("rs-01", "1"): "fence-rs-01-pdu-a-1,fence-rs-01-pdu-a-2",
                            ("rs-02", "1"): "fence-rs-02-pdu-a-3,fence-rs-02-pdu-a-4"}
    assert primitive(root, "fence-rs-01") is None


def test_pills_behind_a_bmc():
    made = fencing([["ipmi"], ["sbd"]], pdus={}, sbd={"luns": ["sbd"]}, delay={"rs-02": "3s"}, delay_max="2s")
    root = changed(**made, **SBD_DISK)
    assert levels(root)["rs-01", "2"] == "fence-sbd" and primitive(root, "fence-sbd").get("type") == "external/sbd"
    first = pairs(primitive(root, "fence-rs-02"))
    assert (first["pcmk_delay_base"], first["pcmk_delay_max"]) == ("3s", "2s")
    assert not {"pcmk_delay_base", "pcmk_delay_max"} & set(pairs(primitive(root, "fence-sbd"))), "only the first waits"


def test_who_has_a_second_level_can_be_fenced_without_the_first():
    topology = load_topology("web-iscsi-levels")
    bmc, unit = (damage.device_out(topology, "rs-01", device) for device in ("ipmi", "pdu-b"))
    assert unfenceable(topology, bmc) == unfenceable(topology, unit) == frozenset()
    assert unfenceable(topology, bmc | unit) == {"rs-01"} and bmc.slower_s == topology.fencing.timeout
    assert damage.device_out(load_topology("web-iscsi"), "rs-01", "ipmi") == Cost(unfenceable=frozenset({"rs-01"}))


def test_without_the_management_network_only_pills_fence():
    sbd = parse_topology(raw(**fencing([["ipmi"], ["sbd"]], pdus={}, sbd={"luns": ["sbd"]}), **SBD_DISK), "x")
    for topology, lost in ((load_topology("web-iscsi-levels"), {"rs-01"}), (sbd, set())):
        assert damage.cables_cut(topology, "rs-01", ["management"]).disarmed == lost


def test_the_quorum_device_as_it_is_told():
    looks = {"mode": "on", "interval": "20s", "commands": {"way-out": "/usr/bin/ping -q -c 1 10.71.4.1"}}
    topology = parse_topology(raw(**quorum("qdevice", tie_breaker="rs-02", device_timeout="5s", sync_timeout="9s",
                                           connect_timeout="1s", heuristics=looks)), "x")
    device = parsed(corosync_conf(topology))["quorum"]["device"]
    assert (device["timeout"], device["sync_timeout"], device["net"]["connect_timeout"]) == ("5000", "9000", "1000")
    assert device["net"]["tie_breaker"] == "2" and topology.stack.quorum_device_s == 9.0
    assert device["heuristics"] == {"mode": "on", "interval": "20000", "timeout": "5000", "sync_timeout": "15000",
                                    "exec_way_out": "/usr/bin/ping -q -c 1 10.71.4.1"}


def test_votes_a_tie_breaker_and_a_last_man():
    topology = parse_topology(raw(nodes__rs_01__votes=2, nodes__rs_03={}, fencing__delay={}, stack={
        "kind": "pacemaker", "quorum": {"policy": "majority", "auto_tie_breaker": "rs-02", "last_man_standing": True,
                                        "last_man_standing_window": "4s"}}), "x")
    found = parsed(corosync_conf(topology))
    assert [one.get("quorum_votes") for one in found["nodelist"]["node"]] == ["2", None, None]
    assert found["quorum"]["auto_tie_breaker_node"] == "2" and found["quorum"]["last_man_standing_window"] == "4000"


@pytest.mark.parametrize(("breaker", "votes", "part", "wanted"), [
    (None, 1, {"rs-01"}, False), ("lowest", 1, {"rs-01"}, True), ("lowest", 1, {"rs-02"}, False),
    ("highest", 1, {"rs-02"}, True), ("rs-02", 1, {"rs-02"}, True), (None, 2, {"rs-01"}, True),
    ("lowest", 2, {"rs-02"}, False)])
def test_who_has_quorum(breaker, votes, part, wanted):
    planted = ["one-node-is-quorum"] if votes > 1 else []
    topology = parse_topology(raw(nodes__rs_01__votes=votes, mistakes=planted, stack={
        "kind": "pacemaker", "quorum": {"policy": "majority", "auto_tie_breaker": breaker}}), "x")
    assert has_quorum(topology, Cost(), frozenset(part)) is wanted


def test_a_ping_resource_and_its_rule():
    root = changed(**ping(hosts=["client", "san-01"], multiplier=10))
    assert pairs(root.find(".//clone[@id='ping-clone']/primitive/instance_attributes"))["host_list"] == (
        "192.168.98.9 10.71.3.41")
    rule, = root.iter("rule")
    assert rule.get("score") == "-INFINITY"
    assert {(one.get("operation"), one.get("value")) for one in rule} == {("not_defined", None), ("lt", "10")}
    rule, = changed(**ping(rule="prefer")).iter("rule")
    assert rule.get("score-attribute") == "pingd"


def test_what_a_lost_ping_node_stops():
    def stopped(**fields):
        topology = parse_topology(raw(**ping(**fields)), "x")
        return topology.stack.stopped_without(topology, {"client"})
    assert stopped() == {"web"} and stopped(rule="prefer") == stopped(hosts=["client", "san-01"]) == frozenset()
    assert stopped(hosts=["client", "san-01"], least=2) == {"web"}


def test_packages_for_the_units():
    assert load_topology("web-iscsi-levels").packages == {"snmp"} and not load_topology("web-iscsi").packages
    assert set(PDUS) == set(load_topology("web-iscsi-levels").fencing.pdus)
    assert "community" in cib_xml(load_topology("web-iscsi-levels"), "pw")
