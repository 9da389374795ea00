"""Each rule, red and green: a clean cluster has no finding, and one changed line of it has just that one."""

import pytest

from fenceline.accept.finding import FINDINGS
from tests.accept.clusters import CLEAN, COROSYNC, KEEPALIVED, found

THREE = ("    node {\n        name: two", "    node {\n        name: three\n        nodeid: 3\n        ring0_addr: "
         "1.1.1.3\n        ring1_addr: 1.1.2.3\n    }\n    node {\n        name: two")
#: (the rule, the clean cluster, {file: [(text, what takes its place)]}, the word of the line that is to blame)
RED = [
    ("fencing-off", "pacemaker", {"crm.txt": [("stonith-enabled=true", "stonith-enabled=false")]}, "stonith-enabled"),
    ("toy-fencing", "pacemaker", {"crm.txt": [("two stonith:fence_ipmilan", "two stonith:external/ssh")]}, "ssh"),
    ("no-fencing-delay", "pacemaker", {"crm.txt": [(" pcmk_delay_base=8s", "")]}, "primitive fence-one"),
    ("no-fencing-delay", "pacemaker", {"crm.txt": [("pcmk_host_list=two", "pcmk_host_list=two pcmk_delay_base=8s")]},
     "primitive fence-one"),
    ("no-fencing-delay", "pacemaker", {"crm.txt": [("    stonith-timeout=60s", "    priority-fencing-delay=10s")]},
     "priority-fencing-delay"),
    ("delay-wrong-way", "pacemaker", {"crm.txt": [("50: one", "50: two")]}, "primitive fence-one"),
    ("device-on-its-own-node", "pacemaker", {"crm.txt": [("location not-one fence-one -inf: one\n", "")]},
     "primitive fence-one"),
    ("device-nowhere", "pacemaker", {"crm.txt": [("location not-one", "location x fence-one -inf: two\nlocation not-one"
                                                  )]}, "location x"),
    ("nobody-fences", "pacemaker", {"crm.txt": [("pcmk_host_list=two", "pcmk_host_list=tow")]}, "tow"),
    ("stonith-timeout", "pacemaker", {"crm.txt": [("username=u", "power_wait=40 username=u")]}, "stonith-timeout"),
    ("stonith-timeout", "pacemaker", {"crm.txt": [("username=u", "power_wait=4 pcmk_reboot_timeout=5 username=u")]},
     "pcmk_reboot_timeout"),
    ("level-unknown", "pacemaker", {"crm.txt": [("location home", "fencing_topology one: fence-oen\nlocation home")]},
     "fencing_topology"),
    ("wait-for-all", "pacemaker", {"corosync.conf": [("two_node: 1", "two_node: 1\n    wait_for_all: 0")]},
     "wait_for_all"),
    ("two-node", "pacemaker", {"corosync.conf": [("    two_node: 1\n", "")]}, "quorum {"),
    ("two-node", "pacemaker", {"corosync.conf": [("two_node: 1", "two_node: 1\n    device {\n    model: net\n    }"),
                                                 ("    expected_votes: 2\n", "")]}, "two_node"),
    ("expected-votes", "pacemaker", {"corosync.conf": [("expected_votes: 2", "expected_votes: 3")]}, "expected_votes"),
    ("expected-votes", "cman", {"cluster.conf": [('votes="3"', 'votes="5"')]}, "expected_votes"),
    ("cman-two-node", "cman", {"cluster.conf": [('expected_votes="3"', 'two_node="1" expected_votes="1"')]}, "cman"),
    ("no-quorum-policy", "gfs2", {"setup.sh": [("freeze", "ignore")]}, "ignore"),
    ("no-quorum-policy", "gfs2", {"setup.sh": [("freeze", "stop")]}, "policy=stop"),
    ("one-link", "pacemaker", {"corosync.conf": [("        ring1_addr: 10.1.2.1\n", ""),
                                                 ("        ring1_addr: 10.1.2.2\n", "")]}, "node {"),
    ("corosync-differs", "pacemaker", {"two/corosync.conf": [("", COROSYNC.replace("token: 3000", "token: 4000"))]},
     "token: 4000"),
    ("consensus", "pacemaker", {"corosync.conf": [("consensus: 3600", "consensus: 3000")]}, "consensus"),
    ("no-monitor", "pacemaker", {"crm.txt": [(" \\\n    op monitor interval=10s timeout=20s\n", "\n")]},
     "primitive ip"),
    ("no-monitor", "pacemaker", {"crm.txt": [("op monitor interval=10s timeout=20s\n", "op monitor interval=0\n")]},
     "interval=0"),
    ("slow-monitor", "pacemaker", {"crm.txt": [("op monitor interval=10s timeout=20s\n", "op monitor interval=10min\n")]
                                   }, "10min"),
    ("ignored-failure", "pacemaker", {"crm.txt": [("interval=10s timeout=20s\n", "interval=10s on-fail=ignore\n")]},
     "on-fail"),
    ("ignored-failure", "pacemaker", {"crm.txt": [("interval=10s timeout=20s\n", "interval=10s on-fail=block\n")]},
     "on-fail"),
    ("stop-blocks", "pacemaker", {"crm.txt": [("op stop timeout=60s op monitor interval=20s",
                                               "op stop timeout=60s on-fail=block op monitor interval=20s")]},
     "on-fail"),
    ("short-timeout", "pacemaker", {"crm.txt": [("op start timeout=60s op stop timeout=60s op monitor interval=20s",
                                                 "op start timeout=60s op stop timeout=6s op monitor interval=20s")]},
     "stop timeout=6s"),
    ("missing-timeout", "pacemaker", {"crm.txt": [("op start timeout=60s op stop timeout=60s op monitor interval=20s",
                                                   "op stop timeout=60s op monitor interval=20s")]}, "primitive fs"),
    ("threshold-without-expiry", "pacemaker", {"crm.txt": [(" failure-timeout=300s", "")]}, "migration-threshold"),
    ("clone-not-interleaved", "gfs2", {"setup.sh": [("clone fs interleave=true", "clone fs")]}, "clone fs"),
    ("locks-not-fenced", "gfs2", {"setup.sh": [("interval=30s on-fail=fence", "interval=30s on-fail=restart")]},
     "restart"),
    ("left-ban", "pacemaker", {"crm.txt": [("location home g 50: one", "location cli-prefer-g g inf: one")]}, "cli-"),
    ("left-standby", "pacemaker", {"crm.txt": [("node 2: two", "node 2: two attributes standby=on")]}, "standby"),
    ("left-maintenance", "pacemaker", {"crm.txt": [("    stonith-enabled=true", "    maintenance-mode=true")]},
     "maintenance"),
    ("left-stopped", "pacemaker", {"crm.txt": [("group g vg fs ip web", "group g vg fs ip web meta target-role=Stopped")
                                               ]}, "Stopped"),
    ("left-stopped", "pacemaker", {"crm.txt": [("meta migration", "meta is-managed=false migration")]}, "is-managed"),
    ("order-without-colocation", "drbd", {"crm.txt": [("colocation on-drbd inf: g ms:Promoted\n", "")]}, "after-drbd"),
    ("colocation-without-order", "drbd", {"crm.txt": [("order after-drbd Mandatory: ms:promote g:start\n", "")]},
     "on-drbd"),
    ("colocation-without-role", "drbd", {"crm.txt": [("ms:Promoted", "ms")]}, "on-drbd"),
    ("promoted-without-order", "drbd", {"crm.txt": [("ms:promote g:start", "ms g")]}, "after-drbd"),
    ("group-out-of-order", "pacemaker", {"crm.txt": [("group g vg fs", "group g fs vg")]}, "primitive fs"),
    ("drbd-not-fenced", "drbd", {"r0.res": [("fencing resource-and-stonith", "on-io-error detach")]}, "handlers"),
    ("drbd-not-fenced", "drbd", {"r0.res": [("fence-peer", "split-brain")]}, "handlers"),
    ("drbd-protocol", "drbd", {"r0.res": [("protocol C", "protocol A")]}, "protocol"),
    ("drbd-two-primaries", "drbd", {"r0.res": [("protocol C;", "protocol C; allow-two-primaries yes;")]}, "allow"),
    ("sbd-msgwait", "sbd", {"dump.txt": [("(msgwait)  : 20", "(msgwait)  : 15")]}, "watchdog"),
    ("sbd-disks", "sbd", {"sbd": [("by-id/a", "by-id/a;/dev/disk/by-id/b")]}, "SBD_DEVICE"),
    ("sbd-disks", "sbd", {"sbd": [('SBD_DEVICE="/dev/disk/by-id/a"\n', "")]}, "SBD_STARTMODE"),
    ("database-not-durable", "database", {"postgresql.conf": [("fsync = on", "fsync = off")]}, "fsync"),
    ("haresources-differ", "heartbeat", {"two/haresources": [(" apache2", "")]}, "Filesystem"),
    ("deadtime", "heartbeat", {"one/ha.cf": [("warntime 4", "warntime 20")], "two/ha.cf": [("warntime 4",
                                                                                           "warntime 20")]},
     "deadtime"),
    ("heartbeat-not-fenced", "heartbeat", {name: [("stonith_host one external/ipmi two 10.1.9.2 u p lanplus\n", "")]
                                           for name in ("one/ha.cf", "two/ha.cf")}, "keepalive"),
    ("heartbeat-auth", "heartbeat", {"authkeys": [("1 sha1 secret", "1 crc")]}, "crc"),
    ("master-nopreempt", "keepalived", {name: [("state BACKUP", "state MASTER")]
                                        for name in ("lb1/keepalived.conf",)}, "nopreempt"),
    ("two-masters", "keepalived", {"lb1/keepalived.conf": [("", KEEPALIVED.replace("BACKUP", "MASTER").replace(
        "    nopreempt\n", "").replace("-60", "-10").replace("150", "90"))],
        "lb2/keepalived.conf": [("", KEEPALIVED.replace("BACKUP", "MASTER").replace("    nopreempt\n", "")
                                 .replace("150", "90"))]}, "priority"),
    ("weight-cannot-matter", "keepalived", {"lb1/keepalived.conf": [("weight -60", "weight -20")],
                                            "lb2/keepalived.conf": [("weight -60", "weight -20")]}, "weight"),
    ("directors-differ", "keepalived", {"lb2/keepalived.conf": [("id 51", "id 52")]}, "virtual_router_id"),
    ("directors-differ", "keepalived", {"lb2/keepalived.conf": [("4.80", "4.81")]}, "virtual_ipaddress"),
    ("unknown-check", "keepalived", {"lb1/keepalived.conf": [("        web\n", "        wbe\n")]}, "wbe"),
]


