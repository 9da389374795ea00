"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest

from fenceline.model.units import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(("text", "seconds"), [
    ("500ms", 0.5), ("2s", 2.0), ("1.5s", 1.5), ("1min", 60.0), ("2h", 7200.0), (" 3 s ", 3.0), ("7", 7.0),
    (0, 0.0), (3, 3.0), (0.25, 0.25)])
def test_duration(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", [
    "", "s", "1 fortnight", "-1s", "1s2", "1,5s", "1e3s", None, True, [], -1, -0.5, float("inf"), float("nan")])
def test_no_duration(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [
    ("64M", 64 * 2**20), ("1G", 2**30), ("8k", 8192), ("2MiB", 2**21), ("2MB", 2**21), (4096, 4096)])
def test_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "64", "64T", "1.5G", "-1M", "0M", 0, -1, True, 1.5, None])
def test_no_size(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_what_is_formatted_is_parsed_back_to_the_same_number():
    numbers = [number / 1000 for number in range(2000)] + [0.1234, 59.999, 86400.0, 1234567.0, 12345.678]
    assert [n for n in numbers if parse_duration(format_duration(n)) != n] == []


def test_pacemaker_and_people_read_what_is_formatted():
    assert [format_duration(n) for n in (0, 0.25, 1, 1.5, 90)] == ["0ms", "250ms", "1s", "1.5s", "90s"]
