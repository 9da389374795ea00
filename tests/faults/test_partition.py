"""Partitions, a loose contact, a rate limit and dropped kinds of packets, in a real fabric with guests of threads."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.background import worker_of
from fenceline.faults.flap import Phases
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology

BOTH = ("heartbeat-a", "heartbeat-b")
SHAPES = [
    ("partition", {"groups": (("node1",), ("node2", "node3")), "networks": BOTH}, 8),
    ("partition", {"groups": (("node1",), ("node2",), ("node3",)), "networks": ("heartbeat-a",)}, 6),
    ("one-way", {"sender": "node1", "receiver": "node2", "networks": BOTH}, 2),
    ("partition-bridge", {"node": "node2", "networks": BOTH}, 4),
]


@pytest.mark.parametrize(("name", "parameters", "links"), SHAPES, ids=[f"{s[0]}-{s[2]}" for s in SHAPES])
def test_in_force_and_healed(net, name, parameters, links):
    fault = make_fault(name, **parameters)
    with pytest.raises(FaultError, match="still gets frames"):
        fault.confirm(net.cluster, 0)  # red: not in force yet
    fault.inject(net.cluster)
    try:
        with pytest.raises(FaultError, match="still there"):
            fault.confirm_healed(net.cluster)
        evidence = fault.confirm(net.cluster, 0)
        assert evidence["links"] == links and evidence["frames_heard"] == 0 and evidence["frames_sent"] >= 5 * links
    finally:
        fault.heal(net.cluster)
    fault.heal(net.cluster)
    assert fault.confirm_healed(net.cluster)["links"] == links


def test_one_way_leaves_the_other_way(net):
    there = make_fault("one-way", sender="node1", receiver="node2", networks="heartbeat-a")
    back = make_fault("one-way", sender="node2", receiver="node1", networks="heartbeat-a")
    there.inject(net.cluster)
    try:
        there.confirm(net.cluster, 0)
        with pytest.raises(FaultError, match="node1 still gets frames from node2"):
            back.confirm(net.cluster, 0)
    finally:
        there.heal(net.cluster)


def test_silence_is_no_proof(net):
    guest = net.guests["node1", "heartbeat-a"]
    guest.talks = False
    fault = make_fault("one-way", sender="node1", receiver="node2", networks="heartbeat-a")
    fault.inject(net.cluster)
    try:
        with pytest.raises(FaultError, match="nothing to lose"):
            fault.confirm(net.cluster, 0)
    finally:
        guest.talks = True
        fault.heal(net.cluster)


def test_who_never_spoke_to_it_asks_for_it_first_and_the_question_is_what_is_lost(net, monkeypatch):
    """Linux asks once a second by a broadcast: the first one leaves with the call, before anybody could have waited."""
    guest = net.guests["node1", "heartbeat-a"]
    guest.talks = False
    monkeypatch.setattr(net.cluster, "session", lambda node: SimpleNamespace(run=lambda *a, **k: guest.ask()))
    fault = make_fault("one-way", sender="node1", receiver="node2", networks="heartbeat-a")
    fault.inject(net.cluster)
    try:
        evidence = fault.confirm(net.cluster, 0)
        assert evidence["frames_sent"] >= 1 and evidence["frames_heard"] == 0
    finally:
        guest.talks = True
        fault.heal(net.cluster)


def test_two_partitions_at_once_are_healed_one_by_one(net):
    one = make_fault("one-way", sender="node1", receiver="node2", networks="heartbeat-a")
    two = make_fault("one-way", sender="node1", receiver="node3", networks="heartbeat-a")
    one.inject(net.cluster)
    two.inject(net.cluster)
    try:
        one.heal(net.cluster)
        one.confirm_healed(net.cluster)
        two.confirm(net.cluster, 0)
    finally:
        two.heal(net.cluster)


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("partition", {"groups": "node1", "networks": "heartbeat-a"}, "two groups"),
    ("partition", {"groups": "node1|node1", "networks": "heartbeat-a"}, "twice"),
    ("partition", {"groups": "node1|node2", "networks": ""}, "at least one"),
    ("one-way", {"sender": "node1", "receiver": "node1", "networks": "heartbeat-a"}, "itself"),
    ("link-flap", {"node": "node1", "networks": "heartbeat-a", "down": 0}, "from 0.1"),
    ("rate-limit", {"node": "node1", "network": "heartbeat-a", "kbit": 5}, "above 10"),
    ("packet-kind-drop", {"network": "heartbeat-a", "kind": "smtp"}, "not one of"),
    ("packet-delay", {"node": "node1", "network": "heartbeat-a", "delay": "100ms", "jitter": "200ms"}, "jitter"),
    ("packet-corrupt", {"node": "node1", "network": "heartbeat-a", "percent": 101}, "at most 100"),
    ("packet-reorder", {"node": "node1", "network": "heartbeat-a", "percent": 100}, "at most 99"),
])
def test_out_of_range(name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, **parameters)


def test_groups_as_a_command_line_gives_them():
    fault = make_fault("partition", groups="node1,node2|node3", networks="heartbeat-a")
    assert fault.groups == (("node1", "node2"), ("node3",))
    assert fault.targets == ("node3",)


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("partition", {"groups": "node1|nowhere", "networks": "heartbeat-a"}, "no node 'nowhere'"),
    ("partition", {"groups": "node1|node2", "networks": "nothing"}, "no network 'nothing'"),
    ("partition", {"groups": "node1|san-01", "networks": "heartbeat-a"}, "not plugged"),
    ("partition-ring", {"networks": "heartbeat-a"}, "four nodes"),
    ("rate-limit", {"node": "san-01", "network": "heartbeat-a"}, "not plugged"),
    ("packet-delay", {"node": "san-01", "network": "heartbeat-a"}, "not plugged"),
])
def test_not_in_this_cluster(net, name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, **parameters).inject(net.cluster)


def test_flap_comes_and_goes_and_ends(net):
    fault = make_fault("link-flap", node="node1", networks="heartbeat-a", down=0.3, up=0.4)
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(net.cluster, time.monotonic_ns())
    begun = time.monotonic_ns()
    fault.inject(net.cluster)
    try:
        with pytest.raises(FaultError, match="already"):
            fault.inject(net.cluster)
        evidence = fault.confirm(net.cluster, begun)
        assert evidence["arp"] == "comes and goes"
        told = [event.t_ns for event in net.cluster.log.events()
                if event.t_ns >= begun and event.kind in ("link.down", "link.up")][:3]
        assert evidence["down_s"] == round((told[1] - told[0]) / 1e9, 3)
        assert evidence["up_s"] == round((told[2] - told[1]) / 1e9, 3)
    finally:
        fault.heal(net.cluster)
    fault.heal(net.cluster)
    assert worker_of(net.cluster, fault) is None
    assert fault.confirm_healed(net.cluster)["arp"] == "answers"
    count = len(net.cluster.log.events())
    time.sleep(0.8)
    assert len(net.cluster.log.events()) == count


def test_flap_keeps_each_of_its_two_times():
    """By a timetable: 0.5 s out and 0.7 s in, whatever the switching takes; a late phase is made up for."""
    phases, now = Phases(0.5, 0.7), 100.0
    seen = []
    for late in (0.02, 0.02, 0.02, 0.3, 0.02, 0.02):
        is_down = phases.next()
        now += late
        left = phases.left(now)
        seen.append((is_down, round(now - 100, 3)))
        now += left
    assert seen == [(True, 0.02), (False, 0.54), (True, 1.24), (False, 2.02), (True, 2.44), (False, 2.94)]


def test_rate_limit_is_measured(net):
    fault = make_fault("rate-limit", node="node1", network="heartbeat-a", kbit=800)
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(net.cluster, 0)
    fault.inject(net.cluster)
    try:
        assert fault.confirm(net.cluster, 0)["passed_bytes_s"] < 130_000
        with pytest.raises(FaultError, match="still receives"):
            fault.confirm_healed(net.cluster)
    finally:
        fault.heal(net.cluster)
    fault.heal(net.cluster)
    fault.confirm_healed(net.cluster)


def test_one_kind_is_dropped_and_no_other(net):
    fault = make_fault("packet-kind-drop", network="heartbeat-a", kind="arp")
    with pytest.raises(FaultError, match="still answers ARP"):
        fault._provoke_arp(net.cluster)
    fault.inject(net.cluster)
    try:
        assert fault.confirm(net.cluster, 0)["percent"] == 100
        # what is no ARP still passes
        with pytest.raises(FaultError, match="still gets frames"):
            make_fault("one-way", sender="node1", receiver="node2", networks="heartbeat-a").confirm(net.cluster, 0)
        assert net.cluster.fabric.answers_arp("node1", "heartbeat-b", 1.0)
    finally:
        fault.heal(net.cluster)
    fault.confirm_healed(net.cluster)
    assert net.cluster.fabric.answers_arp("node1", "heartbeat-a", 1.0)


def test_a_kind_of_another_stack_is_refused(net):
    with pytest.raises(FaultError, match="the pacemaker stack of .* offers no packets vrrp; it offers"):
        make_fault("packet-kind-drop", network="heartbeat-a", kind="vrrp").inject(net.cluster)


def test_heartbeats_are_known_by_the_port_that_the_topology_says():
    topology = load_topology("web-nfs-heartbeat")
    fault = make_fault("packet-kind-drop", network="heartbeat", kind="heartbeat")
    assert fault._match(topology) == "udp dport 694"
    stack = topology.stack.model_copy(update={"udpport": 1694})
    assert fault._match(topology.model_copy(update={"stack": stack})) == "udp dport 1694"


def test_drops_of_different_kinds_live_side_by_side(net):
    arp, totem = (make_fault("packet-kind-drop", network="heartbeat-a", kind=kind) for kind in ("arp", "totem"))
    arp.inject(net.cluster)
    totem.inject(net.cluster)
    arp.heal(net.cluster)
    arp.confirm_healed(net.cluster)
    with pytest.raises(FaultError, match="still there"):
        totem.confirm_healed(net.cluster)
    totem.heal(net.cluster)


@pytest.mark.parametrize("percent", [30, 100])
def test_a_share_of_one_link_is_lost_one_way(net, percent):
    there = make_fault("link-loss", sender="node1", receiver="node2", networks="heartbeat-a", percent=percent)
    back = make_fault("link-loss", sender="node2", receiver="node1", networks="heartbeat-a", percent=percent)
    with pytest.raises(FaultError, match="not confirmed: 0.0 % of"):
        there.confirm(net.cluster, 0)
    there.inject(net.cluster)
    try:
        assert there.confirm(net.cluster, 0)["lost_percent"] == pytest.approx(percent, abs=25)
        with pytest.raises(FaultError, match="not confirmed: 0.0 % of"):
            back.confirm(net.cluster, 0)
        another = make_fault("link-loss", sender="node1", receiver="node2", networks="heartbeat-a", percent=1)
        with pytest.raises(FaultError, match="were lost, 1 % wanted"):
            another.confirm(net.cluster, 0)
    finally:
        there.heal(net.cluster)
    there.heal(net.cluster)
    assert there.confirm_healed(net.cluster)["rule"] == "gone"


def test_what_a_link_s_loss_costs(net):
    def cost(percent, networks="heartbeat-a", name="link-loss", **more):
        return make_fault(name, sender="node1", receiver="node2", networks=networks, **more,
                          **({"percent": percent} if percent else {})).costs(net.cluster.topology)
    assert cost(1) == cost(40, "service") == Cost()
    assert cost(40) == Cost(unsteady=frozenset({("heartbeat-a", "node1", "node2")}))
    assert cost(60) == cost(None, name="one-way") != Cost()


def test_big_packets_rules_are_made_and_gone(net):
    fault = make_fault("packet-size-drop", network="heartbeat-a", size=1000)
    fault.inject(net.cluster)
    try:
        with pytest.raises(FaultError, match="the rule on heartbeat-a is still there"):
            fault.confirm_healed(net.cluster)
        assert "meta length > 1000 drop" in net.cluster.fabric.run(["nft", "list", "table", "bridge", fault._table])
    finally:
        fault.heal(net.cluster)
    fault.heal(net.cluster)
    assert fault.confirm_healed(net.cluster) == {"rule": "gone"}
