"""The iSCSI disk: both ends say the same, and the file system is really made."""

from __future__ import annotations

import re
import subprocess

import pytest

from fenceline.core.errors import HostError
from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology, parse_topology
from fenceline.storage.iscsi import clustered_lvm
from fenceline.storage.iscsi import target as iscsi
from fenceline.storage.mounting import mount_of
from tests.model.sample import raw


@pytest.fixture
def two_luns():
    return parse_topology(raw(storage__iscsi__luns=[{"name": "www", "size": "16M"},
                                                    {"name": "raw", "size": "8M", "filesystem": None}]), "x")


@pytest.fixture
def target(two_luns):
    seed = Seed()
    iscsi.seed_target(two_luns, seed)
    return "\n".join(seed.setup)


@pytest.fixture
def initiator(two_luns):
    seed = Seed()
    iscsi.seed_initiator(two_luns, "rs-01", seed)
    return seed


def test_names_and_portal(web):
    assert iscsi.target_name(web) == "iqn.2026-01.io.fenceline:web-iscsi"
    assert iscsi.initiator_name(web, "rs-01") == "iqn.2026-01.io.fenceline:web-iscsi:rs-01"
    assert iscsi.initiator_name(web, "rs-01") != iscsi.initiator_name(web, "rs-02")
    assert iscsi.portal(web) == "10.71.3.41:3260"


def test_the_target_exports_every_lun_on_a_disk_of_its_own(two_luns, target):
    assert re.findall(r"D=/dev/ubd(\w);.*D=/dev/vd(\w)", target) == [("c", "c"), ("d", "d")]
    assert re.findall(r"ln -s \S+/(\w+) \$G/lun/lun_(\d)/", target) == [("www", "0"), ("raw", "1")]
    assert re.findall(r"vpd_unit_serial", target) == ["vpd_unit_serial"] * 2
    assert f"iscsi/{iscsi.target_name(two_luns)}/tpgt_1" in target
    assert f"np/{iscsi.portal(two_luns)}" in target
    assert target.endswith("echo 1 > $G/enable")  # last: nobody logs in to half a target


def test_the_initiator_asks_for_what_the_target_offers(two_luns, initiator):
    path = f"/etc/iscsi/nodes/{iscsi.target_name(two_luns)}/10.71.3.41,3260,1/default"
    record = dict(line.split(" = ") for line in initiator.files[path][0].splitlines() if " = " in line)
    assert record["node.name"] == iscsi.target_name(two_luns)
    assert (record["node.conn[0].address"], record["node.conn[0].port"]) == ("10.71.3.41", "3260")
    assert f"iscsiadm -m node -T {iscsi.target_name(two_luns)} --login" in "\n".join(initiator.late)
    assert initiator.files["/etc/iscsi/initiatorname.iscsi"] == (
        "InitiatorName=iqn.2026-01.io.fenceline:web-iscsi:rs-01\n", 0o600)
    late = "\n".join(initiator.late)
    assert re.findall(r"scsi_device/\*:(\d)/", late) == ["0", "1"]
    assert re.findall(r"/dev/fenceline/(\w+)", late) == ["www", "raw"]


def test_the_patience_of_the_topology():
    topology = parse_topology(raw(storage__iscsi__replacement_timeout="7s", storage__iscsi__noop_interval="3s",
                                  storage__iscsi__noop_timeout="4s"), "x")
    seed = Seed()
    iscsi.seed_initiator(topology, "rs-01", seed)
    record = next(text for path, (text, _) in seed.files.items() if path.endswith("/default"))
    for line in ("node.session.timeo.replacement_timeout = 7", "node.conn[0].timeo.noop_out_interval = 3",
                 "node.conn[0].timeo.noop_out_timeout = 4"):
        assert line in record.splitlines()


def test_the_scripts_are_shell(target, initiator):
    for text in (target, "\n".join(initiator.setup), "\n".join(initiator.late)):
        assert subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""


