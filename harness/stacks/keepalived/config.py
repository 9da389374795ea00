"""keepalived.conf and haproxy.cfg from a topology; see keepalived.conf(5)."""

from __future__ import annotations

from collections.abc import Mapping

from fenceline.model.addressing import address, device
from fenceline.model.topology import Service, Topology, VirtualServer

RUN = "/run/fenceline"
NOTIFY = "/usr/lib/fenceline/notify-vrrp"
LOGS = ("/var/log/keepalived.log",)
#: keepalived starts it with the name of its FIFO, in which it writes `INSTANCE "NAME" STATE PRIORITY`, line after line
#: (a notify script is a process per state: of two that follow at once the first may end last). Each state is
#: renamed into place: never half written.
NOTIFY_SCRIPT = f"""\
#!/bin/sh
while read -r kind name state priority; do
  case "$kind-$state" in INSTANCE-MASTER | INSTANCE-BACKUP | INSTANCE-FAULT | INSTANCE-STOP) ;; *) continue ;; esac
  name=${{name#?}} name=${{name%?}}  # its quotes
  echo "$state" > {RUN}/.vrrp-$name && mv {RUN}/.vrrp-$name {RUN}/vrrp-$name
done < "$1"
"""
#: In a track file: the instance goes into FAULT and gives its address away.
GIVE_AWAY = -254
_PRIORITY, _STEP = 200, 10


def keepalived_conf(topology: Topology, node: str) -> str:
    """keepalived.conf of ``node``."""
    lines = ["global_defs {", f"    router_id {node}", "    vrrp_version 3", "    script_user root",
             "    enable_script_security", "    checker_log_all_failures true",
             # a single burst may be lost with the switch's own start; it is repeated once, a second later
             "    vrrp_garp_master_delay 1",
             f"    vrrp_notify_fifo {RUN}/notify.fifo", f"    vrrp_notify_fifo_script {NOTIFY}",
             *_passed(topology.stack.extra.global_defs), "}"]
    for name, script in topology.stack.track_scripts.items():
        lines += [f"vrrp_script {name} {{", f'    script "{script.script}"', f"    interval {script.interval:g}",
                  f"    fall {script.fall}", f"    rise {script.rise}",
                  *([f"    weight {script.weight}"] if script.weight else []), "}"]
    for name, members in topology.stack.sync_groups.items():
        # without the last word a member's track file and weights would be ignored
        lines += [f"vrrp_sync_group {name} {{", "    group {", *(f"        {member}" for member in members), "    }",
                  "    sync_group_tracking_weight", "}"]
    for number, (name, service) in enumerate(topology.services.items()):
        lines += _checks(topology, name, service)
        lines += _instance(topology, node, name, service, topology.stack.router_id_first + number)
    for service in topology.services.values():
        if service.virtual_server:
            lines += _virtual_server(topology, service, service.virtual_server)
    return "\n".join([*lines, *topology.stack.extra.text.splitlines()]) + "\n"


def _passed(words: Mapping[str, str], indent: int = 4) -> list[str]:
    """Keywords that are passed through."""
    return [f"{' ' * indent}{word} {value}".rstrip() for word, value in words.items()]


def priority(topology: Topology, service: str, node: str) -> int:
    """The VRRP priority of ``node``: highest where the service prefers to be."""
    if node in topology.stack.priorities:
        return topology.stack.priorities[node]
    return _PRIORITY - _STEP * topology.preferred_nodes(service).index(node)


def track_file(service: str) -> str:
    """The file through which ``service`` is told to leave a node."""
    return f"{RUN}/weight-{service}"


def _checks(topology: Topology, name: str, service: Service) -> list[str]:
    lines = [f"track_file weight-{name} {{", f"    file {track_file(name)}", "    weight 1", "}"]
    if service.daemon and topology.stack.check == "process":
        lines += [f"vrrp_track_process check-{name} {{", f"    process {service.daemon.name}", "}"]
    elif service.daemon:
        lines += [f"vrrp_script check-{name} {{", f'    script "/usr/bin/pgrep -x {service.daemon.name}"',
                  f"    interval {topology.stack.check_interval:g}", "    fall 1", "    rise 1", "}"]
    return lines


