"""Whether KVM really runs a guest here.

That /dev/kvm can be opened proves little: there are nested and para-virtual variants that make VMs and CPUs without
complaint and then hang in the kernel's first milliseconds. So the guest image's own kernel is booted, for a few
seconds, with no disk and no network, and the answer is kept until the host reboots.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import selectors
import shutil
import subprocess
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.places import cache_dir
from fenceline.machines.image import GuestImage

EMULATOR = "qemu-system-x86_64"
#: Seconds that the kernel may take to its first line; a second where KVM works.
PROBE_LIMIT = 10.0
_FIRST_LINE = b"Linux version"
DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def kvm_usable(image: GuestImage) -> tuple[bool, str]:
    """Whether KVM boots ``image``'s kernel, and why (not). The first call on a host takes up to ``PROBE_LIMIT``
    seconds; later ones read the answer from the cache."""
    if not DEVICE.exists():
        return False, "there is no /dev/kvm: the CPU or the hypervisor above offers no virtualisation"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return False, "/dev/kvm can't be opened: add the user to the group kvm"
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        return False, f"{EMULATOR} is not installed: apt-get install qemu-system-x86"
    answer = cache_dir() / "kvm" / f"{_key(image.qemu_kernel, Path(emulator))}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(answer.read_text())
        return bool(known["usable"]), str(known["reason"])
    usable, reason = probe([emulator, *_arguments(image.qemu_kernel)], PROBE_LIMIT)
    with contextlib.suppress(OSError):  # an answer that can't be kept is asked for again
        answer.parent.mkdir(parents=True, exist_ok=True)
        for old in answer.parent.glob("*.json"):  # of earlier boots
            old.unlink(missing_ok=True)
        draft = answer.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"usable": usable, "reason": reason}))
        draft.replace(answer)
    return usable, reason


def _key(kernel: Path, emulator: Path) -> str:
    stats = [path.stat() for path in (kernel, emulator)]
    facts = [_BOOT_ID.read_text().strip(), str(kernel), *(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _arguments(kernel: Path) -> list[str]:
    return ["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-accel", "kvm", "-cpu", "host",
            "-m", "256", "-no-reboot", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1",
            "-serial", "stdio"]


def probe(command: list[str], limit: float) -> tuple[bool, str]:
    """Runs ``command`` for at most ``limit`` seconds; whether a kernel's first line came, and why (not)."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as child:
        try:
            seen, has_ended = _read_until(child.stdout.fileno(), _FIRST_LINE, HOST_CLOCK.now() + limit)
        finally:
            child.kill()
    if _FIRST_LINE in seen:
        return True, "KVM booted the guest image's kernel"
    last = seen.decode(errors="replace").strip().splitlines()[-1:]
    what = "QEMU fails with it" if has_ended else f"the guest image's kernel hangs with it ({limit:g} s)"
    return False, (f"/dev/kvm is there, but {what}"
                   + (f"; its last words: {last[0].strip()}" if last else ""))


def _read_until(fd: int, wanted: bytes, deadline: float) -> tuple[bytes, bool]:
    """What came from ``fd`` until ``wanted`` or the ``deadline``, and whether it ended."""
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while wanted not in seen and (left := deadline - HOST_CLOCK.now()) > 0:
            if selector.select(left):
                chunk = os.read(fd, 65536)
                if not chunk:
                    return seen, True
                seen += chunk
    return seen, False
