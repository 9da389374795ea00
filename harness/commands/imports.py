"""``import``."""

from __future__ import annotations

import argparse
import sys

import yaml


def import_files(args: argparse.Namespace) -> int:
    """Prints the topology that ``args.files``, of one cluster, describe, and what it could not express.

    Raises:
        FencelineError: a file can't be read, or describes no cluster.
        fenceline.model.load.TopologyError: what came out is no topology.
    """
    from fenceline.importers.combine import import_sources
    from fenceline.importers.source import read_source
    from fenceline.model.load import parse_topology

    found = import_sources([read_source(name) for name in args.files], args.name)
    for note in found.notes:
        print(note, file=sys.stderr)
    parse_topology(found.raw, " and ".join(args.files))
    print("# imported; what it does not say, or says otherwise than the original:")
    print("".join(f"#  - {note}\n" for note in found.notes) + yaml.safe_dump(found.raw, sort_keys=False), end="")
    return 0
