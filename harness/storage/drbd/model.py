"""DRBD, as a topology says it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration, Size


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
