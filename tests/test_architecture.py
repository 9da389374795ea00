"""The drawing in docs/architecture.md is of this house: every room is in it, and nobody imports from a higher one."""

from __future__ import annotations

import re

from tests.fakecluster import ROOT
from tests.test_imports import MODULES, imported

DRAWING = re.search(r"^```text\n(.*?)^```$", (ROOT / "docs" / "architecture.md").read_text(), re.M | re.S)[1]
#: The rooms of each row of the drawing, from the top.
ROWS = [found for line in DRAWING.splitlines() if (found := re.findall(r"\[(\w+)\]", line))]



def room(module: str) -> str | None:
    """None for the package itself."""
    return module.split(".")[1] if "." in module else None


def upwards(rows: list[list[str]], ways: dict[str, set[str]]) -> set[tuple[str, str]]:
    height = {name: -number for number, row in enumerate(rows) for name in row}
    # a folder with data only is no room: nothing is imported from it but its place
    return {(one, other) for one, others in ways.items() for other in others
            if {room(one), room(other)} <= height.keys() and height[room(other)] > height[room(one)]}


def test_the_rooms_that_are_drawn_are_those_that_there_are():
    drawn = [name for row in ROWS for name in row]
    there = {room(name) for name in MODULES} - {None}
    # a folder with nothing in it yet is no room
    empty = {room(name) for name in MODULES if not imported(MODULES[name])
             and sum(room(other) == room(name) for other in MODULES) == 1 and MODULES[name].name == "__init__.py"}
    assert sorted(drawn) == sorted(there - empty)


def test_the_drawing_fits_on_one_screen():
    lines = DRAWING.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 120


def test_nobody_imports_from_a_higher_room():
    assert upwards(ROWS, {name: imported(path) for name, path in MODULES.items()}) == set()


def test_an_arrow_that_runs_back_up_is_seen():
    ways = {"fenceline.core.x": {"fenceline.model.y"}, "fenceline.model.y": {"fenceline.core.x"}}
    assert upwards([["model"], ["core"]], ways) == {("fenceline.core.x", "fenceline.model.y")}
