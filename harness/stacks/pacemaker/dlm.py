"""The distributed lock manager under Pacemaker: what cluster file systems take their locks from.

``ocf:pacemaker:controld`` runs dlm_controld on every node. It follows corosync's membership, stops all lock spaces when
a node is lost, and starts them again when Pacemaker says that the node was fenced.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.guest.seed import Seed
from fenceline.model.topology import Topology
from fenceline.stacks.pacemaker.elements import add_clone, attributes, clone_of, operation
from fenceline.storage.iscsi import clustered_lvm
from fenceline.storage.iscsi.model import Lun

NAME = "dlm"
#: Pacemaker's stack of OCFS2 takes the kernel's DLM; o2cb would bring a heartbeat and a membership of its own.
OCFS2_STACK = "pcmk"


def add_lock_manager(resources: ET.Element, topology: Topology) -> None:
    """The clone that runs it on every node; with lvmlockd behind it, where there is clustered LVM."""
    clone = add_clone(resources, NAME)
    has_lvm = bool(clustered_lvm.luns(topology))
    parent = ET.SubElement(clone, "group", {"id": f"{NAME}-group"}) if has_lvm else clone
    primitive = ET.SubElement(parent, "primitive",
                              {"id": NAME, "class": "ocf", "provider": "pacemaker", "type": "controld"})
    if topology.fencing.method == "none":
        # without it the agent refuses to start; DLM itself then waits for a fencing that never comes
        attributes(primitive, "instance_attributes", f"{NAME}-parameters", {"allow_stonith_disabled": "true"})
    operations = ET.SubElement(primitive, "operations")
    operation(operations, NAME, "monitor", 10, 20, on_fail="fence")
    operation(operations, NAME, "start", 0, 90)
    operation(operations, NAME, "stop", 0, 100)
    if has_lvm:
        daemon = ET.SubElement(parent, "primitive",
                               {"id": "lvmlockd", "class": "ocf", "provider": "heartbeat", "type": "lvmlockd"})
        operations = ET.SubElement(daemon, "operations")
        operation(operations, "lvmlockd", "monitor", 10, 20, on_fail="fence")
        operation(operations, "lvmlockd", "start", 0, 90)
        operation(operations, "lvmlockd", "stop", 0, 90)


def add_volume(group: ET.Element, service: str, lun: Lun) -> None:
    """Activates the logical volume of ``lun`` on every node, before the group of ``service`` mounts it."""
    identity = f"{service}-volume"
    primitive = ET.SubElement(group, "primitive",
                              {"id": identity, "class": "ocf", "provider": "heartbeat", "type": "LVM-activate"})
    attributes(primitive, "instance_attributes", f"{identity}-parameters", {
        "vgname": clustered_lvm.group(lun.name), "lvname": lun.name, "vg_access_mode": "lvmlockd",
        "activation_mode": "shared"})
    operations = ET.SubElement(primitive, "operations")
    operation(operations, identity, "monitor", 30, 90)
    operation(operations, identity, "start", 0, 90)
    operation(operations, identity, "stop", 0, 90)


def add_constraints(constraints: ET.Element, resource: str) -> None:
    """``resource``, which mounts a cluster file system, runs where the lock manager does, and after it."""
    ET.SubElement(constraints, "rsc_order",
                  {"id": f"{resource}-after-{NAME}", "first": clone_of(NAME), "then": resource})
    ET.SubElement(constraints, "rsc_colocation",
                  {"id": f"{resource}-with-{NAME}", "rsc": resource, "with-rsc": clone_of(NAME), "score": "INFINITY"})


def seed_lock_manager(topology: Topology, seed: Seed) -> None:
    """Gives the node of ``seed`` its configuration, and the kernel's part: without udev nobody loads modules."""
    settings = topology.stack.dlm
    seed.add("/etc/dlm/dlm.conf", f"post_join_delay={settings.post_join_delay:.0f}\n"
                                  f"enable_fencing={int(settings.fencing)}\n")
    used = {topology.filesystem_type(part) for service in topology.services.values() for part in service.group
            if part.kind == "filesystem"}
    seed.setup += ["modprobe -a dlm",
                   "mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config"]
    if "gfs2" in used:
        seed.setup.append("modprobe gfs2")
    if "ocfs2" in used:
        seed.setup += ["modprobe -a ocfs2 ocfs2_stack_user", f"echo {OCFS2_STACK} > /sys/fs/ocfs2/cluster_stack"]
    clustered_lvm.seed_node(topology, seed)
