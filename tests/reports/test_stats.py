"""Small samples, ties, and the same answer for the same seed."""

from __future__ import annotations

import pytest

from fenceline.reports.stats import bootstrap, cliffs_delta, distribution, percentile, rank_test


def test_percentile():
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([0.0, 10.0], 0.95) == pytest.approx(9.5)
    assert percentile([1.0], 0.95) == 1.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_bootstrap_is_seeded_and_holds_the_median():
    values = [4.1, 4.3, 4.2, 5.9, 4.4, 4.0, 4.6]
    assert bootstrap(values, seed=5) == bootstrap(values, seed=5)
    low, high = bootstrap(values)
    assert min(values) <= low <= 4.3 <= high <= max(values)
    assert bootstrap([2.0]) == (2.0, 2.0)


def test_distribution():
    known = distribution([1.0, 2.0, 3.0])
    assert (known.n, known.median, known.least, known.most) == (3, 2.0, 1.0, 3.0)


def test_cliffs_delta():
    assert cliffs_delta([1, 2], [3, 4]) == 1.0
    assert cliffs_delta([3, 4], [1, 2]) == -1.0
    assert cliffs_delta([1, 2], [1, 2]) == 0.0


def test_rank_test_against_the_tables():
    # U = 0 of 4 and 4: 1 of 70 orders
    assert rank_test([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(1 / 70)
    assert rank_test([5, 6, 7, 8], [1, 2, 3, 4]) == pytest.approx(1.0)
    # U = 8 of 12; of the 35 orders, 1 + 1 + 2 + 3 + 4 have 8 or more
    assert rank_test([1, 4, 5], [2, 3, 6, 7]) == pytest.approx(11 / 35)


def test_rank_test_with_ties_is_an_approximation():
    assert rank_test([1, 1, 1, 1], [1, 1, 1, 1]) == 1.0
    assert rank_test([1, 1, 2, 2, 3] * 4, [3, 4, 4, 5, 5] * 4) < 0.001
    assert rank_test(list(range(30)), list(range(30))) == pytest.approx(0.5, abs=0.02)
