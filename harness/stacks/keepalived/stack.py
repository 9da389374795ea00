"""keepalived behind the stack protocol: directors with VRRP addresses, IPVS or HAProxy, and real servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fenceline.core.errors import ClusterError
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import Session
from fenceline.model.topology import Topology
from fenceline.stacks.base import SessionStack
from fenceline.stacks.keepalived import config, status
from fenceline.stacks.state import ClusterState

_PROXY_FILE = "/etc/haproxy/fenceline-{service}.cfg"


def _proxy(service: str) -> str:
    """The command that starts the proxy of ``service``."""
    return f"haproxy -D -f {_PROXY_FILE.format(service=service)} -p {config.RUN}/haproxy-{service}.pid"


class KeepalivedStack(SessionStack):
    """Configures, watches and commands the directors of ``topology`` through ``sessions`` (one per node)."""

    name = "keepalived"
    logs = config.LOGS

    def __init__(self, topology: Topology, sessions: Mapping[str, Session], is_reachable: Callable[[str], bool],
                 slowdown: float = 1.0) -> None:
        super().__init__(topology, sessions, is_reachable, slowdown)
        self._moved: dict[str, str] = {}

    def seed_member(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a director that starts keepalived, and its proxies, at every boot."""
        topology = self.topology
        seed.add("/etc/keepalived/keepalived.conf", config.keepalived_conf(topology, node))
        # Debian builds it without --log-file
        seed.add("/etc/default/keepalived", 'DAEMON_ARGS="--log-console --no-syslog --log-detail"\n')
        seed.add("/etc/systemd/system/keepalived.service.d/fenceline.conf",
                 f"[Service]\nStandardOutput=append:{config.LOGS[0]}\nStandardError=inherit\n")
        seed.add(config.NOTIFY, config.NOTIFY_SCRIPT, 0o755)
        seed.setup += [f"mkdir -p {config.RUN}",
                       "modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh"]
        if any(service.virtual_server and service.virtual_server.forwarding == "nat"
               for service in topology.services.values()):
            # an answer comes in and goes out by the same card: the real server is not to be told a shorter way
            seed.setup += ["echo 1 > /proc/sys/net/ipv4/ip_forward",
                           "for c in /proc/sys/net/ipv4/conf/*; do echo 0 > $c/send_redirects; done"]
        seed.setup += [f"echo 0 > {config.track_file(name)}" for name in topology.services]
        for name, service in topology.services.items():
            if service.daemon and service.daemon.name == "haproxy":
                # one instance per service, each with its own file
                seed.add(_PROXY_FILE.format(service=name), config.haproxy_cfg(topology, name, service))
                seed.late.append(_proxy(name))
        seed.late.append("systemctl start keepalived.service")

    def seed_helper(self, node: str, seed: Seed) -> None:
        """Real servers are the same behind any director: the base seed makes them."""

    def members_seen_by(self, node: str) -> frozenset[str]:
        """Only itself: VRRP knows no members."""
        return frozenset({node})

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """The directors as they tell it, ``node`` or the first that answers first.

        Raises:
            ClusterError: none answers.
        """
        told, seer = self._ask_members(lambda name: self._status(name, within * self._slowdown), node,
                                       "no director tells its state")
        return status.cluster_state(self.topology, told, seer)

    def _status(self, node: str, within: float = 10.0) -> status.DirectorStatus:
        return status.parse(node, self._sessions[node].run(status.COMMAND, within=within).out)

    def move(self, service: str, target: str | None) -> None:
        """Makes every other director (or the one that has it) give the address away, by its track file: it says so
        in an advert, and the next in priority takes over at once."""
        if target is None:
            owner = self.state().owner(service)
            target = next(node for node in self.topology.cluster_nodes if node != owner)
        for node in self.topology.cluster_nodes:
            if node != target and self._is_reachable(node):
                self._weigh(node, service, config.GIVE_AWAY)
        self._moved[service] = target

    def _weigh(self, node: str, service: str, weight: int) -> None:
        self._sessions[node].run(f"echo {weight} > {config.track_file(service)}", within=10)

    def clear_moves(self, service: str) -> None:
        """Makes every director a candidate again."""
        for node in self.topology.cluster_nodes:
            if self._is_reachable(node):
                self._weigh(node, service, 0)
        self._moved.pop(service, None)

    def has_moves(self, service: str) -> bool:
        """Whether the director that was chosen now says that it is the master."""
        target = self._moved.get(service)
        return target is not None and self._status(target).vrrp.get(service) == "MASTER"

    def standby(self, node: str, on: bool) -> None:
        """Not offered.

        Raises:
            ClusterError: always.
        """
        raise ClusterError("the keepalived stack offers no standby")

    def start_daemon(self, node: str, daemon: str) -> None:
        """keepalived is a unit; a proxy is started as at the boot."""
        if daemon == "keepalived":
            self._sessions[node].run(["systemctl", "start", "keepalived.service"], within=60)
            return
        for name, service in self.topology.services.items():
            if service.daemon and service.daemon.name == daemon:
                pid = f"$(cat {config.RUN}/{daemon}-{name}.pid)"
                self._sessions[node].run(f"[ -d /proc/{pid} ] || {_proxy(name)}", within=60)

    def cleanup(self) -> None:
        """keepalived remembers nothing."""
