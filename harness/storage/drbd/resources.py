"""DRBD 8.4: a disk of each node, mirrored to the other's.

Both disks are copies of one image, and get metadata that says so (the same UUID, no block out of sync): there is no
first full sync to wait for. The metadata is made by DRBD's own drbdmeta at a node's first boot.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from fenceline.guest.seed import Seed
from fenceline.model.addressing import address
from fenceline.model.filesystems import CLUSTER_FILESYSTEMS
from fenceline.model.topology import Topology
from fenceline.storage.disks import FIRST_DISK, clustered_mkfs, content, make_disk
from fenceline.storage.drbd.model import Drbd

FIRST_PORT = 7788
#: The data's first generation, the same on both disks: current, bitmap and two old UUIDs; consistent; up to date.
_FIRST_GENERATION = "6B5E5D8A3C2A4D10:0:0:0:1:1"
_FENCE, _UNFENCE = "/lib/drbd/crm-fence-peer.sh", "/lib/drbd/crm-unfence-peer.sh"


def resource(topology: Topology, name: str) -> Drbd:
    """The settings of the resource ``name``."""
    return next(one for one in topology.storage.drbd if one.name == name)


def resource_of(topology: Topology, service: str) -> Drbd | None:
    """The resource under ``service``'s file system; None where there is none."""
    part = topology.services[service].filesystem
    return next((one for one in topology.storage.drbd if part is not None and one.name == part.drbd), None)


def minor(topology: Topology, name: str) -> int:
    """The minor number of ``name``'s device, which is its place in the file."""
    return [one.name for one in topology.storage.drbd].index(name)


def device(topology: Topology, name: str) -> str:
    """The block device that mirrors."""
    return f"/dev/drbd{minor(topology, name)}"


def port(topology: Topology, name: str) -> int:
    """The TCP port of the replication."""
    return FIRST_PORT + minor(topology, name)


def network(topology: Topology, name: str) -> str:
    """The network that carries the replication."""
    return resource(topology, name).network or topology.networks_with("storage")[0]


def backing_disk(topology: Topology, name: str) -> str:
    """The link to the disk behind it, on each node."""
    return f"/dev/fenceline/drbd-{name}"


def make_disks(topology: Topology, node: str, folder: Path) -> tuple[Path, ...]:
    """The raw images behind the resources of ``node``: for every node the same bytes.

    Raises:
        HostError: mkfs failed; the message has its words.
    """
    found = []
    for one in topology.storage.drbd:
        master = folder / f"drbd-{one.name}.raw"
        if not master.exists():
            make_disk(master, one.size - _metadata(one.size),
                      None if one.filesystem in CLUSTER_FILESYSTEMS else one.filesystem, one.name,
                      content(topology, one.name, folder))
            with master.open("r+b") as raw:
                raw.truncate(one.size)
        own = folder / f"drbd-{one.name}-{node}.raw"
        subprocess.run(["cp", "--sparse=always", str(master), str(own)], check=True, timeout=120)
        found.append(own)
    return tuple(found)