def _instance(topology: Topology, node: str, name: str, service: Service, router_id: int) -> list[str]:
    stack = topology.stack
    network = topology.networks_with(stack.adverts_on)[0]
    card = device(topology, node, topology.networks_with("service")[0])
    subnet = topology.networks[topology.networks_with("service")[0]].subnet
    lines = [f"vrrp_instance {name} {{", f"    state {stack.states.get(node, 'BACKUP')}",
             f"    interface {device(topology, node, network)}",
             f"    virtual_router_id {router_id}", f"    priority {priority(topology, name, node)}",
             f"    advert_int {stack.advert_interval:g}"]
    if not service.domain.failback:
        lines.append("    nopreempt")
    elif stack.preempt_delay:
        lines.append(f"    preempt_delay {stack.preempt_delay:g}")
    if stack.transport == "unicast":
        lines += [f"    unicast_src_ip {address(topology, node, network)}", "    unicast_peer {"]
        lines += [f"        {address(topology, peer, network)}" for peer in topology.cluster_nodes if peer != node]
        lines.append("    }")
    lines += ["    virtual_ipaddress {", f"        {service.vip.address}/{subnet.prefixlen} dev {card}", "    }"]
    lines += ["    track_interface {", f"        {card}", "    }"]
    lines += ["    track_file {", f"        weight-{name}", "    }"]
    scripts = [script for script, settings in stack.track_scripts.items()
               if not settings.services or name in settings.services]
    if service.daemon and stack.check == "process":
        lines += ["    track_process {", f"        check-{name}", "    }"]
    elif service.daemon:
        scripts.append(f"check-{name}")
    if scripts:
        lines += ["    track_script {", *(f"        {script}" for script in scripts), "    }"]
    passed = stack.extra.vrrp_instance | stack.extra.services.get(name, {})
    return [*lines, *_passed(passed), "}"]


def _virtual_server(topology: Topology, service: Service, part: VirtualServer) -> list[str]:
    network = topology.networks_with("service")[0]
    lines = [f"virtual_server {service.vip.address} {part.port} {{", f"    delay_loop {part.interval:g}",
             f"    lb_algo {part.algorithm}", f"    lb_kind {part.forwarding.upper()}", "    protocol TCP",
             *_passed(topology.stack.extra.virtual_server)]
    for name in part.real_servers:
        lines += [f"    real_server {address(topology, name, network)} {part.port} {{"]
        lines += _passed({"weight": "1"} | topology.stack.extra.real_server, 8)
        if part.check == "http":
            lines += ["        HTTP_GET {", "            url {", "                path /",
                      "                status_code 200", "            }"]
        else:
            lines.append("        TCP_CHECK {")
        lines += [f"            connect_timeout {part.timeout:g}", f"            retry {part.retries}",
                  "            delay_before_retry 1", "        }", "    }"]
    return [*lines, "}"]


def haproxy_cfg(topology: Topology, name: str, service: Service) -> str:
    """haproxy.cfg: it runs on every director, and answers where the address is."""
    network = topology.networks_with("service")[0]
    interval = round(service.daemon.monitor * 1000)
    servers = "".join(f"    server {server} {address(topology, server, network)}:80 check inter {interval} "
                      "fall 1 rise 1\n" for server in service.daemon.real_servers)
    return f"""\
global
    maxconn 2000
    stats socket {RUN}/haproxy.sock mode 600
defaults
    mode http
    timeout connect 500ms
    timeout client 5s
    timeout server 2s
    # one that does not answer costs a request no more than this: the next try is another's
    retries 1
    option redispatch 1
    option httpchk GET /
frontend {name}
    bind {service.vip.address}:{service.daemon.port} transparent
    default_backend {name}
backend {name}
    balance roundrobin
{servers}"""
