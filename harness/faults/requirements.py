"""What a fault needs of the host and of the guests' kernel, so that one that can't be injected here is refused before a
scenario has begun, and not when a cluster stands.

A fault class says it among its ``needs``: ``program NAME`` (on the host), ``guest module NAME``; ``netem`` is the
host's or else the guest's; ``host bridges`` (said by ``on_bridges``) are rules or devices in the fabric's namespace,
which a driver with networks of its own has not; ``uml: ...`` holds for that driver only. What the host's own kernel has
built in is not known everywhere: a fault that needs more of it than netem says so when it is injected.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fenceline.faults.base import FAULTS
from fenceline.faults.fitting import needs_of_place
from fenceline.host.info import Host
from fenceline.machines.image import GuestImage

#: How a program that is missing is had.
PACKAGES = {"ipmitool": "ipmitool", "uml_mconsole": "uml-utilities", "tc": "iproute2", "nft": "nftables"}


@dataclass(frozen=True)
class Place:
    """Where faults are to be injected: ``driver`` by its name; ``guest_modules`` None where they are not
    known, as there is no image yet."""

    driver: str
    host: Host
    guest_modules: frozenset[str] | None

    def lack(self, requirement: str) -> str | None:
        """What is missing for ``requirement``, in words with the way out; None if nothing is."""
        only, _, rest = requirement.rpartition(": ")
        if only and only != self.driver:
            return None
        if rest == "netem":
            if self.host.has_module("sch_netem") or self._has_in_guest("sch_netem"):
                return None
            return "neither this host's kernel nor the guests' has netem (module sch_netem)"
        if rest == "host bridges":
            from fenceline.machines.drivers import DRIVERS
            used = DRIVERS.find(self.driver)
            return None if used.has_bridges else (
                f"it is made of rules for this host's bridges, and {used.title} have networks of their own: try "
                "another --driver")
        *kind, name = rest.split()
        lacks: dict[str, Callable[[str], str | None]] = {
            "program": self._program, "guest module": self._guest_module}
        return lacks[" ".join(kind)](name)

    def _program(self, name: str) -> str | None:
        return None if self.host.which(name) else f"this host has no {name}: apt-get install {PACKAGES[name]}"

    def _has_in_guest(self, name: str) -> bool:
        return self.guest_modules is None or name in self.guest_modules

    def _guest_module(self, name: str) -> str | None:
        return None if self._has_in_guest(name) else (f"the kernel of the guests of the driver {self.driver} has no "
                                                      f"module {name}: try another --driver")


def place(driver: str, uri: str | None = None, host: Host | None = None) -> Place:
    """This host with ``driver`` ("auto" too)."""
    from fenceline.machines.drivers import resolved_name
    host = host or Host()
    image, name = host.image(), resolved_name(driver, uri)
    return Place(name, host, guest_modules(image, name) if image else None)


@functools.cache
def guest_modules(image: GuestImage, driver: str) -> frozenset[str] | None:
    """The modules, built in or to be loaded, of the kernel that ``driver`` boots; None where they can't be read."""
    versions = [line.split("/")[5] for line in _debugfs(image, "ls -p /usr/lib/modules").splitlines()
                if line.count("/") >= 6 and not line.split("/")[5].startswith(".")]
    from fenceline.machines.drivers import DRIVERS
    version = DRIVERS.find(driver).kernel(image)
    if version not in versions:
        return None
    text = "".join(_debugfs(image, f"cat /usr/lib/modules/{version}/{name}") for name in ("modules.dep",
                                                                                          "modules.builtin"))
    found = {line.split(":")[0].rpartition("/")[2].partition(".ko")[0].replace("_", "-") for line in text.splitlines()}
    return frozenset(found | {name.replace("-", "_") for name in found}) if text else None


def _debugfs(image: GuestImage, command: str) -> str:
    try:
        return subprocess.run(["debugfs", "-R", command, str(image.rootfs)], capture_output=True, text=True, timeout=20,
                              check=False).stdout
    except OSError:
        return ""


def hindrances(names: Iterable[str], where: Place) -> list[str]:
    """Why faults called ``names`` can't be injected at ``where``, one line each; empty if they can."""
    found = []
    for name in dict.fromkeys(names):
        for requirement in needs_of_place(FAULTS.get(name)):
            lack = where.lack(requirement)
            if lack:
                found.append(f"the fault {name} can't be injected: {lack}")
    return found
