"""What every kind of storage says of itself: what a topology says of it, what its disks are, what its loss costs.

A kind is a folder of its own, ``harness/storage/<kind>``, with one ``StorageKind`` that is found through the registry.
What the rest of the house must know of a kind it asks of that: ``topology.storage.<kind>`` is what a topology says of
it, and a file system of a service names one of its disks by the kind's own word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, create_model

from fenceline.core.registry import Registry
from fenceline.model.cost import Cost, Link
from fenceline.model.layout import Layout, MountedPart
from fenceline.model.strict import Name, Strict


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk, an export or a mirror that a service's file system may be on. ``size`` in bytes; ``filesystem`` is made
    on it once, None: none."""

    name: str
    size: int
    filesystem: str | None


@dataclass(frozen=True, slots=True)
class Mount:
    """The words of a mount, as mount(8) wants them."""

    device: str
    fstype: str
    options: str


class StorageKind:
    """One kind of storage. Methods are asked only where the topology has some of it (``is_in``), unless they say
    otherwise; a kind has of the methods that have an empty answer those that it needs."""

    #: The word under ``storage`` in a topology, and in the registry.
    name: ClassVar[str]
    #: Its place among all, where they come one after the other.
    order: ClassVar[int]
    #: What a topology says of it: a type and the value that means none.
    section: ClassVar[tuple[Any, Any]]
    #: The word by which a part ``filesystem`` of a service names one of its disks; what a topology calls such a disk
    #: ("a LUN"), and where they are listed.
    disk_word: ClassVar[str]
    disk_title: ClassVar[str]
    listed: ClassVar[str]
    #: The field that names the machine which serves it, and what that machine is ("the iSCSI target").
    host_field: ClassVar[str] = ""
    host_title: ClassVar[str] = ""
    #: The kind of packets (``fenceline.faults.traffic``) that it sends.
    packets: ClassVar[str] = ""
    #: Its disks are block devices: several nodes see the bytes of one.
    is_block: ClassVar[bool] = False
    #: A node is promoted to use one of its disks, and the others are not meanwhile.
    promotes: ClassVar[bool] = False
    #: A disk of it without a file system can carry SBD's pills.
    carries_pills: ClassVar[bool] = False

    @property
    def disk_noun(self) -> str:
        """``disk_title`` without its article."""
        return self.disk_title.partition(" ")[2]

    def said(self, topology: Layout) -> Any:
        """What ``topology`` says of it."""
        return getattr(topology.storage, self.name)

    def is_in(self, topology: Layout) -> bool:
        """Whether ``topology`` has some of it."""
        return bool(self.said(topology))

    def disks(self, topology: Layout) -> tuple[Disk, ...]:
        """Its disks; none where there is none of it."""
        raise NotImplementedError

    def fstype(self, disk: Disk) -> str | None:
        """What a node mounts of ``disk``: ext4, nfs, ...; None: nothing."""
        return disk.filesystem

    def host(self, topology: Layout) -> str | None:
        """The machine that it is on; None where the nodes have it themselves, or there is none of it."""
        return getattr(self.said(topology), self.host_field, None) if self.host_field else None

    def problems(self, topology: Layout) -> list[str]:
        """Everything that is wrong with it in ``topology``, one line each, beginning with the path to the field."""
        return []

    def offers(self, topology: Layout) -> Iterable[str]:
        """What can be done to it: words as in ``fenceline.stacks.offers``."""
        return ()

    # -- what its loss costs -------------------------------------------------------------------------------

    def links_lost(self, topology: Layout, links: frozenset[Link]) -> Cost:
        """What is taken away where ``links`` between members lose all, beside the way to its host."""
        return Cost()

    def packets_lost(self, topology: Layout) -> Cost:
        """What is taken away where all of its packets are lost."""
        return Cost()

    def device(self, topology: Layout, name: str) -> str:
        """The device of its disk ``name`` as a member has it."""
        raise NotImplementedError

    def backing(self, topology: Layout, name: str) -> str:
        """The device behind its disk ``name``, on the machine that serves it."""
        raise NotImplementedError

    # -- how it is made ------------------------------------------------------------------------------------

    def make_disks(self, topology: Layout, node: str, folder: Path) -> tuple[Path, ...]:
        """The raw images that ``node`` is given for it, made in ``folder``.

        Raises:
            HostError: they can't be made.
        """
        return ()

    def seed(self, topology: Layout, node: str, seed: Any, secret: str) -> None:
        """Makes ``node`` its host or its user, whichever it is, with ``seed`` (``fenceline.guest.seed.Seed``);
        ``secret`` is shared by all nodes of a cluster, and no other."""

    def watched(self, topology: Layout, node: str) -> dict[str, Any]:
        """What the agent on ``node`` is told to watch of it: settings in agent.json."""
        return {}

    def up_lines(self, topology: Layout) -> list[str]:
        """Shell lines that bring it up at a member's boot, for cluster software that does not do that itself."""
        return []

    def mount(self, topology: Layout, part: MountedPart, name: str) -> Mount:
        """How ``part``, which is on its disk ``name``, is mounted."""
        raise NotImplementedError

    # -- how it fares --------------------------------------------------------------------------------------

    def unwell(self, cluster: Any) -> list[str]:
        """What keeps it from being whole in the standing ``cluster``, in words."""
        return []


#: Every kind of storage, by its name.
STORAGE: Registry[StorageKind] = Registry("storage", whole=False)


def storage_kinds() -> tuple[StorageKind, ...]:
    """All that there are, in their order."""
    return tuple(sorted(STORAGE.values(), key=lambda kind: (kind.order, kind.name)))


def kinds_in(topology: Layout) -> tuple[StorageKind, ...]:
    """Those that ``topology`` has some of."""
    return tuple(kind for kind in storage_kinds() if kind.is_in(topology))


def pill_carrier() -> StorageKind:
    """The kind whose disks carry SBD's pills."""
    return next(kind for kind in storage_kinds() if kind.carries_pills)


def twice(path: str, names: list[str]) -> list[str]:
    """That some of ``names`` are the same, in words."""
    return [f"{path}: {name!r} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]


def host_problems(topology: Layout, kind: StorageKind) -> list[str]:
    """What is wrong with the machine that serves ``kind``."""
    path, host, found = f"storage.{kind.name}", kind.host(topology), []
    if host not in topology.nodes:
        found.append(f"{path}.{kind.host_field}: there is no node {host!r}; there are {', '.join(topology.nodes)}")
    elif topology.nodes[host].role != "storage":
        found.append(f"{path}.{kind.host_field}: {host!r} has the role {topology.nodes[host].role}, not storage")
    if not topology.networks_with("storage"):
        found.append(f"{path}: no network has the role storage")
    return found


def storage_model() -> type[Strict]:
    """``storage`` of a topology: all kinds that there are."""
    return create_model("Storage", __base__=Strict, __doc__="Shared storage of the cluster.", **{
        kind.name: kind.section for kind in storage_kinds()})


def on_a_disk(base: type[Strict]) -> type[Strict]:
    """``base`` with a field for each kind of storage, which names one of its disks."""
    return create_model("OnADisk", __base__=base, **{
        kind.disk_word: (Name | None, Field(None, description=f"{kind.disk_title} of {kind.listed}"))
        for kind in storage_kinds()})
