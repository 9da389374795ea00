"""The shared storage of a topology: what its nodes' file systems are on, and who serves it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration, Size


class Lun(Strict):
    """A disk that the target exports."""

    name: Name
    size: Size = 64 * 2**20
    filesystem: Literal["ext3", "ext4", "gfs2", "ocfs2"] | None = Field(
        "ext4", description="made once, when the disk is new; gfs2 and ocfs2 are for all nodes at once")
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")], str] = Field(
        default_factory=dict, description="text files that its file system has from the beginning; ext3 and ext4")
    clustered_lvm: bool = Field(False, description="a cluster file system is on a logical volume of a volume group "
                                                   "that all nodes share (lvmlockd)")
    journals: int | None = Field(None, ge=1, le=32, description="journals of gfs2, node slots of ocfs2: so many nodes "
                                                                "may mount it; absent: one for each cluster node")


class Iscsi(Strict):
    """An LIO target on a storage machine; every cluster node logs in at boot."""

    target: Name
    luns: tuple[Lun, ...] = Field(min_length=1)
    replacement_timeout: Duration = Field(5.0, description="how long I/O waits for a lost path before it fails")
    noop_interval: Duration = Field(2.0, description="iSCSI ping interval")
    noop_timeout: Duration = Field(2.0, description="iSCSI ping timeout")


class Export(Strict):
    """A directory that the server exports, on a disk of its own."""

    name: Name
    size: Size = 64 * 2**20
    sync: bool = Field(True, description="the server answers a write only when it is on its disk")


class Nfs(Strict):
    """The kernel's NFS server on a storage machine; the cluster mounts an export where its service runs."""

    server: Name
    exports: tuple[Export, ...] = Field(min_length=1)
    version: Literal["3", "4.1", "4.2"] = "4.2"
    hard: bool = Field(True, description="I/O waits for a server that is away; else it fails after timeo x retrans")
    timeo: Duration = Field(5.0, ge=0.1, description="time until a request is repeated")
    retrans: int = Field(2, ge=0)
    grace: Duration = Field(10.0, ge=10, description="how long a server that has just started lets only former "
                                                     "clients in; its lease time too")


class Drbd(Strict):
    """A DRBD 8.4 resource: a disk of each of the two nodes, mirrored over a network. See drbd.conf(5)."""

    name: Name
    size: Size = Field(64 * 2**20, description="of the disk behind it on each node, DRBD's own metadata included")
    filesystem: Literal["ext3", "ext4", "gfs2", "ocfs2"] | None = Field(
        "ext4", description="made once, when the disks are new; gfs2 and ocfs2 need dual_primary")
    network: Name | None = Field(None, description="what it replicates through; absent: the storage network")
    protocol: Literal["A", "B", "C"] = Field("C", description="a write is done when it is: A on the own disk, B there "
                                             "and in the peer's memory, C on both disks")
    dual_primary: bool = Field(False, description="allow-two-primaries")
    shared_secret: bool = Field(True, description="the nodes authenticate each other: cram-hmac-alg sha1")
    fencing: Literal["dont-care", "resource-only", "resource-and-stonith"] = Field(
        "dont-care", description="what a primary does that lost its peer; others than dont-care call the cluster "
                                 "(crm-fence-peer.sh), so that an outdated replica is not promoted")
    resync_rate: Size | None = Field(None, description="per second, for example 10M, whatever else is written; "
                                                           "absent: DRBD's own control")
    after_sb_0pri: Literal["disconnect", "discard-younger-primary", "discard-older-primary", "discard-zero-changes",
                           "discard-least-changes", "discard-local", "discard-remote"] = "disconnect"
    after_sb_1pri: Literal["disconnect", "consensus", "violently-as0p", "discard-secondary",
                           "call-pri-lost-after-sb"] = "disconnect"
    after_sb_2pri: Literal["disconnect", "violently-as0p", "call-pri-lost-after-sb"] = "disconnect"
    timeout: Duration = Field(6.0, ge=0.1, le=60, description="a peer that did not answer for so long is gone")
    connect_int: Duration = Field(10.0, ge=1, le=120, description="time between two attempts to connect")
    ping_int: Duration = Field(10.0, ge=1, le=120, description="time between two looks at an idle peer")
    monitor: Duration = Field(5.0, description="the cluster's look at it; where it is promoted a second less")


class Storage(Strict):
    """Shared storage of the cluster."""

    iscsi: Iscsi | None = None
    nfs: Nfs | None = None
    drbd: tuple[Drbd, ...] = ()
