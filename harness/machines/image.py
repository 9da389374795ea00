"""The guest image: one Debian root file system and two kernels, built once and cached.

Everything that decides what is in it lies in ``recipe/``; a hash over that folder is the
image's key, so a changed recipe makes a new image and an old one is never mistaken for it.
A build happens in a temporary folder of the cache and becomes visible by one rename.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.places import cache_dir
from fenceline.machines.rootfs import RECIPE, ROOTFS_SIZE, SUITE, ImageError, make_rootfs
from fenceline.machines.uml import kernel as uml_kernel
from fenceline.machines.uml.kernel import UmlKernelError

FORMAT = 1  # raise it when the layout of a finished image folder changes
SPACE_NEEDED = 6 * 2**30  # bytes that a build wants free in the cache
STALE = "build-"  # temporary folders begin with this


@dataclass(frozen=True)
class GuestImage:
    """A finished image; every path in it is read-only to its users."""

    key: str  # hash of the recipe
    rootfs: Path  # raw ext4 file, the base of every node's disk; never written again
    uml_kernel: Path  # executable linux.uml, runs as is
    uml_kernel_version: str
    uml_is_seccomp: bool  # seen to boot with seccomp=on
    qemu_kernel: Path  # vmlinuz for QEMU's direct kernel boot
    qemu_initrd: Path | None
    packages: Path  # text, "package=version" of everything in the image


def _recipe_files() -> list[Path]:
    skip = {"__pycache__"}
    files = [p for p in RECIPE.rglob("*") if not skip & set(p.parts) and not p.is_dir()]
    return sorted(files, key=lambda p: p.relative_to(RECIPE).as_posix())


def recipe_key(packages: Collection[str] = ()) -> str:
    """Hash over every file of the recipe (name and content) and the format; and over the ``packages`` that a topology
    wants beside, so that nobody else's image is another one."""
    digest = hashlib.sha256(f"format {FORMAT} {SUITE} {ROOTFS_SIZE}\n".encode())
    for path in _recipe_files():
        content = path.read_bytes()
        name = path.relative_to(RECIPE).as_posix()
        digest.update(f"{name}\0{len(content)}\n".encode())
        digest.update(content)
    if packages:
        digest.update(f"packages {' '.join(sorted(packages))}\n".encode())
    return digest.hexdigest()[:16]


def _load(folder: Path) -> GuestImage | None:
    try:
        facts = json.loads((folder / "image.json").read_text())
    except (OSError, ValueError):
        return None
    return GuestImage(
        key=facts["key"],
        rootfs=folder / "rootfs.ext4",
        uml_kernel=folder / "uml" / "linux.uml",
        uml_kernel_version=facts["uml_kernel_version"],
        uml_is_seccomp=facts["uml_is_seccomp"],
        qemu_kernel=folder / "vmlinuz",
        qemu_initrd=folder / "initrd",
        packages=folder / "packages.txt",
    )


def _folder(key: str) -> Path:
    return cache_dir() / "images" / key


def find_image(packages: Collection[str] = ()) -> GuestImage | None:
    """The finished image of today's recipe, with ``packages`` beside its own, if it is in the cache."""
    return _load(_folder(recipe_key(packages)))


def ensure_image(progress: Callable[[str], None] = print, packages: Collection[str] = ()) -> GuestImage:
    """The image of today's recipe, with ``packages`` beside its own; built (some minutes) unless it is in the cache."""
    if found := find_image(packages):
        return found
    key = recipe_key(packages)
    store = _folder(key).parent
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"can't use the cache {store}: {error.strerror}; set FENCELINE_CACHE to another folder"
        ) from error
    with only_builder(store, progress, "the guest image"):
        if found := find_image(packages):  # somebody else built it while we waited
            return found
        _remove_stale(store, progress)
        _check_host(store)
        return _build(key, packages, store, progress)


