"""ha.cf and haresources as people published them (R2 and R5), as topologies."""

import pytest

from harness.errors import FencelineError
from harness.importers.heartbeat import import_heartbeat
from harness.model.load import parse_topology

R2_CF = """\
debugfile /var/log/ha-debug
logfile /var/log/ha-log
logfacility     local0
keepalive 1500ms
deadtime 6       # seconds
warntime 3
udpport 694
mcast eth0 225.0.0.1 694 1 0
auto_failback on
node node1
node node2
ping 192.168.60.1
respawn hacluster /usr/lib/heartbeat/ipfail
"""
R2_RESOURCES = """\
# the preferred node, its address, the export, the server
node1 192.168.60.200/16/eth0 \\
      Filesystem::192.168.60.132:/www/htdoc::/var/www/html::nfs httpd
"""
R5_CF = """\
keepalive 2
deadtime 10
warntime 5
initdead 60
ucast eth1 192.168.0.12
auto_failback off
node vm01 vm02
ping_group gateways 10.0.0.1 10.0.0.2
respawn hacluster /usr/lib64/heartbeat/ipfail
watchdog /dev/watchdog
"""
R5_RESOURCES = "vm01 drbddisk::r Filesystem::/dev/drbd1::/data::ext3 10.0.0.20 mysql\n"


def test_r2():
    found = import_heartbeat(R2_CF, R2_RESOURCES, "r2")
    topology = parse_topology(found.raw, "r2")
    stack = topology.stack
    assert (stack.keepalive, stack.warntime, stack.deadtime) == (1.5, 3.0, 6.0)
    assert (stack.media, str(stack.mcast_group), stack.udpport) == ("mcast", "225.0.0.1", 694)
    assert stack.ping == ("client",)
    assert stack.ipfail
    service = topology.services["service"]
    assert service.domain.nodes == ("node1", "node2")
    assert service.domain.failback
    assert [part.kind for part in service.group] == ["vip", "filesystem", "daemon"]
    assert str(service.vip.address) == "192.168.60.200"
    assert (service.filesystem.export, service.filesystem.mountpoint) == ("htdoc", "/var/www/html")
    assert topology.fencing.method == "none"
    assert [note.partition(": ")[2].partition(":")[0] for note in found.notes] == [
        "initdead is not there", "ping 192.168.60.1", "192.168.60.132", "httpd"]


def test_r5_says_what_it_can_not_express():
    found = import_heartbeat(R5_CF, R5_RESOURCES, "r5")
    topology = parse_topology(found.raw, "r5")
    assert (topology.stack.initdead, topology.stack.media) == (60.0, "ucast")
    assert topology.stack.ping_group == {"gateways": ("client",)}
    assert not topology.services["service"].domain.failback
    assert [lun.filesystem for lun in topology.storage.iscsi.luns] == ["ext3"]
    notes = "\n".join(found.notes)
    for word in ("watchdog /dev/watchdog: not expressed", "drbddisk::r: not expressed", "mysql: not expressed",
                 "10.0.0.20 becomes 10.0.0.148", "10.0.0.1, 10.0.0.2", "/dev/drbd1: an iSCSI LUN data"):
        assert word in notes


def test_stonith_of_another_kind_is_a_bmc():
    found = import_heartbeat(R2_CF + "stonith_host * baytech 10.0.0.3 mylogin mysecret\n", R2_RESOURCES)
    assert found.raw["fencing"] == {"method": "ipmi"}
    assert any("STONITH by baytech" in note for note in found.notes)


def test_crm_and_a_second_medium_are_said():
    found = import_heartbeat(R2_CF + "crm yes\nbcast eth1\nserial /dev/ttyS0\n", R2_RESOURCES)
    assert sum("crm" in note or "bcast" in note or "serial" in note for note in found.notes) == 3


def test_a_line_for_a_stranger_is_left_out():
    found = import_heartbeat(R2_CF, R2_RESOURCES + "node3 httpd\n")
    assert list(found.raw["services"]) == ["service-1"]
    assert any("node3 is no node" in note for note in found.notes)


@pytest.mark.parametrize(("ha_cf", "resources", "words"), [
    ("keepalive 1\n", R2_RESOURCES, "names no node"), (R2_CF, "# nothing\n", "no service")])
def test_what_is_no_cluster_is_refused(ha_cf, resources, words):
    with pytest.raises(FencelineError, match=words):
        import_heartbeat(ha_cf, resources)
