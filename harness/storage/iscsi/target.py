"""iSCSI: an LIO target on the storage machine, logged in to by every cluster node at boot.

The target is set up by writing configfs directly: 0.5 s, where targetcli needs 8 s of Python start-ups.
"""

from __future__ import annotations

from pathlib import Path

from fenceline.guest.seed import Seed
from fenceline.model.addressing import address
from fenceline.model.filesystems import CLUSTER_FILESYSTEMS
from fenceline.model.topology import Topology
from fenceline.storage.disks import clustered_mkfs, content, make_disk
from fenceline.storage.iscsi import clustered_lvm
from fenceline.storage.iscsi.mapped import device, mapping_lines
from fenceline.storage.iscsi.model import Iscsi

PORT = 3260  # RFC 7143, 13.1


def target_name(topology: Topology) -> str:
    """The target's iSCSI qualified name."""
    return f"iqn.2026-01.io.fenceline:{topology.name}"


def initiator_name(topology: Topology, node: str) -> str:
    """The iSCSI qualified name of cluster node ``node``."""
    return f"iqn.2026-01.io.fenceline:{topology.name}:{node}"


def portal(topology: Topology) -> str:
    """``address:port`` of the target in the storage network."""
    return f"{address(topology, topology.storage.iscsi.target, topology.networks_with('storage')[0])}:{PORT}"


def disk_path(topology: Topology, lun: str) -> str:
    """The stable name that ``lun``'s disk gets on a cluster node."""
    return f"/dev/fenceline/{lun}"


def make_disks(topology: Topology, folder: Path) -> tuple[Path, ...]:
    """The raw images behind the LUNs, sparse, each with its file system and an index.html that names it.

    Raises:
        HostError: mkfs failed; the message has its words.
    """
    return tuple(make_disk(folder / f"lun-{lun.name}.raw", lun.size,
                           None if lun.filesystem in CLUSTER_FILESYSTEMS else lun.filesystem, lun.name,
                           content(topology, lun.name, folder, lun.files)) for lun in topology.storage.iscsi.luns)


def seed_target(topology: Topology, seed: Seed) -> None:
    """Makes the node of ``seed`` the target."""
    iscsi = topology.storage.iscsi
    name = target_name(topology)
    lines = ["modprobe -a target_core_mod target_core_iblock iscsi_target_mod",
             "mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config",
             "T=/sys/kernel/config/target",
             f"G=$T/iscsi/{name}/tpgt_1",
             "mkdir -p $T/iscsi $G"]
    for number, lun in enumerate(iscsi.luns):
        back = f"$T/core/iblock_{number}/{lun.name}"
        lines += mapping_lines(number, lun.name)
        if lun.filesystem in CLUSTER_FILESYSTEMS:
            mkfs = clustered_mkfs(topology.name, lun.name, lun.filesystem, lun.journals or len(topology.cluster_nodes),
                                  clustered_lvm.volume_path(lun.name) if lun.clustered_lvm else device(lun.name))
            lines += (clustered_lvm.make_lines(topology, lun, device(lun.name), mkfs) if lun.clustered_lvm else [mkfs])
        lines += [f"mkdir -p {back}",
                  f"echo udev_path={device(lun.name)} > {back}/control",
                  f"echo 1 > {back}/enable",
                  f"echo fenceline-{lun.name} > {back}/wwn/vpd_unit_serial",
                  f"mkdir -p $G/lun/lun_{number}",
                  f"ln -s {back} $G/lun/lun_{number}/{lun.name}"]
    lines += ["for a in generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0 authentication=0; do "
              "echo ${a#*=} > $G/attrib/${a%=*}; done",
              f"mkdir -p $G/np/{portal(topology)}",
              "echo 1 > $G/enable"]
    seed.setup += lines


def seed_initiator(topology: Topology, node: str, seed: Seed) -> None:
    """Makes the node of ``seed`` log in at boot; ``late`` continues when every LUN is there."""
    iscsi = topology.storage.iscsi
    seed.add("/etc/iscsi/initiatorname.iscsi", f"InitiatorName={initiator_name(topology, node)}\n", 0o600)
    record = f"/etc/iscsi/nodes/{target_name(topology)}/{portal(topology).replace(':', ',')},1"
    # the record that discovery would have written: saves a discovery at each boot
    seed.add(f"{record}/default", _node_record(topology, iscsi), 0o600)
    seed.setup += ["modprobe -a sd_mod iscsi_tcp", "mkdir -p /dev/fenceline"]
    seed.late += [
        "iscsid",
        f"for try in $(seq 20); do iscsiadm -m node -T {target_name(topology)} --login && break; sleep 0.3; done",
    ]
    for number, lun in enumerate(iscsi.luns):
        # without udev nobody makes links by serial number: find the disk through sysfs
        seed.late.append(
            f"for try in $(seq 100); do for d in /sys/class/scsi_device/*:{number}/device/block/*; do "
            f"[ -b /dev/${{d##*/}} ] && ln -sfn /dev/${{d##*/}} {disk_path(topology, lun.name)} && break 2; done; "
            "sleep 0.05; done")


def _node_record(topology: Topology, iscsi: Iscsi) -> str:
    host, port = portal(topology).split(":")
    settings = {
        "node.name": target_name(topology), "node.tpgt": "1", "node.startup": "manual",
        "node.leading_login": "No", "iface.iscsi_ifacename": "default", "iface.transport_name": "tcp",
        "node.discovery_address": host, "node.discovery_port": port, "node.discovery_type": "send_targets",
        "node.session.initial_login_retry_max": "30",
        "node.session.timeo.replacement_timeout": f"{iscsi.replacement_timeout:.0f}",
        "node.conn[0].address": host, "node.conn[0].port": port,
        "node.conn[0].startup": "manual",
        "node.conn[0].timeo.login_timeout": "3", "node.conn[0].timeo.logout_timeout": "3",
        "node.conn[0].timeo.noop_out_interval": f"{iscsi.noop_interval:.0f}",
        "node.conn[0].timeo.noop_out_timeout": f"{iscsi.noop_timeout:.0f}",
        "node.session.err_timeo.abort_timeout": "5", "node.session.err_timeo.lu_reset_timeout": "5",
        "node.session.err_timeo.tgt_reset_timeout": "5",
    }
    lines = [f"{key} = {value}" for key, value in settings.items()]
    return "\n".join(["# BEGIN RECORD 2.1.8", *lines, "# END RECORD", ""])
