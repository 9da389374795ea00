"""Whether failover became slower, from one set of runs to another: by size of the effect and by ranks.

A median that moved says little about five runs; a small p says little about what an operator notices. Slower is what
is both: very unlikely by chance, and in most pairs of runs, and by more than the measurement's own error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reports.history import Figures, Key, by_key
from reports.stats import Distribution, cliffs_delta, distribution, rank_test

ALPHA = 0.05
EFFECT = 0.33  # Cliff's delta from which an effect is usually called medium
LEAST_RUNS = 4  # fewer can't reach ALPHA: of 3 and 3 the most extreme order has p = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario in both sets. ``answer`` is slower, faster, same, or too few."""

    key: Key
    before: Distribution | None
    after: Distribution | None
    delta: float
    p_slower: float
    answer: str
    failed_before: int
    failed_after: int


def compare(before: Iterable[Figures], after: Iterable[Figures], alpha: float = ALPHA,
            effect: float = EFFECT) -> list[Comparison]:
    """Every scenario that both have. Only runs that passed and had an outage count: others have no failover time."""
    old, new = by_key(before), by_key(after)
    return [_compare(key, old[key], new[key], alpha, effect) for key in old if key in new]


def _compare(key: Key, old: list[Figures], new: list[Figures], alpha: float, effect: float) -> Comparison:
    was, now = _passed(old), _passed(new)
    failed = sum(run.verdict != "PASS" for run in old), sum(run.verdict != "PASS" for run in new)
    one, other = [run.outage for run in was], [run.outage for run in now]
    first = distribution(one) if one else None
    second = distribution(other) if other else None
    if len(one) < LEAST_RUNS or len(other) < LEAST_RUNS:
        return Comparison(key, first, second, cliffs_delta(one, other) if one and other else 0.0, 1.0, "too few",
                          *failed)
    delta, slower, faster = cliffs_delta(one, other), rank_test(one, other), rank_test(other, one)
    noticed = abs(second.median - first.median) > max(run.plus_minus for run in (*was, *now))
    answer = "same"
    if noticed and slower < alpha and delta >= effect:
        answer = "slower"
    elif noticed and faster < alpha and delta <= -effect:
        answer = "faster"
    return Comparison(key, first, second, delta, slower, answer, *failed)


def _passed(found: list[Figures]) -> list[Figures]:
    return [run for run in found if run.verdict == "PASS" and run.outage > 0]


def comparison_text(found: list[Comparison]) -> str:
    """A table for the terminal."""
    lines = [f"{'':8} {'before (s)':>22} {'after (s)':>22} {'delta':>6} {'p':>7}  scenario"]
    for one in found:
        lines.append(f"{one.answer:8} {_words(one.before):>22} {_words(one.after):>22} {one.delta:+6.2f} "
                     f"{one.p_slower:7.4f}  {one.key}"
                     + (f"; not passed: {one.failed_before} before, {one.failed_after} after"
                        if one.failed_before or one.failed_after else ""))
    return "\n".join(lines)


def _words(figures: Distribution | None) -> str:
    return "no failover" if figures is None else f"{figures.median:.2f} (p95 {figures.p95:.2f}, n={figures.n})"
