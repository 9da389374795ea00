"""What members of a heartbeat cluster and directors tell, parsed and put together."""

import pytest

from fenceline.core.errors import ClusterError
from fenceline.model.load import load_topology
from fenceline.stacks.heartbeat import status as heartbeat
from fenceline.stacks.keepalived import status as keepalived

R2 = load_topology("web-nfs-heartbeat")
LVS = load_topology("lvs-keepalived")
SOCKETS = """\
-- sockets
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1318 1 0000000000000000 100
"""
HTTP = "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1400 1 0 100\n"
HB_ACTIVE = """\
hb Heartbeat is running on this machine.
node node2 active
node node1 active
rsc all
-- addresses
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: eth1    inet 192.168.60.11/24 brd 192.168.60.255 scope global eth1\\       valid_lft forever preferred_lft forever
3: eth1    inet 192.168.60.200/24 brd 192.168.60.255 scope global secondary eth1\\       valid_lft forever
-- mounts
/dev/root / ext4 rw,noatime 0 0
10.74.3.41:/srv/export/htdoc /var/www/html nfs4 rw,noatime,vers=4.2,hard,proto=tcp,timeo=50,retrans=2 0 0
""" + SOCKETS + HTTP
HB_IDLE = """\
hb Heartbeat is running on this machine.
node node2 active
node node1 active
rsc none
-- addresses
3: eth1    inet 192.168.60.12/24 brd 192.168.60.255 scope global eth1\\       valid_lft forever preferred_lft forever
-- mounts
/dev/root / ext4 rw,noatime 0 0
""" + SOCKETS
HB_STOPPED = HB_IDLE.replace("is running", "is stopped").replace("node node2 active\nnode node1 active\nrsc none",
                                                                 "rsc Cannot signon with heartbeat")


def hb_state(seen_by="node1", standby=(), **texts):
    return heartbeat.cluster_state(R2, {node: heartbeat.parse(node, text) for node, text in texts.items()}, seen_by,
                                   frozenset(standby))


def test_a_member_tells_what_it_has():
    told = heartbeat.parse("node1", HB_ACTIVE)
    assert told.running
    assert told.nodes == {"node1": "active", "node2": "active"}
    assert told.holds == "all"
    assert "192.168.60.200" in told.addresses
    assert "/var/www/html" in told.mounts
    assert told.ports == {22, 80}


def test_the_service_is_where_it_is_claimed_and_there():
    state = hb_state(node1=HB_ACTIVE, node2=HB_IDLE)
    assert state.owner("web") == "node1"
    assert state.online() == ("node1", "node2")
    assert not any(member.standby for member in state.members)


@pytest.mark.parametrize("part", ["192.168.60.200/24", "/var/www/html", "00000000:0050"])
def test_a_service_without_one_of_its_parts_is_nowhere(part):
    assert hb_state(node1=HB_ACTIVE.replace(part, "0.0.0.0:0000"), node2=HB_IDLE).owner("web") is None


def test_who_claims_decides_when_the_parts_still_come():
    assert hb_state(node1=HB_ACTIVE.replace("rsc all", "rsc none"), node2=HB_IDLE).owner("web") is None


@pytest.mark.parametrize(("node", "holds", "has"), [
    ("node1", "local", True), ("node1", "foreign", False), ("node2", "foreign", True), ("node2", "local", False),
    ("node2", "all", True), ("node1", "none", False), ("node1", "transition", False)])
def test_local_and_foreign_are_seen_from_the_preferred_node(node, holds, has):
    told = heartbeat.parse(node, HB_IDLE.replace("rsc none", f"rsc {holds}"))
    assert heartbeat.holds_service(told, "node1") is has


def test_split_brain_is_on_two_nodes():
    state = hb_state(node1=HB_ACTIVE, node2=HB_ACTIVE)
    assert state.owner("web") is None
    assert {len(resource.nodes) for resource in state.resources} == {2}


def test_a_stopped_heartbeat_is_no_member_and_sees_none():
    assert not heartbeat.parse("node2", HB_STOPPED).running
    assert hb_state("node2", node2=HB_STOPPED).online() == ()
    state = hb_state(node1=HB_ACTIVE.replace("node node2 active", "node node2 dead"), node2=HB_STOPPED)
    assert state.online() == ("node1",)


