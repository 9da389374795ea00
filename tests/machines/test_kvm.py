"""Whether KVM is believed, with stand-ins for QEMU."""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.machines.libvirt import kvm

SAYS = [sys.executable, "-c", "import time; print('[    0.0] Linux version 6.1', flush=True); time.sleep(30)"]
HANGS = [sys.executable, "-c", "import time; print('Probing EDD... ok', flush=True); time.sleep(30)"]
DIES = [sys.executable, "-c", "import sys; sys.exit('failed to initialize kvm: Permission denied')"]


def test_a_kernel_that_speaks_proves_kvm_at_once():
    begun = time.monotonic()
    assert kvm.probe(SAYS, 20.0)[0]
    assert time.monotonic() - begun < 10


def test_a_kernel_that_hangs_disproves_it():
    usable, reason = kvm.probe(HANGS, 1.0)
    assert not usable
    assert "Probing EDD... ok" in reason and "hangs" in reason and "1 s" in reason


def test_a_qemu_that_ends_disproves_it_without_waiting():
    begun = time.monotonic()
    usable, reason = kvm.probe(DIES, 20.0)
    assert not usable
    assert "QEMU fails" in reason and "Permission denied" in reason
    assert time.monotonic() - begun < 10


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with /dev/kvm and a QEMU; ``asked`` counts the probes."""
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "cache"))
    for name in ("vmlinuz", "qemu", "boot_id"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(kvm, "_BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "boot_id")
    monkeypatch.setattr(kvm.shutil, "which", lambda _name: str(tmp_path / "qemu"))
    asked = []
    monkeypatch.setattr(kvm, "probe", lambda command, limit: (asked.append(command), (False, "it hangs"))[1])
    return SimpleNamespace(folder=tmp_path, asked=asked, image=SimpleNamespace(qemu_kernel=tmp_path / "vmlinuz"))


def test_the_answer_is_kept(host):
    assert kvm.kvm_usable(host.image) == (False, "it hangs")
    assert kvm.kvm_usable(host.image) == (False, "it hangs")
    assert len(host.asked) == 1
    assert host.asked[0][0] == str(host.folder / "qemu")


@pytest.mark.parametrize("name", ["boot_id", "vmlinuz", "qemu"])
def test_another_boot_kernel_or_qemu_asks_anew(host, name):
    kvm.kvm_usable(host.image)
    (host.folder / name).write_text("something else")
    kvm.kvm_usable(host.image)
    assert len(host.asked) == 2
    assert len(list((host.folder / "cache/kvm").iterdir())) == 1  # old answers go


def test_a_damaged_answer_is_asked_for_anew(host):
    kvm.kvm_usable(host.image)
    (answer,) = (host.folder / "cache/kvm").iterdir()
    answer.write_text("{")
    kvm.kvm_usable(host.image)
    assert len(host.asked) == 2
    assert json.loads(answer.read_text())["usable"] is False


def test_no_device(host, monkeypatch):
    monkeypatch.setattr(kvm, "DEVICE", Path("/nonexistent"))
    assert kvm.kvm_usable(host.image)[0] is False
    assert not host.asked
