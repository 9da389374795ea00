"""What a scenario expects of the promises: one that it plants a mistake for is to break."""

from __future__ import annotations

from dataclasses import replace

from fenceline.judge.evidence import evidence
from fenceline.judge.findings import Tally, as_dict
from fenceline.judge.history import History
from fenceline.judge.promise import PROMISES, promises
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Finding, Verdict


def check(name: str, history: History) -> Finding:
    """What the promise ``name``, or the evidence, came to, expected breaks taken into account.

    Raises:
        KeyError: there is no such promise.
    """
    judged = evidence if name == "evidence" else PROMISES[name].check
    return expected(judged(history), history)


def expected(finding: Finding, history: History) -> Finding:
    """``finding`` as the scenario's ``expect`` events turn it: an expected break that came is PASS, one that did
    not come is FAIL. What is undecided stays so, and evidence can't be expected to be missing."""
    if finding.check == "evidence":
        return _with_expectations(finding, history)
    wanted = [event for event in history.kinds("expect") if event.data.get("break") == finding.check]
    if not wanted:
        return finding
    if finding.verdict is Verdict.FAIL:
        return replace(finding, verdict=Verdict.PASS, reason=f"{BROKEN_AS_EXPECTED}: {finding.reason}")
    if finding.verdict is Verdict.PASS:
        return replace(finding, verdict=Verdict.FAIL, at_ns=wanted[0].t_ns, evidence=(as_dict(wanted[0]),),
                       reason=f"expected to break and did not: {finding.reason}")
    return finding


def _with_expectations(finding: Finding, history: History) -> Finding:
    """A scenario that expects something which does not exist would never be disappointed: INVALID."""
    tally = Tally("evidence")
    for event in history.kinds("expect"):
        if "break" in event.data and event.data["break"] not in PROMISES:
            tally.add(Verdict.INVALID, event.t_ns, f"the scenario expects a break of {event.data['break']!r}; there "
                      f"are {', '.join(one.name for one in promises())}", event)
        if "outage" in event.data and event.data["outage"] not in history.topology.services:
            tally.add(Verdict.INVALID, event.t_ns, f"the scenario expects an outage of {event.data['outage']!r}; "
                      f"there are {', '.join(history.topology.services)}", event)
    wrong = tally.finding("")
    if wrong.verdict is Verdict.PASS or finding.verdict in (Verdict.INVALID, Verdict.BROKEN):
        return finding
    return wrong
