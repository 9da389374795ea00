"""nginx as the service of a cluster, whatever its stack."""

from __future__ import annotations

from fenceline.guest.seed import Seed
from fenceline.model.addressing import harness_address, router_address
from fenceline.model.topology import Daemon, Service, Topology

NGINX_CONF = "/etc/nginx/fenceline-{service}.conf"


def configuration(service: str, daemon: Daemon) -> str:
    """The file that the nginx of ``service`` reads: an init script or a unit takes no parameter, and reads the one that
    Debian's reads."""
    return NGINX_CONF.format(service=service) if daemon.agent.startswith("ocf:") else "/etc/nginx/nginx.conf"


def seed_nginx(seed: Seed, name: str, service: Service) -> None:
    """Gives the node of ``seed`` the configuration of ``service``'s nginx, if that is its daemon."""
    if service.daemon is None or service.daemon.name != "nginx":
        return
    root = service.daemon.document_root or service.filesystem.mountpoint
    # a process of its own for each service, where the agent can be told
    pid = f"/run/nginx-{name}.pid" if service.daemon.agent.startswith("ocf:") else "/run/nginx.pid"
    seed.add(configuration(name, service.daemon), nginx_conf(service.daemon.port, root, pid))
    if service.filesystem is None:
        # not shared: every node has the same page
        seed.add(f"{root}/index.html", f"{name}\n")
    seed.setup.append("mkdir -p /var/lib/nginx /var/log/nginx")


def seed_real_server(topology: Topology, node: str, seed: Seed) -> None:
    """Makes the node of ``seed`` answer for the services that count it among their real servers."""
    roots: dict[int, str] = {}
    for name, service in topology.services.items():
        if node not in service.real_servers:
            continue
        # whoever answers for a virtual server, each on the port that its clients ask; who share one share a page
        roots.setdefault(service.port if service.virtual_server else 80, f"/srv/{name}")
        if service.virtual_server and service.vip:
            seed.setup += _way_back(topology, service)
    for port, root in roots.items():
        conf = f"/etc/nginx/fenceline-{port}.conf"
        seed.add(f"{root}/index.html", f"{topology.name}: {node}\n")
        seed.add(conf, nginx_conf(port, root, f"/run/nginx-{port}.pid"))
        # once for each port: of two the second would fail, and systemd end the first with it
        seed.late.append(f"/usr/sbin/nginx -c {conf}")
    seed.setup.append("mkdir -p /var/lib/nginx /var/log/nginx")


def _way_back(topology: Topology, service: Service) -> list[str]:
    """What a real server must have so that its answers reach the client, as the director forwards to it."""
    vip, forwarding = service.vip.address, service.virtual_server.forwarding
    if forwarding == "nat":
        # clients are in the same network: by way of the director all the same, which puts its own address there again
        network = topology.networks_with("service")[0]
        return [f"ip route add {client}/32 via {vip}"
                for client in (harness_address(topology, network), router_address(topology, network))]
    # the answer leaves with the floating address, which is not to be claimed on the wire
    lines = ["for c in all lo; do echo 1 > /proc/sys/net/ipv4/conf/$c/arp_ignore; "
             "echo 2 > /proc/sys/net/ipv4/conf/$c/arp_announce; done"]
    if forwarding == "tun":
        return [*lines, "modprobe ipip", "ip link set tunl0 up", f"ip addr add {vip}/32 dev tunl0",
                "for c in all tunl0; do echo 0 > /proc/sys/net/ipv4/conf/$c/rp_filter; done"]
    return [*lines, f"ip addr add {vip}/32 dev lo"]


def nginx_conf(port: int, root: str, pid: str = "/run/nginx.pid") -> str:
    """A whole nginx.conf that serves ``root`` and says which node answered."""
    return f"""\
user www-data;
worker_processes 1;
pid {pid};
error_log /var/log/nginx/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    default_type text/plain;
    # which node answered: the client observer reads it
    add_header X-Node $hostname;
    server {{
        listen {port};
        root {root};
    }}
}}
"""
