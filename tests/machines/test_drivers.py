"""Which driver is taken, and that nobody outside of a driver's folder knows it by name."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.core.errors import HostError
from fenceline.machines import drivers
from fenceline.machines.drivers import DRIVERS, make_driver, names, resolved_name
from fenceline.machines.libvirt import kind as libvirt_kind
from fenceline.machines.libvirt import kvm

ROOT = Path(__file__).parents[2]
FILES = sorted(path for part in ("harness", "steps", "reports") for path in (ROOT / part).rglob("*.py"))
#: Who may name one, and why. Only ever shorter.
ALLOWED = {
    "harness/machines/virtual/build.py": "its kernel is UML's too, from the same archive: to be shared below both",
    "harness/host/checks.py": "which programs only one driver needs: to be said by the driver's kind",
    "harness/host/doctor.py": "likewise, and what of it works: to be asked of the driver's kind",
    "harness/host/info.py": "whether KVM works, which is shown with the host's checks",
    "harness/commands/host.py": "virtual machines' kernel is built by a command: to be offered by the driver's kind",
    "harness/faults/node.py": "the program by which UML machines panic: to be said by the driver's kind",
    "harness/journal/reap.py": "libvirt domains that a killed run left are undone by what made them",
    "harness/machines/image.py": "an image holds the kernel of UML machines, and where it is",
    "harness/machines/rootfs.py": "the modules of that kernel go into the root file system",
}


def namings(text: str, name: str) -> list[str]:
    """Where ``text`` tells the driver ``name`` apart, or takes something from its folder."""
    return re.findall(rf'''["']{name}(?:["']|: )|fenceline\.machines\.{name}\b''', text)


@pytest.fixture
def plug_in(monkeypatch):
    """A driver of somebody else's, which would be taken by itself with the preference it is called with."""
    def make(preference: int) -> SimpleNamespace:
        kind = SimpleNamespace(name="cloud", title="a cloud", preference=lambda uri: preference,
                               make=lambda context, uri: ("cloud", context, uri))
        monkeypatch.setattr(DRIVERS, "_there", {**dict(DRIVERS), "cloud": kind})
        return kind
    return make


@pytest.fixture
def no_kvm(monkeypatch):
    monkeypatch.setattr(libvirt_kind, "find_image", lambda: None)


def test_the_shipped_ones_come_through_the_registry():
    assert names() == ("auto", "libvirt", "uml", "virtual")
    assert all(DRIVERS[name].name == name and DRIVERS[name].title for name in DRIVERS)


def test_uml_is_taken_where_kvm_does_not_work_and_libvirt_where_it_does(monkeypatch, no_kvm):
    assert resolved_name("auto") == "uml"
    assert resolved_name("auto", "qemu:///system") == "libvirt"
    assert resolved_name("uml", "qemu:///system") == "uml"
    monkeypatch.setattr(libvirt_kind, "find_image", lambda: "an image")
    for works, chosen in ((True, "libvirt"), (False, "uml")):
        monkeypatch.setattr(kvm, "kvm_usable", lambda image, works=works: (works, ""))
        assert resolved_name("auto") == chosen


def test_one_of_somebody_else_is_named_made_and_preferred_as_it_says(plug_in, no_kvm):
    plug_in(0)
    assert names() == ("auto", "cloud", "libvirt", "uml", "virtual")
    assert resolved_name("auto") == "uml"
    assert make_driver("cloud", "context", "somewhere") == ("cloud", "context", "somewhere")
    plug_in(3)
    assert make_driver("auto", "context") == ("cloud", "context", None)


def test_an_unknown_one_is_refused_with_the_nearest():
    with pytest.raises(HostError, match=r"no driver 'libvrit'; the nearest: libvirt"):
        make_driver("libvrit", None)


def test_where_none_suits_by_itself_one_must_be_named(plug_in, monkeypatch):
    kind = plug_in(0)
    monkeypatch.setattr(DRIVERS, "_there", {"cloud": kind})
    with pytest.raises(HostError, match="no driver of machines suits this host by itself") as told:
        resolved_name(drivers.AUTO)
    assert "name one of cloud" in str(told.value) + told.value.detail


@pytest.mark.parametrize("name", DRIVERS)
def test_nobody_outside_of_its_folder_names_a_driver(name):
    for path in FILES:
        where = str(path.relative_to(ROOT))
        if not where.startswith(f"harness/machines/{name}/") and where not in ALLOWED:
            assert namings(path.read_text(), name) == [], where


@pytest.mark.parametrize("name", DRIVERS)
def test_one_that_does_is_seen(name):
    for text in (f'if driver.name == "{name}":', f"needs = ('{name}: program x',)",
                 f"from fenceline.machines.{name}.driver import X"):
        assert namings(text, name)


def test_whoever_is_allowed_still_needs_it():
    for where in ALLOWED:
        assert any(namings((ROOT / where).read_text(), name) for name in DRIVERS), where