@contextlib.contextmanager
def only_builder(store: Path, progress: Callable[[str], None], what: str) -> Iterator[None]:
    """One builder at a time; the kernel drops the lock of a builder that died."""
    with (store / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process is building {what}: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_stale(store: Path, progress: Callable[[str], None]) -> None:
    """Remove what interrupted builds left; safe, as we hold the lock."""
    for folder in store.glob(f"{STALE}*"):
        progress(f"removing {folder.name}, left by an interrupted build")
        _remove_tree(folder)


def _mounts_below(folder: Path) -> list[Path]:
    """Mount points in the folder, innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # The kernel writes a space in a path as \040, and so on.
    points = [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4]) for line in lines]
    return sorted((Path(p) for p in points if Path(p).is_relative_to(folder.resolve())), reverse=True)


def _remove_tree(folder: Path) -> None:
    """Remove a build's folder, never what is mounted in it.

    mmdebstrap mounts the host's own /dev/shm, writable, into the new root. A build has a mount namespace of
    its own, so none of that should be seen here; if it is, deleting would empty the host's.
    """
    if mounted := _mounts_below(folder):
        raise ImageError(
            f"won't remove {folder}: something is mounted in it ({mounted[-1]}); "
            f"unmount it first: umount {' '.join(str(m) for m in mounted)}"
        )
    # A mount that appears meanwhile is not entered either.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], stdin=subprocess.DEVNULL, check=False)


def _check_host(store: Path) -> None:
    needed = {
        "mmdebstrap": "mmdebstrap",
        "patchelf": "patchelf",
        "mkfs.ext4": "e2fsprogs",
        "apt-get": "apt",
        "setpriv": "util-linux",
        "unshare": "util-linux",
    }
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = sorted({package for tool, package in needed.items() if not shutil.which(tool, path=path)})
    if missing:
        raise ImageError(
            "can't build the guest image: not installed: "
            f"{', '.join(missing)}; try: apt-get install {' '.join(missing)}"
        )
    free = shutil.disk_usage(store).free
    if free < SPACE_NEEDED:
        raise ImageError(
            f"can't build the guest image: {free / 2**30:.1f} GiB free in {store}, "
            f"{SPACE_NEEDED / 2**30:.0f} GiB needed; make room, or set FENCELINE_CACHE"
        )
    if os.geteuid() != 0:
        raise ImageError(
            "building the guest image needs root (using it does not); build it once as root, "
            f"with FENCELINE_CACHE={cache_dir()} in the environment"
        )
    if not uml_kernel.host_sources():
        raise ImageError(
            "can't build the guest image: the host has no apt sources in /etc/apt "
            "(a Debian archive is where the image's packages come from); add one"
        )


def _build(key: str, packages: Collection[str], store: Path, progress: Callable[[str], None]) -> GuestImage:
    begun = HOST_CLOCK.now()
    work = Path(tempfile.mkdtemp(prefix=STALE, dir=store))
    log = store / f"{key}.log"  # outlives a failed build
    log.write_text("")
    final = _folder(key)
    try:
        progress(f"building the guest image {key} (once, some minutes); log: {log}")
        result = work / "result"
        result.mkdir()
        progress("fetching the newest UML kernel")
        kernel = uml_kernel.fetch_uml_kernel(result / "uml", final / "uml", log, progress)
        progress(
            f"UML kernel {kernel.version} from {kernel.source}, "
            f"{'seccomp' if kernel.seccomp else 'ptrace'} mode"
        )
        make_rootfs(work, result, kernel, log, progress, packages)
        facts = {
            "key": key,
            "uml_kernel_version": kernel.version,
            "uml_is_seccomp": kernel.seccomp,
            "uml_package": kernel.package,
            "uml_source": kernel.source,
            "build_seconds": round(HOST_CLOCK.now() - begun, 1),
        }
        (result / "image.json").write_text(json.dumps(facts, indent=2) + "\n")
        shutil.rmtree(result / "uml" / "modules")  # they are in the root file system
        result.chmod(0o755)
        # On disk before it can be found: a power cut must not leave a hollow image with a good name.
        for path in result.iterdir():
            if path.is_file():
                _flush(path)
        if final.exists():  # no image.json in it, else it would have been found
            _remove_tree(final)
        result.rename(final)
    except UmlKernelError as error:
        raise ImageError(str(error)) from error
    except OSError as error:
        raise ImageError(f"can't build the guest image: {error}; log: {log}") from error
    finally:
        _remove_tree(work)
    progress(f"guest image ready after {HOST_CLOCK.now() - begun:.0f} s: {final}")
    image = _load(final)
    assert image is not None
    return image


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
