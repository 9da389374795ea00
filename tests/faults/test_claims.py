"""Two faults at once: what overlaps is refused, or each heals without taking anything from the other."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re

import pytest

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults import FAULTS, ActiveFault, FaultControl, make_fault
from fenceline.faults.claims import Claim, Claims, Once, claims_of
from fenceline.faults.fitting import misfit
from fenceline.faults.parameters import default_of, types_of
from fenceline.fencing.bmc import BmcMode
from fenceline.model.load import load_topology
from tests.clocks import FakeClock, now_ns
from tests.fakes import make_cluster

#: A topology that a fault fits, and parameters; a second set, that overlaps with the first, where the fault has more
#: than names. Of a fault that is not here, the first of FITS_ALL that it fits, and names from there.
EXAMPLES: dict[str, tuple[str, dict, dict | None]] = {
    "ban": ("web-iscsi", {"service": "web", "node": "rs-02"}, {"service": "web", "node": "rs-01"}),
    "clock-drift": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "percent": -5}),
    "clock-step": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": -60}),
    "clock-strobe": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": 30}),
    "config-change": ("web-iscsi", {}, {"value": "99s"}),
    "configuration-lost": ("web-iscsi", {"node": "rs-01"}, None),
    "configuration-spoilt": ("web-iscsi", {"node": "rs-01", "service": "web"}, None),
    "cpu-overload": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": 5}),
    "cut-one-by-one": ("web-iscsi", {"nodes": "rs-01,rs-02", "networks": "heartbeat", "interval": 0.1},
                       {"nodes": "rs-02", "networks": "heartbeat,service", "interval": 0.1}),
    "daemon-kill": ("web-iscsi", {"node": "rs-01", "daemon": "corosync"}, None),
    "daemon-respawn-loop": ("web-iscsi", {"node": "rs-01", "daemon": "corosync"}, None),
    "daemon-stop": ("web-iscsi", {"node": "rs-01", "daemon": "corosync"}, None),
    "disk-delay": ("web-iscsi", {"lun": "www"}, {"lun": "www", "delay": 2}),
    "disk-errors": ("web-iscsi", {"lun": "www"}, {"lun": "www", "what": "reads"}),
    "disk-full": ("web-iscsi", {"node": "rs-01", "disk": "service"}, {"node": "rs-02", "disk": "service"}),
    "dns-gone": ("web-iscsi", {"node": "rs-01"}, None),
    "drbd-disk-failure": ("ledger-drbd", {"node": "node1", "resource": "r0"}, None),
    "drbd-link-cut": ("ledger-drbd", {"resource": "r0"}, None),
    "drbd-resync": ("ledger-drbd", {"node": "node2", "resource": "r0"}, None),
    "drbd-split-brain": ("ledger-drbd", {"node": "node2", "resource": "r0"}, {"node": "node1", "resource": "r0"}),
    "expected-votes": ("web-iscsi", {"votes": 3}, {"votes": 2}),
    "fence-device-dead": ("web-iscsi", {"node": "rs-01"}, None),
    "fence-device-lies": ("web-iscsi", {"node": "rs-01"}, None),
    "fence-device-password": ("web-iscsi", {"node": "rs-01"}, None),
    "fence-device-slow": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": 3}),
    "fence-device-wrong-node": ("web-iscsi", {"node": "rs-01", "other": "rs-02"}, None),
    "fence-watchdog-dead": ("web-iscsi-sbd", {"node": "rs-01"}, None),
    "fencing-off": ("web-iscsi", {}, None),
    "file-exhaustion": ("web-iscsi", {"node": "rs-01"}, None),
    "garp-drop": ("web-iscsi", {"service": "web"}, None),
    "hang": ("web-iscsi", {"node": "rs-01"}, None),
    "io-load": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "workers": 4}),
    "link-flap": ("web-iscsi", {"node": "rs-01", "networks": "heartbeat"},
                  {"node": "rs-01", "networks": "heartbeat,service", "up": 2}),
    "lun-reserved": ("web-iscsi", {"lun": "www"}, None),
    "maintenance": ("web-iscsi", {}, None),
    "manual-fencing": ("web-iscsi", {"node": "rs-01", "by": "rs-02"}, None),
    "memory-pressure": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "percent": 50}),
    "move": ("web-iscsi", {"service": "web", "node": "rs-02"}, {"service": "web", "node": "rs-01"}),
    "near-quorum": ("web-iscsi-3", {"rounds": 1}, {"rounds": 1, "seed": 2}),
    "network-cut": ("web-iscsi", {"node": "rs-01", "networks": "heartbeat"},
                    {"node": "rs-01", "networks": "heartbeat,storage"}),
    "nfs-hang": ("web-nfs-heartbeat", {}, None),
    "nfs-restart": ("web-nfs-heartbeat", {}, {"seconds": 5}),
    "nfs-stale": ("web-nfs-heartbeat", {}, None),
    "one-way": ("web-iscsi", {"sender": "rs-01", "receiver": "rs-02", "networks": "heartbeat"},
                {"sender": "rs-01", "receiver": "rs-02", "networks": "heartbeat,service"}),
    "packet-corrupt": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"},
                       {"node": "rs-01", "network": "heartbeat", "percent": 5}),
    "packet-delay": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"},
                     {"node": "rs-01", "network": "heartbeat", "delay": 1}),
    "packet-drop": ("web-iscsi", {"network": "heartbeat", "percent": 10}, {"network": "heartbeat", "percent": 20}),
    "packet-duplicate": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"}, None),
    "packet-hold": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"}, None),
    "packet-kind-drop": ("web-iscsi", {"network": "heartbeat"}, {"network": "heartbeat", "percent": 20}),
    "packet-loss-bursts": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"}, None),
    "packet-reorder": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"}, None),
    "panic": ("web-iscsi", {"node": "rs-01"}, None),
    "partition": ("web-iscsi-3", {"groups": "node1|node2,node3", "networks": "heartbeat-a"},
                  {"groups": "node1|node2", "networks": "heartbeat-a,heartbeat-b"}),
    "partition-bridge": ("web-iscsi-3", {"node": "node2", "networks": "heartbeat-a"},
                         {"node": "node1", "networks": "heartbeat-a"}),
    "partition-ring": ("web-iscsi-3", {"networks": "heartbeat-a"}, None),
    "ping-lost": ("web-iscsi", {"pinged": "san-01"}, None),
    "pdu-dead": ("web-iscsi-levels", {"unit": "pdu-a"}, {"unit": "pdu-b"}),
    "power-off": ("web-iscsi", {"node": "rs-01"}, None),
    "power-off-several": ("web-iscsi", {"nodes": "rs-01,rs-02"}, {"nodes": "rs-02"}),
    "process-exhaustion": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": 5}),
    "quorum-device-stop": ("web-iscsi-qdevice", {}, None),
    "rate-limit": ("web-iscsi", {"node": "rs-01", "network": "heartbeat"},
                   {"node": "rs-01", "network": "heartbeat", "kbit": 200}),
    "reboot": ("web-iscsi", {"node": "rs-01"}, None),
    "reservation-lost": ("web-iscsi", {"lun": "www"}, None),
    "reset": ("web-iscsi", {"node": "rs-01"}, None),
    "service-kill": ("web-iscsi", {"node": "rs-01", "service": "web"}, None),
    "service-stop": ("web-iscsi", {"node": "rs-01", "service": "web"}, None),
    "session-logout": ("web-iscsi", {"node": "rs-01"}, None),
    "session-reset": ("web-iscsi", {"node": "rs-01"}, None),
    "shutdown": ("web-iscsi", {"node": "rs-01"}, None),
    "slow-boot": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "seconds": 5}),
    "software-stop": ("web-iscsi", {"nodes": "rs-01,rs-02"}, {"nodes": "rs-01"}),
    "standby": ("web-iscsi", {"node": "rs-01"}, None),
    "start-interrupted": ("web-iscsi", {"node": "rs-01"}, {"node": "rs-01", "after": 2}),
    "target-stop": ("web-iscsi", {}, None),
    "vip-stranger": ("web-iscsi", {"service": "web"}, None),
    "write-cache-lies": ("web-iscsi", {"lun": "www"}, None),
}
REAL = sorted(name for name, cls in FAULTS.items() if cls.__module__.startswith("fenceline."))
FITS_ALL = ("web-iscsi", "web-iscsi-sbd", "ledger-drbd", "web-nfs-heartbeat", "lvs-keepalived", "web-iscsi-3",
            "gfs2-iscsi", "web-remote", "ha-nfs")


def derived(name: str) -> tuple[str, dict, None] | None:
    """An example of the fault ``name``: the first names that the first topology has which it fits."""
    for topology in map(load_topology, FITS_ALL):
        parameters, used = {}, set()
        for field, kind in types_of(FAULTS[name]).items():
            if default_of(FAULTS[name], field) is None and kind.thing is not None:
                there = [one for one in kind.thing.there(topology) if (kind.thing, one) not in used]
                parameters[field] = there[0] if there else "nowhere"
                used.add((kind.thing, parameters[field]))
        with contextlib.suppress(FaultError):
            if misfit(make_fault(name, **parameters), topology) is None:
                return topology.name, parameters, None
    return None


EXAMPLES |= {name: example for name in REAL if name not in EXAMPLES and (example := derived(name)) is not None}


def test_there_is_an_example_of_every_fault():
    assert sorted(EXAMPLES) == REAL


def world(cluster) -> dict:
    """What two faults could undo for each other, as far as the fakes have it."""
    return {"cut": {node: sorted(machine.cut) for node, machine in cluster.machines.items()},
            "power": {node: str(machine.state) for node, machine in cluster.machines.items()},
            "tables": sorted(cluster.tables), "devices": {node: cluster.bmcs.mode(node) for node in cluster.machines},
            "moves": dict(cluster.stack.moves), "properties": dict(cluster.stack.properties),
            "standbys": sorted(cluster.stack.standbys), "units": sorted(cluster.pdus.dead)}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """make(topology): a fake cluster whose fabric has nftables' tables, in which every fault is confirmed at once."""
    for cls in FAULTS.values():
        monkeypatch.setattr(cls, "confirm", lambda self, cluster, since_ns: {})
        monkeypatch.setattr(cls, "confirm_healed", lambda self, cluster: {})
    made = []

    def cluster_of(topology):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        context = make_cluster(load_topology(topology), folder)
        cluster = context.__enter__()
        made.append(context)
        cluster.tables = set()

        def run(arguments, text=None):
            cluster.tables.update(re.findall(r"table bridge (\w+)", text or ""))
            if arguments[:3] == ["nft", "delete", "table"]:
                cluster.tables.discard(arguments[-1])
            if arguments[:3] == ["nft", "list", "tables"]:
                return "".join(f"table bridge {name}\n" for name in cluster.tables)
            return json.dumps({"nftables": []}) if "-j" in arguments else ""
        monkeypatch.setattr(cluster.fabric, "run", run)
        return cluster
    yield cluster_of
    for context in made:
        context.__exit__(None, None, None)


