"""The guest image's root file system and kernel for QEMU, as mmdebstrap makes them of ``recipe/``."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError
from fenceline.machines.uml import kernel as uml_kernel

SUITE = "bookworm"
RECIPE = Path(__file__).with_name("recipe")
ROOTFS_SIZE = 3 * 2**30  # bytes; a sparse file: what is unused takes no room on the host
TICK = 10.0  # seconds between two "still at it" lines
# A fixed identity for the file system, so that two builds of one recipe can be compared.
FS_UUID = "fe4ce11e-0000-4000-8000-00000000f11e"


class ImageError(HostError):
    """The image could not be built: what failed, where to look, what to do."""


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


def make_rootfs(
    work: Path,
    result: Path,
    kernel: uml_kernel.UmlKernel,
    log: Path,
    progress: Callable[[str], None],
    more: Collection[str] = (),
) -> None:
    """Run mmdebstrap, with the packages ``more`` beside the recipe's; its last hook writes the file system, while
    owners are still right."""
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
        f"--include={','.join([*packages.install, *sorted(more)])}",
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
        self._begun = HOST_CLOCK.now()
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
        return f"{HOST_CLOCK.now() - self._begun:4.0f} s"


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
