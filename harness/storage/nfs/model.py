"""NFS, as a topology says it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration, Size


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
