"""What a run came to in words and in tables of plain text, for the terminal and for the pages.

Figures are shown in hundredths of a second, rounded so that the phases still add up to what is shown as their sum.
"""

from __future__ import annotations

import math
import textwrap

from fenceline.model.verdict import Judgement, Outage

TOLERANCE_S = 0.001  # phases that miss the outage by more than this do not add up
TEXT_WIDTH = 110     # columns of the terminal's table


def phases_gap(outage: Outage) -> float:
    """By how much (s) the phases miss the outage; 0.0 where they add up or there are none."""
    if not outage.phases:
        return 0.0
    gap = math.fsum(phase.seconds for phase in outage.phases) - outage.seconds
    return gap if abs(gap) > TOLERANCE_S else 0.0


def shown_seconds(outage: Outage) -> list[float]:
    """Each phase's seconds, in hundredths. The moments between phases are rounded, not the phases: so the sum of
    what is shown is what is shown as the sum, and no phase is off by more than a hundredth."""
    shown, total, before = [], 0.0, 0.0
    for phase in outage.phases:
        total += phase.seconds
        shown.append(round(round(total, 2) - before, 2) + 0.0)
        before = round(total, 2)
    return shown


def away_text(outage: Outage) -> str:
    """What a client lost, as a sentence: "web was away for 14.92 s ± 0.04 s (rs-01 → rs-02)"."""
    owners = f" ({outage.owner_before or '?'} → {outage.owner_after or '?'})" if (
        outage.owner_before or outage.owner_after) else ""
    when = "while the faults were healed, " if outage.healing else ""
    if outage.end_ns is None:
        return f"{when}{outage.service} did not come back: away for at least {outage.seconds:.2f} s{owners}"
    return f"{when}{outage.service} was away for {outage.seconds:.2f} s ± {outage.plus_minus:.2f} s{owners}"


def routed_texts(judgement: Judgement) -> list[str]:
    """What the client behind a router lost, a sentence an outage: "web was away for 14.98 s ± 0.31 s for clients behind
    a router"."""
    return [f"{one['service']} {'was away for' if one['is_over'] else 'is away, for at least'} {one['seconds']:.2f} s"
            f" ± {one['plus_minus']:.2f} s for clients behind a router"
            for one in judgement.figures.get("routed_outages", ())]


def worst_failover(judgement: Judgement) -> Outage | None:
    """The longest outage that was no healing's, if there was one; one that never ended is the worst of all."""
    return max(judgement.failovers, key=lambda outage: (outage.end_ns is None, outage.seconds), default=None)


def headline(judgement: Judgement, client_was_there: bool = True) -> str:
    """The failover time in one line: the worst outage, and how many more there were. ``client_was_there``: there
    were replies at all; where nobody asked, "no outage" would be a lie."""
    if not judgement.failovers:
        return "no outage was seen by the client" if client_was_there else "no client asked: outages are not known"
    worst = worst_failover(judgement)
    more = len(judgement.failovers) - 1
    return away_text(worst) + (f", and {more} more outage{'s' if more > 1 else ''}" if more else "")


def closing_text(judgement: Judgement) -> str:
    """When redundancy was back, and how long the end of the scenario took: what was waited for after its last step, and
    until the cluster was whole again. "" where the log tells nothing of that."""
    figures = judgement.figures
    told = [_redundancy_text(figures.get("redundancy"))]
    if figures.get("settled_s") is not None:
        whole = figures.get("whole_again_s")
        told.append(f"settled within {figures['settled_s']:.1f} s after the last step"
                    + (f", whole again {whole:.1f} s after the faults were healed" if whole is not None else ""))
    return "\n".join(filter(None, told))


def _redundancy_text(told: dict | None) -> str:
    if not told:
        return ""
    if told["restored_s"] is None:
        return f"redundancy was not restored: no full standby for at least {told['seconds']:.1f} s"
    after = told.get("after_heal_s")
    return (f"redundancy was restored after {told['seconds']:.1f} s ± {told['plus_minus']:.1f} s"
            + (f", {after:.1f} s after the last fault was healed" if after is not None else ""))


def gap_text(outage: Outage) -> str:
    """A warning where the phases do not add up, else ""."""
    gap = phases_gap(outage)
    return f"The phases do not add up: they miss the outage by {gap:+.3f} s." if gap else ""


def outages_text(judgement: Judgement, most: int = 4) -> str:
    """A line an outage, the longest ``most`` of them: who was away for how long, and in which phases."""
    if not judgement.outages:
        return "\n".join([headline(judgement), *_longest_routed(judgement, most)])
    longest = sorted(judgement.outages, key=lambda outage: -outage.seconds)[:most]
    lines = []
    for outage in (outage for outage in judgement.outages if outage in longest):
        parts = [f"{_plain(phase.name)} {seconds:.2f}"
                 for phase, seconds in zip(outage.phases, shown_seconds(outage), strict=True) if seconds]
        lines.append(_plain(away_text(outage)) + (f": {' + '.join(parts)}" if parts else ""))
    if len(judgement.outages) > most:
        lines.append(f"and {len(judgement.outages) - most} shorter")
    return "\n".join([*lines, *_longest_routed(judgement, most)])


def _longest_routed(judgement: Judgement, most: int) -> list[str]:
    texts = routed_texts(judgement)
    lengths = [one["seconds"] for one in judgement.figures.get("routed_outages", ())]
    shown = sorted(sorted(range(len(texts)), key=lambda index: -lengths[index])[:most])
    more = [f"and {len(texts) - most} shorter of theirs"] if len(texts) > most else []
    return [_plain(texts[index]) for index in shown] + more


def findings_table_text(judgement: Judgement) -> str:
    """The verdict first, then each check with what it came to and why, reasons wrapped to the terminal's width."""
    lines = [_plain(f"{judgement.verdict}: {judgement.reason}")]
    checks = [_plain(finding.check) for finding in judgement.findings]
    width = max([0, *map(len, checks)])
    for check, finding in zip(checks, judgement.findings, strict=True):
        head = f"  {finding.verdict:<8} {check:<{width}}  "
        reason = textwrap.wrap(_plain(finding.reason), max(30, TEXT_WIDTH - len(head))) or [""]
        lines += [(head + reason[0]).rstrip(), *(" " * len(head) + line for line in reason[1:])]
    return "\n".join(lines if checks else [*lines, "  no check was made"])


def _plain(text: str) -> str:
    """``text`` on one line and without control characters: log text must not move the terminal's cursor."""
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
