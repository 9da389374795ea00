"""Event logs for the judge's tests, written in seconds since the log's start."""

from __future__ import annotations

from typing import Any

from fenceline.judge import build_history, check
from fenceline.model.addressing import mac
from fenceline.model.cost import Cost
from fenceline.model.event import Event
from fenceline.model.load import parse_topology
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding

BASE_NS = 5_000_000_000_000  # a monotonic clock does not start with the log
VIP, MOUNT, PORT = "192.168.98.244", "/srv/www", 80
A, B, C, SAN = "rs-01", "rs-02", "rs-03", "san-01"


def topology(nodes: int = 2, budget: float = 10.0, fencing: str = "ipmi", **quorum: Any) -> Topology:
    """web-iscsi with ``nodes`` members (two: two_node)."""
    names = [A, B, C, "rs-04"][:nodes]
    quorum.setdefault("policy", "two_node" if nodes == 2 else "majority")
    machines: dict[str, Any] = {name: {} for name in names} | {SAN: {"role": "storage"}}
    if quorum["policy"] == "qdevice":
        machines["qd-01"] = {"role": "quorum-device"}
        quorum["device"] = "qd-01"
    return parse_topology({
        "name": "web-iscsi", "nodes": machines,
        "networks": {
            "heartbeat": {"role": "heartbeat", "subnet": "10.71.1.0/24"},
            "service": {"role": "service", "subnet": "192.168.98.0/24"},
            "storage": {"role": "storage", "subnet": "10.71.3.0/24"},
            "management": {"role": "management", "subnet": "10.71.4.0/24"}},
        "storage": {"iscsi": {"target": SAN, "luns": [{"name": "www"}]}},
        "stack": {"kind": "pacemaker", "quorum": quorum},
        "fencing": {"method": fencing},
        "services": {"web": {
            "group": [{"kind": "filesystem", "lun": "www", "mountpoint": MOUNT},
                      {"kind": "vip", "address": VIP}, {"kind": "daemon", "name": "nginx", "port": PORT}],
            "domain": {"nodes": names}, "failover_budget": budget}}}, "a test")


def farm(nodes: int = 2, budget: float = 10.0, fencing: str = "ipmi") -> Topology:
    """The same machines with a ledger on GFS2 that is active on all of them; the service is called web here too."""
    raw = topology(nodes, budget, fencing).model_dump(mode="json", exclude_unset=True)
    raw["storage"]["iscsi"]["luns"] = [{"name": "www", "size": "128M", "filesystem": "gfs2"}]
    raw["stack"]["quorum"]["without_quorum"] = "freeze"
    raw["services"]["web"] |= {"active": "all", "group": [
        {"kind": "filesystem", "lun": "www", "mountpoint": MOUNT, "monitor_depth": 0},
        {"kind": "daemon", "name": "ledger", "agent": "ocf:fenceline:ledger", "port": PORT}]}
    return parse_topology(raw, "a test")


def ns(seconds: float) -> int:
    """``seconds`` of the log as a stamp."""
    return BASE_NS + round(seconds * 1e9)


