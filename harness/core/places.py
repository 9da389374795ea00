"""Where the package's own data is, and where what is made once is kept."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(part: str) -> Path:
    """The folder ``part`` (``topologies``, ``features``) of the package: in it where it was installed, beside it in a
    checkout, whose folders have the names that setuptools maps (see pyproject.toml)."""
    inside = _PACKAGE / part
    return inside if inside.is_dir() else _PACKAGE.parent / part


def cache_dir() -> Path:
    """Where guest images and the like live: $FENCELINE_CACHE, $XDG_CACHE_HOME/fenceline or ~/.cache/fenceline."""
    if chosen := os.environ.get("FENCELINE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).absolute() / "fenceline"
    return Path.home() / ".cache" / "fenceline"
