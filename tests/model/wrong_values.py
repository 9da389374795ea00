"""Topologies that are refused for what they say of fencing, quorum, ping nodes and a stack's own language: changes to
the sample, and how the message begins."""

from __future__ import annotations

from typing import Any

PDUS = {"pdu-a": {"outlets": {1: "rs-01", 2: "rs-02"}}, "pdu-b": {"outlets": {1: "rs-01", 2: "rs-02"}}}
SBD_DISK = {"storage__iscsi__luns__1": {"name": "sbd", "size": "4M", "filesystem": None}}
QDEVICE = {"nodes__q": {"role": "quorum-device"}}


def fencing(levels: list[list[str]] | None = None, **fields: Any) -> dict[str, Any]:
    """The sample fenced by ``levels``."""
    return {"fencing": {"method": "levels", "levels": levels or [["ipmi"], ["pdu-a", "pdu-b"]], "pdus": PDUS, **fields}}


def quorum(policy: str = "two_node", **fields: Any) -> dict[str, Any]:
    """The sample with this quorum."""
    device = {"device": "q"} if policy == "qdevice" else {}
    return {**QDEVICE, "stack": {"kind": "pacemaker", "quorum": {"policy": policy, **device, **fields}}}


def keepalived(**fields: Any) -> dict[str, Any]:
    """Another sample: directors."""
    return {"stack": {"kind": "keepalived", **fields}, "fencing": {"method": "none"}}


def heartbeat(**fields: Any) -> dict[str, Any]:
    """Another sample: Heartbeat."""
    return {"stack": {"kind": "heartbeat", **fields}, "fencing": {"method": "none"}}


def ping(**fields: Any) -> dict[str, Any]:
    """The sample with a ping resource."""
    return {"stack__ping": {"hosts": ["client"], **fields}}


