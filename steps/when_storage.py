"""When: the faults of the disks behind the LUNs. Said with Given, they are in force from the start."""

from __future__ import annotations

from fenceline.scenario.scene import Scene
from fenceline.steps.words import NUMBER, given, phrase, when

_DISK_FAULTS = ("disk-errors", "disk-delay", "write-cache-lies")
_LUN = r'the LUN "(?P<lun>[^"]+)"'


@when(phrase(rf"the disk behind {_LUN} fails"))
def disk_fails(scene: Scene, lun: str) -> None:
    scene.inject("disk-errors", lun=lun)


@when(phrase(rf"all (?P<what>reads|writes) of the disk behind {_LUN} fail"))
def disk_half_fails(scene: Scene, what: str, lun: str) -> None:
    scene.inject("disk-errors", lun=lun, what=what)


@when(phrase(rf"the disk behind {_LUN} is (?P<delay>{NUMBER}) ms late"))
def disk_slow(scene: Scene, lun: str, delay: str) -> None:
    scene.inject("disk-delay", lun=lun, delay=float(delay) / 1000)


@given(phrase(rf"the disk behind {_LUN} has a write cache that lies"))
@when(phrase(rf"the disk behind {_LUN} begins to answer from a write cache that lies"))
def cache_lies(scene: Scene, lun: str) -> None:
    scene.inject("write-cache-lies", lun=lun)


@when(phrase(rf"the disk behind {_LUN} works again"))
def disk_works(scene: Scene, lun: str) -> None:
    scene.heal_any(_DISK_FAULTS, lun=lun)


@given(phrase(rf"{_LUN} is reserved for the cluster nodes"))
def lun_reserved(scene: Scene, lun: str) -> None:
    scene.inject("lun-reserved", lun=lun)


@when(phrase(rf"the target loses the reservation of {_LUN}"))
def reservation_lost(scene: Scene, lun: str) -> None:
    scene.inject("reservation-lost", lun=lun)


@when(phrase(rf"{_LUN} is reserved again"))
def reserved_again(scene: Scene, lun: str) -> None:
    scene.heal("reservation-lost", lun=lun)
