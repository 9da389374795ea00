"""What an episode came to, as it is told from process to process."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fenceline.model.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """What an episode came to. ``broken`` are the promises that broke; ``hits`` the (state, fault,
    role, what else was in force, joined by +) that were hit;
    ``course`` the states that the cluster went through; ``state`` what it was doing when the first promise broke, and
    ``faults`` what was in force then; ``seconds`` all that it took, the cluster's coming up too."""

    verdict: Verdict
    reason: str
    broken: tuple[str, ...] = ()
    folder: str = ""
    confirmed: int = 0
    hits: tuple[tuple[str, str, str, str], ...] = ()
    course: tuple[str, ...] = ()
    failovers_s: tuple[float, ...] = ()
    redundancy_s: float | None = None
    seconds: float = 0.0
    state: str = ""
    faults: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Of what kind a finding is: the promise, the state and the faults; failures of one kind are one finding."""
        return " | ".join(filter(None, (self.broken[0] if self.broken else "", self.state, " + ".join(self.faults))))

    @property
    def failed(self) -> bool:
        """Whether a promise broke."""
        return self.verdict is Verdict.FAIL


def outcome_to_json(outcome: Outcome) -> str:
    """``outcome`` as one line of JSON."""
    return json.dumps(outcome.__dict__ | {"verdict": str(outcome.verdict)})


def outcome_of_json(text: str) -> Outcome:
    """What ``outcome_to_json`` wrote.

    Raises:
        ValueError: it is none.
    """
    raw = json.loads(text)
    try:
        return Outcome(**{**raw, "verdict": Verdict(raw["verdict"]), "broken": tuple(raw["broken"]),
                          "hits": tuple(tuple(hit) for hit in raw["hits"]), "course": tuple(raw["course"]),
                          "failovers_s": tuple(raw["failovers_s"]), "faults": tuple(raw["faults"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an outcome: {error!r}") from error