def changed(cluster, changes):
    files = dict(CLEAN[cluster])
    for name, pairs in changes.items():
        for old, new in pairs:
            if old:
                assert old in files[name], (name, old)
                files[name] = files[name].replace(old, new, 1)
            else:
                files[name] = new
    return files


@pytest.mark.parametrize("cluster", CLEAN)
def test_green_a_cluster_without_mistakes_has_no_finding(cluster):
    assert found(CLEAN[cluster]) == []


@pytest.mark.parametrize(("rule", "cluster", "changes", "word"), RED, ids=[f"{one[0]}-{index}" for index, one
                                                                          in enumerate(RED)])
def test_red_a_mistake_is_found_where_it_is_and_nothing_else(rule, cluster, changes, word):
    files = changed(cluster, changes)
    told = found(files)
    assert [one.rule for one in told] == [rule]
    name, _, line = told[0].place.rpartition(":")
    assert word in files[name].splitlines()[int(line) - 1]


def test_every_rule_has_a_red_test():
    assert {one[0] for one in RED} == set(FINDINGS)


def test_three_nodes_need_no_delay():
    files = changed("pacemaker", {"corosync.conf": [THREE, ("    two_node: 1\n", ""), ("votes: 2", "votes: 3")],
                                  "crm.txt": [("node 2: two", "node 2: two\nnode 3: three"),
                                              (" pcmk_delay_base=8s", ""),
                                              ("pcmk_host_list=two", 'pcmk_host_list="two three"')]})
    assert found(files) == []