PAIRS = [(name, topology, first, second) for name, (topology, first, other) in sorted(EXAMPLES.items())
         for second in ([first] if other is None else [first, other])]


@pytest.mark.parametrize(("name", "topology", "first", "second"), PAIRS,
                         ids=[f"{name}-{number}" for number, (name, *_) in enumerate(PAIRS)])
def test_a_fault_twice_is_refused_or_each_heals_by_itself(make, name, topology, first, second):
    cluster = make(topology)
    one, two = make_fault(name, **first), make_fault(name, **second)
    refusal = Claims(cluster.topology, [active_of(one)], list, HOST_CLOCK).conflict(two)
    if refusal is not None:
        assert re.fullmatch(rf"fault 1 \({name}\) has the? ?.+ already: heal that one first", refusal), refusal
        return
    if isinstance(one, Once):
        assert healing_takes_nothing_back(one, make, topology)
        return
    # kept apart: with the first one healed all is as if there had been the second one only
    alone = make(topology)
    alone.faults.inject(make_fault(name, **second))
    cluster.faults.heal_me = cluster.faults.inject(one)
    cluster.faults.inject(two)
    cluster.faults.heal(cluster.faults.heal_me)
    assert world(cluster) == world(alone)
    assert world(alone) != world(make(topology)), "the fakes do not show what this fault does: refuse it, or teach them"
    for active in list(cluster.faults.active):
        cluster.faults.heal(active)
    assert world(cluster) == world(make(topology))


