"""What this host can do, and what is missing: quick looks, no changes.

Each check is a function of a ``Host`` (which tests replace) that gives one ``Check``. A check that is
``missing`` has a way out in ``fix``; whether that stops anybody is decided by ``needed_by``, the parts that
can't do without.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fenceline.core.places import cache_dir
from fenceline.host.info import Host
from fenceline.journal.journal import state_dir
from fenceline.machines.image import SPACE_NEEDED, recipe_key

GIB = 2**30
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21  # linux/capability.h
_MEMORY_NEEDED = 3 * GIB // 2  # web-iscsi: two nodes of 512 MiB, a storage host of 256 MiB, and ourselves
_MEMORY_WANTED = 3 * GIB
_TMP_NEEDED = GIB
_STATE_NEEDED = 16 * 2**20

#: What needs a check: each run, the building of an image, or machines of one driver.
RUN, BUILD, UML, LIBVIRT = "run", "build", "uml", "libvirt"


class State(StrEnum):
    """How a check came out."""

    OK = "OK"
    MISSING = "missing"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``fix`` is the command or the way out where something is missing."""

    name: str
    state: State
    text: str
    fix: str = ""
    needed_by: tuple[str, ...] = ()


def root(host: Host) -> Check:
    """Namespaces and taps are root's to make."""
    if host.euid() != 0:
        return Check(
            "root",
            State.MISSING,
            "not root: the fabric's namespace and taps can't be made",
            "run it with sudo",
            (RUN,),
        )
    capabilities = host.capabilities()
    lost = [
        name
        for name, bit in (("CAP_NET_ADMIN", _CAP_NET_ADMIN), ("CAP_SYS_ADMIN", _CAP_SYS_ADMIN))
        if not capabilities >> bit & 1
    ]
    if lost:
        return Check(
            "root",
            State.MISSING,
            f"root without {', '.join(lost)}",
            "start the container with --privileged",
            (RUN,),
        )
    return Check("root", State.OK, "root, may make namespaces")


def tun(host: Host) -> Check:
    """Machines are plugged in through taps."""
    why = host.open_tun()
    if why:
        fix = "run it with sudo" if host.euid() else "modprobe tun; in a container: --device /dev/net/tun"
        return Check("/dev/net/tun", State.MISSING, why, fix, (RUN,))
    return Check("/dev/net/tun", State.OK, "can be opened")


def _program(name: str, package: str, what: str, *needed_by: str) -> Callable[[Host], Check]:
    def check(host: Host) -> Check:
        path = host.which(name)
        if path is None:
            return Check(name, State.MISSING, what, f"apt-get install {package}", needed_by)
        return Check(name, State.OK, path)

    check.__doc__ = f"{name} ({package}): {what}."
    return check


PROGRAMS = (
    _program("ip", "iproute2", "makes the fabric", RUN),
    _program("nft", "nftables", "drops packets in the fabric", RUN),
    _program("ipmitool", "ipmitool", "proves faults of the fencing devices", RUN),
    _program("ssh", "openssh-client", "for `fenceline ssh`", RUN),
    _program("mmdebstrap", "mmdebstrap", "builds the guest image", BUILD),
    _program("mkfs.ext4", "e2fsprogs", "builds the guest image", BUILD),
    _program("patchelf", "patchelf", "builds the guest image", BUILD),
    _program("linux.uml", "user-mode-linux", "the kernel to fall back on if no newer one can be fetched"),
    _program("uml_mconsole", "uml-utilities", "makes UML machines panic", UML),
    _program("libvirtd", "libvirt-daemon", "runs QEMU machines", LIBVIRT),
    _program("qemu-system-x86_64", "qemu-system-x86", "runs QEMU machines", LIBVIRT),
    _program("qemu-img", "qemu-utils", "makes QEMU machines' disks", LIBVIRT),
)


def kvm(host: Host) -> Check:
    """KVM makes QEMU machines fast; without it they are emulated."""
    if not host.has_kvm_device():
        return Check("KVM", State.NOTE, "no /dev/kvm: QEMU machines are emulated (TCG), UML is faster")
    image = host.image()
    if image is None:
        return Check(
            "KVM", State.NOTE, "/dev/kvm is there; whether it works is tried when the image is there"
        )
    if host.which("qemu-system-x86_64") is None:
        return Check("KVM", State.NOTE, "/dev/kvm is there; whether it works is tried when QEMU is there")
    usable, why = host.kvm(image)
    return Check("KVM", State.OK if usable else State.NOTE, why)


def netem(host: Host) -> Check:
    """Delay and reordering in the fabric."""
    if host.has_module("sch_netem"):
        return Check("sch_netem", State.OK, "delay, jitter and reordering can be made in the fabric")
    return Check(
        "sch_netem", State.NOTE, "not in the host's kernel: delay and jitter are made inside the guests"
    )


def image(host: Host) -> Check:
    """The guest image, which is built once."""
    found = host.image()
    if found is None:
        return Check(
            "guest image",
            State.NOTE,
            f"{recipe_key()} is not in the cache: built at the first run "
            "(some minutes), or now: fenceline image build",
        )
    mode = "seccomp" if found.uml_is_seccomp else "ptrace: slow"
    return Check("guest image", State.OK, f"{found.rootfs.parent}, UML {found.uml_kernel_version} ({mode})")


