"""What every fault excuses, on every topology that it fits: the table, which is read line by line, and that an outage
under a fault which excuses nothing is a FAIL."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fenceline.faults import FAULTS
from fenceline.judge import build_history, check
from fenceline.judge.demand import obstacle
from fenceline.judge.faultlog import serves_clients
from fenceline.judge.oldlogs import _SAY, old_cost
from fenceline.model.cost import Cost
from fenceline.model.event import Event
from fenceline.model.verdict import Verdict
from fenceline.steps.fault_costs import Cast, lines, made, page, samples, shipped, topologies

TABLE = Path(__file__).with_name("excuses.txt")
CASTS = {name: Cast(topology) for name, topology in topologies().items()}
SECOND = 10**9


def cases(*, owed: bool):
    """Every fault of the table on every topology that it fits, where the service is (not) owed."""
    for name in shipped():
        for sample in samples(FAULTS[name]):
            for where, cast in CASTS.items():
                fault = made(cast, name, sample)
                if fault is not None and (obstacle(cast.topology, cast.service, fault.costs(cast.topology))
                                          is None) is owed:
                    yield cast, fault, f"{where}: {name} {sample}"


def outage(cast: Cast, fault, seconds: int) -> list[Event]:
    """``fault`` begins after 4 s, and after 5 s the service does not answer for so many ``seconds``."""
    events, owner = [], cast.nodes["active"]

    def add(t, source, node, kind, **data):
        events.append(Event(round((1000 + t) * SECOND), source, node, kind, data, 0))
    add(0, "scenario", None, "scenario.begin", name="x", feature="x", tags=[], seed=1)
    add(1, "scenario", None, "ready", service=cast.service)
    add(4, "fault", None, "fault.begin", id=1, fault=fault.name, targets=list(fault.targets),
        params=dataclasses.asdict(fault), cost=fault.costs(cast.topology).as_dict())
    back = 5 + seconds + 1
    for step in (*range(1, 5), *range(5, back - 1, 10), back - 1, *range(back, back + 3)):
        ok = step < 5 or step >= back
        for kind, more in (("reply", {}), ("append", {"id": step})):
            add(step + .01, "client", owner if ok else None, kind, service=cast.service, ok=ok, error=None,
                sent_ns=(1000 + step) * SECOND, **more, **{"from": owner if ok else None})
    add(back + 3, "scenario", None, "scenario.end")
    return events


def liveness(cast: Cast, events: list[Event]):
    return check("liveness at the end", build_history(events, cast.topology))


def test_the_table_is_as_it_was_read():
    assert list(lines()) == TABLE.read_text().splitlines(), (
        "read what changed, and take it: python -m fenceline.steps.fault_costs > tests/faults/excuses.txt")


def test_the_page_is_up_to_date():
    page_of_it = Path(__file__).parents[2] / "docs" / "excuses.md"
    assert page_of_it.read_text() == page(), "again: python -m fenceline.steps.fault_costs page > docs/excuses.md"


def test_every_fault_is_in_the_table():
    seen = {fault.name for owed in (True, False) for _, fault, _ in cases(owed=owed)}
    assert set(shipped()) - seen == {"partition-ring"}  # no shipped topology has four members


def test_300_s_without_service_under_a_fault_that_does_not_take_it_away_are_a_fail():
    passed = [title for cast, fault, title in cases(owed=True) if serves_clients(cast.topology.services[cast.service])
              and liveness(cast, outage(cast, fault, 300)).verdict is not Verdict.FAIL]
    assert not passed


def test_what_takes_it_away_excuses_them():
    failed = [title for cast, fault, title in cases(owed=False) if serves_clients(cast.topology.services[cast.service])
              and liveness(cast, outage(cast, fault, 300)).verdict is Verdict.FAIL]
    assert not failed


@pytest.mark.parametrize(("seconds", "verdict"), [(35, Verdict.PASS), (45, Verdict.FAIL)])
def test_a_slow_device_adds_its_seconds_and_no_more(seconds, verdict):
    cast = CASTS["web-iscsi"]  # budget 30 s, and a fencing is five commands
    fault = made(cast, "fence-device-slow", "node={active} seconds=2")
    assert liveness(cast, outage(cast, fault, seconds)).verdict is verdict


def test_a_cost_survives_the_log():
    for owed in (True, False):
        for cast, fault, title in cases(owed=owed):
            cost = fault.costs(cast.topology)
            assert Cost.of(cost.as_dict()) == cost, title


def test_costs_are_lenient_to_names_that_there_are_not():
    topology = CASTS["web-iscsi"].topology
    nowhere = CASTS["services-3"]  # other nodes, other networks, no disk
    for name in shipped():
        for sample in samples(FAULTS[name]):
            fault = made(nowhere, name, sample)
            if fault is not None:
                fault.costs(topology)


def test_logs_of_old_are_judged_by_what_the_faults_said_then():
    """Whoever changes what a fault costs need not change what the logs of before are judged by; then its case here is
    to go."""
    for owed in (True, False):
        for cast, fault, title in cases(owed=owed):
            if fault.name not in _SAY or fault.name == "near-quorum":  # whose log does not say who was stopped
                continue
            params = dataclasses.asdict(fault)
            assert old_cost(cast.topology, fault.name, fault.targets, params) == fault.costs(cast.topology), title
