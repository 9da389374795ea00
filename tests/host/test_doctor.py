"""``fenceline doctor``: a host on which all is well, and for each check one on which it is not."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from fenceline.host import checks
from fenceline.host.checks import GIB, State
from fenceline.host.doctor import CHECKS, examine, report
from fenceline.host.info import Host
from fenceline.machines.image import GuestImage

IMAGE = GuestImage(
    "k",
    Path("/cache/k/rootfs.ext4"),
    Path("/cache/k/linux.uml"),
    "7.2",
    True,
    Path("/cache/k/vmlinuz"),
    None,
    Path("/cache/k/packages.txt"),
)


class FakeHost(Host):
    """A host with everything, except what ``changes`` says."""

    def __init__(self, **changes: object) -> None:
        values = {
            "euid": 0,
            "capabilities": (1 << 41) - 1,
            "missing": (),
            "tun": "",
            "image": IMAGE,
            "kvm": (True, "KVM booted the guest image's kernel"),
            "kvm_device": True,
            "free": {},
            "memory": 16 * GIB,
            "cores": 4,
            "modules": ("sch_netem",),
            "journals": [],
            "files": {},
            "requirements": ["pytest<10,>=8", "PyYAML<7,>=6"],
            "versions": {"pytest": "9.0", "PyYAML": "6.0.3"},
        }
        self.values = values | changes

    def euid(self):
        return self.values["euid"]

    def capabilities(self):
        return self.values["capabilities"]

    def which(self, program):
        return None if program in self.values["missing"] else f"/usr/bin/{program}"

    def read(self, path):
        return self.values["files"].get(path, "")

    def open_tun(self):
        return self.values["tun"]

    def image(self):
        return self.values["image"]

    def kvm(self, image):
        return self.values["kvm"]

    def has_kvm_device(self):
        return self.values["kvm_device"]

    def free(self, path):
        return self.values["free"].get(str(path), 100 * GIB)

    def memory_available(self):
        return self.values["memory"]

    def cores(self):
        return self.values["cores"]

    def has_module(self, name):
        return name in self.values["modules"]

    def dead_journals(self):
        return self.values["journals"]

    def requirements(self):
        return self.values["requirements"]

    def version(self, package):
        return self.values["versions"].get(package)


@pytest.fixture(autouse=True)
def folders(monkeypatch):
    monkeypatch.setenv("FENCELINE_CACHE", "/cache")
    monkeypatch.setenv("FENCELINE_STATE", "/state")
    monkeypatch.setattr(checks.tempfile, "gettempdir", lambda: "/tmp")


def test_a_good_host_is_ready_with_both_drivers():
    found = examine(FakeHost())
    assert found.is_ready
    assert found.drivers == ("uml", "libvirt (kvm)")
    assert {check.state for check in found.checks if check.name != "without root"} == {State.OK}
    assert len({check.name for check in found.checks}) == len(CHECKS)


def programs(*missing: str) -> dict:
    return {"missing": missing}


NONE: tuple[str, ...] = ()
BOTH, UML, KVM = ("uml", "libvirt (kvm)"), ("uml",), ("libvirt (kvm)",)
RED = [
    ("root", {"euid": 1000}, "missing", "not root", "sudo", NONE),
    ("root", {"capabilities": 1 << 12}, "missing", "without CAP_SYS_ADMIN", "--privileged", NONE),
    ("/dev/net/tun", {"tun": "No such file or directory"}, "missing", "No such file", "modprobe tun", NONE),
    ("/dev/net/tun", {"tun": "Permission denied", "euid": 1}, "missing", "denied", "sudo", NONE),
    ("ip", programs("ip"), "missing", "", "apt-get install iproute2", NONE),
    ("nft", programs("nft"), "missing", "", "apt-get install nftables", NONE),
    ("ipmitool", programs("ipmitool"), "missing", "", "apt-get install ipmitool", NONE),
    ("ssh", programs("ssh"), "missing", "", "apt-get install openssh-client", NONE),
    # the image is there: what builds it is not needed
    ("mmdebstrap", programs("mmdebstrap"), "missing", "", "apt-get install mmdebstrap", BOTH),
    ("mkfs.ext4", programs("mkfs.ext4"), "missing", "", "apt-get install e2fsprogs", BOTH),
    ("patchelf", programs("patchelf"), "missing", "", "apt-get install patchelf", BOTH),
    ("mmdebstrap", {"image": None, **programs("mmdebstrap")}, "missing", "", "mmdebstrap", NONE),
    ("mkfs.ext4", {"image": None, **programs("mkfs.ext4")}, "missing", "", "e2fsprogs", NONE),
    ("patchelf", {"image": None, **programs("patchelf")}, "missing", "", "patchelf", NONE),
    ("linux.uml", programs("linux.uml"), "missing", "", "apt-get install user-mode-linux", BOTH),
    ("uml_mconsole", programs("uml_mconsole"), "missing", "", "apt-get install uml-utilities", KVM),
    ("libvirtd", programs("libvirtd"), "missing", "", "apt-get install libvirt-daemon", UML),
    (
        "qemu-system-x86_64",
        programs("qemu-system-x86_64"),
        "missing",
        "",
        "apt-get install qemu-system-x86",
        UML,
    ),
    ("qemu-img", programs("qemu-img"), "missing", "", "apt-get install qemu-utils", UML),
    ("KVM", {"kvm_device": False}, "note", "no /dev/kvm", "", ("uml", "libvirt (tcg)")),
    ("KVM", {"kvm": (False, "does not boot")}, "note", "does not boot", "", ("uml", "libvirt (tcg)")),
    ("KVM", {"image": None}, "note", "when the image is there", "", ("uml", "libvirt (tcg)")),
    ("sch_netem", {"modules": ()}, "note", "inside the guests", "", BOTH),
    (
        "guest image",
        {"image": None, "kvm_device": False},
        "note",
        "fenceline image build",
        "",
        ("uml", "libvirt (tcg)"),
    ),
    (
        "cache folder",
        {"image": None, "free": {"/cache": 2 * GIB}},
        "missing",
        "2.0 GiB free",
        "FENCELINE_CACHE",
        NONE,
    ),
    ("temporary folder", {"free": {"/tmp": 1000}}, "missing", "1.0 GiB needed", "TMPDIR", NONE),
    ("state folder", {"free": {"/state": -1}}, "missing", "can't be written", "FENCELINE_STATE", NONE),
    ("/dev/shm", {"free": {"/dev/shm": 64 * 2**20}}, "missing", "64 MiB free", "--shm-size", KVM),
    ("memory", {"memory": GIB}, "missing", "1.0 GiB available", "end other programs", NONE),
    ("memory", {"memory": 2 * GIB}, "note", "enough for two nodes", "", BOTH),
    ("cores", {"cores": 1}, "note", "one core", "", BOTH),
    ("python packages", {"requirements": None}, "missing", "not installed", "pip install", NONE),
    ("python packages", {"versions": {"pytest": "9.0"}}, "missing", "PyYAML", "pip install", NONE),
    (
        "python packages",
        {"versions": {"pytest": "7.4", "PyYAML": "6.0"}},
        "missing",
        "(7.4)",
        "pip install",
        NONE,
    ),
    ("leftovers", {"journals": ["1a2b3c4d"]}, "note", "1a2b3c4d", "", BOTH),
    (
        "without root",
        {"tun": "Permission denied", "files": {"/proc/sys/user/max_user_namespaces": "0\n"}},
        "note",
        "user.max_user_namespaces",
        "",
        NONE,
    ),
    (
        "without root",
        {"files": {"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}},
        "note",
        "unprivileged_userns_clone=1",
        "",
        BOTH,
    ),
    (
        "without root",
        {"files": {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}},
        "note",
        "AppArmor",
        "",
        BOTH,
    ),
]


@pytest.mark.parametrize(("name", "changes", "state", "text", "fix", "drivers"), RED)
def test_what_is_missing_is_said_with_the_way_out(name, changes, state, text, fix, drivers):
    found = examine(FakeHost(**changes))
    check = next(check for check in found.checks if check.name == name)
    assert check.state == state
    assert text in check.text
    assert fix in check.fix
    assert found.drivers == drivers
    assert found.is_ready == bool(drivers)
    said = report(found)
    assert f"drivers that work: {', '.join(drivers) or 'none'}" in said
    assert check.text in said and check.fix in said


def test_every_check_has_a_red_test():
    assert {red[0] for red in RED} == {check.name for check in examine(FakeHost()).checks}


def test_every_missing_thing_has_a_way_out():
    worst = FakeHost(
        euid=1,
        tun="no",
        missing=tuple(check.name for check in examine(FakeHost()).checks),
        image=None,
        memory=0,
        requirements=None,
        free={p: -1 for p in ("/cache", "/tmp", "/state", "/dev/shm")},
    )
    assert [check for check in examine(worst).checks if check.state is State.MISSING and not check.fix] == []


def test_the_real_host_is_looked_at_quickly():
    begun = time.monotonic()
    # without the probe of KVM, which is tried once per boot
    found = examine(Host(), [check for check in CHECKS if check is not checks.kvm])
    assert report(found)
    assert time.monotonic() - begun < 3


def test_a_journal_is_dead_only_if_nobody_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_STATE", str(tmp_path))
    monkeypatch.setattr("fenceline.host.info._YOUNG", 0.0)
    folder = tmp_path / "journal"
    folder.mkdir()
    for name in ("alive", "dead"):
        (folder / f"{name}.jsonl").write_text("")
    with (folder / "alive.jsonl").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert Host().dead_journals() == ["dead"]
    monkeypatch.setattr("fenceline.host.info._YOUNG", 60.0)
    assert Host().dead_journals() == []  # both too young to tell


def test_free_space_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert Host().free(tmp_path / "not" / "yet") > 0
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        assert Host().free(tmp_path) == -1
