"""Clusters without a mistake, as text, and what the rules find when a line of them is changed."""

from __future__ import annotations

from pathlib import Path

from fenceline.accept.budget import budget
from fenceline.accept.finding import Finding, find
from fenceline.accept.handed import of_sources
from fenceline.accept.original import Original, read_original
from fenceline.importers.source import Source, read_source

CASES = Path(__file__).parent / "cases"

COROSYNC = """\
totem {
    version: 2
    cluster_name: pair
    token: 3000
    consensus: 3600
}
nodelist {
    node {
        name: one
        nodeid: 1
        ring0_addr: 10.1.1.1
        ring1_addr: 10.1.2.1
    }
    node {
        name: two
        nodeid: 2
        ring0_addr: 10.1.1.2
        ring1_addr: 10.1.2.2
    }
}
quorum {
    provider: corosync_votequorum
    expected_votes: 2
    two_node: 1
}
"""
CRM = """\
node 1: one
node 2: two
primitive fence-one stonith:fence_ipmilan \\
    params ip=10.1.9.1 username=u password=p pcmk_host_list=one pcmk_delay_base=8s \\
    op monitor interval=60s
primitive fence-two stonith:fence_ipmilan \\
    params ip=10.1.9.2 username=u password=p pcmk_host_list=two \\
    op monitor interval=60s
primitive fs Filesystem params device=/dev/vg/www directory=/srv/www fstype=ext4 \\
    op start timeout=60s op stop timeout=60s op monitor interval=20s timeout=40s
primitive vg LVM-activate params vgname=vg vg_access_mode=system_id \\
    op start timeout=90s op stop timeout=90s op monitor interval=30s timeout=90s
primitive ip IPaddr2 params ip=10.1.4.80 \\
    op monitor interval=10s timeout=20s
primitive web apache params configfile=/etc/apache2/apache2.conf \\
    op start timeout=60s op stop timeout=60s op monitor interval=10s timeout=20s \\
    meta migration-threshold=3 failure-timeout=300s
group g vg fs ip web
location home g 50: one
location not-one fence-one -inf: one
location not-two fence-two -inf: two
property cib-bootstrap-options: \\
    stonith-enabled=true \\
    stonith-timeout=60s \\
    no-quorum-policy=stop
rsc_defaults rsc-options: resource-stickiness=100
"""
DRBD_CRM = CRM.replace("device=/dev/vg/www", "device=/dev/drbd0").replace("group g vg fs", "group g fs") + """\
primitive drbd ocf:linbit:drbd params drbd_resource=r0 \\
    op start timeout=240 op stop timeout=100 op promote timeout=90 op demote timeout=90 \\
    op monitor interval=10 timeout=20 role=Promoted op monitor interval=20 timeout=20 role=Unpromoted
clone ms drbd meta promotable=true notify=true interleave=true
colocation on-drbd inf: g ms:Promoted
order after-drbd Mandatory: ms:promote g:start
"""
DRBD = """\
common {
    handlers {
        fence-peer "/usr/lib/drbd/crm-fence-peer.sh";
    }
    disk {
        fencing resource-and-stonith;
    }
    net {
        protocol C;
    }
}
resource r0 {
    device /dev/drbd0;
    disk /dev/sdb;
    meta-disk internal;
    on one { address 10.1.5.1:7788; }
    on two { address 10.1.5.2:7788; }
}
"""
GFS = """\
pcs cluster setup render a addr=10.1.1.1 addr=10.1.2.1 b addr=10.1.1.2 addr=10.1.2.2 \\
    c addr=10.1.1.3 addr=10.1.2.3 quorum wait_for_all=1
pcs property set no-quorum-policy=freeze
pcs stonith create f1 fence_ipmilan ip=10.1.9.1 pcmk_host_list=a op monitor interval=60s
pcs stonith create f2 fence_ipmilan ip=10.1.9.2 pcmk_host_list=b op monitor interval=60s
pcs stonith create f3 fence_ipmilan ip=10.1.9.3 pcmk_host_list=c op monitor interval=60s
pcs constraint location f1 avoids a
pcs constraint location f2 avoids b
pcs constraint location f3 avoids c
pcs resource create dlm ocf:pacemaker:controld op monitor interval=30s on-fail=fence
pcs resource clone dlm interleave=true
pcs resource create fs Filesystem device=/dev/vg/lv directory=/srv/x fstype=gfs2 op monitor interval=20s on-fail=fence
pcs resource clone fs interleave=true
pcs constraint order start dlm-clone then fs-clone
pcs constraint colocation add fs-clone with dlm-clone
"""
SBD_DUMP = """\
==Dumping header on disk /dev/disk/by-id/a
Timeout (watchdog) : 10
Timeout (msgwait)  : 20
==Header on disk /dev/disk/by-id/a is dumped
"""
SBD_CRM = "\n".join(line for line in CRM.replace("primitive fence-one stonith:fence_ipmilan", "primitive pill stonith:"
                                                 "external/sbd").splitlines()
                    if "fence-two" not in line and "fence-one" not in line and "pcmk_host_list" not in line) + "\n"
