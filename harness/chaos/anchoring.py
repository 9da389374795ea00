"""The moments that came shortly before an action, from the log of a run: to what its time may be anchored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fenceline.chaos.moments import moments
from fenceline.chaos.outcome import Outcome
from fenceline.judge.verdict import load_run
from fenceline.model.load import TopologyError
from fenceline.scenario.anchors import moment

#: A moment that was longer ago than this (s) has nothing to do with it.
_SHORTLY_S = 3.0


def moments_before(outcome: Outcome, number: int, service: str | None = None) -> Sequence[tuple[str, float]]:
    """The moments of a fail-over within 3 s before the action ``number`` of the run of ``outcome``, as (words, s from
    it), the nearest first; none where the run can't be read, or the action was not done."""
    try:
        events, topology = load_run(Path(outcome.folder))
    except (OSError, ValueError, TopologyError):
        return []
    hit = next((event for event in events if event.kind == "chaos.hit" and event.data["number"] == number), None)
    begun = next((event for event in events if event.kind == "chaos"), None)
    if hit is None or begun is None:
        return []
    found = []
    for one in moments(topology, service or next(iter(topology.services))):
        predicate = moment(one.words, lambda words: words.removeprefix("node "))
        # an anchored action is done after the first such moment
        first = next((event for event in events if event.t_ns >= begun.t_ns and predicate(event)), None)
        if first is not None and 0 <= hit.t_ns - first.t_ns <= _SHORTLY_S * 1e9:
            found.append((one.words, (hit.t_ns - first.t_ns) / 1e9))
    return sorted(found, key=lambda pair: pair[1])
