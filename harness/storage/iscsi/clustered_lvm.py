"""Clustered LVM: a LUN as the one physical volume of a volume group that all nodes share, with one logical volume.

lvmlockd takes the locks of the group from the DLM. The storage machine, which is no member, makes group and volume as
its own, and then writes into the metadata whose they are: ``vgcreate --shared`` needs a cluster that runs.
"""

from __future__ import annotations

from fenceline.guest.seed import Seed
from fenceline.model.topology import Topology
from fenceline.storage.iscsi.model import Lun

#: What lvmlockd writes there itself: the version of the format, and the cluster's name.
_LOCK_ARGS = "1.0.0"


def group(lun: str) -> str:
    """The volume group on the LUN ``lun``."""
    return f"vg-{lun}"


def volume_path(lun: str) -> str:
    """The device of its logical volume, which has the LUN's name."""
    return f"/dev/{group(lun)}/{lun}"


def make_lines(topology: Topology, lun: Lun, device: str, mkfs: str) -> list[str]:
    """Shell lines for the storage machine: the group on ``device``, the volume with what ``mkfs`` makes on it, once."""
    name, text = group(lun.name), f"/run/{group(lun.name)}.txt"
    # the machine sees the disk twice, below its mapping and as the mapping itself
    return ["L='--config devices/filter=[\"a|^/dev/mapper/|\",\"r|.*|\"]'",
            f"if ! blkid -p {device} >/dev/null; then pvcreate $L -q -y {device}; vgcreate $L -q {name} {device}; "
            f"lvcreate $L -q -y -Zn -Wn -l 100%FREE -n {lun.name} {name}; {mkfs}; vgchange $L -q -an {name}; "
            f"vgcfgbackup $L -q -f {text} {name}; "
            f"sed -i 's/^\\tformat = .*/&\\n\\tlock_type = \"dlm\"\\n\\tlock_args = \"{_LOCK_ARGS}:{topology.name}\"/; "
            f"s/^\\t\\t\\tcreation_host = .*/&\\n\\t\\t\\tlock_args = \"dlm\"/' {text}; "
            f"vgcfgrestore $L -q -f {text} {name}; fi"]


def luns(topology: Topology) -> tuple[Lun, ...]:
    """The LUNs with such a group."""
    return tuple(lun for lun in topology.storage.iscsi.luns if lun.clustered_lvm) if topology.storage.iscsi else ()


def seed_node(topology: Topology, seed: Seed) -> None:
    """Makes the LVM of the node of ``seed`` ask lvmlockd, if there is a group that needs it."""
    if luns(topology):
        seed.setup += ["modprobe dm-mod", "sed -i 's/^global {/&\\n\\tuse_lvmlockd = 1/' /etc/lvm/lvm.conf",
                       "mkdir -p /dev/misc"]
        # libdlm waits for udev to put the device of a lock space there, and knows no lock space without it
        names = ["lvm_global", *(f"lvm_{group(lun.name)}" for lun in luns(topology))]
        seed.setup += [f"ln -sfn ../dlm_{name} /dev/misc/dlm_{name}" for name in names]
