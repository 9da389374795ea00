"""A database as it is before anybody used it: MariaDB's own tables, as its package made them in the guest image.

Making them in a guest would cost every cluster's first start several seconds.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from fenceline.core.errors import HostError
from fenceline.daemons.mariadb import DATA
from fenceline.model.topology import Topology

_SOURCE = "/var/lib/mysql"
_NEEDED = ("ibdata1", "ib_logfile0", "mysql")


def has_database(topology: Topology, volume: str | None = None) -> bool:
    """Whether a service of ``topology`` keeps a database on the disk ``volume``, or on any."""
    return any(service.daemon and service.daemon.name == "mariadb" and service.filesystem
               and (volume is None or volume in service.filesystem.disks.values())
               for service in topology.services.values())


def data_path(folder: Path) -> Path:
    """Where ``extract`` puts it."""
    return folder / "database" / DATA


def extract(rootfs: Path, folder: Path) -> None:
    """Takes the tables out of the image ``rootfs``, with their owner, to ``data_path(folder)``.

    Raises:
        HostError: they are not there; the message has debugfs' words.
    """
    target = data_path(folder)
    target.parent.mkdir()
    done = subprocess.run(["debugfs", "-R", f"rdump {_SOURCE} {target.parent}", str(rootfs)], capture_output=True,
                          text=True, check=False, timeout=120)
    missing = [name for name in _NEEDED if not (target / name).exists()]
    if done.returncode or missing:
        raise HostError(f"the guest image {rootfs} has no MariaDB tables in {_SOURCE} ({', '.join(missing)}): "
                        f"{done.stderr.strip().rpartition(chr(10))[2]}; build it anew: fenceline image build")
    # 96 MiB, all but empty; debugfs writes them out
    subprocess.run(["fallocate", "--dig-holes", str(target / "ib_logfile0")], capture_output=True, check=False,
                   timeout=60)