def _space(
    name: str, folder: Callable[[], Path], needed: Callable[[Host], int], variable: str, *needed_by: str
) -> Callable[[Host], Check]:
    def check(host: Host) -> Check:
        path, wanted = folder(), needed(host)
        free = host.free(path)
        if free < 0:
            return Check(
                name,
                State.MISSING,
                f"{path} can't be written",
                f"set {variable} to another folder",
                needed_by,
            )
        if free < wanted:
            return Check(
                name,
                State.MISSING,
                f"{_size(free)} free in {path}, {_size(wanted)} needed",
                f"make room, or set {variable} to another folder",
                needed_by,
            )
        return Check(name, State.OK, f"{_size(free)} free in {path}")

    check.__doc__ = f"Room for the {name}."
    return check


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"


SPACES = (
    _space(
        "cache folder",
        cache_dir,
        lambda host: SPACE_NEEDED if host.image() is None else 0,
        "FENCELINE_CACHE",
        BUILD,
    ),
    _space("temporary folder", lambda: Path(tempfile.gettempdir()), lambda _: _TMP_NEEDED, "TMPDIR", RUN),
    _space("state folder", state_dir, lambda _: _STATE_NEEDED, "FENCELINE_STATE", RUN),
)


def shared_memory(host: Host) -> Check:
    """UML keeps a machine's memory in a file there; one that can't grow kills it with SIGBUS."""
    free = host.free(Path("/dev/shm"))
    if free < _MEMORY_NEEDED:
        return Check(
            "/dev/shm",
            State.MISSING,
            f"{_size(max(free, 0))} free, {_size(_MEMORY_NEEDED)} needed for the memory of UML machines",
            "mount -o remount,size=4G /dev/shm; in a container: --shm-size=4g",
            (UML,),
        )
    return Check("/dev/shm", State.OK, f"{_size(free)} free for the memory of UML machines")


def memory(host: Host) -> Check:
    """Room for the machines."""
    available = host.memory_available()
    if available < _MEMORY_NEEDED:
        return Check(
            "memory",
            State.MISSING,
            f"{_size(available)} available, {_size(_MEMORY_NEEDED)} needed by the smallest topology",
            "end other programs, or use a larger machine",
            (RUN,),
        )
    if available < _MEMORY_WANTED:
        return Check(
            "memory", State.NOTE, f"{_size(available)} available: enough for two nodes, not for more"
        )
    return Check("memory", State.OK, f"{_size(available)} available")


def cores(host: Host) -> Check:
    """Machines share them."""
    count = host.cores()
    if count < 2:
        return Check(
            "cores", State.NOTE, "one core: machines starve each other, times will be long and uneven"
        )
    return Check("cores", State.OK, str(count))


def journals(host: Host) -> Check:
    """What killed runs left."""
    dead = host.dead_journals()
    if dead:
        return Check(
            "leftovers",
            State.NOTE,
            f"{len(dead)} dead run(s) left something ({', '.join(dead[:5])}): "
            "remove it with `fenceline reap`",
        )
    return Check("leftovers", State.OK, "no dead run has left anything")


def packages(host: Host) -> Check:
    """The Python packages that pyproject.toml names."""
    wanted = host.requirements()
    if wanted is None:
        return Check(
            "python packages",
            State.MISSING,
            "fenceline is not installed in this environment",
            "pip install fenceline; in a checkout: script/bootstrap",
            (RUN,),
        )
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return Check(
            "python packages",
            State.MISSING,
            "packaging",
            "pip install packaging",
            (RUN,),
        )
    lacking = []
    for requirement in map(Requirement, wanted):
        version = host.version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            lacking.append(f"{requirement.name}{requirement.specifier} ({version or 'not there'})")
    if lacking:
        return Check(
            "python packages",
            State.MISSING,
            ", ".join(lacking),
            "pip install fenceline; in a checkout: script/bootstrap",
            (RUN,),
        )
    return Check("python packages", State.OK, f"{len(wanted)} of {len(wanted)}")


def without_root(host: Host) -> Check:
    """What an unprivileged run would need; a run needs root as yet."""
    lacking = []
    if host.read("/proc/sys/user/max_user_namespaces").strip() == "0":
        lacking.append("user namespaces (sysctl user.max_user_namespaces=10000)")
    if host.read("/proc/sys/kernel/unprivileged_userns_clone").strip() == "0":
        lacking.append("user namespaces for all (sysctl kernel.unprivileged_userns_clone=1)")
    if host.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").strip() == "1":
        lacking.append("no restriction by AppArmor (sysctl kernel.apparmor_restrict_unprivileged_userns=0)")
    if host.open_tun():
        lacking.append("access to /dev/net/tun (chmod 666 /dev/net/tun)")
    text = "UML boots inside an unprivileged user namespace, where the fabric could be made too"
    if lacking:
        return Check("without root", State.NOTE, f"{text}; this host would still need: {'; '.join(lacking)}")
    return Check(
        "without root",
        State.NOTE,
        f"{text}; this host allows it (for taps /dev/net/tun must be open to the "
        "user too); as yet Fenceline asks for root",
    )
