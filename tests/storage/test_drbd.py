"""DRBD's resources: the file that both nodes read, disks with the same bytes, metadata that is made once."""

from __future__ import annotations

import re
import subprocess

import pytest

from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology, parse_topology
from fenceline.model.storage import Mount
from fenceline.storage.drbd import resources as drbd
from fenceline.storage.mounting import mount_of


def changed(**of_drbd):
    """ledger-drbd with changes to its resource."""
    made = load_topology("ledger-drbd").model_dump(mode="json", exclude_unset=True)
    made["storage"]["drbd"][0] |= of_drbd
    return made


@pytest.fixture
def ledger():
    return load_topology("ledger-drbd")


def test_where_things_are(ledger):
    assert (drbd.device(ledger, "r0"), drbd.port(ledger, "r0"), drbd.network(ledger, "r0")) == (
        "/dev/drbd0", 7788, "storage")
    assert mount_of(ledger, ledger.services["ledger"].filesystem) == Mount("/dev/drbd0", "ext4", "noatime")
    assert drbd.resource_of(ledger, "ledger").name == "r0"
    assert ledger.storage_host("ledger") is None  # it is on the nodes' own disks


def test_the_resource_file(ledger):
    text = drbd.resource_file(ledger, "r0", "abc")
    assert "on node1 { address 10.75.3.11:7788; }" in text and "on node2 { address 10.75.3.12:7788; }" in text
    for line in ("protocol C;", "timeout 20;", "connect-int 3;", "ping-int 3;", "cram-hmac-alg sha1;",
                 'shared-secret "abc";', "fencing dont-care;", "after-sb-0pri disconnect;", "meta-disk internal;"):
        assert line in text
    assert "allow-two-primaries" not in text and "handlers" not in text and "allow-two" not in text


def test_the_resource_file_of_other_settings():
    topology = parse_topology(changed(
        protocol="A", dual_primary=True, shared_secret=False, fencing="resource-only", resync_rate="10M",
        network="heartbeat", after_sb_0pri="discard-zero-changes"), "x")
    text = drbd.resource_file(topology, "r0", "abc")
    for line in ("protocol A;", "allow-two-primaries yes;", "c-plan-ahead 0;", "resync-rate 10240K;", "c-min-rate 0;",
                 "fencing resource-only;", 'fence-peer "/lib/drbd/crm-fence-peer.sh";', "10.75.1.11:7788",
                 "after-sb-0pri discard-zero-changes;"):
        assert line in text
    assert "secret" not in text
    assert "resync-rate" not in drbd.resource_file(parse_topology(changed(resync_rate=None), "x"), "r0", "abc")


def test_every_node_gets_the_same_bytes(ledger, tmp_path):
    one, other = (drbd.make_disks(ledger, node, tmp_path)[0] for node in ledger.cluster_nodes)
    assert one != other and one.read_bytes() == other.read_bytes()
    assert one.stat().st_size == 64 * 2**20
    shown = subprocess.run(["dumpe2fs", "-h", str(one)], capture_output=True, text=True, check=True).stdout
    blocks, size = (int(re.search(rf"{word}:\s+(\d+)", shown)[1]) for word in ("Block count", "Block size"))
    # DRBD's metadata has its place behind the file system
    assert blocks * size <= 64 * 2**20 - 36 * 1024 - 4096


def test_the_seed_makes_metadata_only_where_there_is_none(ledger):
    seed = Seed()
    drbd.seed_node(ledger, "node1", seed, "abc")
    script = "\n".join(seed.setup)
    assert subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False).stderr == ""
    assert script.index("No valid meta") < script.index("create-md")
    assert seed.files["/etc/drbd.d/r0.res"][1] == 0o600  # it holds the secret
    assert drbd.up_lines(ledger) == ["drbdadm up r0"]


class TestClusterFilesystem:
    """gfs2-drbd: made once, by the first node as primary, while the other is connected."""

    @pytest.fixture
    def lines(self):
        topology = load_topology("gfs2-drbd")
        seeds = {node: Seed() for node in topology.cluster_nodes}
        for node, seed in seeds.items():
            drbd.seed_node(topology, node, seed, "abc")
        # before the agent and the cluster start: it is no promotion of theirs
        assert not any(seed.late for seed in seeds.values())
        return [seed.setup[next(number for number, line in enumerate(seed.setup) if "blkid" in line):]
                for seed in seeds.values()]

    def test_one_makes_it(self, lines):
        one, other = ("\n".join(each) for each in lines)
        assert "mkfs.gfs2 -q -O -p lock_dlm -t gfs2-drbd:shared -j 2 -J 8 /dev/drbd0" in one
        assert "mkfs" not in other and "primary" not in other
        assert one.index("Connected") < one.index("drbdadm primary") < one.index("mkfs") < one.index("drbdadm down")

    def test_only_where_there_is_none(self, lines):
        for each in lines:
            assert each[0] == "if ! blkid -p -n gfs2 /dev/fenceline/drbd-shared >/dev/null; then drbdadm up shared"
            assert each[-1] == "drbdadm down shared; fi"
            done = subprocess.run(["sh", "-n"], input="\n".join(each), text=True, capture_output=True, check=False)
            assert done.stderr == ""

    def test_the_host_makes_none(self, tmp_path):
        disk, = drbd.make_disks(load_topology("gfs2-drbd"), "gfs-01", tmp_path)
        assert disk.stat().st_size == 128 * 2**20 and disk.stat().st_blocks < 100