def active_of(fault):
    return ActiveFault(1, fault, 0, now_ns())


def healing_takes_nothing_back(fault, make, topology) -> bool:
    """Whether healing ``fault`` starts, at most, what it had killed."""
    cluster = make(topology)
    before = world(cluster)
    fault.heal(cluster)
    return world(cluster) == before and all(call.startswith("start_daemon") for call in cluster.stack.calls)


@pytest.mark.parametrize(("first", "second", "thing"), [
    (("network-cut", {"node": "rs-01", "networks": "heartbeat"}),
     ("link-flap", {"node": "rs-01", "networks": "heartbeat"}), "the cable of rs-01 in heartbeat"),
    (("link-flap", {"node": "rs-01", "networks": "heartbeat"}),
     ("cut-one-by-one", {"nodes": "rs-02,rs-01", "networks": "heartbeat"}), "the cable of rs-01 in heartbeat"),
    (("packet-delay", {"node": "rs-01", "network": "service"}),
     ("rate-limit", {"node": "rs-01", "network": "service"}), "the queue of rs-01 in service"),
    (("fence-device-slow", {"node": "rs-01"}), ("fence-device-dead", {"node": "rs-01"}),
     "the fencing device of rs-01"),
    (("io-load", {"node": "rs-01"}), ("cpu-overload", {"node": "rs-01"}), "the load of rs-01"),
    (("power-off", {"node": "rs-01"}), ("power-off-several", {"nodes": "rs-02,rs-01"}), "the power of rs-01"),
    (("daemon-stop", {"node": "rs-01", "daemon": "corosync"}),
     ("daemon-respawn-loop", {"node": "rs-01", "daemon": "corosync"}), "the daemon corosync of rs-01"),
    (("move", {"service": "web", "node": "rs-02"}), ("ban", {"service": "web", "node": "rs-01"}),
     "the constraints of web"),
    (("config-change", {"key": "maintenance-mode", "value": "true"}), ("maintenance", {}),
     "the property maintenance-mode"),
    (("disk-delay", {"lun": "www"}), ("write-cache-lies", {"lun": "www"}), "the disk behind www"),
])
def test_two_faults_that_want_the_same_thing(make, first, second, thing):
    cluster = make("web-iscsi")
    cluster.faults.active.append(active_of(make_fault(first[0], **first[1])))
    with pytest.raises(FaultError, match=rf"fault 1 \({first[0]}\) has {thing} already: heal that one first"):
        cluster.faults.inject(make_fault(second[0], **second[1]))
    kinds = [event.kind for event in cluster.log.events()]
    assert kinds == ["fault.begin", "fault.unconfirmed"]  # the run is INVALID: what it asked for was not done
    assert len(cluster.faults.active) == 1


