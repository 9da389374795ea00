"""Where the package's own data is."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(part: str) -> Path:
    """The folder ``part`` (``topologies``, ``features``) of the package: in it where it was installed, beside it in a
    checkout, whose folders have the names that setuptools maps (see pyproject.toml)."""
    inside = _PACKAGE / part
    return inside if inside.is_dir() else _PACKAGE.parent / part