def test_standby_is_what_was_asked_for_and_is_so():
    state = hb_state(standby=["node2"], node1=HB_ACTIVE, node2=HB_IDLE)
    assert [member.standby for member in state.members] == [False, True]
    assert not any(member.standby for member in hb_state(standby=["node1"], node1=HB_ACTIVE, node2=HB_IDLE).members)


@pytest.mark.parametrize("text", ["", "bash: cl_status: not found\n", HB_ACTIVE.split("-- mounts")[0]])
def test_what_is_no_status_of_heartbeat_is_refused(text):
    with pytest.raises(ClusterError, match="node1: no status of heartbeat"):
        heartbeat.parse("node1", text)


IPVS = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A846C8:0050 rr
  -> C0A8463E:0050      Route   1      0          37
  -> C0A8463D:0050      Route   1      1          36
"""
MASTER = """\
running
vrrp web MASTER
-- addresses
3: eth1    inet 192.168.70.11/24 brd 192.168.70.255 scope global eth1\\       valid_lft forever preferred_lft forever
3: eth1    inet 192.168.70.200/24 scope global secondary eth1\\       valid_lft forever preferred_lft forever
-- ipvs
""" + IPVS + SOCKETS
BACKUP = MASTER.replace("MASTER", "BACKUP").replace("192.168.70.200", "192.168.70.12")


def lvs_state(**texts):
    return keepalived.cluster_state(LVS, {node: keepalived.parse(node, text) for node, text in texts.items()}, "lb1")


def test_ipvs_is_read_from_the_kernel():
    assert keepalived.parse_ipvs(IPVS) == {"192.168.70.200:80": {"192.168.70.61:80", "192.168.70.62:80"}}
    assert keepalived.parse_ipvs("") == {}


def test_a_real_server_of_weight_0_gets_nothing():
    text = IPVS.replace("C0A8463E:0050      Route   1 ", "C0A8463E:0050      Route   0 ")
    assert keepalived.parse_ipvs(text) == {"192.168.70.200:80": {"192.168.70.61:80"}}


def test_the_master_with_the_address_has_the_service():
    state = lvs_state(lb1=MASTER, lb2=BACKUP)
    assert state.owner("web") == "lb1"
    assert state.failures == ()
    assert state.online() == ("lb1", "lb2")


def test_a_master_without_its_address_has_not():
    assert lvs_state(lb1=MASTER.replace("192.168.70.200/24", "192.168.70.99/24"), lb2=BACKUP).owner("web") is None


def test_two_masters_have_not_either():
    assert lvs_state(lb1=MASTER, lb2=MASTER).owner("web") is None


def test_a_director_that_does_not_count_on_a_real_server_is_not_whole():
    state = lvs_state(lb1=MASTER, lb2=BACKUP.replace("  -> C0A8463E:0050      Route   1      0          37\n", ""))
    assert state.failures == ("lb2 does not count on www2 for web",)


def test_a_stopped_director_and_one_in_fault_are_said():
    state = lvs_state(lb1=MASTER.replace("running\n", "stopped\n"), lb2=BACKUP.replace("BACKUP", "FAULT"))
    assert state.online() == ("lb2",)
    assert "web is in the state FAULT on lb2" in state.failures
    assert state.owner("web") is None


def test_a_kernel_that_tells_of_no_process_can_not_watch_one():
    by_process = LVS.model_copy(update={"stack": LVS.stack.model_copy(update={"check": "process"})})
    told = {"lb1": keepalived.parse("lb1", MASTER.replace("running\n", "running\nuntracked\n", 1)),
            "lb2": keepalived.parse("lb2", BACKUP)}
    assert keepalived.cluster_state(by_process, told, "lb1").failures == (
        "the kernel of lb1 tells keepalived of no process' end: say check: script",)
    assert keepalived.cluster_state(LVS, told, "lb1").failures == ()


@pytest.mark.parametrize("text", ["", "sh: pgrep: not found\n", MASTER.split("-- ipvs")[0]])
def test_what_is_no_status_of_keepalived_is_refused(text):
    with pytest.raises(ClusterError, match="lb1: no status of keepalived"):
        keepalived.parse("lb1", text)
