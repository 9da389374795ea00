"""A service on all nodes at once, and the file system that they share: what can't be."""

from __future__ import annotations

import copy

import pytest

from fenceline.model.load import TopologyError, load_topology, parse_topology

GOOD = load_topology("gfs2-iscsi").model_dump(mode="json", exclude_unset=True)


def changed(*path_and_value):
    raw = copy.deepcopy(GOOD)
    *path, last, value = path_and_value
    place = raw
    for key in path:
        place = place[key]
    place[last] = value
    return raw


def filesystem(**change):
    return changed("services", "farm", "group", 0, GOOD["services"]["farm"]["group"][0] | change)


def lun(**change):
    return changed("storage", "iscsi", "luns", 0, GOOD["storage"]["iscsi"]["luns"][0] | change)


@pytest.mark.parametrize(("raw", "words"), [
    (lun(filesystem="ext4", journals=None), "services.farm.group.0: ext4 on all nodes at once would be destroyed"),
    (lun(filesystem="ext4"), "storage.iscsi.luns.0.journals: only gfs2 and ocfs2 have a number of them"),
    (lun(filesystem="ext4", journals=None, clustered_lvm=True),
     "storage.iscsi.luns.0.clustered_lvm: is for gfs2 and ocfs2"),
    (lun(journals=1), "storage.iscsi.luns.0.journals: 1 for 2 cluster nodes"),
    (lun(size="32M"), "storage.iscsi.luns.0.size: 32M is too little for 2 journals, take at least 48M"),
    (filesystem(options="noatime,localflocks"),
     "services.farm.group.0.options: localflocks: the ledger's locks would hold on one node only"),
    (filesystem(monitor_depth=20), "services.farm.group.0.monitor_depth: say 0"),
    (changed("services", "farm", "group", [*GOOD["services"]["farm"]["group"],
                                           {"kind": "vip", "address": "192.168.85.244"}]),
     "services.farm.group.2: a service that is active on all nodes has no VIP"),
    (changed("services", "farm", "domain", {"nodes": ["gfs-01"], "restricted": True}), "services.farm.domain: nothing"),
    (changed("stack", {"kind": "pacemaker", "quorum": {"policy": "two_node"}}),
     "stack.quorum.without_quorum: say freeze, not stop"),
    (changed("stack", {"kind": "heartbeat"}), "services.farm.active: all is for the stack pacemaker, not heartbeat"),
    (changed("stack", {"kind": "heartbeat"}), "stack.kind: a cluster file system takes its locks by Corosync's"),
    (changed("networks", "second", {"role": "heartbeat", "subnet": "10.99.1.0/24"}), "networks: the lock manager"),
])
def test_what_is_wrong_is_told_with_its_place(raw, words):
    with pytest.raises(TopologyError) as caught:
        parse_topology(raw, "x")
    assert words in str(caught.value)


@pytest.mark.parametrize(("change", "words"), [
    ({"dual_primary": False}, "storage.drbd.0.dual_primary: gfs2 is mounted on both nodes at once: say true"),
    ({"size": "32M"}, "storage.drbd.0.size: 32M is too little for 2 journals"),
    ({"filesystem": "ext4"}, "services.farm.group.0: ext4 on all nodes at once would be destroyed")])
def test_on_drbd(change, words):
    raw = load_topology("gfs2-drbd").model_dump(mode="json", exclude_unset=True)
    raw["storage"]["drbd"][0] |= change
    with pytest.raises(TopologyError) as caught:
        parse_topology(raw, "x")
    assert words in str(caught.value)


@pytest.mark.parametrize(("service", "change", "words"), [
    ("images", {"after": ["guest-1"]}, "services.images: others may be bound to a service that is active on all nodes"),
    ("guest-1", {"colocated_with": [], "apart_from": ["images"]}, "services.guest-1.apart_from: 'images' is on every")])
def test_bonds(service, change, words):
    raw = load_topology("kvm-ocfs2").model_dump(mode="json", exclude_unset=True)
    raw["services"][service] |= change
    with pytest.raises(TopologyError) as caught:
        parse_topology(raw, "x")
    assert words in str(caught.value)


def test_a_cluster_file_system_may_be_mounted_by_one_service_at_a_time_too():
    made = parse_topology(changed("services", "farm", "active", "one"), "x")
    assert made.cluster_mountpoints == {"/srv/shared"}


def test_what_the_topology_says_of_its_file_systems(web):
    made = load_topology("gfs2-iscsi")
    assert made.filesystem_type(made.services["farm"].filesystem) == "gfs2"
    assert made.cluster_mountpoints == {"/srv/shared"}
    assert web.filesystem_type(web.services["web"].filesystem) == "ext4" and web.cluster_mountpoints == frozenset()
    nfs = load_topology("web-nfs-heartbeat")
    assert {nfs.filesystem_type(one.filesystem) for one in nfs.services.values()} == {"nfs"}