SBD_CRM = SBD_CRM.replace("primitive pill stonith:external/sbd \\\n", "primitive pill stonith:external/sbd params "
                          "pcmk_delay_max=10s \\\n")
SBD_CRM = SBD_CRM.replace("    op monitor interval=60s\n" * 2, "    op monitor interval=60s\n")
SBD = 'SBD_DEVICE="/dev/disk/by-id/a"\nSBD_STARTMODE=always\n'
HA_CF = """\
keepalive 1
warntime 4
deadtime 10
ucast eth0 10.1.1.1
node one two
stonith_host one external/ipmi two 10.1.9.2 u p lanplus
"""
HARESOURCES = "one 10.1.4.80 Filesystem::/dev/sdb1::/srv/www::ext4 apache2\n"
AUTHKEYS = "auth 1\n1 sha1 secret\n"
KEEPALIVED = """\
vrrp_script web {
    script "/bin/check"
    interval 2
    weight -60
}
vrrp_instance V {
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {
        10.1.4.80/24
    }
    track_script {
        web
    }
}
"""
KEEPALIVED_2 = KEEPALIVED.replace("priority 150", "priority 100")
CMAN = """\
<cluster name="c" config_version="1">
<cman expected_votes="3"/>
<clusternodes>
<clusternode name="a" nodeid="1"/>
<clusternode name="b" nodeid="2"/>
<clusternode name="c" nodeid="3"/>
</clusternodes>
<rm><service name="s"><ip address="10.1.4.80"/></service></rm>
</cluster>
"""
CLEAN = {
    "pacemaker": {"crm.txt": CRM, "corosync.conf": COROSYNC},
    "drbd": {"crm.txt": DRBD_CRM, "corosync.conf": COROSYNC, "r0.res": DRBD},
    "gfs2": {"setup.sh": GFS},
    "sbd": {"crm.txt": SBD_CRM, "corosync.conf": COROSYNC, "dump.txt": SBD_DUMP, "sbd": SBD},
    "heartbeat": {"one/ha.cf": HA_CF, "two/ha.cf": HA_CF, "one/haresources": HARESOURCES,
                  "two/haresources": HARESOURCES, "authkeys": AUTHKEYS},
    "keepalived": {"lb1/keepalived.conf": KEEPALIVED, "lb2/keepalived.conf": KEEPALIVED_2},
    "cman": {"cluster.conf": CMAN},
    "database": {"crm.txt": CRM, "corosync.conf": COROSYNC, "postgresql.conf": "# /etc/postgresql.conf\nfsync = on\n"},
}


def read(files: dict[str, str]) -> Original:
    """The cluster of these files."""
    return read_original(of_sources([Source(name, text) for name, text in files.items()]))


def found(files: dict[str, str]) -> list[Finding]:
    """What the rules find in it."""
    original = read(files)
    return find(original, budget(original).total)


def case(name: str) -> Original:
    """One of the cases."""
    return read_original(of_sources([
        Source(str(path.relative_to(CASES / name)), read_source(str(path)).text)
        for path in sorted((CASES / name).rglob("*")) if path.is_file() and path.name != "expected.yaml"]))
