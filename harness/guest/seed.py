"""The seed: what makes the one image a certain node. A tar on the node's second disk, unpacked over / at boot."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = 64 * 1024
_LATE_UNIT = """\
[Unit]
Description=Fenceline: what waits for other machines
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -x /etc/fenceline/late.sh
"""


@dataclass
class Seed:
    """Files for one node, and what its boot runs.

    ``setup`` are lines of shell that run before any service (addresses, modules); ``late`` run when the node's
    units have been asked for, in the background of the boot, and may wait for other machines.
    """

    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)

    def add(self, path: str, text: str, mode: int = 0o644) -> None:
        """Puts a file with ``text`` at the absolute ``path``."""
        self.files[path] = (text, mode)

    def write(self, path: Path) -> None:
        """Writes the tar, padded to whole blocks as a disk needs."""
        files = dict(self.files)
        files["/etc/fenceline/up.sh"] = (_script(self.setup), 0o755)
        files["/etc/fenceline/late.sh"] = (_script(self.late), 0o755)
        files["/etc/systemd/system/fenceline-late.service"] = (_LATE_UNIT, 0o644)
        units = [*self.units, "fenceline-late.service"] if self.late else self.units
        files["/etc/fenceline/units"] = ("\n".join(units) + "\n", 0o644)
        with path.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
                for name, (text, mode) in sorted(files.items()):
                    data = text.encode()
                    info = tarfile.TarInfo(name.lstrip("/"))
                    info.size, info.mode = len(data), mode
                    tar.addfile(info, io.BytesIO(data))
            raw.truncate(-(-raw.tell() // _BLOCK) * _BLOCK)


def _script(lines: list[str]) -> str:
    return "#!/bin/sh\n" + "\n".join(lines) + "\n"
