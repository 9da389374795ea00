"""What a run says in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: How the reason of a finding begins where a scenario expected the promise to break, and it did.
BROKEN_AS_EXPECTED = "broken as expected"


class Verdict(StrEnum):
    """Only PASS is a pass."""

    PASS = "PASS"
    FAIL = "FAIL"        # a promise was broken
    UNKNOWN = "UNKNOWN"  # the evidence does not decide
    INVALID = "INVALID"  # the precondition did not hold, or the fault never took effect
    BROKEN = "BROKEN"    # the harness or its host failed


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it came to.

    ``check`` is its name ("single mount"), ``reason`` one sentence with node names and times relative to
    the start of the log in seconds, ``at_ns`` the moment that decided it, ``evidence`` the events behind it.
    """

    check: str
    verdict: Verdict
    reason: str
    at_ns: int | None = None
    evidence: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of an outage; ``seconds`` with its error bound ``plus_minus`` (s)."""

    name: str
    seconds: float
    plus_minus: float


@dataclass(frozen=True, slots=True)
class Outage:
    """What a client of ``service`` lost: last good reply before to first good reply after.

    ``end_ns`` is None where the log ends before a good reply. ``phases`` add up to ``seconds``. ``healing``: it began
    while the faults were healed after the last step, and is no failover time of the scenario's.
    """

    service: str
    start_ns: int
    end_ns: int | None
    seconds: float
    plus_minus: float
    phases: tuple[Phase, ...] = ()
    owner_before: str | None = None
    owner_after: str | None = None
    healing: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole answer: one verdict, every finding behind it, every outage."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    outages: tuple[Outage, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def failovers(self) -> tuple[Outage, ...]:
        """The outages that count as the scenario's: not those of the healing after its last step."""
        return tuple(outage for outage in self.outages if not outage.healing)

    @property
    def is_clean(self) -> bool:
        """Whether the run passed, and no promise was broken that was expected to."""
        return self.verdict is Verdict.PASS and not any(
            finding.reason.startswith(BROKEN_AS_EXPECTED) for finding in self.findings)

    @property
    def reason(self) -> str:
        """The finding that decided the verdict; for a pass, that every promise was kept, or which were to break."""
        for finding in self.findings:
            if finding.verdict is self.verdict and finding.verdict is not Verdict.PASS:
                return f"{finding.check}: {finding.reason}"
        broken = [finding.check for finding in self.findings if finding.reason.startswith(BROKEN_AS_EXPECTED)]
        if broken:
            return f"broken, as the scenario expected: {', '.join(broken)}; every other promise was kept"
        return "every promise was kept"
