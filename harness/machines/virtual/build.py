"""The kernel of machines in virtual time: Debian's ``linux-source`` with our patches and a configuration of our own.

Debian's own UML binary is built without time-travel, so this one is compiled, once, into the cache. The recipe is the
folder ``kernel``: ``patches`` (each says why; under the kernel's licence, GPL-2.0) and ``guest.config``, which is laid
over UML's own default configuration. Nothing is installed on the host, and no root is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError
from fenceline.core.places import cache_dir
from fenceline.machines.image import find_image, only_builder
from fenceline.machines.uml.kernel import UmlKernelError, private_apt, run_logged

RECIPE = Path(__file__).with_name("kernel")
DEFAULTS = "arch/um/configs/x86_64_defconfig"  # UML's own, in the kernel's sources
#: Command -> Debian package of what compiles the kernel (the kernel's Documentation/process/changes.rst).
TOOLS = {"gcc": "gcc", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc", "patch": "patch",
         "apt-get": "apt", "dpkg-deb": "dpkg", "xz": "xz-utils"}
SPACE_NEEDED = 4 * 2**30  # bytes: sources 1.7 GB unpacked, their package, and what is compiled
_STALE = "building-"


class KernelBuildError(HostError):
    """The kernel can't be built; the message says why and what to do. The verdict is BROKEN."""


@dataclass(frozen=True)
class VirtualKernel:
    """A built kernel in the cache."""

    binary: Path  # runs as is; all that guests need is built in
    source: str  # Debian's version of the sources, such as 7.2.13-1
    recipe: str  # the recipe's key


def recipe_files() -> list[Path]:
    """What decides how the kernel comes out, beside the sources: the patches in their order, the configuration."""
    return [*sorted((RECIPE / "patches").glob("*.patch")), RECIPE / "guest.config"]


def recipe_key() -> str:
    """A hash over patches and configuration: with the sources' version it names a kernel in the cache."""
    digest = hashlib.sha256()
    for path in recipe_files():
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _store() -> Path:
    return cache_dir() / "kernels"


def find_kernel() -> VirtualKernel | None:
    """The kernel of today's recipe from the cache; of several versions of the sources, the one built last."""
    found = []
    for record in _store().glob(f"*-{recipe_key()}/kernel.json"):
        try:
            facts = json.loads(record.read_text())
            found.append((record.stat().st_mtime,
                          VirtualKernel(record.with_name("linux"), facts["source"], facts["recipe"])))
        except (OSError, ValueError, KeyError):
            continue
    return max(found, key=lambda one: one[0])[1] if found else None


