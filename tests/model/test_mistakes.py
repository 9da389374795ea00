"""Wrong values: refused with the place and the way out, taken where they are planted."""

from __future__ import annotations

import re

import pytest

from fenceline.model.load import TopologyError, parse_topology
from tests.model.sample import raw
from tests.model.wrong_values import SBD_DISK, fencing, heartbeat, keepalived, quorum

PILL = {"luns": ["sbd"], "watchdog_timeout": "5s"}
MISTAKES = {
    "msgwait-below-watchdog": {"fencing": {"method": "sbd", "sbd": PILL | {"msgwait": "3s"}}, **SBD_DISK},
    "stonith-timeout-below-msgwait": {"fencing": {"method": "sbd", "timeout": "8s", "sbd": PILL}, **SBD_DISK},
    "watchdog-below-quorum-device": {**quorum("qdevice"), "fencing": {"method": "sbd", "sbd": PILL}, **SBD_DISK},
    "bmc-on-node-supply": {"fencing__bmc_supply": "node"},
    "one-outlet-of-two": fencing([["pdu-a"], ["ipmi", "pdu-b"]]),
    "last-man-without-wait-for-all": quorum("majority", last_man_standing=True, wait_for_all=False),
    "one-node-is-quorum": {**quorum("majority"), "nodes__rs_01__votes": 3},
    "equal-priorities": keepalived(priorities={"rs-01": 100, "rs-02": 100}),
    "two-masters": keepalived(states={"rs-01": "MASTER", "rs-02": "MASTER"}),
    "master-without-preemption": keepalived(states={"rs-01": "MASTER"}),
    "deadtime-below-warntime": heartbeat(warntime="4s"),
}


def mistaken(name: str) -> dict:
    """The sample with one mistake, such as it is for that stack."""
    made = raw(**MISTAKES[name])
    if made["stack"]["kind"] == "keepalived":
        service = made["services"]["web"]
        service["group"] = [part for part in service["group"] if part["kind"] == "vip"]
        service["domain"] |= {"failback": name == "two-masters"}
    return made


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_refused_unless_it_is_planted(name):
    with pytest.raises(TopologyError, match=re.escape(f"; to plant that mistake say mistakes: [{name}]")) as caught:
        parse_topology(mistaken(name), "x")
    assert len(str(caught.value).splitlines()) == 2, "one message"
    assert parse_topology(mistaken(name) | {"mistakes": [name]}, "x").mistakes == (name,)


def test_one_that_is_planted_and_not_there_is_refused():
    with pytest.raises(TopologyError, match="mistakes: two-masters: no such mistake is in this topology"):
        parse_topology(raw(mistakes=["two-masters"]), "x")
