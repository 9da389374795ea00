"""Whether failover became slower, from one set of runs to another: by size of the effect and by ranks.

A median that moved says little about five runs; a small p says little about what an operator notices. Slower is what
is both: very unlikely by chance, and in most pairs of runs, and by more than the measurement's own error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fenceline.reports.history import Figures, Series, by_series
from fenceline.reports.stats import Distribution, cliffs_delta, distribution, rank_test

ALPHA = 0.05
EFFECT = 0.33  # Cliff's delta from which an effect is usually called medium
LEAST_RUNS = 4  # fewer can't reach ALPHA: of 3 and 3 the most extreme order has p = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario in both sets. ``answer`` is slower, faster, same, or too few. ``changed`` says which versions did;
    ``left_out`` how many runs of each set had other versions than its newest."""

    series: Series
    before: Distribution | None
    after: Distribution | None
    delta: float
    p_slower: float
    answer: str
    failed_before: int
    failed_after: int
    changed: tuple[str, ...] = ()
    left_out: tuple[int, int] = (0, 0)


def compare(before: Iterable[Figures], after: Iterable[Figures], alpha: float = ALPHA,
            effect: float = EFFECT, any_host: bool = False) -> list[Comparison]:
    """Every scenario that both have on one host (or, with ``any_host``, on any). Only runs that passed and had an
    outage count, as others have no failover time; and of each set only those with its newest software, as a mixture of
    two versions tells of neither.
    """
    old, new = _newest(before, any_host), _newest(after, any_host)
    found = []
    for series in old:
        if series not in new:
            continue
        (was, left_before), (now, left_after) = old[series], new[series]
        found.append(replace(_compare(series, was, now, alpha, effect), left_out=(left_before, left_after),
                             changed=_changed(was[-1].versions, now[-1].versions)))
    return found


def _newest(found: Iterable[Figures], any_host: bool) -> dict[Series, tuple[list[Figures], int]]:
    """Per scenario the runs with the software of its last run, and how many others there are."""
    places: dict[Series, list[Figures]] = {}
    for runs in by_series(found).values():
        place = replace(runs[0].series.place, host="") if any_host else runs[0].series.place
        places.setdefault(place, []).extend(runs)
    chosen = {}
    for place, runs in places.items():
        last = max(runs, key=lambda run: run.begun).series.software
        kept = [run for run in runs if run.series.software == last]
        chosen[place] = kept, len(runs) - len(kept)
    return chosen


def _changed(old: dict[str, object], new: dict[str, object]) -> tuple[str, ...]:
    return tuple(f"{name} {old[name]} -> {new[name]}" for name in sorted(old.keys() & new.keys())
                 if name != "image" and old[name] != new[name])


def _compare(series: Series, old: list[Figures], new: list[Figures], alpha: float, effect: float) -> Comparison:
    was, now = _passed(old), _passed(new)
    failed = sum(run.verdict != "PASS" for run in old), sum(run.verdict != "PASS" for run in new)
    one, other = [run.outage for run in was], [run.outage for run in now]
    first = distribution(one) if one else None
    second = distribution(other) if other else None
    if len(one) < LEAST_RUNS or len(other) < LEAST_RUNS:
        return Comparison(series, first, second, cliffs_delta(one, other) if one and other else 0.0, 1.0, "too few",
                          *failed)
    delta, slower, faster = cliffs_delta(one, other), rank_test(one, other), rank_test(other, one)
    noticed = abs(second.median - first.median) > max(run.plus_minus for run in (*was, *now))
    answer = "same"
    if noticed and slower < alpha and delta >= effect:
        answer = "slower"
    elif noticed and faster < alpha and delta <= -effect:
        answer = "faster"
    return Comparison(series, first, second, delta, slower, answer, *failed)


def _passed(found: list[Figures]) -> list[Figures]:
    return [run for run in found if run.failover is not None]


def comparison_text(found: list[Comparison]) -> str:
    """A table for the terminal."""
    lines = [f"{'':8} {'before (s)':>22} {'after (s)':>22} {'delta':>6} {'p':>7}  scenario"]
    for one in found:
        lines.append(f"{one.answer:8} {_words(one.before):>22} {_words(one.after):>22} {one.delta:+6.2f} "
                     f"{one.p_slower:7.4f}  {one.series}"
                     + (f"; not passed: {one.failed_before} before, {one.failed_after} after"
                        if one.failed_before or one.failed_after else "")
                     + (f"; left out, with other versions: {one.left_out[0]} before, {one.left_out[1]} after"
                        if any(one.left_out) else "")
                     + "".join(f"; {change}" for change in one.changed))
    return "\n".join(lines)


def _words(figures: Distribution | None) -> str:
    return "no failover" if figures is None else f"{figures.median:.2f} (p95 {figures.p95:.2f}, n={figures.n})"