@pytest.mark.parametrize(("first", "second"), [
    (("network-cut", {"node": "rs-01", "networks": "heartbeat"}),
     ("network-cut", {"node": "rs-01", "networks": "service"})),
    (("network-cut", {"node": "rs-01", "networks": "heartbeat"}),
     ("packet-delay", {"node": "rs-01", "network": "heartbeat"})),
    (("daemon-stop", {"node": "rs-01", "daemon": "corosync"}),
     ("daemon-stop", {"node": "rs-01", "daemon": "pacemakerd"})),
    (("power-off", {"node": "rs-01"}), ("power-off", {"node": "rs-02"})),
    (("fencing-off", {}), ("maintenance", {})),
    (("fence-device-lies", {"node": "rs-01"}), ("hang", {"node": "rs-01"})),
    (("service-kill", {"node": "rs-01", "service": "web"}), ("service-kill", {"node": "rs-01", "service": "web"})),
    (("packet-kind-drop", {"network": "heartbeat"}), ("packet-drop", {"network": "heartbeat", "percent": 5})),
])
def test_what_has_nothing_to_do_with_each_other_is_not_refused(make, first, second):
    cluster = make("web-iscsi")
    cluster.faults.active.append(active_of(make_fault(first[0], **first[1])))
    assert cluster.faults.refusal(make_fault(second[0], **second[1])) is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_cable_stays_out_until_the_last_one_that_cut_it_is_healed(make, order):
    cluster = make("web-iscsi")
    cuts = [cluster.faults.inject(make_fault(name, **parameters)) for name, parameters in (
        ("network-cut", {"node": "rs-01", "networks": "heartbeat,service"}),
        ("network-cut", {"node": "rs-01", "networks": "heartbeat"}),
        ("cut-one-by-one", {"nodes": "rs-01,rs-02", "networks": "heartbeat", "interval": 0.1}))]
    wanted = [{("rs-01", "heartbeat"), ("rs-01", "service")}, {("rs-01", "heartbeat")},
              {("rs-01", "heartbeat"), ("rs-02", "heartbeat")}]
    left = set(range(3))
    for number in order:
        cluster.faults.heal(cuts[number])
        left.discard(number)
        out = {(node, network) for node, machine in cluster.machines.items() for network in machine.cut}
        assert out == set().union(*(wanted[one] for one in left))


