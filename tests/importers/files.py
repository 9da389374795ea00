"""Configurations in the shape of those that people published, and how tests import them."""

from pathlib import Path

from fenceline.importers.combine import import_sources
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.model.load import parse_topology
from fenceline.model.topology import Topology

DATA = Path(__file__).parent / "data"


def source(name: str, text: str | None = None) -> Source:
    """A file of the test data, or another of its name."""
    return Source(name, (DATA / name).read_text() if text is None else text)


def imported(*sources: str | Source) -> tuple[Topology, Draft]:
    """The topology of these files together, checked as every topology is."""
    draft = import_sources([source(one) if isinstance(one, str) else one for one in sources], "imported")
    return parse_topology(draft.raw, "imported"), draft


def line_of(name: str, word: str) -> str:
    """``name:line`` of the first line with ``word``."""
    lines = (DATA / name).read_text().splitlines()
    return f"{name}:{next(number for number, line in enumerate(lines, 1) if word in line)}"
