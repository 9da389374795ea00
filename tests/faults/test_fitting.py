"""Whether a fault fits a cluster: the names in its parameters, and what the stack must offer."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.fitting import misfit
from fenceline.faults.parameters import types_of
from fenceline.model.load import load_topology
from tests.fakes import make_cluster
from tests.faults.test_claims import EXAMPLES, REAL


@pytest.mark.parametrize("name", REAL)
def test_every_fault_fits_where_it_is_shown(name):
    topology, first, second = EXAMPLES[name]
    for parameters in (first, second or first):
        assert misfit(make_fault(name, **parameters), load_topology(topology)) is None


def wrong_names():
    for name in REAL:
        topology, parameters, _ = EXAMPLES[name]
        for field, kind in types_of(FAULTS[name]).items():
            if kind.thing is not None and field in parameters:
                value = parameters[field]
                wrong = value.rpartition(",")[0] + ",nowhere" if "," in value and "|" not in value else (
                    value.rpartition("|")[0] + "|nowhere" if "|" in value else "nowhere")
                yield name, topology, {**parameters, field: wrong}, kind.thing.word


CASES = list(wrong_names())


@pytest.mark.parametrize(("name", "topology", "parameters", "word"), CASES,
                         ids=[f"{case[0]}-{case[3]}-{number}" for number, case in enumerate(CASES)])
def test_a_name_that_there_is_not(name, topology, parameters, word):
    said = misfit(make_fault(name, **parameters), load_topology(topology))
    assert said is not None and said.startswith(f"no {word} 'nowhere' in {topology}; there are "), said


@pytest.mark.parametrize(("name", "parameters", "said"), [
    ("network-cut", {"node": "san-01", "networks": "heartbeat"}, "san-01 is not plugged into 'heartbeat'; it is into"),
    ("cut-one-by-one", {"nodes": "rs-01,san-01", "networks": "heartbeat"}, "san-01 is not plugged into 'heartbeat'"),
    ("packet-delay", {"node": "san-01", "network": "service"}, "san-01 is not plugged into 'service'"),
    ("one-way", {"sender": "rs-01", "receiver": "san-01", "networks": "heartbeat"}, "san-01 is not plugged"),
    ("partition", {"groups": "rs-01|san-01", "networks": "heartbeat"}, "san-01 is not plugged"),
    ("drbd-link-cut", {"resource": "r0"}, "no DRBD resource 'r0' in web-iscsi; there are none"),
])
def test_what_is_not_plugged_in_or_not_there_at_all(name, parameters, said):
    assert said in misfit(make_fault(name, **parameters), load_topology("web-iscsi"))


@pytest.mark.parametrize(("topology", "name", "parameters", "lacks"), [
    ("web-nfs-heartbeat", "maintenance", {}, "the heartbeat stack .* offers no maintenance"),
    ("lvs-keepalived", "maintenance", {}, "the keepalived stack .* offers no maintenance"),
    ("web-nfs-heartbeat", "fencing-off", {}, "the heartbeat stack .* offers no .*fencing switch"),
    ("lvs-keepalived", "fencing-off", {}, "the keepalived stack .* offers no .*fencing switch"),
    ("lvs-keepalived", "standby", {"node": "lb-01"}, "no standby"),
    ("lvs-keepalived", "config-change", {}, "no configuration"),
    ("web-nfs-heartbeat", "ban", {"service": "web", "node": "node1"}, "no ban"),
    ("web-iscsi", "nfs-hang", {}, "no nfs"),
    ("web-iscsi", "fence-watchdog-dead", {"node": "rs-01"}, "no watchdog"),
    ("web-iscsi-sbd", "fence-device-dead", {"node": "rs-01"}, "no BMC"),
])
def test_what_the_stack_can_not_do_is_refused_before_anything_is_done(topology, name, parameters, lacks, tmp_path):
    model = load_topology(topology)
    if "node" in parameters:
        parameters = parameters | {"node": model.cluster_nodes[0]}
    with make_cluster(model, tmp_path) as cluster:
        cluster.stack = None  # nothing is asked of it
        with pytest.raises(FaultError, match=lacks):
            cluster.faults.inject(make_fault(name, **parameters))
        assert cluster.faults.active == [] and cluster.faults.heal_all() == []
