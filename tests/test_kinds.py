"""Nothing outside of a kind's folder names the kind: what there is to know of it is asked of its model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fenceline.model.stack import STACKS, StackModel, kinds_with

ROOT = Path(__file__).parents[1]
FILES = sorted(path for part in ("harness", "steps", "reports") for path in (ROOT / part).rglob("*.py"))
#: Who may name one, and why. Only ever shorter.
ALLOWED = {
    "harness/faults/admin.py": "reads the properties of Pacemaker's CIB: to become a protocol of the running stack",
    "harness/faults/agents.py": "Pacemaker's default timeout of an action, for how long it may be slow",
}


def namings(text: str, kind: str) -> list[str]:
    """Where ``text`` tells ``kind`` apart, or takes something from its folder."""
    return re.findall(rf'''kind (?:[!=]=|in) \(?["']{kind}["']|fenceline\.stacks\.{kind}\b''', text)


@pytest.mark.parametrize("kind", STACKS)
def test_nobody_outside_of_its_folder_names_a_stack(kind):
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if not name.startswith((f"harness/stacks/{kind}/", "harness/importers/")) and name not in ALLOWED:
            assert namings(path.read_text(), kind) == [], name


@pytest.mark.parametrize("kind", STACKS)
def test_one_that_does_is_seen(kind):
    for text in (f'if topology.stack.kind == "{kind}":', f"if kind != '{kind}'", f'kind in ("{kind}", "x")',
                 f"from fenceline.stacks.{kind}.stack import Stack"):
        assert namings(text, kind)


def test_whoever_is_allowed_still_needs_it():
    for name in ALLOWED:
        assert any(namings((ROOT / name).read_text(), kind) for kind in STACKS), name


@pytest.mark.parametrize("kind", STACKS)
def test_a_stack_says_all_that_is_asked_of_it(kind):
    from tests.judge.logs import topology as sample
    model = STACKS[kind](kind=kind)
    assert issubclass(STACKS[kind], StackModel) and model.kind == kind
    assert model.patience_s > 0 and model.notice_s >= model.detection_s > 0
    assert model.packets and model.own_units and model.first_process and model.log_file.startswith("/var/log/")
    assert set(model.own_units) <= set(model.units(sample()))
    assert model.daemons(sample()) and model.quorum


def test_what_only_some_can_is_said_with_who_can(monkeypatch):
    assert kinds_with("manages_resources") == "pacemaker"
    monkeypatch.setattr(STACKS, "_there", {})
    assert kinds_with("manages_resources") == "no stack"
