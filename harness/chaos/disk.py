"""How much of the disk the run folders of a campaign take."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

#: What stays of an episode that passed: its figures, its schedule, its picture.
SMALL = frozenset({"run.json", "verdict.json", "topology.yaml", "schedule.yaml", "timeline.svg", "outcome.json"})


def trim(folder: Path) -> None:
    """Removes all from the run folders in ``folder`` but what is small and tells what they came to."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):  # one that goes meanwhile is gone
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # only if it is empty by now
            elif path.name not in SMALL:
                path.unlink()


def size(folder: Path) -> int:
    """The bytes that the files below ``folder`` have."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() and not path.is_symlink() else path.lstat().st_size
    return total


def keep_within(base: Path, most: int, order: Sequence[str]) -> Iterable[str]:
    """Trims, then removes, folders of ``base`` in this ``order`` until all take no more than ``most`` bytes; yields
    their names."""
    total = size(base)
    for remove in (trim, shutil.rmtree):
        for name in order:
            if total <= most:
                return
            before = size(base / name)
            with contextlib.suppress(OSError):
                remove(base / name)
            freed = before - size(base / name)
            if freed:
                total -= freed
                yield name
