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
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HostError
from harness.machines import uml_kernel
from harness.machines.uml_kernel import UmlKernelError

FORMAT = 1  # raise it when the layout of a finished image folder changes
SUITE = "bookworm"
RECIPE = Path(__file__).with_name("recipe")
ROOTFS_SIZE = 3 * 2**30  # bytes; a sparse file: what is unused takes no room on the host
SPACE_NEEDED = 6 * 2**30  # bytes that a build wants free in the cache
TICK = 10.0  # seconds between two "still at it" lines
STALE = "build-"  # temporary folders begin with this
# A fixed identity for the file system, so that two builds of one recipe can be compared.
FS_UUID = "fe4ce11e-0000-4000-8000-00000000f11e"


class ImageError(HostError):
    """The image could not be built: what failed, where to look, what to do."""


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


def cache_dir() -> Path:
    """Where images live: $FENCELINE_CACHE, $XDG_CACHE_HOME/fenceline or ~/.cache/fenceline."""
    if chosen := os.environ.get("FENCELINE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).absolute() / "fenceline"
    return Path.home() / ".cache" / "fenceline"


def _recipe_files() -> list[Path]:
    skip = {"__pycache__"}
    files = [p for p in RECIPE.rglob("*") if not skip & set(p.parts) and not p.is_dir()]
    return sorted(files, key=lambda p: p.relative_to(RECIPE).as_posix())


def recipe_key() -> str:
    """Hash over every file of the recipe (name and content) and the format."""
    digest = hashlib.sha256(f"format {FORMAT} {SUITE} {ROOTFS_SIZE}\n".encode())
    for path in _recipe_files():
        content = path.read_bytes()
        name = path.relative_to(RECIPE).as_posix()
        digest.update(f"{name}\0{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class PackageList:
    """What ``packages.txt`` asks for."""

    install: tuple[str, ...]
    extract: tuple[str, ...]  # only unpacked, not installed


def read_packages(text: str) -> PackageList:
    """Parse the package list: a name, or "extract NAME", per line; # begins a comment."""
    install, extract = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        match words:
            case []:
                pass
            case ["extract", name]:
                extract.append(name)
            case [name]:
                install.append(name)
            case _:
                raise ImageError(f"{RECIPE / 'packages.txt'}:{number}: not a package: {line!r}")
    return PackageList(tuple(install), tuple(extract))


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


def find_image() -> GuestImage | None:
    """The finished image of today's recipe, if it is in the cache."""
    return _load(_folder(recipe_key()))


def ensure_image(progress: Callable[[str], None] = print) -> GuestImage:
    """The image of today's recipe; built (some minutes) unless it is in the cache."""
    if found := find_image():
        return found
    key = recipe_key()
    store = _folder(key).parent
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"can't use the cache {store}: {error.strerror}; set FENCELINE_CACHE to another folder"
        ) from error
    with _lock(store, progress):
        if found := find_image():  # somebody else built it while we waited
            return found
        _remove_stale(store, progress)
        _check_host(store)
        return _build(key, store, progress)


@contextlib.contextmanager
def _lock(store: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """One builder at a time; the kernel drops the lock of a builder that died."""
    with (store / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building the guest image: waiting for it")
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


def _build(key: str, store: Path, progress: Callable[[str], None]) -> GuestImage:
    begun = time.monotonic()
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
        _make_rootfs(work, result, kernel, log, progress)
        facts = {
            "key": key,
            "uml_kernel_version": kernel.version,
            "uml_is_seccomp": kernel.seccomp,
            "uml_package": kernel.package,
            "uml_source": kernel.source,
            "build_seconds": round(time.monotonic() - begun, 1),
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
    progress(f"guest image ready after {time.monotonic() - begun:.0f} s: {final}")
    image = _load(final)
    assert image is not None
    return image


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_rootfs(
    work: Path,
    result: Path,
    kernel: uml_kernel.UmlKernel,
    log: Path,
    progress: Callable[[str], None],
) -> None:
    """Run mmdebstrap; its last hook writes the file system, while owners are still right."""
    packages = read_packages((RECIPE / "packages.txt").read_text())
    tools = work / "tmp"
    tools.mkdir()
    hook = work / "hook.sh"
    hook.write_text(_hook(result, kernel, packages))
    hook.chmod(0o755)
    argv = [
        # Should this process be killed, the kernel ends the whole build with it: the first process of a
        # process namespace takes the others along, and the mounts go with theirs.
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
        "mmdebstrap",
        "--variant=minbase",
        "--architectures=amd64",
        "--format=null",
        '--aptopt=APT::Install-Recommends "false"',
        # A mirror of stored packages may be older than its own signature's term.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "2"',
        *_proxy_options(),
        *[f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "doc", "locale", "info")],
        f"--include={','.join(packages.install)}",
        f"--customize-hook={hook} \"$1\"",
        SUITE,
        "-",
        *[str(p) for p in uml_kernel.host_sources()],
    ]  # fmt: skip
    environment = dict(os.environ, TMPDIR=str(tools), LC_ALL="C.UTF-8")
    # Python programs in the guest start much faster with their bytecode in place.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PATH"] = environment.get("PATH", "") + ":/usr/sbin:/sbin"
    watch = _Stages(progress)
    code = _run_logged(argv, environment, log, watch)
    if code:
        raise ImageError(_explain(code, watch.last_error, log))
    for name in ("rootfs.ext4", "vmlinuz", "initrd", "packages.txt"):
        if not (result / name).is_file():
            raise ImageError(f"the build of the guest image made no {name}; log: {log}")


def _proxy_options() -> list[str]:
    """The host's apt proxy, which mmdebstrap's own apt configuration does not know."""
    asked = subprocess.run(["apt-config", "dump"], capture_output=True, text=True)
    lines = re.findall(r'^(Acquire::(?:http|https)::Proxy "[^"]+");', asked.stdout, re.MULTILINE)
    return [f"--aptopt={line}" for line in lines]


def _hook(result: Path, kernel: uml_kernel.UmlKernel, packages: PackageList) -> str:
    """The script that mmdebstrap runs on the finished packages; $1 is the new root."""
    modules = result / "uml" / "modules"
    return f"""#!/bin/sh
set -eu
root=$1
echo 'fenceline: customizing'
mkdir -p "$root/usr/lib/fenceline" "$root/usr/lib/modules" "$root/fenceline-debs"
cp -r --no-preserve=ownership '{RECIPE}/overlay/.' "$root/"
cp -r --no-preserve=ownership '{modules}' "$root/usr/lib/modules/{kernel.version}"
# An "extract" package may be a metapackage (linux-image-amd64): its dependency is meant.
for name in {" ".join(packages.extract)}; do
    real=$(chroot "$root" apt-cache depends "$name" |
        sed -n 's/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p')
    chroot "$root" sh -c 'cd /fenceline-debs && exec apt-get -o APT::Sandbox::User=root download "$1"' \\
        download "${{real:-$name}}"
done
when=$(sed -n 's/^Date: //p' "$root"/var/lib/apt/lists/*InRelease |
    while read -r day; do date -d "$day" +%s; done | sort -n | tail -n 1)
mkdir "$root/fenceline-tools"
cp '{RECIPE}/prune-modules' '{RECIPE}/make-initrd' '{RECIPE}/customize.sh' "$root/fenceline-tools/"
chroot "$root" sh /fenceline-tools/customize.sh
mv "$root/fenceline-out-vmlinuz" '{result}/vmlinuz'
mv "$root/fenceline-out-initrd" '{result}/initrd'
mv "$root/fenceline-out-packages" '{result}/packages.txt'
rm -rf "$root/fenceline-tools" "$root/fenceline-debs"
echo 'fenceline: writing the file system'
# mmdebstrap has /proc, /sys and /dev mounted in there; a bind shows the folder without them.
view='{result.parent}/view'
mkdir "$view"
mount --bind "$root" "$view"
trap 'umount "$view"; rmdir "$view"' EXIT
find "$view/dev" "$view/proc" "$view/sys" -mindepth 1 ! -type d -delete
# The newest date of the archive is the image's own: nothing in it is younger.
find "$view" -newermt "@$when" -print0 | xargs -0r touch -h -d "@$when"
truncate -s {ROOTFS_SIZE} '{result}/rootfs.ext4'
E2FSPROGS_FAKE_TIME=$when mkfs.ext4 -q -F -m 0 -N 262144 -L fenceline -U {FS_UUID} \\
    -O ^metadata_csum,^64bit,^resize_inode -J size=16 \\
    -E lazy_itable_init=0,lazy_journal_init=0,packed_meta_blocks=1,hash_seed={FS_UUID} \\
    -d "$view" '{result}/rootfs.ext4'
chmod 444 '{result}/rootfs.ext4'
"""


class _Stages:
    """Turns mmdebstrap's lines into a few words of progress, and remembers its last error."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._begun = time.monotonic()
        self._stage = "starting"
        self.last_error = ""

    def line(self, text: str) -> None:
        if match := re.match(r"I: (?!success)(.+?)\.*$|fenceline: (.+)|(initrd: .+|modules of .+)", text):
            self._stage = next(g for g in match.groups() if g)
            self._progress(f"{self._elapsed()} {self._stage}")
        elif re.match(r"E:|W: Failed|mkfs|sh:|cp:|.*[Nn]o space left", text) or "error:" in text:
            self.last_error = text.strip() if not self.last_error else self.last_error

    def tick(self) -> None:
        self._progress(f"{self._elapsed()} still {self._stage}")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._begun:4.0f} s"


def _run_logged(argv: list[str], environment: dict[str, str], log: Path, watch: _Stages) -> int:
    """Run in a process group of its own, so that an interrupt ends all of it and not just apt."""
    try:
        child = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ImageError(f"can't run {argv[0]}: {error.strerror}") from error
    ended = threading.Event()

    def ticker() -> None:
        while not ended.wait(TICK):
            watch.tick()

    threading.Thread(target=ticker, daemon=True).start()
    try:
        assert child.stdout is not None
        with log.open("a") as out:
            for line in child.stdout:
                out.write(line)
                out.flush()
                watch.line(line.rstrip())
        return child.wait()
    finally:
        ended.set()
        if child.poll() is None:
            _end_group(child)


def _end_group(child: subprocess.Popen[str]) -> None:
    """The processes in the build's namespace die with its first one; the caller removes the folder."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _explain(code: int, error: str, log: Path) -> str:
    text = log.read_text(errors="replace")
    tail = error or f"exit status {code}"
    if re.search(r"Could not (resolve|connect)|Failed to fetch|Temporary failure resolving", text):
        return (
            "can't build the guest image: the Debian mirror of the host's apt sources did not "
            f"answer; check the network and `apt-get update`, then try again; log: {log}"
        )
    if "No space left on device" in text:
        return f"can't build the guest image: the disk is full; make room; log: {log}"
    return f"can't build the guest image: mmdebstrap failed: {tail}; log: {log}"