def test_disks_are_made_with_their_file_system(two_luns, tmp_path):
    disks = iscsi.make_disks(two_luns, tmp_path)
    assert [path.stat().st_size for path in disks] == [16 * 2**20, 8 * 2**20]
    shown = subprocess.run(["debugfs", "-R", "cat /index.html", str(disks[0])], capture_output=True, text=True,
                           check=True).stdout
    assert shown == "web-iscsi: www\n"
    assert subprocess.run(["e2fsck", "-fn", str(disks[0])], capture_output=True, check=False).returncode == 0
    assert disks[1].read_bytes() == bytes(8 * 2**20)  # without file system it is empty


def test_a_disk_too_small_for_its_file_system(tmp_path):
    topology = parse_topology(raw(storage__iscsi__luns__0__size="16K"), "x")
    with pytest.raises(HostError, match=r"mkfs.ext4 .*www.* failed: \S"):
        iscsi.make_disks(topology, tmp_path)


@pytest.mark.parametrize(("filesystem", "command"), [
    ("gfs2", "mkfs.gfs2 -q -O -p lock_dlm -t gfs2-iscsi:shared -j 2 -J 8 /dev/mapper/fl-shared"),
    ("ocfs2", "mkfs.ocfs2 -q -x -F --cluster-stack=pcmk --cluster-name=gfs2-iscsi -N 2 ")])
def test_a_cluster_file_system_is_made_by_the_target_before_it_exports_it_and_only_once(filesystem, command, tmp_path):
    made = load_topology("gfs2-iscsi").model_dump(mode="json", exclude_unset=True)
    made["storage"]["iscsi"]["luns"][0]["filesystem"] = filesystem
    topology = parse_topology(made, "x")
    seed = Seed()
    iscsi.seed_target(topology, seed)
    line, = [number for number, text in enumerate(seed.setup) if command in text]
    assert seed.setup[line].startswith("blkid -p /dev/mapper/fl-shared >/dev/null || mkfs")
    assert line < next(number for number, text in enumerate(seed.setup) if "/enable" in text)
    disk, = iscsi.make_disks(topology, tmp_path)
    assert disk.stat().st_size == 128 * 2**20 and disk.read_bytes().count(0) == 128 * 2**20


@pytest.fixture
def clustered():
    made = load_topology("gfs2-iscsi").model_dump(mode="json", exclude_unset=True)
    made["storage"]["iscsi"]["luns"][0]["clustered_lvm"] = True
    return parse_topology(made, "x")


def test_a_clustered_volume_group_is_made_by_the_target_and_its_metadata_say_whose_it_is(clustered):
    seed = Seed()
    iscsi.seed_target(clustered, seed)
    line, = [text for text in seed.setup if "vgcreate" in text]
    assert any(text.startswith("L=") and "/dev/mapper/" in text for text in seed.setup)
    assert line.startswith("if ! blkid -p /dev/mapper/fl-shared >/dev/null; then pvcreate")
    assert line.index("mkfs.gfs2") < line.index("vgchange $L -q -an") < line.index("vgcfgrestore")
    assert subprocess.run(["sh", "-n"], input=line, text=True, capture_output=True, check=False).stderr == ""
    edit = re.search(r"sed -i '(.*)' /run/vg-shared.txt", line)[1]
    # as vgcfgbackup of LVM 2.03.16 writes it
    text = 'vg-shared {\n\tid = "x"\n\tformat = "lvm2"\t\t\t# informational\n\tlogical_volumes {\n\t\tshared {\n' \
           '\t\t\tcreation_host = "san-01"\n'
    changed = subprocess.run(["sed", edit], input=text, text=True, capture_output=True, check=True).stdout.splitlines()
    assert changed[3:5] == ['\tlock_type = "dlm"', '\tlock_args = "1.0.0:gfs2-iscsi"']
    assert changed[-1] == '\t\t\tlock_args = "dlm"'


def test_what_is_mounted_is_the_logical_volume(clustered):
    assert mount_of(clustered, clustered.services["farm"].filesystem).device == "/dev/vg-shared/shared"
    seed = Seed()
    clustered_lvm.seed_node(clustered, seed)
    assert any("use_lvmlockd = 1" in line for line in seed.setup)
    assert [line.split()[-1] for line in seed.setup if line.startswith("ln ")] == [
        "/dev/misc/dlm_lvm_global", "/dev/misc/dlm_lvm_vg-shared"]
    seed = Seed()
    clustered_lvm.seed_node(load_topology("gfs2-iscsi"), seed)
    assert not seed.setup
