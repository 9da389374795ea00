"""SBD in the configuration: the pills' device, the watchdog, and who starts what when."""

from __future__ import annotations

import subprocess

import pytest

from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology, parse_topology
from fenceline.stacks.offers import lacking, offers
from fenceline.stacks.pacemaker import sbd
from fenceline.stacks.pacemaker.stack import PacemakerStack
from tests.model.sample import GONE, raw
from tests.stacks.test_cib import cib, locations, pairs, primitive


@pytest.fixture
def disk():
    return load_topology("web-iscsi-sbd")


@pytest.fixture
def diskless():
    made = raw(fencing={"method": "sbd", "sbd": {"watchdog_timeout": "7s"}}, nodes__q={"role": "quorum-device"},
               stack__quorum={"policy": "qdevice", "device": "q"})
    return parse_topology(made, "x")


def seeds(topology, node):
    stack, seed = PacemakerStack(topology, {}, "secret", lambda name: True), Seed()
    (stack.seed_member if topology.nodes[node].role == "cluster" else stack.seed_helper)(node, seed)
    return seed


def test_one_device_fences_everybody_with_a_pill(disk):
    root = cib(disk)
    device = primitive(root, "fence-sbd")
    assert (device.get("class"), device.get("type")) == ("stonith", "external/sbd")
    assert pairs(device) == {"sbd_device": "/dev/fenceline/sbd", "pcmk_delay_base": "rs-02:2s"}
    assert locations(root, "fence-sbd") == {} and primitive(root, "fence-rs-01") is None
    assert "stonith-watchdog-timeout" not in pairs(root.find(".//crm_config"))


def test_without_a_disk_time_is_the_device(diskless):
    root = cib(diskless)
    assert primitive(root, "fence-sbd") is None
    found = pairs(root.find(".//crm_config"))
    assert found["stonith-watchdog-timeout"] == "14s" and found["stonith-enabled"] == "true"


def test_ipmi_has_no_pills(web):
    assert primitive(cib(web), "fence-sbd") is None


def test_three_disks():
    luns = [{"name": name, "size": "4M", "filesystem": None} for name in ("a", "b", "c")]
    topology = parse_topology(raw(storage__iscsi__luns=[raw()["storage"]["iscsi"]["luns"][0], *luns],
                                  fencing={"method": "sbd", "sbd": {"luns": ["a", "b", "c"]}}), "x")
    assert sbd.devices(topology) == "/dev/fenceline/a;/dev/fenceline/b;/dev/fenceline/c"
    assert pairs(primitive(cib(topology), "fence-sbd")) == {"sbd_device": sbd.devices(topology)}
    assert sum("dump" in line for line in seeds(topology, "rs-01").late) == 3


def test_a_member_feeds_its_watchdog_and_starts_corosync_when_the_disk_is_there(disk):
    seed = seeds(disk, "rs-01")
    settings = seed.files["/etc/default/sbd"][0].splitlines()
    assert {'SBD_DEVICE="/dev/fenceline/sbd"', "SBD_WATCHDOG_TIMEOUT=5", "SBD_PACEMAKER=yes"} <= set(settings)
    assert "corosync.service" not in seed.units
    order = [next(index for index, line in enumerate(seed.late) if word in line)
             for word in ("sbd -d /dev/fenceline/sbd dump", "allocate rs-01", "restart corosync", "start pacemaker")]
    assert order == sorted(order)


def test_a_member_without_a_disk(diskless):
    seed = seeds(diskless, "rs-01")
    assert "SBD_DEVICE" not in seed.files["/etc/default/sbd"][0] and not any("dump" in line for line in seed.late)
    assert "systemctl start corosync.service" in seed.late


def test_without_sbd_corosync_starts_at_boot(web):
    seed = seeds(web, "rs-01")
    assert "corosync.service" in seed.units and "/etc/default/sbd" not in seed.files


def test_the_disk_is_prepared_once(disk, web):
    line, = seeds(disk, "san-01").setup
    assert line == ("sbd -d /dev/mapper/fl-sbd dump >/dev/null 2>&1 || "
                    "sbd -d /dev/mapper/fl-sbd -1 5 -4 10 create")
    assert seeds(web, "san-01").setup == []


def test_the_scripts_are_shell(disk):
    for seed in (seeds(disk, "rs-01"), seeds(disk, "san-01")):
        text = "\n".join([*seed.setup, *seed.late])
        assert subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""


def test_what_can_be_done_to_it(disk, web):
    assert {"watchdog", "daemon sbd", "fencing"} <= offers(disk) and "BMC" not in offers(disk)
    assert "BMC" in offers(web) and "no watchdog" in lacking(web, ["watchdog"])
    assert "no BMC" in lacking(disk, ["BMC"])


@pytest.mark.parametrize(("msgwait", "wanted"), [(GONE, 10.0), ("15s", 15.0)])
def test_how_long_a_pill_is_given(msgwait, wanted):
    settings = {"luns": ["sbd"]} | ({} if msgwait is GONE else {"msgwait": msgwait})
    topology = parse_topology(raw(fencing={"method": "sbd", "sbd": settings},
                                  storage__iscsi__luns__1={"name": "sbd", "filesystem": None}), "x")
    assert topology.fencing.sbd.message_wait == wanted
