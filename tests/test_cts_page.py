"""docs/cts-lab.md names scenarios: each must exist, in the file that it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([a-z_]+/[a-z_]+\.feature)`: ([^|(]+?)(?= \||  ?\(|$)", re.MULTILINE)
PAGE = (ROOT / "docs" / "cts-lab.md").read_text()


def missing(page: str) -> list[str]:
    """What ``page`` names and is not there."""
    found = []
    for path, scenario in NAMED.findall(page):
        feature = ROOT / "features" / path
        names = re.findall(r"^\s*Scenario(?: Outline)?: (.+?)\s*$", feature.read_text(), re.MULTILINE) \
            if feature.exists() else []
        if scenario not in names:
            found.append(f"{path}: {scenario}")
    return found


def test_every_scenario_on_the_page_exists():
    assert missing(PAGE) == []


def test_every_row_names_one():
    heads = ("| cts-lab", "| Audit")
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(heads)]
    assert len(rows) >= 24
    assert [row for row in rows if not NAMED.search(row)] == []


@pytest.mark.parametrize("row", [
    "| Flip | `admin/software.feature`: Flop | |", "| Flip | `admin/nothing.feature`: Flip | |",
    "| Disks | `admin/software.feature`: Flip (the audit) |"])
def test_one_that_does_not_exist_is_found(row):
    assert len(missing(row)) == 1
