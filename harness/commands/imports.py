"""``import``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from harness.errors import FencelineError


def import_files(args: argparse.Namespace) -> int:
    """Prints the topology that ``args.files``, ha.cf and haresources, describe, and what it could not express.

    Raises:
        FencelineError: a file can't be read, or describes no cluster.
        harness.model.load.TopologyError: what came out is no topology.
    """
    from harness.importers.heartbeat import import_heartbeat
    from harness.model.load import parse_topology

    try:
        ha_cf, haresources = (Path(name).read_text() for name in args.files)
    except OSError as error:
        raise FencelineError(f"{error.filename}: {error.strerror}") from error
    found = import_heartbeat(ha_cf, haresources, args.name)
    for note in found.notes:
        print(note, file=sys.stderr)
    parse_topology(found.raw, " and ".join(args.files))
    print("# imported; what it does not say, or says otherwise than the original:")
    print("".join(f"#  - {note}\n" for note in found.notes) + yaml.safe_dump(found.raw, sort_keys=False), end="")
    return 0