def test_what_was_left_to_another_fault_is_said(make):
    cluster = make("web-iscsi")
    first, second = (cluster.faults.inject(make_fault("network-cut", node="rs-01", networks=networks))
                     for networks in ("heartbeat", "heartbeat,service"))
    cluster.faults.heal(first)
    assert cluster.log.events()[-1].data["evidence"] == {"left_to": [f"{second.id} (network-cut)"]}


def test_power_is_given_up_when_the_machine_starts_anew(make):
    cluster = make("web-iscsi")
    first = cluster.faults.inject(make_fault("power-off", node="rs-01"))
    assert "the power of rs-01" in cluster.faults.refusal(make_fault("hang", node="rs-01"))
    cluster.machines["rs-01"].start()  # by its fencing device
    again = cluster.faults.inject(make_fault("power-off", node="rs-01"))
    cluster.faults.heal(first)  # that one is over: it must not switch on what the second one holds
    assert str(cluster.machines["rs-01"].state) == "off"
    cluster.faults.heal(again)
    assert str(cluster.machines["rs-01"].state) == "on"


def test_what_is_not_inside_of_the_machine_is_not_given_up_with_its_start(make):
    cluster = make("web-iscsi")
    cluster.faults.inject(make_fault("fence-device-lies", node="rs-01"))
    cluster.machines["rs-01"].power_off()
    cluster.machines["rs-01"].start()
    assert cluster.faults.refusal(make_fault("fence-device-dead", node="rs-01")) is not None
    assert cluster.bmcs.mode("rs-01") != BmcMode.NORMAL


def test_what_ended_by_itself_is_given_up(make):
    cluster = make("web-iscsi")
    load = cluster.faults.inject(make_fault("io-load", node="rs-01", seconds=5))
    assert cluster.faults.refusal(make_fault("io-load", node="rs-01")) is not None
    for seconds, is_over in ((4, False), (7, True)):
        cluster.clock = FakeClock(load.begun_ns + seconds * 10**9)
        assert (cluster.faults.refusal(make_fault("io-load", node="rs-01")) is None) is is_over


def test_a_baseline_is_no_start(make):
    cluster = make("web-iscsi")
    cluster.faults.inject(make_fault("daemon-stop", node="rs-01", daemon="corosync"))
    cluster.log.record("machine", "rs-01", "power.on", {"baseline": True})
    assert cluster.faults.refusal(make_fault("daemon-stop", node="rs-01", daemon="corosync")) is not None


def test_a_class_that_claims_nothing_of_its_own_is_not_injected_twice_alike():
    @dataclasses.dataclass(frozen=True)
    class Plain:
        node: str
        name = "plain"
    topology = load_topology("web-iscsi")
    assert claims_of(Plain("a"), topology) == claims_of(Plain("a"), topology) != claims_of(Plain("b"), topology)


def test_what_is_shared_by_one_only_is_not_shared():
    topology = load_topology("web-iscsi")

    class Mine:
        name = "mine"

        def __init__(self, shared):
            self.shared = shared

        def claims(self, topology):
            return {Claim("it", shared=self.shared)}
    for mine, theirs, refused in ((True, True, False), (True, False, True), (False, True, True), (False, False, True)):
        claims = Claims(topology, [active_of(Mine(theirs))], list, HOST_CLOCK)
        assert (claims.conflict(Mine(mine)) is not None) is refused


def test_a_heal_that_fails_keeps_its_claims(make, monkeypatch):
    cluster = make("web-iscsi")
    cut = cluster.faults.inject(make_fault("link-flap", node="rs-01", networks="heartbeat"))

    def fail(self, cluster):
        raise FaultError("not yet")
    with monkeypatch.context() as patch:
        patch.setattr(FAULTS["link-flap"], "confirm_healed", fail)
        with pytest.raises(FencelineError, match="not yet"):
            cluster.faults.heal(cut)
    assert cluster.faults.refusal(make_fault("network-cut", node="rs-01", networks="heartbeat")) is not None
    cluster.faults.heal(cut)
    assert cluster.faults.refusal(make_fault("network-cut", node="rs-01", networks="heartbeat")) is None
    assert isinstance(cluster.faults, FaultControl)
