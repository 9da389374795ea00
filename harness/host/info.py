"""What ``fenceline doctor`` asks of the host: quick looks that change nothing."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import shutil
import time
from pathlib import Path

from fenceline.journal.journal import state_dir
from fenceline.machines.image import GuestImage, find_image

_YOUNG = 2.0  # s: a journal this young may not be locked by its owner yet


def host_packages() -> list[str]:
    """The Debian packages that a host needs for all that Fenceline can do."""
    lines = Path(__file__).with_name("packages.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


class Host:
    """What the checks ask of the host. Tests have another one."""

    def euid(self) -> int:
        return os.geteuid()

    def capabilities(self) -> int:
        """The effective capabilities, as a bit mask."""
        line = next(
            line for line in self.read("/proc/self/status").splitlines() if line.startswith("CapEff:")
        )
        return int(line.split()[1], 16)

    def which(self, program: str) -> str | None:
        # system programs too, even if they are not in this login's PATH
        return shutil.which(program, path=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin")

    def read(self, path: str) -> str:
        """The text of a file; "" where it can't be read."""
        try:
            return Path(path).read_text(errors="replace")
        except OSError:
            return ""

    def open_tun(self) -> str:
        """Why /dev/net/tun can't be opened; "" if it can."""
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return error.strerror
        return ""

    def image(self) -> GuestImage | None:
        return find_image()

    def kvm(self, image: GuestImage) -> tuple[bool, str]:
        from fenceline.machines.libvirt.kvm import kvm_usable

        return kvm_usable(image)

    def has_kvm_device(self) -> bool:
        return Path("/dev/kvm").exists()

    def free(self, path: Path) -> int:
        """Bytes free where ``path`` is or would be; -1 where nothing can be written."""
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free if os.access(path, os.W_OK) else -1

    def memory_available(self) -> int:
        for line in self.read("/proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return 0

    def cores(self) -> int:
        return len(os.sched_getaffinity(0))

    def has_module(self, name: str) -> bool:
        """Whether the host's kernel has ``name``, built in, loaded or to be loaded."""
        folder = f"/lib/modules/{platform.release()}"
        return Path("/sys/module", name).is_dir() or any(
            f"/{name}.ko" in self.read(f"{folder}/{file}") for file in ("modules.builtin", "modules.dep")
        )

    def dead_journals(self) -> list[str]:
        """Journals that no living run holds."""
        found = []
        for path in sorted((state_dir() / "journal").glob("*.jsonl")):
            try:
                if time.time() - path.stat().st_ctime < _YOUNG:
                    continue
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found.append(path.stem)
            except BlockingIOError:
                pass
            finally:
                os.close(fd)
        return found

    def requirements(self) -> list[str] | None:
        """What Fenceline declares to need of Python packages; None if it is not installed as a package."""
        try:
            return [text for text in importlib.metadata.requires("fenceline") or [] if "extra ==" not in text]
        except importlib.metadata.PackageNotFoundError:
            return None

    def version(self, package: str) -> str | None:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None
