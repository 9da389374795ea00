"""In a split that either side may survive, the one that serves does: for topologies that promise it."""

from __future__ import annotations

from fenceline.judge.causes import Causes, Split
from fenceline.judge.fencings import fencings
from fenceline.judge.findings import Tally
from fenceline.judge.history import History
from fenceline.judge.promise import promise
from fenceline.judge.stints import interruptions, owner
from fenceline.model.verdict import Finding, Verdict


@promise("serving side survives", order=190,
         breaks="only where the topology says `survivor: serving`: of a split that either side may survive, the "
                "side with the services did not")
def serving_side_survives(history: History) -> Finding:
    """Where ``survivor`` is ``serving``: of a split in which one of several sides may go on, and all services are on
    one of those, no node of that side that has one is fenced over it, and no service there is interrupted."""
    tally = Tally("serving side survives")
    if history.topology.survivor != "serving":
        return tally.finding("not judged: the topology leaves it open who survives a split")
    causes = Causes(history)
    splits: dict[str, Split] = {}
    for split in causes.splits:
        if len(split.sides) > 1:
            splits.setdefault(split.id, split)
    judged = []
    for split in splits.values():
        serving = _serving(history, split)
        if serving:
            judged.append(f"{', '.join(sorted(serving.values()))} in {split.title}")
            _judge(history, causes, tally, split, serving)
    return tally.finding(f"who served went on: {'; '.join(judged)}" if judged
                         else "there was no split with all services on one side")


def _serving(history: History, split: Split) -> dict[str, str]:
    """Service -> the node that had it when ``split`` began; empty unless all of those are on one side."""
    found = {name: node for name, service in history.topology.services.items() if service.active == "one"
             and (node := owner(history, name, split.begin_ns)) is not None}
    return found if any(set(found.values()) <= side for side in split.sides) else {}


def _judge(history: History, causes: Causes, tally: Tally, split: Split, serving: dict[str, str]) -> None:
    until_ns = max(one.until_ns for one in causes.splits if one.id == split.id)
    for one in fencings(history):
        if one.node in serving.values() and split.begin_ns <= one.asked_ns <= until_ns:
            services = ", ".join(name for name, node in serving.items() if node == one.node)
            tally.add(Verdict.FAIL, one.at_ns, f"{one.node}, which had {services}, was fenced at "
                      f"{history.at(one.at_ns)} over {split.title}, in which its side might have gone on", *one.events)
            return  # what comes of it is no finding of its own
    for name, node in serving.items():
        for one in interruptions(history, name):
            if one.old == node and split.begin_ns <= one.begin_ns <= until_ns:
                tally.add(Verdict.FAIL, one.begin_ns, f"{name} was interrupted on {node} at "
                          f"{history.at(one.begin_ns)} over {split.title}, in which its side might have gone on",
                          *one.events)
                return
