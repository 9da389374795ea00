"""The seed: what is on a node's second disk."""

from __future__ import annotations

import json
import subprocess
import tarfile

import pytest

from fenceline.guest.base import base_seed
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import make_key, write_private_key
from fenceline.model.addressing import mac
from fenceline.model.load import load_topology


def unpacked(path) -> dict[str, tuple[str, int]]:
    with tarfile.open(path) as tar:
        return {member.name: (tar.extractfile(member).read().decode(), member.mode) for member in tar.getmembers()}


def test_files_scripts_and_units(tmp_path):
    seed = Seed()
    seed.add("/etc/x", "ü\n", 0o600)
    seed.setup.append("first")
    seed.late.append("second")
    seed.units.append("ssh.service")
    path = tmp_path / "seed"
    seed.write(path)
    assert path.stat().st_size % 65536 == 0
    found = unpacked(path)
    assert found["etc/x"] == ("ü\n", 0o600)
    assert found["etc/fenceline/up.sh"] == ("#!/bin/sh\nfirst\n", 0o755)
    assert found["etc/fenceline/late.sh"] == ("#!/bin/sh\nsecond\n", 0o755)
    assert found["etc/fenceline/units"][0].split() == ["ssh.service", "fenceline-late.service"]
    assert "ExecStart=/bin/sh -x /etc/fenceline/late.sh" in found["etc/systemd/system/fenceline-late.service"][0]


def test_what_is_not_there_is_not_waited_for(tmp_path):
    seed = Seed()
    seed.write(tmp_path / "seed")
    assert "fenceline-late.service" not in unpacked(tmp_path / "seed")["etc/fenceline/units"][0]


def test_the_same_seed_is_written_twice_alike(tmp_path):
    seed = Seed()
    seed.add("/b", "2")
    seed.add("/a", "1")
    for name in ("one", "two"):
        seed.write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture(scope="module")
def keys():
    return make_key(), make_key()


def test_what_every_node_gets(keys):
    topology = load_topology("web-iscsi")
    seed = base_seed(topology, "rs-02", *keys)
    assert seed.files["/etc/hostname"][0] == "rs-02\n"
    assert seed.files["/root/.ssh/authorized_keys"] == (keys[0].public + "\n", 0o600)
    assert seed.files["/etc/ssh/ssh_host_ed25519_key"] == (keys[1].private, 0o600)
    assert keys[0].private not in "".join(text for text, _ in seed.files.values())  # ours stays with us
    hosts = dict(reversed(line.split()) for line in seed.files["/etc/hosts"][0].splitlines())
    assert hosts == {"localhost": "127.0.0.1", "rs-01": "10.71.1.11", "rs-02": "10.71.1.12", "san-01": "10.71.4.41"}
    assert seed.units == ["ssh.service", "fenceline-agent.service"]


def test_addresses_go_to_the_card_with_the_right_mac(keys):
    topology = load_topology("web-iscsi")
    lines = base_seed(topology, "san-01", *keys).setup
    for name, network, address in (("eth0", "storage", "10.71.3.41/24"), ("eth1", "management", "10.71.4.41/24")):
        assert any(mac(topology, "san-01", network) in line and f'= {name} ]' in line for line in lines)
        assert f"ip addr add {address} brd + dev {name}" in lines
    assert not any("10.71.1." in line for line in lines)
    assert subprocess.run(["sh", "-n"], input="\n".join(lines), text=True, capture_output=True,
                          check=False).stderr == ""


@pytest.mark.parametrize(("node", "wanted"), [
    ("rs-01", {"mountpoints": ["/srv/www"], "addresses": ["192.168.98.244"], "ports": [80], "quorum": True,
               "logs": ["/var/log/corosync/corosync.log"]}),
    ("san-01", {"mountpoints": [], "addresses": [], "ports": [], "quorum": False, "logs": []})])
def test_what_the_agent_watches(keys, node, wanted):
    seed = base_seed(load_topology("web-iscsi"), node, *keys)
    settings = json.loads(seed.files["/etc/fenceline/agent.json"][0])
    assert {key: settings[key] for key in wanted} == wanted


def test_a_private_key_is_nobody_elses(keys, tmp_path):
    path = tmp_path / "id"
    write_private_key(keys[0], path)
    assert path.stat().st_mode & 0o777 == 0o600
    public = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True).stdout
    assert public.split()[:2] == keys[0].public.split()[:2]


def test_keys_are_new():
    assert make_key() != make_key()