def ensure_kernel(progress: Callable[[str], None]) -> VirtualKernel:
    """The kernel of today's recipe; built (10 to 30 minutes, once) unless it is in the cache.

    Raises KernelBuildError: a tool or disk space is missing, no sources, a patch that does not apply, an option that
    the sources do not know, or a build that fails.
    """
    if found := find_kernel():
        return found
    store = _store()
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KernelBuildError(
            f"can't use the cache {store}: {error.strerror}; set FENCELINE_CACHE to another folder") from error
    with only_builder(store, progress, "the virtual machines' kernel"):
        if found := find_kernel():  # somebody else built it while we waited
            return found
        for left in store.glob(f"{_STALE}*"):
            progress(f"removing {left.name}, left by an interrupted build")
            shutil.rmtree(left, ignore_errors=True)
        _check_host(store)
        work = Path(tempfile.mkdtemp(prefix=_STALE, dir=store))
        try:
            return _build(store, work, progress)
        except UmlKernelError as error:
            raise KernelBuildError(f"can't build the virtual machines' kernel: {error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _check_host(store: Path) -> None:
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        raise KernelBuildError("can't build the virtual machines' kernel: not installed: "
                               f"{', '.join(missing)}; try: apt-get install {' '.join(missing)}")
    free = shutil.disk_usage(store).free
    if free < SPACE_NEEDED:
        raise KernelBuildError(
            f"can't build the virtual machines' kernel: {free / 2**30:.1f} GiB free in {store}, "
            f"{SPACE_NEEDED / 2**30:.0f} GiB needed; make room, or set FENCELINE_CACHE")


def _build(store: Path, work: Path, progress: Callable[[str], None]) -> VirtualKernel:
    begun = HOST_CLOCK.now()
    key = recipe_key()
    log = store / f"{key}.log"  # outlives a failed build
    log.write_text("")
    progress(f"building the virtual machines' kernel (once, 10 to 30 minutes); log: {log}")
    archive, version = fetch_source(work, log, progress)
    tree = work / "tree"
    tree.mkdir()
    progress(f"unpacking the sources of Linux {version}")
    run_logged(["tar", "-xf", str(archive), "-C", str(tree), "--strip-components=1"], log, "unpacking the sources")
    apply_patches(tree, log)
    configure(tree, log)
    progress(f"compiling with {_jobs()} jobs")
    run_logged(["make", "ARCH=um", f"-j{_jobs()}", "linux"], log, "compiling the kernel", cwd=tree)
    result = work / "result"
    result.mkdir()
    run_logged(["strip", "-o", str(result / "linux"), str(tree / "linux")], log, "stripping the kernel")
    shutil.copy2(tree / ".config", result / "config")
    facts = {"source": version, "recipe": key, "build_seconds": round(HOST_CLOCK.now() - begun, 1)}
    (result / "kernel.json").write_text(json.dumps(facts, indent=2) + "\n")
    final = store / f"{version}-{key}"
    shutil.rmtree(final, ignore_errors=True)
    result.rename(final)
    progress(f"built in {facts['build_seconds']:.0f} s: {final / 'linux'}")
    return VirtualKernel(final / "linux", version, key)


def _jobs() -> int:
    return len(os.sched_getaffinity(0))


def fetch_source(work: Path, log: Path, progress: Callable[[str], None]) -> tuple[Path, str]:
    """The archive with the sources of the UML kernel in use, and their version.

    The series is that of the guest image's UML kernel, or, without an image, of the one that Debian has.
    """
    progress("reading Debian's package list")
    options = private_apt(work, log)
    image = find_image()
    series = _series(image.uml_kernel_version if image else _candidate(options, "user-mode-linux"))
    package = f"linux-source-{series}"
    version = _candidate(options, package)
    if not version:
        raise KernelBuildError(
            f"can't build the virtual machines' kernel: Debian has no package {package} (any more), the sources of the "
            "UML kernel of the guest image; build the image anew: fenceline image build")
    progress(f"downloading {package} {version} (some 170 MB)")
    debs = work / "apt/debs"
    run_logged(["apt-get", *options, "download", package], log, f"downloading {package}", cwd=debs)
    (deb,) = debs.glob("*.deb")
    run_logged(["dpkg-deb", "-x", str(deb), str(work / "root")], log, f"unpacking {deb.name}")
    found = sorted((work / "root/usr/src").glob("linux-source-*.tar.*"))
    if not found:
        raise KernelBuildError(f"can't build the virtual machines' kernel: no sources in {deb.name}; see {log}")
    return found[0], version


def _series(version: str) -> str:
    """``7.2`` of ``7.2.13`` (a kernel's version) or of ``7.2um1`` (Debian's)."""
    match = re.match(r"\d+\.\d+", version)
    if not match:
        raise KernelBuildError(f"can't build the virtual machines' kernel: no version of a UML kernel in "
                               f"{version!r}; the guest image has one: fenceline image build")
    return match[0]


def _candidate(options: list[str], package: str) -> str:
    """The version of ``package`` that apt would install; empty if there is none."""
    told = subprocess.run(["apt-cache", *options, "policy", package], capture_output=True, text=True)
    match = re.search(r"Candidate: (\d\S*)", told.stdout)
    return match[1] if match else ""


def apply_patches(tree: Path, log: Path) -> None:
    """Applies ours to the sources in ``tree``. Raises KernelBuildError with the patch that does not apply."""
    for path in recipe_files():
        if path.suffix != ".patch":
            continue
        try:
            run_logged(["patch", "-p1", "--forward", "--fuzz=0", "-i", str(path)], log, f"patch {path.name}", cwd=tree)
        except UmlKernelError as error:
            raise KernelBuildError(f"can't build the virtual machines' kernel: {path.name} does not apply to these "
                                   f"sources; see {log}, and adapt {path}") from error


def configure(tree: Path, log: Path) -> None:
    """Lays our options over UML's defaults. Raises KernelBuildError if one of them did not come out as asked."""
    wanted = (RECIPE / "guest.config").read_text()
    (tree / ".config").write_text((tree / DEFAULTS).read_text() + wanted)
    run_logged(["make", "-s", "ARCH=um", "olddefconfig"], log, "configuring the kernel", cwd=tree)
    if differing := differences(wanted, (tree / ".config").read_text()):
        raise KernelBuildError("can't build the virtual machines' kernel: the sources do not give what guest.config "
                               f"asks for: {', '.join(differing)}; adapt {RECIPE / 'guest.config'}")


def differences(wanted: str, got: str) -> list[str]:
    """The options of a configuration that came out otherwise than ``wanted``, as ``CONFIG_X=n, not y``."""
    def options(text: str) -> dict[str, str]:
        found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.M))
        return dict.fromkeys(re.findall(r"^# (CONFIG_\w+) is not set$", text, re.M), "n") | found

    there = options(got)
    return [f"{name}={there.get(name, 'n')}, not {value}"
            for name, value in options(wanted).items() if there.get(name, "n") != value]
