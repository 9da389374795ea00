"""What this installation runs: by which two hosts of a fleet see whether they play the same game."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fenceline.core.places import shipped
from fenceline.machines.image import recipe_key


def identity() -> dict[str, str]:
    """What this host runs, as a campaign compares it with its workers."""
    return {"code": code_key(), "guest image": recipe_key()}


def code_key() -> str:
    """A hash over the package's own code and data: twelve hexadecimal digits."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for folder in (package, shipped("steps"), shipped("reports"), shipped("topologies")):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".yaml", ".conf", ".sh", ".service", ".txt") and path.is_file():
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
