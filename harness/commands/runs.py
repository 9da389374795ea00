"""``judge`` and ``topology``: what needs no cluster and no root."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fenceline.commands.cluster import runs_dir, say
from fenceline.commands.show import judgement_text
from fenceline.core.errors import FencelineError
from fenceline.core.project import project_here

#: The exit status of ``judge`` for each verdict; 2 is also that of a usage error: no statement at all.
EXIT = {"PASS": 0, "FAIL": 1, "BROKEN": 2, "INVALID": 3, "UNKNOWN": 4}


class NoRun(FencelineError):
    """Not a saved run."""

    status = 2


def judge(args: argparse.Namespace) -> int:
    """Judges a saved run again."""
    from fenceline.judge import judge_folder, judgement_to_json

    folder = _run_folder(args.run_folder, runs_dir(args.runs_dir))
    try:
        judgement = judge_folder(folder)
    except ValueError as error:
        raise NoRun(f"not an event log: {error}") from error
    except OSError as error:
        raise NoRun(f"{folder}: {error.filename or ''}: {error.strerror}") from error
    text = judgement_to_json(judgement)
    print(text if args.json else judgement_text(json.loads(text)))
    _compare(folder, str(judgement.verdict))
    return EXIT[judgement.verdict]


def _run_folder(name: str, base: Path) -> Path:
    for folder in (Path(name), base / name):
        if (folder / "events.jsonl").is_file():
            if not (folder / "topology.yaml").is_file():
                raise NoRun(f"{folder}: no topology.yaml: what was promised is not known")
            return folder
    raise NoRun(
        f"no run {name!r}: a folder with events.jsonl and topology.yaml, by its path or its name in {base}"
    )


def _compare(folder: Path, verdict: str) -> None:
    try:
        saved = json.loads((folder / "verdict.json").read_text())["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if saved != verdict:
        say(f"the saved verdict was {saved}: the judge has changed since, or the run went on")


def topology_check(args: argparse.Namespace) -> int:
    """Says what is wrong with a topology, all at once."""
    from fenceline.model.load import load_topology

    topology = load_topology(args.file, project_here().topologies)
    print(
        f"{topology.name}: good: {len(topology.cluster_nodes)} cluster nodes and "
        f"{len(topology.nodes) - len(topology.cluster_nodes)} further machines, "
        f"{len(topology.networks)} networks, "
        f"services: {', '.join(topology.services) or 'none'}"
    )
    return 0


def topology_schema(args: argparse.Namespace) -> int:
    """Prints the JSON Schema of topology files."""
    from fenceline.model.load import topology_schema as schema

    print(json.dumps(schema(), indent=2))
    return 0


def topology_list(args: argparse.Namespace) -> int:
    """Prints the project's own topologies and those that come with Fenceline."""
    from fenceline.model.load import TopologyError, known_topologies, load_topology

    for path in known_topologies(project_here().topologies):
        try:
            print(f"{path.stem:<20} {load_topology(str(path)).description}".rstrip())
        except TopologyError as error:
            print(f"{path.stem:<20} not usable: {str(error).splitlines()[0]}")
    return 0
