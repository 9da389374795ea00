"""The disks of a storage machine, each behind a device-mapper device of its own: what lies under it can be changed
while it is in use, and so can be made slow, broken or forgetful.

Guests have no udev: ``dmsetup`` makes the device nodes itself.
"""

from __future__ import annotations

from fenceline.storage.disks import FIRST_DISK

#: Without it dmsetup leaves the making of device nodes to udev.
DMSETUP = "DM_DISABLE_UDEV=1 dmsetup"


def device(name: str) -> str:
    """The device of the disk ``name`` on its storage machine."""
    return f"/dev/mapper/{mapping(name)}"


def mapping(name: str) -> str:
    """What device-mapper calls the device of the disk ``name``."""
    return f"fl-{name}"


def find_disk(number: int) -> str:
    """A line of shell that puts the ``number``-th disk's device into $D, whatever kind of machine it is."""
    letter = chr(ord(FIRST_DISK) + number)
    return f"D=/dev/ubd{letter}; [ -b $D ] || D=/dev/vd{letter}"


def mapping_lines(number: int, name: str) -> list[str]:
    """Shell lines that make the device of the ``number``-th disk, called ``name``; they leave the disk itself in $D."""
    return ["modprobe dm-mod", find_disk(number),
            f"[ -e {device(name)} ] || {DMSETUP} create {mapping(name)} "
            '--table "0 $(blockdev --getsz $D) linear $D 0"']
