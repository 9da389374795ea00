"""Topology files: every error at once, each with its path; what is loaded can be dumped and loaded again."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from fenceline.model import consistency, fencing_rules, load, stack_rules
from fenceline.model.load import (
    TOPOLOGY_DIR,
    TopologyError,
    dump_topology,
    find_topology,
    known_topologies,
    load_topology,
    parse_topology,
    topology_schema,
)
from fenceline.model.topology import Topology
from fenceline.stacks.heartbeat import rules as heartbeat_rules
from fenceline.stacks.keepalived import rules as keepalived_rules
from fenceline.stacks.pacemaker import rules as pacemaker_rules
from tests.model.sample import GONE, raw
from tests.model.wrong_values import WRONG_VALUES

SHIPPED = sorted(path.stem for path in TOPOLOGY_DIR.glob("*.yaml"))
MANY = {f"n{number}": {} for number in range(17)}
PART = "services__web__group__"
HEARTBEAT = {"stack": {"kind": "heartbeat"}, "fencing": {"method": "none"}}
KEEPALIVED = {"stack": {"kind": "keepalived"}, "fencing": {"method": "none"}}
#: The sample's file system, exported by a server that is the group's daemon; app is the client.
SERVER = {"nodes__app": {"role": "client"}, "services__web__client": {"node": "app"},
          PART + "2": {"kind": "daemon", "name": "nfs-server"}, PART + "3": {"kind": "export"}}


def errors(**changes) -> list[str]:
    """The lines of what is said of the sample with ``changes``."""
    with pytest.raises(TopologyError) as caught:
        parse_topology(raw(**changes), "x.yaml")
    first, *lines = str(caught.value).splitlines()
    assert first == f"x.yaml: {len(lines)} error(s)"
    return [line.strip() for line in lines]


# one for every line of consistency.py that finds something
SBD = {"fencing__method": "sbd", "fencing__sbd": {"luns": ["sbd"]},
       "storage__iscsi__luns__1": {"name": "sbd", "size": "4M", "filesystem": None}}
INCONSISTENT = {
    "remote for keepalived": ({"nodes__far": {"role": "remote"}, "stack": {"kind": "keepalived"}},
                              "nodes.far.role: remote nodes are for the stack pacemaker"),
    "remote with a disk": ({"nodes__far": {"role": "remote"}}, "nodes.far.role: no disk is shared with a remote node"),
    "remote with sbd": ({**SBD, "nodes__far": {"role": "remote"}}, "nodes.far.role: a remote node has no SBD here"),
    "sbd without sbd": ({"fencing__method": "sbd"}, "fencing.sbd: the method sbd needs its luns"),
    "sbd of another method": ({"fencing__sbd": {}}, "fencing.sbd: has no meaning with the method ipmi"),
    "sbd of another stack": ({**SBD, "stack": {"kind": "keepalived"}}, "fencing.method: sbd is for the stack"),
    "sbd switches nothing off": ({**SBD, "fencing__action": "off"}, "fencing.action: a watchdog can't leave"),
    "sbd on a LUN that is not there": ({**SBD, "fencing__sbd": {"luns": ["pills"]}},
                                       "fencing.sbd.luns: there is no LUN 'pills'"),
    "sbd on a LUN with files": ({**SBD, "fencing__sbd": {"luns": ["www"]}},
                                "fencing.sbd.luns: the LUN 'www' has a file system"),
    "sbd on two LUNs": ({**SBD, "fencing__sbd": {"luns": ["sbd", "www"]}}, "fencing.sbd.luns: take one or three"),
    "sbd on the same LUN twice": ({**SBD, "fencing__sbd": {"luns": ["sbd", "sbd", "sbd"]}},
                                  "fencing.sbd.luns: 'sbd' is there twice"),
    "a watchdog alone for two": ({**SBD, "fencing__sbd": {}}, "fencing.sbd: without luns a node must know by quorum"),
    "a head start of nobody": ({**SBD, "fencing__sbd": {}}, "fencing.delay: nobody shoots"),
    "a watchdog faster than the quorum device": (
        {**SBD, "nodes__q": {"role": "quorum-device"}, "stack__quorum": {"policy": "qdevice", "device": "q"}},
        "fencing.sbd.watchdog_timeout: 5 s is less than the quorum device may take"),
    "sbd in split seconds": ({**SBD, "fencing__sbd": {"luns": ["sbd"], "watchdog_timeout": "2500ms"}},
                             "fencing.sbd.watchdog_timeout: whole seconds"),
    "msgwait too short": ({**SBD, "fencing__sbd": {"luns": ["sbd"], "watchdog_timeout": 5, "msgwait": 5}},
                          "fencing.sbd.msgwait: 5 s is not longer than watchdog_timeout, 5 s"),
    "fencing gives up before msgwait": ({**SBD, "fencing__timeout": "11s"},
                                        "fencing.timeout: 11 s is less than 1.2 x msgwait, 12 s"),
    "no network has the role heartbeat": (
        {"networks__heartbeat": GONE}, "networks: no network has the role heartbeat"),
    "no network has the role management": (
        {"networks__management": GONE}, "networks: no network has the role management"),
    "services need a network": (
        {"networks__service": GONE}, "networks: services need a network with the role service"),
    "two management networks": (
        {"networks__other": {"role": "management", "subnet": "10.9.9.0/24"}},
        "networks: more than one network has the role management"),
    "two storage networks": (
        {"networks__other": {"role": "storage", "subnet": "10.9.9.0/24"}},
        "networks: more than one network has the role storage"),
    "two service networks": (
        {"networks__other": {"role": "service", "subnet": "10.9.9.0/24"}},
        "networks: more than one network has the role service"),
    "subnet too small": (
        {"networks__heartbeat__subnet": "10.71.1.0/25"}, "networks.heartbeat.subnet: 10.71.1.0/25 is too small"),
    "subnet not private": (
        {"networks__heartbeat__subnet": "8.8.8.0/24"}, "networks.heartbeat.subnet: 8.8.8.0/24 is not a private"),
    "subnet loopback": (
        {"networks__heartbeat__subnet": "127.0.1.0/24"}, "networks.heartbeat.subnet: 127.0.1.0/24 is the loopback"),
    "subnets overlap": (
        {"networks__heartbeat__subnet": "10.71.0.0/16"},
        "networks.storage.subnet: 10.71.3.0/24 overlaps with networks.heartbeat.subnet 10.71.0.0/16"),
    "no cluster node": (
        {"nodes": {"san-01": {"role": "storage"}}, "services": {}, "fencing": {}, "stack": {"kind": "pacemaker"}},
        "nodes: no node has the role cluster"),
    "too many cluster nodes": (
        {"nodes": {**MANY, "san-01": {"role": "storage"}}, "services": {}, "fencing": {},
         "stack": {"kind": "pacemaker"}},
        "nodes: 17 cluster nodes, at most 16 are supported"),
    "node in an unknown network": (
        {"nodes__rs_01": {"networks": ["heartbeat", "management", "moon"]}},
        "nodes.rs-01.networks: there is no network 'moon'; there are heartbeat, service, storage, management"),
    "node without management": (
        {"nodes__rs_01": {"networks": ["heartbeat"]}}, "nodes.rs-01.networks: 'management' (management) is missing"),
    "too little memory": ({"nodes__rs_01": {"memory": "100M"}}, "nodes.rs-01.memory: 100M is too little"),
    "target is no node": (
        {"storage__iscsi__target": "nas"}, "storage.iscsi.target: there is no node 'nas'; there are rs-01, rs-02"),
    "target of another role": (
        {"storage__iscsi__target": "rs-01"}, "storage.iscsi.target: 'rs-01' has the role cluster, not storage"),
    "no storage network": (
        {"networks__storage": GONE}, "storage.iscsi: no network has the role storage"),
    "a LUN twice": (
        {"storage__iscsi__luns": [{"name": "www"}, {"name": "www"}]}, "storage.iscsi.luns: 'www' is there twice"),
    "two_node with three": (
        {"nodes__rs_03": {}}, "stack.quorum.policy: two_node needs two cluster nodes, there are 3"),
    "qdevice without device": (
        {"stack__quorum": {"policy": "qdevice"}}, "stack.quorum.device: the policy qdevice needs a machine"),
    "qdevice is no node": (
        {"stack__quorum": {"policy": "qdevice", "device": "moon"}}, "stack.quorum.device: there is no node 'moon'"),
    "qdevice of another role": (
        {"stack__quorum": {"policy": "qdevice", "device": "san-01"}},
        "stack.quorum.device: 'san-01' has the role storage, not quorum-device"),
    "device without policy": (
        {"stack__quorum": {"policy": "two_node", "device": "san-01"}},
        "stack.quorum.device: has no meaning with the policy two_node"),
    "delay of a stranger": (
        {"fencing__delay": {"san-01": "1s"}}, "fencing.delay.san-01: there is no cluster node 'san-01'"),
    "VIP elsewhere": (
        {PART + "1__address": "10.0.0.200"},
        "services.web.group.1.address: 10.0.0.200 is not in the service network 192.168.98.0/24"),
    "VIP among the machines": (
        {PART + "1__address": "192.168.98.11"}, "services.web.group.1.address: 192.168.98.11 is rs-01's own"),
    "address in another network": (
        {"nodes__rs-01": {"addresses": {"service": "10.0.0.1"}}},
        "nodes.rs-01.addresses.service: 10.0.0.1 is not in 192.168.98.0/24"),
    "address without a card": (
        {"nodes__rs-01": {"addresses": {"moon": "10.0.0.1"}}},
        "nodes.rs-01.addresses.moon: rs-01 is not plugged into 'moon'"),
    "address of another machine": (
        {"nodes__rs-01": {"addresses": {"service": "192.168.98.12"}}},
        "nodes.rs-02.addresses.service: 192.168.98.12 is rs-01's already"),
    "ids without a configuration": (
        {"stack__ids": {"web": "g-web"}}, "stack.ids: have no meaning without stack.config"),
    "ids of no service": (
        {"stack__ids": {"wbe": "g-web"}, "stack__config": "own"}, "stack.ids.wbe: there is no service 'wbe'"),
    "VIP of another service": (
        {"services__second": {"group": [{"kind": "vip", "address": "192.168.98.244"}]}},
        "services.second.group.0.address: 192.168.98.244 is web's already"),
    "unknown LUN": (
        {PART + "0__lun": "moon"}, "services.web.group.0.lun: there is no LUN 'moon' in storage.iscsi.luns"),
    "LUN without file system": (
        {"storage__iscsi__luns": [{"name": "www", "filesystem": None}]},
        "services.web.group.0.lun: the LUN 'www' has no file system"),
    "daemon without root": (
        {"services__web__group": [{"kind": "daemon"}]}, "services.web.group.0.document_root: needed"),
    "database without file system": (
        {"services__web__group": [{"kind": "daemon", "name": "mariadb"}]},
        "services.web.group.0: mariadb keeps its data on the group's file system, and there is none"),
    "database before its file system": (
        {"services__web__group": [{"kind": "daemon", "name": "mariadb"}, {"kind": "filesystem", "lun": "www"}]},
        "services.web.group.0: mariadb starts after the file system"),
    "database elsewhere": (
        {PART + "2": {"kind": "daemon", "name": "mariadb", "document_root": "/srv/www"}},
        "services.web.group.2.document_root: mariadb keeps its data on the group's file system"),
    "database by nginx's agent": (
        {PART + "2": {"kind": "daemon", "name": "mariadb", "agent": "ocf:heartbeat:nginx"}},
        "services.web.group.2.agent: ocf:heartbeat:nginx does not start mariadb; take one of ocf:heartbeat:mysql"),
    "two databases": (
        {PART + "2": {"kind": "daemon", "name": "mariadb"},
         "services__db": {"group": [{"kind": "filesystem", "lun": "www", "mountpoint": "/data"},
                                    {"kind": "daemon", "name": "mariadb"}]}},
        "services: web and db have a mariadb each, and a node has one configuration of it"),
    "database on a small LUN": (
        {PART + "2": {"kind": "daemon", "name": "mariadb"}},
        "services.web.group.0.lun: mariadb needs a file system of 128M at least, 'www' has 64M"),
    "two VIPs": (
        {**HEARTBEAT, "services__web__group": [{"kind": "vip", "address": "192.168.98.244"},
                                               {"kind": "vip", "address": "192.168.98.245"}]},
        "services.web.group: more than one vip: the stack pacemaker can, heartbeat can't here"),
    "two file systems": (
        {**HEARTBEAT, "storage__iscsi__luns__1": {"name": "more", "size": "64M", "filesystem": "ext4"},
         PART + "3": {"kind": "filesystem", "lun": "more", "mountpoint": "/srv/more"}},
        "services.web.group: more than one filesystem"),
    "two daemons": (
        {"services__web__group": [{"kind": "daemon", "document_root": "/a"},
                                  {"kind": "daemon", "document_root": "/b"}]},
        "services.web.group: more than one daemon"),
    "domain of a stranger": (
        {"services__web__domain__nodes": ["rs-01", "san-01"]},
        "services.web.domain.nodes: there is no cluster node 'san-01'"),
    "restricted to nothing": (
        {"services__web__domain": {"restricted": True}}, "services.web.domain.restricted: needs nodes"),
    "a node called client": ({"nodes__client": {"role": "storage"}}, "nodes.client: this name means Fenceline's own"),
    "NFS server is the target": (
        {"storage__nfs": {"server": "san-01", "exports": [{"name": "www"}]}},
        "storage.nfs.server: 'san-01' is the iSCSI target already"),
    "an export twice": (
        {"nodes__nas": {"role": "storage"},
         "storage__nfs": {"server": "nas", "exports": [{"name": "a"}, {"name": "a"}]}},
        "storage.nfs.exports: 'a' is there twice"),
    "mountpoint of another service": (
        {"services__second": {"group": [{"kind": "filesystem", "lun": "www"}]}},
        "services.second.group.0.mountpoint: /srv/www is web's already"),
    "neither LUN nor export": (
        {PART + "0__lun": GONE}, "services.web.group.0: say one of lun, export and drbd"),
    "LUN and export": (
        {PART + "0__export": "www"}, "services.web.group.0: say one of lun, export and drbd"),
    "a DRBD resource twice": ({"storage__drbd": [{"name": "r0"}, {"name": "r0"}]}, "storage.drbd: 'r0' is there twice"),
    "DRBD on three nodes": (
        {"nodes__rs_03": {}, "storage__drbd": [{"name": "r0"}]},
        "storage.drbd: DRBD 8.4 mirrors between two cluster nodes, there are 3"),
    "DRBD under keepalived": (
        {**KEEPALIVED, "storage__drbd": [{"name": "r0"}]}, "storage.drbd: keepalived promotes nothing"),
    "DRBD without a network": (
        {"networks__storage": GONE, "storage__drbd": [{"name": "r0"}]},
        "storage.drbd.0.network: no network has the role storage: say which"),
    "DRBD on no network": (
        {"storage__drbd": [{"name": "r0", "network": "moon"}]}, "storage.drbd.0.network: there is no network 'moon'"),
    "DRBD on a network of others": (
        {"nodes__rs_01": {"networks": ["heartbeat", "management"]}, "storage__drbd": [{"name": "r0"}]},
        "storage.drbd.0.network: rs-01 is not plugged into 'storage'"),
    "DRBD's times": (
        {"storage__drbd": [{"name": "r0", "ping_int": "2s"}]},
        "storage.drbd.0.ping_int: 2 s is not longer than timeout, 6 s"),
    "a small DRBD resource": (
        {"storage__drbd": [{"name": "r0", "size": "1M"}]}, "storage.drbd.0.size: 1048576 bytes is too little"),
    "DRBD's fencing under heartbeat": (
        {**HEARTBEAT, "storage__drbd": [{"name": "r0", "fencing": "resource-only"}]},
        "storage.drbd.0.fencing: resource-only asks the stack pacemaker; with heartbeat say dont-care"),
    "DRBD waits for no fencing": (
        {"fencing": {"method": "none"}, "storage__drbd": [{"name": "r0", "fencing": "resource-and-stonith"}]},
        "storage.drbd.0.fencing: resource-and-stonith waits for a fencing that"),
    "unknown DRBD resource": (
        {PART + "0": {"kind": "filesystem", "drbd": "moon"}},
        "services.web.group.0.drbd: there is no resource 'moon' in storage.drbd"),
    "DRBD without a file system": (
        {"storage__drbd": [{"name": "r0", "filesystem": None}], PART + "0": {"kind": "filesystem", "drbd": "r0"}},
        "services.web.group.0.drbd: the resource 'r0' has no file system"),
    "DRBD of two services": (
        {"storage__drbd": [{"name": "r0"}], PART + "0": {"kind": "filesystem", "drbd": "r0"},
         "services__second": {"group": [{"kind": "filesystem", "drbd": "r0", "mountpoint": "/srv/second"}]}},
        "services.second.group.0.drbd: 'r0' is web's already"),
    "unknown export": (
        {PART + "0": {"kind": "filesystem", "export": "moon"}},
        "services.web.group.0.export: there is no export 'moon'"),
    "heartbeat of three": (
        {**HEARTBEAT, "nodes__rs_03": {}}, "nodes: heartbeat's haresources are for two cluster nodes, there are 3"),
    "heartbeat's times": (
        {"stack": {**HEARTBEAT["stack"], "deadtime": "1s", "warntime": "2s"}},
        "stack.deadtime: 1 s is not longer than warntime, 2 s"),
    "heartbeat's group": (
        {"stack": {**HEARTBEAT["stack"], "media": "mcast", "mcast_group": "10.0.0.1"}},
        "stack.mcast_group: 10.0.0.1 is no multicast address"),
    "ipfail without ping": (
        {"stack": {**HEARTBEAT["stack"], "ipfail": True}}, "stack.ipfail: needs ping or ping_group"),
    "an empty ping group": (
        {"stack": {**HEARTBEAT["stack"], "ping_group": {"all": []}}}, "stack.ping_group.all: has no machine"),
    "ping of a stranger": (
        {"stack": {**HEARTBEAT["stack"], "ping": ["moon"]}}, "stack.ping: there is no node 'moon'; there are client"),
    "ping of a member": (
        {"stack": {**HEARTBEAT["stack"], "ping": ["rs-01"]}}, "stack.ping: 'rs-01' is a member itself"),
    "ping out of reach": (
        {**HEARTBEAT, "stack": {**HEARTBEAT["stack"], "ping": ["client"]},
         "nodes__rs_01": {"networks": ["management", "heartbeat"]}},
        "stack.ping: 'client' is in no network that all cluster nodes are in"),
    "heartbeat's fail-backs": (
        {**HEARTBEAT, "services__web__domain__failback": True,
         "services__other": {"group": [{"kind": "vip", "address": "192.168.98.245"}]}},
        "services: heartbeat has one auto_failback for all"),
    "heartbeat restricted": (
        {**HEARTBEAT, "services__web__domain": {"nodes": ["rs-01"], "restricted": True}},
        "services.web.domain.restricted: haresources can't keep a service from a node"),
    "heartbeat without order": (
        {**HEARTBEAT, "services__web__domain__ordered": False},
        "services.web.domain.ordered: in haresources every service has its preferred node"),
    "heartbeat and systemd": (
        {**HEARTBEAT, PART + "2__agent": "systemd:nginx"},
        "services.web.group.2.agent: heartbeat has no class systemd"),
    "heartbeat's fencing action": (
        {**HEARTBEAT, "fencing": {"action": "off"}}, "fencing.action: heartbeat's own STONITH resets"),
    "heartbeat's fencing delay": (
        {**HEARTBEAT, "fencing": {"delay": {"rs-01": 1}}}, "fencing.delay: heartbeat's own STONITH has no delay"),
    "heartbeat's fencing watch": (
        {**HEARTBEAT, "fencing": {"watch": 5}}, "fencing.watch: heartbeat asks its devices"),
    "mistakes of another stack": (
        {**HEARTBEAT, "services__web__mistakes": ["not-sticky"]},
        "services.web.mistakes: only the stack pacemaker can be told of these"),
    "a VIP that is first anyway": (
        {"services__web__group": [{"kind": "vip", "address": "192.168.98.244"}, {"kind": "daemon",
                                                                                 "document_root": "/a"}],
         "services__web__mistakes": ["vip-first"]},
        "services.web.mistakes: vip-first needs a vip that is not the first of its group"),
    "keepalived fences": (
        {**KEEPALIVED, "fencing": {"method": "ipmi"}}, "fencing.method: keepalived fences nobody: say none"),
    "keepalived's network": (
        {"stack": {"kind": "keepalived", "adverts_on": "heartbeat"}, "networks__heartbeat": GONE},
        "stack.adverts_on: no network has the role heartbeat"),
    "keepalived's ids": (
        {**KEEPALIVED, "stack": {"kind": "keepalived", "router_id_first": 200}, "services": {
            f"s{n}": {"group": [{"kind": "vip", "address": f"192.168.98.{n}"}]} for n in range(150, 206)}},
        "stack.router_id_first: the ids of all services"),
    "a sync group of one": (
        {"stack": {**KEEPALIVED["stack"], "sync_groups": {"g": ["web"]}}, "fencing": {"method": "none"}},
        "stack.sync_groups.g: needs two services at least"),
    "a sync group of strangers": (
        {"stack": {**KEEPALIVED["stack"], "sync_groups": {"g": ["web", "moon"]}}, "fencing": {"method": "none"}},
        "stack.sync_groups.g: there is no service 'moon'; there are web"),
    "two sync groups": (
        {"stack": {**KEEPALIVED["stack"], "sync_groups": {"g": ["web", "web"]}}, "fencing": {"method": "none"}},
        "stack.sync_groups.g: web is in g already"),
    "a sync group that is torn": (
        {"stack": {**KEEPALIVED["stack"], "sync_groups": {"g": ["web", "other"]}}, "fencing": {"method": "none"},
         "services__other": {"group": [{"kind": "vip", "address": "192.168.98.245"}], "domain": {"failback": True}}},
        "stack.sync_groups.g: what moves together has the same domain"),
    "a track script of strangers": (
        {"stack": {**KEEPALIVED["stack"], "track_scripts": {"s": {"script": "/bin/true", "services": ["moon"]}}},
         "fencing": {"method": "none"}},
        "stack.track_scripts.s.services: there is no service 'moon'"),
    "keepalived without a VIP": (
        {**KEEPALIVED, "services__web__group": [{"kind": "daemon", "document_root": "/srv"}]},
        "services.web.group: keepalived needs a vip"),
    "keepalived and a file system": (
        KEEPALIVED, "services.web.group.0: keepalived moves addresses, no filesystem"),
    "keepalived restricted": (
        {**KEEPALIVED, "services__web__domain": {"nodes": ["rs-01"], "restricted": True}},
        "services.web.domain.restricted: every keepalived here is a candidate for every service"),
    "a stranger as real server": (
        {**KEEPALIVED, PART + "2": {"kind": "virtual-server", "real_servers": ["moon"]}},
        "services.web.group.2.real_servers: there is no machine 'moon' with the role real-server; there are none"),
    "no real server": (
        {**KEEPALIVED, PART + "2": {"kind": "daemon", "name": "haproxy"}},
        "services.web.group.2.real_servers: needs at least one machine with the role real-server"),
    "nginx with real servers": (
        {PART + "2__real_servers": ["rs-01"]}, "services.web.group.2.real_servers: nginx answers itself"),
    "an export on heartbeat": (
        {**HEARTBEAT, PART + "3": {"kind": "export"}},
        "services.web.group.3: an export is for the stack pacemaker"),
    "an export without a server": (
        {PART + "3": {"kind": "export"}}, "services.web.group.3: needs a daemon nfs-server in the group"),
    "an export before its server": (
        {**SERVER, PART + "2": {"kind": "export"}, PART + "3": {"kind": "daemon", "name": "nfs-server"}},
        "services.web.group.2: starts after the nfs-server that exports it"),
    "an export of nothing": (
        {**SERVER, PART + "0": {"kind": "vip", "address": "192.168.98.245"}},
        "services.web.group.3: there is no file system in the group that could be exported"),
    "a server without a place": (
        {**SERVER, PART + "0": {"kind": "vip", "address": "192.168.98.245"}},
        "services.web.group.2: an nfs-server keeps its state on the group's file system, and there is none"),
    "an export of an export": (
        {**SERVER, "nodes__nas": {"role": "storage"},
         "storage__nfs": {"server": "nas", "exports": [{"name": "www"}]},
         PART + "0": {"kind": "filesystem", "export": "www"}},
        "services.web.group.3: what is mounted by NFS can't be exported again"),
    "a server without export": (
        {PART + "2": {"kind": "daemon", "name": "nfs-server"}},
        "services.web.group: an nfs-server needs an export beside it"),
    "a server without client": (
        {PART + "2": {"kind": "daemon", "name": "nfs-server"}},
        "services.web.client: needed: nobody but a machine can be the client of an nfs-server"),
    "a client of nginx": (
        {"nodes__app": {"role": "client"}, "services__web__client": {"node": "app"}},
        "services.web.client: is for an nfs-server"),
    "a client that is none": (
        {**SERVER, "services__web__client": {"node": "rs-01"}},
        "services.web.client.node: there is no machine 'rs-01' with the role client; there are app"),
    "a client without clients": (
        {**SERVER, "services__web__client": {"node": "moon"}, "nodes__app": {}},
        "services.web.client.node: there is no machine 'moon' with the role client; there are none"),
    "a client out of reach": (
        {**SERVER, "nodes__app": {"role": "client", "networks": ["management"]}},
        "services.web.client.node: app is not plugged into the service network"),
    "a client without address": (
        {**SERVER, PART + "1": {"kind": "daemon", "name": "nfs-server"}},
        "services.web.client: the group has no vip that it could mount from"),
    "a virtual server under Pacemaker": (
        {PART + "2": {"kind": "virtual-server", "real_servers": ["moon"]}},
        "services.web.group.2: a virtual-server is for the stack keepalived"),
    "haproxy under Pacemaker": (
        {PART + "2": {"kind": "daemon", "name": "haproxy"}},
        "services.web.group.2.name: haproxy is for the stack keepalived"),
    "the broadcast address as VIP": (
        {PART + "1__address": "192.168.98.255"},
        "services.web.group.1.address: 192.168.98.255 is the broadcast address of the service network"),
    "one LUN in two services": (
        {"services__other": {"group": [{"kind": "filesystem", "lun": "www", "mountpoint": "/srv/other"}]}},
        "services.other.group.0.lun: 'www' is web's already"),
    "too many storage hosts": (
        {f"nodes__san-{number}": {"role": "storage"} for number in range(10, 21)},
        "nodes: 12 machines with the role storage, at most 10 are supported"),
    "nothing to announce": (
        {"services__web__mistakes": ["not-announced"], "services__web__group": [
            {"kind": "daemon", "name": "nginx", "port": 80}]},
        "services.web.mistakes: not-announced needs a vip"),
    "daemon and virtual server": (
        {**KEEPALIVED, PART + "0": {"kind": "virtual-server", "real_servers": ["moon"]}},
        "services.web.group: either a daemon or a virtual-server"),
    **WRONG_VALUES,
}


@pytest.mark.parametrize("name", INCONSISTENT)
def test_what_is_inconsistent_is_found(name):
    changes, wanted = INCONSISTENT[name]
    assert any(line.startswith(wanted) for line in errors(**changes)), errors(**changes)


def messages(module) -> list[str]:
    """A pattern for each message in ``module``: its text, with anything where a value is put in."""
    found = []
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Mistake":
            text = node.args[1]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            text = node.args[0]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            text = node.elt
        elif isinstance(node, ast.Yield):
            text = node.value
        else:
            continue
        if not isinstance(text, ast.JoinedStr | ast.Constant) or (  # a word of its own is part of a message
                isinstance(text, ast.JoinedStr) and not any(
                    ": " in part.value for part in text.values if isinstance(part, ast.Constant))):
            continue
        parts = text.values if isinstance(text, ast.JoinedStr) else [text]
        found.append("".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in parts))
    return found


@pytest.mark.parametrize("module", [
    consistency, fencing_rules, stack_rules, pacemaker_rules, heartbeat_rules, keepalived_rules],
    ids=lambda module: module.__name__)
def test_every_message_has_its_red_test(module):
    said = [line for changes, _ in INCONSISTENT.values() for line in errors(**changes)]
    patterns = messages(module)
    assert patterns
    assert [pattern for pattern in patterns
            if not any(re.fullmatch(pattern + "(; to plant .+)?", line) for line in said)] == []


@pytest.mark.parametrize(("changes", "wanted"), [
    ({"nodes__rs_01": {"rolle": "cluster"}}, "nodes.rs-01.rolle: Extra inputs are not permitted"),
    ({"stack__token": "soon"}, "stack.pacemaker.token: 'soon' is not a duration"),
    ({"stack__token": "50ms"}, "stack.pacemaker.token: Input should be greater than or equal to 0.1"),
    ({"storage__iscsi__luns__0__size": "64"}, "storage.iscsi.luns.0.size: '64' is not a size"),
    ({"storage__iscsi__luns": []}, "storage.iscsi.luns: Tuple should have at least 1 item"),
    ({PART + "2__port": 0}, "services.web.group.2.daemon.port: Input should be greater than or equal to 1"),
    ({PART + "2__agent": "x; reboot"}, "services.web.group.2.daemon.agent: String should match pattern"),
    ({PART + "0__mountpoint": "/srv/$(reboot)"}, "services.web.group.0.filesystem.mountpoint: String should match"),
    ({PART + "0__kind": "tape"}, "services.web.group.0: Input tag 'tape'"),
    ({"name": "web; reboot"}, "name: String should match pattern"),
    ({"networks__heartbeat__subnet": "10.71.1.1/24"}, "networks.heartbeat.subnet: Input is not a valid IPv4 network"),
    ({"stack__kind": "magic"}, "stack: Input tag 'magic'"),
])
def test_a_bad_field_is_named(changes, wanted):
    assert any(line.startswith(wanted) for line in errors(**changes)), errors(**changes)


def test_a_name_that_a_shell_would_take_apart_is_refused():
    assert any("nodes" in line and "String should match pattern" in line for line in errors(nodes={"rs 01": {}}))


def test_all_bad_fields_are_said_at_once():
    found = errors(stack__token="soon", nodes__rs_01={"rolle": 1}, fencing__method="prayer")
    assert sorted(line.partition(":")[0] for line in found) == [
        "fencing.method", "nodes.rs-01.rolle", "stack.pacemaker.token"]


def test_all_inconsistencies_are_said_at_once():
    found = errors(storage__iscsi__target="nas", stack__quorum={"policy": "qdevice"},
                   fencing__delay={"x": 1}, services__web__domain__nodes=["y"])
    assert sorted(line.partition(":")[0] for line in found) == [
        "fencing.delay.x", "services.web.domain.nodes", "stack.quorum.device", "storage.iscsi.target"]


def test_a_topology_can_not_be_changed(web):
    with pytest.raises(ValueError, match="frozen"):
        web.name = "other"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_topologies_load_and_come_back(name):
    topology = load_topology(name)
    assert topology.name == name
    assert topology.services and topology.description
    assert parse_topology(yaml.safe_load(dump_topology(topology)), "the dump") == topology


def test_three_topologies_are_shipped():
    assert {"web-iscsi", "web-iscsi-3", "web-iscsi-qdevice"} <= set(SHIPPED)


def test_every_field_comes_back():
    topology = parse_topology(raw(
        stack={"kind": "pacemaker", "token": 0.7, "consensus": "1.3s", "migration_threshold": 3,
               "quorum": {"policy": "two_node"}},
        nodes__rs_01={"networks": ["management", "heartbeat", "storage", "service"], "memory": "300M"},
        fencing__delay={"rs-01": 0.123}, services__web__domain={"nodes": ["rs-02"], "restricted": True},
        services__web__group__2={"kind": "daemon", "document_root": "/srv/www", "port": 8080, "agent": "systemd:nginx"},
        boot_deadline=1234567), "x")
    assert topology.stack.token == 0.7
    assert parse_topology(yaml.safe_load(dump_topology(topology)), "the dump") == topology


def test_found_by_path_and_by_name(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw()))
    assert find_topology("mine", [tmp_path]) == path
    assert find_topology(str(path)) == path
    assert load_topology("web-iscsi") == load_topology(str(path))


def test_an_own_one_hides_the_shipped_one_of_its_name(tmp_path):
    own = tmp_path / "web-iscsi.yaml"
    own.write_text("")
    assert find_topology("web-iscsi", [tmp_path]) == own
    known = known_topologies([tmp_path])
    assert known[0] == own and [path.stem for path in known].count("web-iscsi") == 1
    assert len(known) == len(SHIPPED)


def test_a_missing_one_is_named_with_those_that_there_are():
    with pytest.raises(TopologyError, match=r"no topology 'moon'.*web-iscsi, web-iscsi-3"):
        load_topology("moon")


@pytest.mark.parametrize(("text", "wanted"), [
    ("a: [1", r"mine.yaml:1:\d+: not YAML"), ("- 1", "expected a mapping"), ("", "expected a mapping")])
def test_a_file_that_is_no_topology(tmp_path, text, wanted):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(TopologyError, match=wanted):
        load_topology("mine", [tmp_path])


def test_a_file_that_can_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "mine.yaml"
    path.write_text("name: x")

    def refuse(self, *_):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(load.Path, "read_text", refuse)
    with pytest.raises(TopologyError, match=r"mine.yaml: Permission denied"):
        load_topology("mine", [tmp_path])


def test_the_schema_is_for_what_people_write():
    schema = topology_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["required"] == ["name", "nodes", "networks"]
    assert set(schema["properties"]) == set(Topology.model_fields)
    token = schema["$defs"]["Pacemaker"]["properties"]["token"]
    assert {option["type"] for option in token["anyOf"]} == {"string", "number"}
    assert schema["$defs"]["Node"]["additionalProperties"] is False


def test_who_is_plugged_into_what(web):
    assert web.networks_of("rs-01") == ("heartbeat", "service", "storage", "management")
    assert web.networks_of("san-01") == ("storage", "management")
    assert load_topology("web-iscsi-qdevice").networks_of("qnet-01") == ("management",)
    chosen = parse_topology(raw(nodes__rs_01={"networks": ["management", "heartbeat"]}), "x")
    assert chosen.networks_of("rs-01") == ("heartbeat", "management")  # in the file's order


@pytest.mark.parametrize(("domain", "nodes"), [
    ({}, ("rs-01", "rs-02")), ({"nodes": ["rs-02"]}, ("rs-02", "rs-01")),
    ({"nodes": ["rs-02"], "restricted": True}, ("rs-02",))])
def test_where_a_service_may_run(domain, nodes):
    assert parse_topology(raw(services__web__domain=domain), "x").preferred_nodes("web") == nodes
