"""Who imports whom: nowhere a circle."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = {"harness": "fenceline", "steps": "fenceline.steps", "reports": "fenceline.reports"}
MODULES = {".".join([name, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__"): path
           for folder, name in PARTS.items() for path in sorted((ROOT / folder).rglob("*.py"))}


def imported(path: Path) -> set[str]:
    """What of ours the module at ``path`` imports, for its types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{one.name}" if f"{node.module}.{one.name}" in MODULES else node.module
                      for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return found & set(MODULES)


def reached(start: str, ways: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    new = ways[start]
    while new:
        found |= new
        new = {other for name in new for other in ways[name]} - found
    return found


def in_a_circle(ways: dict[str, set[str]]) -> set[str]:
    return {name for name in ways if name in reached(name, ways)}


def test_nobody_imports_himself_in_a_circle():
    ways = {name: imported(path) - {name} for name, path in MODULES.items()}
    assert not sorted(in_a_circle(ways))


def test_a_circle_is_seen():
    assert in_a_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}
