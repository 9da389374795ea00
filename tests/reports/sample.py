"""A synthetic run: the heartbeat is cut, the active node is fenced, "web" relocates. Times are those measured on
the project's own machines (see the field notes): cut to fenced 11.6 s, cut to HTTP again about 22 s."""

from __future__ import annotations

from typing import Any

from fenceline.model.event import Event
from fenceline.model.load import load_topology
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Judgement, Outage, Phase, Verdict

SECOND = 1_000_000_000
ZERO_NS = 5_000 * SECOND  # CLOCK_MONOTONIC never starts at 0 in a real run
VIP = "192.168.98.244"
CUT_S, FENCED_S, FIRST_REPLY_S, HEALED_S = 34.0, 45.6, 56.3, 63.0


def at(seconds: float) -> int:
    """The stamp (ns) that lies ``seconds`` after the log's start."""
    return ZERO_NS + round(seconds * SECOND)


def event(seconds: float, kind: str, node: str | None = None, source: str = "", **data: Any) -> Event:
    """An event ``seconds`` after the log's start; a ``from`` in its data is written ``sender``."""
    if "sender" in data:
        data["from"] = data.pop("sender")
    return Event(at(seconds), source or kind.split(".")[0], node, kind, data, late_ns=2_000_000)


def web_iscsi() -> Topology:
    """The topology of the sample."""
    return load_topology("web-iscsi")


def _service_up(seconds: float, node: str) -> list[Event]:
    return [event(seconds, "mount", node, source="/dev/sda", mountpoint="/srv/www", fstype="ext4", mounted=True),
            event(seconds + 2.4, "address", node, ip=VIP, device="eth1", present=True),
            event(seconds + 2.45, "arp", node, ip=VIP, mac="02:00:00:00:00:01", how="gratuitous"),
            event(seconds + 2.95, "arp", node, ip=VIP, mac="02:00:00:00:00:01", how="gratuitous"),
            event(seconds + 4.3, "listen", node, port=80, present=True)]


def _replies(start_s: float, end_s: float, node: str | None, latency_ms: float) -> list[Event]:
    replies = []
    for index in range(int((end_s - start_s) / 0.02)):
        moment = start_s + index * 0.02
        wait_ms = latency_ms + (index * 7 % 11) * 0.4 + (260 if index % 211 == 200 else 0)
        replies.append(event(moment, "reply", None, source="client", service="web", ok=node is not None,
                             sent_ns=at(moment) - round(wait_ms * 1e6), sender=node, status=200 if node else None,
                             error=None if node else "no route to host"))
    return replies


def heartbeat_cut() -> list[Event]:
    """The log of the run."""
    both = ["rs-01", "rs-02"]
    log = [event(0, "scenario.begin", name="Heartbeat cut triggers fence then relocate",
                 feature="Heartbeat loss", tags=["fencing", "smoke"], seed=42)]
    for node in (*both, "san-01"):
        log += [event(0.1, "power.on", node, source="machine"), event(7.5, "agent.start", node)]
    log += [event(12.0, "quorum", node, quorate=True, members=both) for node in both]
    log += _service_up(16, "rs-01")
    log += _replies(20.5, CUT_S + 3.1, "rs-01", 4)
    log += [event(26, "ready", service="web"),
            event(CUT_S - 0.02, "fault.begin", id="f1", fault="heartbeat cut", targets=["rs-01"], params={}),
            event(CUT_S, "fault.injected", id="f1"),
            event(CUT_S, "link.down", "rs-01", network="heartbeat"),
            event(CUT_S + 0.3, "fault.confirmed", id="f1", evidence={"frames": 0}),
            event(CUT_S + 1.9, "quorum", "rs-01", quorate=True, members=["rs-01"]),
            event(CUT_S + 1.9, "quorum", "rs-02", quorate=False, members=["rs-02"]),
            event(CUT_S + 2.6, "quorum", "rs-02", quorate=True, members=["rs-02"]),
            event(CUT_S + 7.0, "bmc.request", "rs-01", action="status", sender="10.71.4.12"),
            event(CUT_S + 7.9, "bmc.request", "rs-01", action="off", sender="10.71.4.12"),
            event(FENCED_S, "power.off", "rs-01", source="machine", why="fence"),
            event(FENCED_S + 0.02, "bmc.done", "rs-01", action="off", ok=True, error=None),
            event(FENCED_S + 0.7, "bmc.request", "rs-01", action="on", sender="10.71.4.12"),
            event(FENCED_S + 0.9, "bmc.done", "rs-01", action="on", ok=True, error=None),
            event(FENCED_S + 0.9, "power.on", "rs-01", source="machine"),
            event(FENCED_S + 9.0, "agent.start", "rs-01")]
    log += _replies(CUT_S + 3.2, FIRST_REPLY_S, None, 400)
    log += _service_up(FENCED_S + 4.6, "rs-02")
    log += _replies(FIRST_REPLY_S, 80, "rs-02", 6)
    log += [event(HEALED_S, "fault.healed", id="f1"), event(HEALED_S, "link.up", "rs-01", network="heartbeat"),
            event(66, "quorum", "rs-01", quorate=True, members=both),
            event(66, "quorum", "rs-02", quorate=True, members=both), event(80, "scenario.end")]
    return sorted(log, key=lambda entry: entry.t_ns)


def web_outage() -> Outage:
    """What the client lost in ``heartbeat_cut``: 19.2 s in seven phases that add up."""
    seconds = {"detect": 1.2, "quorum": 0.0, "fence": 7.3, "storage": 4.6, "vip": 2.4, "service": 1.9,
               "first reply": 1.8}
    return Outage("web", at(CUT_S + 3.1), at(FIRST_REPLY_S), 19.2, 0.02,
                  tuple(Phase(name, value, 0.25 if name == "detect" else 0.05) for name, value in seconds.items()),
                  "rs-01", "rs-02")


def passed() -> Judgement:
    """The judgement of the sample as it should be."""
    return Judgement(Verdict.PASS, (
        Finding("precondition", Verdict.PASS, "\"web\" was answering before the first fault, at 26.0 s"),
        Finding("single mount", Verdict.PASS, "/srv/www was on one node at a time"),
        Finding("single VIP owner", Verdict.PASS, f"{VIP} never had two owners"),
        Finding("fence before takeover", Verdict.PASS, "rs-01 was off at 45.60 s, rs-02 mounted at 50.20 s"),
        Finding("liveness of web", Verdict.PASS, "back after 19.20 s, 30 s are allowed"),
    ), (web_outage(),))


def failed() -> Judgement:
    """The same with a promise broken at 50.2 s."""
    good = passed()
    bad = Finding("single mount", Verdict.FAIL, "/srv/www was mounted on rs-01 and rs-02 from 50.20 s to 51.00 s",
                  at(50.2))
    return Judgement(Verdict.FAIL, (good.findings[0], bad, *good.findings[2:]), good.outages)