WRONG_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "parameters of no device": ({"fencing__extra": {"pdu-x": {}}}, "fencing.extra.pdu-x: no such device is used"),
    "a delay without a priority": ({"fencing__priority_delay": "5s"},
                                   "fencing.priority_delay: delays nothing without a priority"),
    "levels of another method": ({"fencing__levels": [["ipmi"]]},
                                 "fencing.levels: has no meaning with the method ipmi"),
    "no levels": ({"fencing": {"method": "levels"}}, "fencing.levels: needs one level at least"),
    "levels of another stack": ({**fencing(), "stack": {"kind": "heartbeat"}},
                                "fencing.method: levels are for the stack pacemaker, not heartbeat"),
    "ten levels": (fencing([["ipmi"]] * 10, pdus={}), "fencing.levels: 10 levels; Pacemaker takes nine"),
    "a device twice": (fencing([["ipmi", "ipmi"]], pdus={}), "fencing.levels.0: 'ipmi' is there twice"),
    "a device that is not there": (fencing([["ipmi"], ["pdu-z"]], pdus={}),
                                   "fencing.levels.1: there is no device 'pdu-z'"),
    "a node that no device of a level fences": (
        fencing([["ipmi"], ["pdu-a"]], pdus={"pdu-a": {"outlets": {1: "rs-01"}}}),
        "fencing.levels.1: no device of it fences rs-02"),
    "one outlet of two": (fencing([["ipmi"], ["pdu-a"], ["pdu-b", "ipmi"]]),
                          "fencing.levels.1: when this level is done, rs-01 has power from pdu-b, rs-02 has"),
    "eleven units": (fencing([["ipmi"]], pdus={f"p{n}": {"outlets": {1: "rs-01"}} for n in range(11)}),
                     "fencing.pdus: 11 units, at most 10 are supported"),
    "a unit with a device's name": (fencing([["ipmi"]], pdus={"ipmi": {"outlets": {1: "rs-01"}}}),
                                    "fencing.pdus.ipmi: the name means another device"),
    "a unit that nobody asks": (fencing([["ipmi"]], pdus={"pdu-c": {"outlets": {1: "rs-01"}}}),
                                "fencing.pdus.pdu-c: no level uses it"),
    "a plug of nobody": (fencing(pdus=PDUS | {"pdu-b": {"outlets": {1: "rs-01", 2: "rs-02", 3: "rs-03"}}}),
                         "fencing.pdus.pdu-b.outlets.3: there is no cluster node 'rs-03'"),
    "the supply of no BMC": ({"fencing": {"method": "none", "bmc_supply": "node"}},
                             "fencing.bmc_supply: no BMC is used with the method none"),
    "a BMC that dies with its node": ({"fencing__bmc_supply": "node"},
                                      "fencing.bmc_supply: a node that lost its power can't be fenced"),
    "pills twice": ({"fencing": {"method": "sbd", "sbd": {"luns": ["sbd", "sbd", "sbd"]}}, **SBD_DISK},
                    "fencing.sbd.luns: 'sbd' is there twice"),
    "a level of a watchdog alone": (fencing([["ipmi"], ["sbd"]], pdus={}, sbd={}),
                                    "fencing.sbd.luns: needed: as one level of several"),
    "a tie-breaker of nobody": (quorum("qdevice", tie_breaker="rs-09"),
                                "stack.quorum.tie_breaker: there is no cluster node 'rs-09'"),
    "a last man beside a quorum device": (quorum("qdevice", last_man_standing=True),
                                          "stack.quorum.last_man_standing: a quorum device excludes it"),
    "votes beside a quorum device": ({**quorum("qdevice"), "nodes__rs_01__votes": 2},
                                     "nodes.rs-01.votes: with a quorum device every node has one vote"),
    "timeouts of no quorum device": (quorum(sync_timeout="9s"), "stack.quorum.sync_timeout: has no meaning without a"),
    "a tie-breaker of two": (quorum(auto_tie_breaker="lowest"),
                             "stack.quorum.auto_tie_breaker: with two_node both go on"),
    "votes of two": ({"nodes__rs_01__votes": 2}, "nodes.rs-01.votes: with two_node each node has one vote"),
    "a last man that does not wait": (quorum("majority", last_man_standing=True, wait_for_all=False),
                                      "stack.quorum.last_man_standing: without wait_for_all"),
    "no votes": ({**quorum("majority"), "nodes__rs_01__votes": 0, "nodes__rs_02__votes": 0},
                 "nodes: no cluster node has a vote"),
    "a node that is the quorum": ({**quorum("majority"), "nodes__rs_01__votes": 3},
                                  "nodes.rs-01.votes: 3 of 4: nobody has quorum without rs-01"),
    "a ping of nobody": (ping(hosts=["router"]), "stack.ping.hosts: there is no node 'router'"),
    "a ping of a member": (ping(hosts=["rs-02"]), "stack.ping.hosts: 'rs-02' is a member itself"),
    "a ping to nowhere": ({**ping(hosts=["far"]), "nodes__far": {"role": "client", "networks": ["management"]},
                           "nodes__rs_01__networks": ["heartbeat", "service", "storage", "management"],
                           "networks__management__role": "management", "networks__other": {
                               "role": "heartbeat", "subnet": "10.71.9.0/24"},
                           "nodes__far__networks": ["other", "management"], "nodes__rs_02__networks": [
                               "heartbeat", "service", "storage"]},
                          "stack.ping.hosts: 'far' is in no network that all cluster nodes are in"),
    "a ping for no service": (ping(services=["mail"]), "stack.ping.services: there is no service 'mail'"),
    "more pings than hosts": (ping(least=2), "stack.ping.least: 2, and only 1 are pinged"),
    "half a second's ping": (ping(timeout="1500ms"), "stack.ping.timeout: whole seconds"),
    "a priority of nobody": (keepalived(priorities={"rs-01": 9, "rs-02": 8, "x": 7}),
                             "stack.priorities.x: there is no cluster node 'x'"),
    "a priority of the owner": (keepalived(priorities={"rs-01": 255, "rs-02": 8}),
                                "stack.priorities.rs-01: 255: VRRP has"),
    "one priority of two": (keepalived(priorities={"rs-01": 9}), "stack.priorities: say that of every director"),
    "equal priorities": (keepalived(priorities={"rs-01": 9, "rs-02": 9}),
                         "stack.priorities: rs-01 and rs-02 have 9 both"),
    "two masters": (keepalived(states={"rs-01": "MASTER", "rs-02": "MASTER"}),
                    "stack.states: rs-01 and rs-02 begin as MASTER both"),
    "a master that is not to preempt": (keepalived(states={"rs-01": "MASTER"}),
                                        "stack.states.rs-01: MASTER, and the domain has no failback"),
    "words for no service": (keepalived(extra={"services": {"mail": {}}}),
                             "stack.extra.services.mail: there is no service 'mail'"),
    "a word of keepalived that a field says": (keepalived(extra={"services": {"web": {"priority": 1}}}),
                                               "stack.extra.services.web.priority: is said by priorities"),
    "a word of heartbeat that a field says": (heartbeat(extra={"deadtime": 3}),
                                              "stack.extra.deadtime: is said by deadtime"),
}
