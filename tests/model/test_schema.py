"""The exported JSON Schema is the one of the models."""

import json

from fenceline.model.load import TOPOLOGY_DIR, topology_schema


def test_the_exported_schema_is_up_to_date():
    exported = json.loads((TOPOLOGY_DIR / "topology.schema.json").read_text())
    assert exported == topology_schema(), "run: fenceline topology schema > topologies/topology.schema.json"
