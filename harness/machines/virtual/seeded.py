"""Random numbers from a seed for the virtual machines' kernels: see ``kernel/seeded.c``."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from fenceline.core.errors import HostError
from fenceline.core.places import cache_dir

SOURCE = Path(__file__).with_name("kernel") / "seeded.c"


def seeded_library() -> Path:
    """The library to load before the C library, compiled (0.1 s) unless it is in the cache.

    Raises:
        HostError: no compiler, or it fails.
    """
    key = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    library = cache_dir() / "kernels" / f"seeded-{key}.so"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=library.parent, suffix=".so")
    os.close(fd)
    try:
        done = subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", name, str(SOURCE)], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise HostError(f"can't compile {SOURCE}: {done.stderr.strip()}")
        Path(name).rename(library)  # whole, also for who looks at the same time
    except FileNotFoundError as error:
        raise HostError("gcc is not installed; try: apt-get install gcc") from error
    finally:
        Path(name).unlink(missing_ok=True)
    return library


def seed_of(world: int, machine: str, boot: int) -> int:
    """The seed (64 bits) of ``machine``'s kernel at its boot number ``boot`` in a world of the seed ``world``."""
    return int.from_bytes(hashlib.sha256(f"{world} {machine} {boot}".encode()).digest()[:8], "big")
