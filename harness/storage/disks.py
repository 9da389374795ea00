"""Disk images that storage machines get beside their own two."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fenceline.core.errors import HostError
from fenceline.model.topology import Topology
from fenceline.storage import database

EXPORTED = "export"  # the folder of a file system that its service exports
FIRST_DISK = "c"  # the letter after the root disk and the seed


def content(topology: Topology, volume: str, folder: Path,
            files: Mapping[str, str] = MappingProxyType({})) -> dict[str, str | Path | None]:
    """What the new disk ``volume`` holds: a page that names it, its own ``files``, the database that has its files
    there, the folder that is to be exported."""
    found: dict[str, str | Path | None] = {"index.html": f"{topology.name}: {volume}\n", **files}
    if database.has_database(topology, volume):
        found[database.DATA] = database.data_path(folder)
    if any(service.export and volume in service.filesystem.disks.values() for service in topology.services.values()):
        found[EXPORTED] = None
    return found


def clustered_mkfs(cluster: str, name: str, filesystem: str, journals: int, device: str) -> str:
    """The shell command that makes a cluster file system on ``device``, if it is empty: not on this host, which need
    not have the tools, but on the machine that exports it, before anybody can use it."""
    command = {
        "gfs2": f"mkfs.gfs2 -q -O -p lock_dlm -t {cluster}:{name} -j {journals} -J 8 {device}",
        "ocfs2": f"mkfs.ocfs2 -q -x -F --cluster-stack=pcmk --cluster-name={cluster} -N {journals} -T mail -b 4096 "
                 f"-C 4096 -J size=8M -L {name[:16]} {device}",
    }[filesystem]
    return f"blkid -p {device} >/dev/null || {command} </dev/null"


def make_disk(path: Path, size: int, filesystem: str | None, label: str,
              content: Mapping[str, str | Path | None]) -> Path:
    """Makes ``path`` a sparse raw image of ``size`` bytes, with a ``filesystem`` that holds ``content``: by name, a
    text, or the path of a folder that is copied, or None: an empty folder.

    Raises:
        HostError: cp or mkfs failed; the message has its words.
    """
    with path.open("wb") as raw:
        raw.truncate(size)
    if filesystem:
        folder = path.with_suffix(".content")
        folder.mkdir(exist_ok=True)
        for name, what in content.items():
            if what is None:
                (folder / name).mkdir()
            elif isinstance(what, Path):
                done = subprocess.run(["cp", "-a", "--sparse=always", str(what), str(folder / name)],
                                      capture_output=True, text=True, check=False, timeout=120)
                if done.returncode:
                    raise HostError(f"the content of {label} can't be copied: {done.stderr.strip()}")
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(what)
        # lazy initialisation would write for minutes in the background of every measurement
        command = [f"mkfs.{filesystem}", "-q", "-F", "-L", label[:16], "-E", "lazy_itable_init=0,lazy_journal_init=0",
                   "-d", str(folder), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise HostError(f"mkfs.{filesystem} of {label} ({size} bytes) failed: {done.stderr.strip()}")
    return path
