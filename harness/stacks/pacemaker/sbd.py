"""SBD: poison pills over shared disks, and a watchdog that resets a node which can neither read them nor see its
cluster. See sbd(8)."""

from __future__ import annotations

from fenceline.guest.seed import Seed
from fenceline.model.storage import pill_carrier
from fenceline.model.topology import Topology
from fenceline.model.units import format_duration

UNIT = "/usr/lib/systemd/system/sbd.service"


def devices(topology: Topology) -> str:
    """The disks of the pills as a member has them, as sbd wants several: separated by semicolons."""
    return ";".join(pill_carrier().device(topology, lun) for lun in topology.fencing.sbd.luns)


def delays(topology: Topology) -> str:
    """The head starts of the topology, as pcmk_delay_base wants them of a device that fences everybody."""
    return ";".join(f"{node}:{format_duration(delay)}" for node, delay in topology.fencing.delay.items())


# sbd gives up if it is not well within its watchdog's timeout, as on a host that has too much to do
_START = """\
for try in 1 2 3; do systemctl restart corosync.service; for look in $(seq 300); do
case $(systemctl is-active sbd.service) in active) break 2;; failed) break;; esac; sleep 0.1; done; done"""


def seed_member(topology: Topology, node: str, seed: Seed) -> None:
    """Makes the node of ``seed`` watched, and starts corosync late: sbd starts with it, and needs its disks."""
    sbd = topology.fencing.sbd
    seed.add("/etc/default/sbd", "\n".join([
        *([f'SBD_DEVICE="{devices(topology)}"'] if sbd.luns else []),
        "SBD_PACEMAKER=yes", "SBD_STARTMODE=always", "SBD_DELAY_START=no", "SBD_WATCHDOG_DEV=/dev/fenceline/watchdog",
        f"SBD_WATCHDOG_TIMEOUT={sbd.watchdog_timeout:.0f}", "SBD_TIMEOUT_ACTION=flush,reboot", ""]))
    # UML has a watchdog of its own where the first one should be, which resets nothing; softdog's is then the next one
    seed.setup += ["modprobe softdog; mkdir -p /dev/fenceline",
                   "for w in /dev/watchdog[0-9]*; do ln -sfn $w /dev/fenceline/watchdog; done",
                   # what `systemctl enable sbd` does
                   "for u in corosync pacemaker; do mkdir -p /etc/systemd/system/$u.service.requires; "
                   f"ln -sfn {UNIT} /etc/systemd/system/$u.service.requires/sbd.service; done"]
    for lun in sbd.luns:
        disk = pill_carrier().device(topology, lun)
        # a slot of its own takes two seconds to get, which sbd itself has not got
        seed.late += [f"for try in $(seq 100); do sbd -d {disk} dump >/dev/null 2>&1 && break; sleep 0.1; done",
                      f"sbd -d {disk} allocate {node}"]
    seed.late.append(_START if sbd.luns else "systemctl start corosync.service")


def seed_storage(topology: Topology, seed: Seed) -> None:
    """Makes the storage machine of ``seed`` prepare the disks of the pills, once in their life."""
    sbd = topology.fencing.sbd
    for lun in sbd.luns:
        disk = pill_carrier().backing(topology, lun)
        seed.setup.append(f"sbd -d {disk} dump >/dev/null 2>&1 || sbd -d {disk} -1 {sbd.watchdog_timeout:.0f} "
                          f"-4 {sbd.message_wait:.0f} create")
