"""iSCSI, as a topology says it."""

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
