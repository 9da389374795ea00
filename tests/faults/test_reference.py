"""The reference page of the faults is complete, and up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fenceline.faults import FAULTS
from fenceline.faults.parameters import help_of, types_of
from fenceline.steps.fault_reference import families, page, sentences

OWN = {name: cls for name, cls in FAULTS.items() if cls.__module__.startswith("fenceline.faults.")}


def test_the_page_is_up_to_date():
    written = Path(__file__).parents[2] / "docs" / "faults.md"
    assert written.read_text() == page(OWN.values()), "python -m fenceline.steps.fault_reference > docs/faults.md"


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_fault_has_a_family_a_sentence_and_words_for_its_parameters(name):
    cls = OWN[name]
    assert hasattr(sys.modules[cls.__module__], "FAMILY")
    assert (cls.__doc__ or "").strip().split("\n\n")[0].rstrip().endswith(".")
    assert sentences().get(name), f"no step injects {name}"
    assert all(help_of(cls, name) for name in types_of(cls))


def test_every_fault_is_in_one_family():
    assert sorted(cls.name for members in families().values() for cls in members) == list(FAULTS)
