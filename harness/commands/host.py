"""``doctor``, ``image``, ``kernel`` and ``reap``: what concerns the host."""

from __future__ import annotations

import argparse
from pathlib import Path

from fenceline.commands.cluster import say
from fenceline.core.errors import HostError
from fenceline.lab import control


def doctor(args: argparse.Namespace) -> int:
    """Prints what this host can do and what is missing."""
    from fenceline.host.doctor import examine, report
    from fenceline.host.info import Host

    found = examine(Host())
    print(report(found))
    return 0 if found.is_ready else 1


def image_build(args: argparse.Namespace) -> int:
    """Builds the guest image unless it is cached."""
    from fenceline.machines.image import ensure_image

    image = ensure_image(say)
    print(
        f"path: {image.rootfs.parent}\nkey:  {image.key}\nsize: {_size(image.rootfs.parent) / 2**20:.0f} MiB"
    )
    return 0


def _size(folder: Path) -> int:
    # what it takes on the disk: the root file system is sparse
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def image_path(args: argparse.Namespace) -> int:
    """Prints where the guest image is."""
    from fenceline.machines.image import find_image, recipe_key

    image = find_image()
    if image is None:
        raise HostError(
            f"the guest image {recipe_key()} is not in the cache; build it: fenceline image build"
        )
    print(image.rootfs.parent)
    return 0


def image_key(args: argparse.Namespace) -> int:
    """Prints the key of the guest image of this installation."""
    from fenceline.machines.image import recipe_key

    print(recipe_key())
    return 0


def kernel_build(args: argparse.Namespace) -> int:
    """Builds the kernel of machines in virtual time unless it is cached."""
    from fenceline.core.progress import Progress
    from fenceline.machines.virtual.build import ensure_kernel

    kernel = ensure_kernel(Progress(say))
    print(f"path:   {kernel.binary}\nsource: {kernel.source}\nkey:    {kernel.recipe}")
    return 0


def kernel_path(args: argparse.Namespace) -> int:
    """Prints where the kernel of machines in virtual time is."""
    from fenceline.machines.virtual.build import find_kernel, recipe_key

    kernel = find_kernel()
    if kernel is None:
        raise HostError(f"the kernel {recipe_key()} is not in the cache; build it: fenceline kernel build")
    print(kernel.binary)
    return 0


def kernel_key(args: argparse.Namespace) -> int:
    """Prints the key of the kernel's recipe of this installation."""
    from fenceline.machines.virtual.build import recipe_key

    print(recipe_key())
    return 0


def reap(args: argparse.Namespace) -> int:
    """Removes what dead runs left."""
    from fenceline.journal.reap import reap as reap_journals

    removed = [f"cluster {name}: its name and socket" for name in control.remove_dead()]
    problems = []
    alive = 0
    for done in reap_journals():
        alive += done.alive
        removed += [f"{done.journal.stem}: {thing}" for thing in done.undone]
        problems += [f"{done.journal}: {problem}" for problem in done.problems]
    for line in removed:
        print(f"removed {line}")
    if alive:
        print(f"left alone: {alive} living {'run' if alive == 1 else 'runs'}")
    if not removed and not problems:
        print("nothing to remove")
    for problem in problems:
        say(f"fenceline: not removed: {problem}")
    return 1 if problems else 0
