"""Configurations that were imported wrongly once, each in a folder of ``cases`` with what is right in expected.yaml:
``topology`` {path: value}, ``heartbeats`` (networks), ``notes`` and what stands in none of them (``without``);
or how it is ``refused``."""

import re
from pathlib import Path

import pytest
import yaml

from fenceline.core.errors import FencelineError
from fenceline.importers.combine import import_sources
from fenceline.importers.source import Source, read_source
from fenceline.model.load import parse_topology

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def _import(case: Path):
    sources = [read_source(str(path)) for path in sorted(case.iterdir()) if path.name != "expected.yaml"]
    draft = import_sources([Source(Path(one.name).name, one.text) for one in sources], "case")
    return parse_topology(draft.raw, case.name), draft.notes


def _at(topology, path: str):
    for word in path.split("."):
        if isinstance(topology, dict):
            topology = topology[word]
        elif word.isdigit():
            topology = topology[int(word)]
        else:
            topology = getattr(topology, word)
    return list(topology) if isinstance(topology, tuple) else topology


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_configuration_says_is_in_its_topology_or_in_a_note(case):
    expected = yaml.safe_load((case / "expected.yaml").read_text())
    if "refused" in expected:
        with pytest.raises(FencelineError, match=expected["refused"]):
            _import(case)
        return
    topology, notes = _import(case)
    assert {path: _at(topology, path) for path in expected.get("topology", {})} == expected.get("topology", {})
    for pattern in expected.get("notes", ()):
        assert any(re.search(pattern, note) for note in notes), (pattern, notes)
    for pattern in expected.get("without", ()):
        assert not any(re.search(pattern, note) for note in notes), (pattern, notes)
    if "heartbeats" in expected:
        assert len(topology.networks_with("heartbeat")) == expected["heartbeats"]
