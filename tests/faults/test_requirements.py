"""What a fault needs of a host, and that a scenario which needs more is refused before it begins."""

from __future__ import annotations

import pytest

from fenceline.faults import FAULTS, requirements
from fenceline.faults.fitting import needs_of_place
from fenceline.faults.requirements import Place, guest_modules, hindrances, place
from fenceline.machines.image import find_image

ALL = frozenset({"dm-flakey", "dm-delay", "dm-snapshot", "brd", "softdog", "sch_netem"})


class Host:
    """A host with these programs and modules of its kernel."""

    def __init__(self, programs=("ipmitool", "uml_mconsole", "tc", "nft"), modules=()):
        self.programs, self.modules = programs, modules

    def which(self, name):
        return f"/usr/bin/{name}" if name in self.programs else None

    def has_module(self, name):
        return name in self.modules

    def image(self):
        return None


def test_a_host_that_has_everything():
    assert hindrances(FAULTS, Place("uml", Host(), ALL)) == []


@pytest.mark.parametrize(("fault", "where", "said"), [
    ("fence-device-dead", Place("uml", Host(programs=()), ALL), "this host has no ipmitool: apt-get install ipmitool"),
    ("panic", Place("uml", Host(programs=()), ALL), "this host has no uml_mconsole: apt-get install uml-utilities"),
    ("packet-delay", Place("uml", Host(), frozenset()), "neither this host's kernel nor the guests' has netem"),
    ("packet-hold", Place("uml", Host(programs=()), ALL), "this host has no tc"),
    ("disk-delay", Place("libvirt", Host(), ALL - {"dm-delay"}),
     "the kernel of the guests of the driver libvirt has no module dm-delay: try another --driver"),
    ("write-cache-lies", Place("uml", Host(), ALL - {"brd"}), "no module brd"),
    ("fence-watchdog-dead", Place("uml", Host(), frozenset()), "no module softdog"),
])
def test_what_is_lacking_is_named_with_the_way_out(fault, where, said):
    line, = hindrances([fault, fault], where)
    assert line.startswith(f"the fault {fault} can't be injected: ") and said in line


def test_netem_of_the_host_is_enough():
    assert hindrances(["packet-delay"], Place("uml", Host(modules=("sch_netem",)), frozenset())) == []


def test_what_is_asked_of_another_driver():
    assert hindrances(["panic"], Place("libvirt", Host(programs=()), ALL)) == []


def test_without_an_image_the_guests_kernel_is_not_blamed():
    where = place("uml", host=Host())
    assert where.guest_modules is None and hindrances(["disk-delay", "packet-delay"], where) == []


def test_what_a_fault_requires_is_known_here():
    for cls in FAULTS.values():
        for requirement in needs_of_place(cls):
            Place("uml", Host(programs=(), modules=()), frozenset()).lack(requirement)


@pytest.mark.skipif(find_image() is None, reason="no guest image on this host yet")
@pytest.mark.parametrize("driver", ["uml", "libvirt"])
def test_the_modules_of_the_real_image(driver):
    found = guest_modules(find_image(), driver)
    assert {"dm-flakey", "softdog", "sch_netem", "drbd"} <= found and "no-such-module" not in found


def test_an_image_that_can_not_be_read_is_not_blamed(tmp_path, monkeypatch):
    monkeypatch.setattr(requirements, "_debugfs", lambda image, command: "")
    assert guest_modules.__wrapped__(find_image(), "uml") is None
