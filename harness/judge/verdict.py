"""The whole answer of a run: one verdict, from the log alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fenceline.judge.evidence import evidence
from fenceline.judge.expectations import expected
from fenceline.judge.faultlog import FaultRecord, fault_records
from fenceline.judge.findings import Tally
from fenceline.judge.history import SECOND, History, build_history
from fenceline.judge.ledger import lost_records
from fenceline.judge.outages import certain, outages, routed_outages
from fenceline.judge.promise import PROMISES, promises
from fenceline.judge.redundancy import redundancy
from fenceline.judge.requests import requests_of
from fenceline.model.event import Event, is_fencing
from fenceline.model.load import load_topology
from fenceline.model.topology import Topology
from fenceline.model.verdict import Finding, Judgement, Outage, Verdict


def judge(events: Iterable[Event], topology: Topology) -> Judgement:
    """What the run came to.

    The first of these that applies is the verdict:

    1. FAIL, if a promise of safety was certainly broken. Two mounts at once stay two mounts, whatever the harness
       or the fault did; it must never hide behind a broken run.
    2. BROKEN, 3. INVALID: the rest of the findings then prove nothing. A late service, a failed step or a fence
       without cause may well come from a stalled host or from a fault that was not there.
    4. FAIL, if a step failed, a service was too late, a healthy cluster fenced, or an expected break did not come.
    5. UNKNOWN, if the evidence leaves any check open.
    6. PASS.
    """
    history = build_history(events, topology)
    found = outages(history)
    met = [evidence(history), *(promise.check(history) for promise in promises())]
    findings = [expected(finding, history) for finding in met] + [_steps(history)]
    # broken before and after the scenario's expectations: one that was only expected to break proves nothing
    violated = any(_is_safety(finding) and finding.verdict is after.verdict is Verdict.FAIL
                   for finding, after in zip(met, findings, strict=False))
    verdict = Verdict.FAIL if violated else _worst(findings)
    # the reason is the first finding with the verdict: a safety violation before what it may have caused
    findings.sort(key=lambda finding: not _is_safety(finding))
    told = certain(found)
    return Judgement(verdict, tuple(findings), told, _figures(history, told))


def _is_safety(finding: Finding) -> bool:
    return finding.check in PROMISES and PROMISES[finding.check].safety


def _worst(findings: Iterable[Finding]) -> Verdict:
    seen = {finding.verdict for finding in findings}
    order = (Verdict.BROKEN, Verdict.INVALID, Verdict.FAIL, Verdict.UNKNOWN)
    return next((verdict for verdict in order if verdict in seen), Verdict.PASS)


def _steps(history: History) -> Finding:
    """The scenario's own steps: one that failed is a promise that was not kept."""
    tally = Tally("steps")
    passed = 0
    for event in history.kinds("step"):
        if event.data.get("status") == "failed":
            tally.add(Verdict.FAIL, event.t_ns, f"\"{event.data.get('text')}\" failed at {history.at(event.t_ns)}: "
                      f"{event.data.get('error') or 'no error given'}", event)
        if event.data.get("status") == "undecided":
            tally.add(Verdict.UNKNOWN, event.t_ns, f"\"{event.data.get('text')}\": {event.data.get('error')}", event)
        passed += event.data.get("status") == "passed"
    return tally.finding(f"{passed} steps passed")


def _figures(history: History, found: tuple[Outage, ...]) -> dict[str, Any]:
    ready_ns = history.ready_ns() or history.start_ns  # what failed while the cluster formed was nobody's loss
    requests = [request for name in history.topology.services for request in requests_of(history, name)
                if request.sent_ns >= ready_ns]
    # what the healing after the last step cost is no failover time
    longest = max((outage for outage in found if not outage.healing), key=lambda outage: outage.seconds, default=None)
    fenced = [event for event in history.kinds("power.off") if is_fencing(event)]
    return {
        "seconds": (history.end_ns - history.start_ns) / SECOND,
        "events": len(history.events),
        "requests": len(requests),
        "requests_failed": sum(not request.ok for request in requests),
        "requests_slow": sum(request.slow for request in requests),
        "outages": sum(not outage.healing for outage in found),
        "longest_outage_s": longest.seconds if longest else 0.0,
        "longest_outage_plus_minus_s": longest.plus_minus if longest else 0.0,
        "total_outage_s": round(sum((outage.seconds for outage in found if not outage.healing), 0.0), 9),
        "healing_outage_s": max((outage.seconds for outage in found if outage.healing), default=0.0),
        "settled_s": _told_s(event for event in history.kinds("settled") if event.data.get("after") != "healing"),
        "whole_again_s": _told_s(history.kinds("whole")),
        "redundancy": redundancy(history),
        "routed_outages": [{"service": outage.service, "start_s": (outage.start_ns - history.start_ns) / SECOND,
                            "seconds": outage.seconds, "plus_minus": outage.plus_minus,
                            "is_over": outage.end_ns is not None} for outage in routed_outages(history)],
        "fenced": [{"node": event.node, "at_s": (event.t_ns - history.start_ns) / SECOND} for event in fenced],
        "acknowledged_lost": {name: len(lost_records(history, name)) for name in sorted(
            {str(event.data.get("service")) for event in history.kinds("append")})},
        "faults": [_fault_figures(history, record) for record in fault_records(history)],
    }


def _told_s(told: Iterable[Event]) -> float | None:
    """The seconds that the last of the events ``told`` tells; None where there is none, it was skipped, or did not
    come to its end."""
    last = list(told)[-1:]
    return last[0].data.get("seconds") if last and not last[0].data.get("problems") else None


def _fault_figures(history: History, record: FaultRecord) -> dict[str, Any]:
    def seconds(ns: int | None) -> float | None:
        return None if ns is None else (ns - history.start_ns) / SECOND

    return {"id": record.id, "fault": record.name, "targets": list(record.targets),
            "begin_s": seconds(record.begin.t_ns), "confirmed_s": seconds(record.confirmed_ns),
            "healed_s": seconds(record.healed_ns)}


def judgement_to_json(judgement: Judgement) -> str:
    """``judgement`` as JSON text, the same bytes for the same judgement."""
    raw = {"verdict": judgement.verdict, "reason": judgement.reason,
           "findings": [asdict(finding) for finding in judgement.findings],
           "outages": [asdict(outage) for outage in judgement.outages], "figures": judgement.figures}
    return json.dumps(raw, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def load_run(folder: Path | str) -> tuple[list[Event], Topology]:
    """The events and the topology of a saved run: ``folder``/events.jsonl and ``folder``/topology.yaml.

    A last line that was not finished is left out: the run's harness died while it wrote it.

    Raises:
        OSError: there is no events.jsonl.
        ValueError: a line before the last is no event.
        fenceline.model.load.TopologyError: no topology, or a bad one.
    """
    folder = Path(folder)
    topology = load_topology(str(folder / "topology.yaml"))
    text = (folder / "events.jsonl").read_bytes()
    lines = text.split(b"\n")
    events = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            events.append(Event.from_json(line.decode()))
        except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
            if number == len(lines):
                break
            raise ValueError(f"{folder / 'events.jsonl'}:{number}: {error}") from error
    return events, topology


def judge_folder(folder: Path | str) -> Judgement:
    """The judgement of a saved run."""
    return judge(*load_run(folder))