class Log:
    """Collects events; every method returns the log itself. Times and lateness in seconds."""

    def __init__(self, about: Topology | None = None) -> None:
        self.topology = about or topology()
        self.events: list[Event] = []

    def add(self, t: float, source: str, node: str | None, kind: str, late: float = 0.0, /, **data: Any) -> Log:
        self.events.append(Event(ns(t), source, node, kind, data, round(late * 1e9)))
        return self

    def power(self, t: float, node: str, what: str, late: float = 0.0, **data: Any) -> Log:
        return self.add(t, "machine", node, f"power.{what}", late, **data)

    def off(self, t: float, node: str, why: str = "fence") -> Log:
        return self.power(t, node, "off", why=why)

    def mount(self, t: float, node: str, mounted: bool = True, late: float = 0.02, fstype: str = "ext4") -> Log:
        return self.add(t, "guest", node, "mount", late, source="/dev/sda", mountpoint=MOUNT, fstype=fstype,
                        mounted=mounted)

    def write(self, t: float, node: str, count: int = 1, late: float = 0.001, lun: str = "www") -> Log:
        return self.add(t, "storage", node, "write", late, lun=lun, count=count)

    def append(self, sent: float, number: int, node: str | None, ok: bool = True, took: float = 0.01,
               to: str | None = None) -> Log:
        node = node if ok else None
        asked = {"to": to} if to else {}
        return self.add(sent + took, "client", node, "append", service="web", id=number, ok=ok, sent_ns=ns(sent),
                        error=None if ok else "no answer within 2 s", **{"from": node}, **asked)

    def read_back(self, t: float, *records: list, node: str | None = None) -> Log:
        return self.add(t, "client", node, "ledger.read", service="web", sent_ns=ns(t - 0.01), records=list(records),
                        **{"from": node})

    def vip(self, t: float, node: str, present: bool = True, late: float = 0.02) -> Log:
        return self.add(t, "guest", node, "address", late, ip=VIP, device="eth1", present=present)

    def listen(self, t: float, node: str, present: bool = True, late: float = 0.12) -> Log:
        return self.add(t, "guest", node, "listen", late, port=PORT, present=present)

    def quorum(self, t: float, node: str, quorate: bool, *members: str, late: float = 0.02) -> Log:
        return self.add(t, "guest", node, "quorum", late, quorate=quorate, members=list(members))

    def agent(self, t: float, node: str) -> Log:
        """The agent starts: it says "not there" of everything first."""
        self.add(t, "guest", node, "agent.start", 0.02).mount(t, node, False).vip(t, node, False)
        return self.listen(t, node, False)

    def ticks(self, begin: float, end: float, *nodes: str) -> Log:
        for node in nodes:
            for step in range(round((end - begin) * 4)):
                self.add(begin + step / 4, "guest", node, "tick", 0.02)
        return self

    def arp(self, t: float, node: str | None, how: str = "reply") -> Log:
        address = mac(self.topology, node, "service") if node else "00:16:3e:00:00:66"
        return self.add(t, "wire", node, "arp", 0.001, ip=VIP, mac=address, how=how)

    def sent(self, t: float, node: str) -> Log:
        """What the node announces on its own cable."""
        return self.add(t, "wire", node, "arp.sent", 0.001, ip=VIP, mac=mac(self.topology, node, "service"))

    def watched(self, t: float) -> Log:
        """From here on the cables are watched for announcements."""
        return self.add(t, "wire", None, "wire.watch", addresses=[VIP])

    def bmc(self, t: float, node: str, action: str = "reset", took: float = 0.1, ok: bool = True) -> Log:
        self.add(t, "bmc", node, "bmc.request", action=action, **{"from": "10.71.4.12"})
        return self.add(t + took, "bmc", node, "bmc.done", action=action, ok=ok, error=None if ok else "no")

    def fault(self, t: float, name: str, *targets: str, id: int = 1, confirmed: bool = True,
              healed: float | None = None, cost: Cost | None = None, **params: Any) -> Log:
        """Without ``cost`` as the logs of old: what it costs is known by its name."""
        told = {} if cost is None else {"cost": cost.as_dict()}
        self.add(t, "fault", None, "fault.begin", id=id, fault=name, targets=list(targets), params=params, **told)
        self.add(t + 0.02, "fault", None, "fault.injected", id=id)
        if confirmed:
            self.add(t + 0.4, "fault", None, "fault.confirmed", id=id, evidence={})
        else:
            self.add(t + 0.4, "fault", None, "fault.unconfirmed", id=id, reason="packets still pass")
        if healed is not None:
            self.add(healed, "fault", None, "fault.healed", id=id)
        return self

    def good(self, begin: float, end: float, node: str, took: float = 0.004, every: float = 0.02) -> Log:
        """Requests that are answered ``took`` s later, sent from ``begin`` until before ``end``."""
        for step in range(round((end - begin) / every)):
            self.request(begin + step * every, took, True, node)
        return self

    def bad(self, begin: float, end: float, took: float = 1.0, every: float = 0.02) -> Log:
        """Requests that fail ``took`` s later."""
        for step in range(round((end - begin) / every)):
            self.request(begin + step * every, took, False)
        return self

    def request(self, sent: float, took: float, ok: bool, node: str | None = None) -> Log:
        return self.add(sent + took, "client", node, "reply", 0.001, service="web", ok=ok, sent_ns=ns(sent),
                        status=200 if ok else None, error=None if ok else "no connection within 1 s",
                        **{"from": node})

    def routed(self, begin: float, end: float, node: str | None, took: float | None = None) -> Log:
        """What the client behind a router asks from ``begin`` until before ``end``, four times a second; ``node``
        answers, or nobody does."""
        took = took or (0.01 if node else 1.0)
        for step in range(round((end - begin) * 4)):
            sent = begin + step / 4
            self.add(sent + took, "client", node, "reply.routed", 0.001, service="web", ok=node is not None,
                     sent_ns=ns(sent), status=200 if node else None,
                     error=None if node else "no connection within 1 s", **{"from": node})
        return self

    def ready(self, t: float = 0.5) -> Log:
        return self.add(t, "scenario", None, "ready", service="web")

    def end(self, t: float) -> Log:
        return self.add(t, "scenario", None, "scenario.end")

    def expect_break(self, name: str) -> Log:
        return self.add(0.3, "scenario", None, "expect", **{"break": name})

    def baseline(self, owner: str = A) -> Log:
        """A cluster that stands at 0 s, with the service on ``owner``."""
        self.add(0, "scenario", None, "scenario.begin", name="a test", feature="x", tags=[], seed=1)
        for node in self.topology.nodes:
            self.power(0, node, "on", baseline=True)
        members = self.topology.cluster_nodes
        for node in members:
            self.mount(0.01, node, node == owner).vip(0.01, node, node == owner).listen(0.01, node, node == owner)
            self.quorum(0.01, node, True, *members)
        return self.arp(0.1, owner)

    def finding(self, name: str) -> Finding:
        """What the invariant ``name`` comes to."""
        return check(name, build_history(self.events, self.topology))


