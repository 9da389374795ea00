"""Disk images that storage machines get beside their own two."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HostError

FIRST_DISK = "c"  # the letter after the root disk and the seed


def make_disk(path: Path, size: int, filesystem: str | None, label: str, content: Mapping[str, str]) -> Path:
    """Makes ``path`` a sparse raw image of ``size`` bytes, with a ``filesystem`` that holds the files ``content``.

    Raises:
        HostError: mkfs failed; the message has its words.
    """
    with path.open("wb") as raw:
        raw.truncate(size)
    if filesystem:
        folder = path.with_suffix(".content")
        folder.mkdir(exist_ok=True)
        for name, text in content.items():
            (folder / name).write_text(text)
        # lazy initialisation would write for minutes in the background of every measurement
        command = [f"mkfs.{filesystem}", "-q", "-F", "-L", label[:16], "-E", "lazy_itable_init=0,lazy_journal_init=0",
                   "-d", str(folder), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise HostError(f"mkfs.{filesystem} of {label} ({size} bytes) failed: {done.stderr.strip()}")
    return path
