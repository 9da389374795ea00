"""Patroni's and etcd's configuration from a topology."""

from __future__ import annotations

import json

import yaml

from fenceline.model.addressing import address, device
from fenceline.model.topology import Topology

API, CLIENTS, PEERS = 8008, 2379, 2380
DATA = "/var/lib/patroni/data"
CALLBACK = "/usr/lib/fenceline/patroni-vip"
_CALLBACKS = ("on_start", "on_stop", "on_role_change")
_DEVICE = "/dev/fenceline/watchdog"


def own(topology: Topology, node: str) -> str:
    """Where the others reach ``node``."""
    return str(address(topology, node, topology.networks_with("heartbeat")[0]))


def etcd_environment(topology: Topology, node: str) -> str:
    """/etc/default/etcd of ``node``."""
    here = own(topology, node)
    words = {
        "NAME": node, "DATA_DIR": "/var/lib/etcd/fenceline", "INITIAL_CLUSTER_STATE": "new",
        "INITIAL_CLUSTER_TOKEN": topology.name,
        "INITIAL_CLUSTER": ",".join(f"{one}=http://{own(topology, one)}:{PEERS}" for one in topology.cluster_nodes),
        "LISTEN_PEER_URLS": f"http://{here}:{PEERS}", "INITIAL_ADVERTISE_PEER_URLS": f"http://{here}:{PEERS}",
        "LISTEN_CLIENT_URLS": f"http://{here}:{CLIENTS},http://127.0.0.1:{CLIENTS}",
        "ADVERTISE_CLIENT_URLS": f"http://{here}:{CLIENTS}",
        # machines of a busy host: an election every time that a disk is slow helps nobody
        "HEARTBEAT_INTERVAL": "250", "ELECTION_TIMEOUT": "2500"}
    return "".join(f"ETCD_{name}={value}\n" for name, value in words.items())


def patroni_yml(topology: Topology, node: str) -> str:
    """/etc/patroni/config.yml of ``node``."""
    stack, here = topology.stack, own(topology, node)
    access = ["local all all trust", "host all all 0.0.0.0/0 trust", "host replication all 0.0.0.0/0 trust"]
    # Patroni counts in whole seconds
    lease = {key: round(getattr(stack, key)) for key in ("ttl", "loop_wait", "retry_timeout")}
    return yaml.safe_dump({
        "scope": topology.name, "name": node, "namespace": "/fenceline/",
        "log": {"level": "INFO", "dir": "/var/log/patroni"},
        "restapi": {"listen": f"0.0.0.0:{API}", "connect_address": f"{here}:{API}"},
        "etcd3": {"hosts": [f"{own(topology, one)}:{CLIENTS}" for one in topology.cluster_nodes]},
        "bootstrap": {
            "dcs": {**lease, "maximum_lag_on_failover": 1048576, "postgresql": {
                "use_pg_rewind": True, "use_slots": True,
                "parameters": {"max_connections": 100, "shared_buffers": "16MB", "wal_level": "replica",
                               "hot_standby": "on", "wal_keep_size": "64MB"}}},
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums", "no-sync"]},
        "postgresql": {
            "listen": "0.0.0.0:5432", "connect_address": f"{here}:5432", "data_dir": DATA,
            "bin_dir": "/usr/lib/postgresql/15/bin", "pgpass": "/var/lib/patroni/pgpass", "pg_hba": access,
            "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
            "parameters": {"unix_socket_directories": "/run/postgresql", "fenceline.node": node,
                           "dynamic_shared_memory_type": "mmap"},
            "callbacks": dict.fromkeys(_CALLBACKS, CALLBACK)},
        "watchdog": {"mode": stack.watchdog, "device": _DEVICE, "safety_margin": round(stack.safety_margin)}},
        sort_keys=False)


def callback(topology: Topology, node: str) -> str:
    """The script that Patroni calls with (action, role, scope): the leader has the address, and nobody else."""
    service, = topology.services.values()
    network = topology.networks_with("service")[0]
    card, subnet = device(topology, node, network), topology.networks[network].subnet
    return f"""\
#!/bin/sh
case "$1-$2" in
on_start-master|on_start-primary|on_role_change-master|on_role_change-primary|on_role_change-promoted)
    ip addr add {service.vip.address}/{subnet.prefixlen} dev {card} 2>/dev/null
    arping -q -c 3 -w 2 -U -I {card} {service.vip.address} ;;
*)  ip addr del {service.vip.address}/{subnet.prefixlen} dev {card} 2>/dev/null ;;
esac
exit 0
"""


def order(path: str, body: dict, method: str = "POST") -> list[str]:
    """The command that gives the member that it runs on an order."""
    return ["curl", "-sS", "-m", "30", "--fail-with-body", "-X", method, "-H", "Content-Type: application/json", "-d",
            json.dumps(body), f"http://127.0.0.1:{API}{path}"]