def green(about: Topology | None = None) -> Log:
    """Heartbeat of rs-01 cut at 5 s -> it is fenced at 7.1 s -> web answers on rs-02 from 10.2 s on; rs-01 returns."""
    log = Log(about).baseline().ready(2.0)
    log.ticks(0.1, 7.1, A).ticks(0.1, 25, B).good(0.1, 7.1, A)
    for second in range(1, 7):
        log.arp(second, A)
    log.add(2.1, "scenario", None, "step", text="the heartbeat is cut", status="begin", error=None, seconds=0)
    log.fault(5, "network-cut", A, healed=12, node=A, networks=["heartbeat"])
    log.add(5.01, "fabric", A, "link.down", network="heartbeat")
    log.add(5.5, "scenario", None, "step", text="the heartbeat is cut", status="passed", error=None, seconds=0.5)
    log.quorum(6.2, B, True, B).quorum(6.2, A, True, A)
    log.bmc(7.0, A, "reset", took=0.12).off(7.1, A).power(7.2, A, "on")
    log.bad(7.1, 10.2)
    log.mount(9.0, B).vip(9.5, B).arp(9.52, B, "gratuitous").listen(10.1, B)
    log.good(10.2, 25, B)
    for second in range(11, 25):
        log.arp(second, B)
    log.add(12, "fabric", A, "link.up", network="heartbeat")
    log.agent(13, A).ticks(13, 25, A).quorum(13.1, A, False)
    log.quorum(15, A, True, A, B).quorum(15, B, True, A, B)
    log.add(20, "scenario", None, "step", text="web relocates", status="passed", error=None, seconds=10)
    return log.end(25)
