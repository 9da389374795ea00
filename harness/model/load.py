"""Topology files: found by name or path, read, checked, and every error said at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fenceline.core.errors import FencelineError
from fenceline.core.places import shipped
from fenceline.model.declared import declare_folder
from fenceline.model.documents import errors_text, read_mapping
from fenceline.model.topology import Topology

#: The topologies that are shipped.
TOPOLOGY_DIR = shipped("topologies")


class TopologyError(Exception):
    """A topology that can't be used; the text has the file and, a line each, the path to every bad field."""


def find_topology(name: str, own: Sequence[Path] = ()) -> Path:
    """The file of the topology ``name``: a path, or the name of a file without ``.yaml`` in one of the project's
    ``own`` folders or among those that are shipped; the first that there is.

    Raises:
        TopologyError: no such file; names those that there are, and where.
    """
    folders = list(dict.fromkeys((*own, TOPOLOGY_DIR)))
    for path in (Path(name), *(folder / f"{name}.yaml" for folder in folders)):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    known = [f"in {'the shipped ' if folder == TOPOLOGY_DIR else ''}{folder} "
             f"(there: {', '.join(sorted(path.stem for path in folder.glob('*.yaml'))) or 'none'})"
             for folder in folders]
    raise TopologyError(f"no topology {name!r}: neither a file nor {', nor '.join(known)}")


def known_topologies(own: Sequence[Path] = ()) -> list[Path]:
    """Every topology that has a name: the project's own, and those shipped ones that no own one hides."""
    found: dict[str, Path] = {}
    for folder in (*own, TOPOLOGY_DIR):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return list(found.values())


def load_topology(name: str, own: Sequence[Path] = ()) -> Topology:
    """The topology in the file that ``find_topology`` finds.

    Raises:
        TopologyError: see there; or the file is not YAML, or not a topology.
    """
    path = find_topology(name, own)
    try:
        # a project's own daemons are beside its topologies
        if path.parent != TOPOLOGY_DIR:
            declare_folder(path.absolute().parent.parent / "daemons")
    except FencelineError as error:
        raise TopologyError(str(error)) from error
    raw = read_mapping(path, TopologyError, "name, nodes, networks, ...")
    stack = raw.get("stack")
    if isinstance(stack, dict) and isinstance(stack.get("config"), str):
        # said from where the file is; a saved run must find it from anywhere
        raw = {**raw, "stack": {**stack, "config": str((path.absolute().parent / stack["config"]).resolve())}}
    return parse_topology(raw, str(path))


def parse_topology(raw: dict[str, Any], origin: str) -> Topology:
    """The topology that ``raw`` describes; ``origin`` names it in errors.

    Raises:
        TopologyError: all errors at once, each with the path to its field.
    """
    try:
        return Topology.model_validate(raw)
    except ValidationError as error:
        raise TopologyError(errors_text(origin, error)) from error


def merged(base: dict, patch: dict) -> dict:
    """``base`` with ``patch`` laid over it, mapping by mapping."""
    out = dict(base)
    for key, value in patch.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def load_changed(name: str, own: Sequence[Path], changes: dict[str, Any] | None, by: str) -> Topology:
    """The topology ``name`` with ``changes`` laid over it; ``by`` says whose they are, for errors: "the scenario".

    Raises:
        TopologyError: see ``load_topology``; or it is none with these changes.
    """
    topology = load_topology(name, own)
    if not changes:
        return topology
    raw = topology.model_dump(mode="json", exclude_unset=True)
    return parse_topology(merged(raw, changes), f"topology {name!r} as {by} changes it")


def dump_topology(topology: Topology) -> str:
    """``topology`` as YAML that ``load_topology`` reads back to an equal one."""
    return yaml.safe_dump(json.loads(topology.model_dump_json()), sort_keys=False)


def topology_schema() -> dict[str, Any]:
    """The JSON Schema of a topology file, for editors."""
    return Topology.model_json_schema(mode="validation")