def _metadata(size: int) -> int:
    """At least what DRBD puts at the end of a disk of ``size`` bytes: 36 KiB, and a bit for every 4 KiB in whole pages;
    rounded up to a MiB."""
    return -(-(36 * 1024 + 4096 + size // 32768) // 2**20) * 2**20


def resource_file(topology: Topology, name: str, secret: str) -> str:
    """/etc/drbd.d/NAME.res, the same on both nodes."""
    one = resource(topology, name)
    net = [f"protocol {one.protocol};", f"after-sb-0pri {one.after_sb_0pri};", f"after-sb-1pri {one.after_sb_1pri};",
           f"after-sb-2pri {one.after_sb_2pri};", f"timeout {round(one.timeout * 10)};",  # tenths of a second
           f"connect-int {round(one.connect_int)};", f"ping-int {round(one.ping_int)};"]
    if one.dual_primary:
        net.append("allow-two-primaries yes;")
    if one.shared_secret:
        net += ["cram-hmac-alg sha1;", f'shared-secret "{secret}";']
    disk = ["on-io-error detach;", f"fencing {one.fencing};"]
    if one.resync_rate is not None:
        # a fixed rate, whatever else is written: by default it gives way to other writes, down to 250K
        disk += ["c-plan-ahead 0;", f"resync-rate {one.resync_rate // 1024}K;", "c-min-rate 0;"]
    parts = [("net", net), ("disk", disk)]
    if one.fencing != "dont-care":
        parts.append(("handlers", [f'fence-peer "{_FENCE}";', f'after-resync-target "{_UNFENCE}";']))
    lines = [f"resource {name} {{", f"    device {device(topology, name)} minor {minor(topology, name)};",
             f"    disk {backing_disk(topology, name)};", "    meta-disk internal;"]
    for section, settings in parts:
        lines += [f"    {section} {{", *(f"        {line}" for line in settings), "    }"]
    for node in topology.cluster_nodes:
        own = address(topology, node, network(topology, name))
        lines.append(f"    on {node} {{ address {own}:{port(topology, name)}; }}")
    return "\n".join([*lines, "}", ""])


def seed_node(topology: Topology, node: str, seed: Seed, secret: str) -> None:
    """Gives the node of ``seed`` its resources, with their metadata, ready for ``drbdadm up``."""
    seed.add("/etc/drbd.d/global_common.conf", "global { usage-count no; }\ncommon { }\n")
    seed.setup.append("modprobe drbd")
    for index, one in enumerate(topology.storage.drbd):
        seed.add(f"/etc/drbd.d/{one.name}.res", resource_file(topology, one.name, secret), 0o600)
        letter = chr(ord(FIRST_DISK) + index)
        own = backing_disk(topology, one.name)
        meta = f"drbdmeta --force {index} v08 {own} internal"
        seed.setup += [
            f"D=/dev/ubd{letter}; [ -b $D ] || D=/dev/vd{letter}; mkdir -p /dev/fenceline; ln -sfn $D {own}",
            # never on a disk that has it: a node that was off would claim to be up to date. A device that "grew" since
            # DRBD last saw it would be out of sync as a whole: it is told that it has always had this size
            f"if {meta} dump-md 2>&1 | grep -q 'No valid meta'; then {meta} create-md; {meta} dump-md > /run/drbd.md; "
            "o=$(sed -n 's/^# bm_offset //p' /run/drbd.md); "
            "sed -i \"s/^la-size-sect .*/la-size-sect $((o / 512));/\" /run/drbd.md; "
            f"{meta} restore-md /run/drbd.md; {meta} apply-al; {meta} set-gi {_FIRST_GENERATION}; fi"]
        if one.filesystem in CLUSTER_FILESYSTEMS:
            seed.setup += _first_filesystem(topology, one, node == topology.cluster_nodes[0])


def _first_filesystem(topology: Topology, one: Drbd, makes_it: bool) -> list[str]:
    """Shell lines that make the cluster file system of ``one`` before anything else starts: the first node makes it, as
    primary, and the other, connected, gets every block of it. Never again: the disk is looked at first."""
    # told what to look for: the disk ends with metadata of DRBD, which blkid knows too
    there = f"blkid -p -n {one.filesystem} {backing_disk(topology, one.name)} >/dev/null"
    connected = f'[ "$(drbdadm cstate {one.name})" = Connected ]'
    mkfs = clustered_mkfs(topology.name, one.name, one.filesystem, len(topology.cluster_nodes),
                          device(topology, one.name))
    waits = [f"for try in $(seq 300); do {connected} && break; sleep 0.1; done"]
    if makes_it:
        waits += [f"drbdadm primary {one.name} && {{ {mkfs}; }}", f"drbdadm secondary {one.name}"]
    else:
        waits.append(f"for try in $(seq 300); do {connected} || break; sleep 0.1; done")
    return [f"if ! {there}; then drbdadm up {one.name}", *waits, f"drbdadm down {one.name}; fi"]


def up_lines(topology: Topology) -> list[str]:
    """What brings the resources up at a boot, for cluster software that does not do it itself."""
    return [f"drbdadm up {one.name}" for one in topology.storage.drbd]
