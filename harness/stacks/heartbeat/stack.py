"""Heartbeat in haresources mode behind the stack protocol."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from fenceline.daemons.seeding import agent_parameters, seed_daemon
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import Session
from fenceline.model.storage import kinds_in
from fenceline.model.topology import Topology
from fenceline.stacks.base import SessionStack
from fenceline.stacks.heartbeat import config, status
from fenceline.stacks.state import ClusterState

_TOOLS = "/usr/share/heartbeat"


class HeartbeatStack(SessionStack):
    """Configures, watches and commands the cluster of ``topology`` through ``sessions`` (one per node)."""

    name = "heartbeat"
    logs = (config.LOG, config.DEBUG_LOG)

    def __init__(self, topology: Topology, sessions: Mapping[str, Session], bmc_password: str,
                 is_reachable: Callable[[str], bool], slowdown: float = 1.0) -> None:
        super().__init__(topology, sessions, is_reachable, slowdown)
        self._bmc_password = bmc_password
        self._secret = secrets.token_hex(20)
        self._moved: dict[str, str] = {}
        self._on_standby: set[str] = set()

    def seed_member(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a member that starts its cluster software at every boot."""
        topology = self.topology
        seed.add("/etc/ha.d/ha.cf", config.ha_cf(topology, node, self._bmc_password), 0o600)
        seed.add("/etc/ha.d/authkeys", config.authkeys(topology.stack.auth, self._secret), 0o600)
        seed.add("/etc/ha.d/haresources", config.haresources(topology))
        # Debian's default names a folder one too deep for heartbeat's own wrapper of OCF agents
        seed.add("/etc/sysconfig/heartbeat", "OCF_AGENTS=/usr/lib/ocf/resource.d\n")
        for name, service in topology.services.items():
            seed_daemon(seed, name, service)
            if service.daemon and service.daemon.agent.startswith("ocf:"):
                agent, text = config.ocf_conf(service.daemon, agent_parameters(name, service))
                seed.add(config.OCF_CONF.format(agent=agent, instance=config.ocf_instance(name, service.daemon)), text)
            if service.filesystem:
                seed.setup.append(f"mkdir -p {service.filesystem.mountpoint}")
        # when heartbeat restarts itself, as after a split, the unit's first process ends: its ExecStop would stop the
        # new one
        seed.add("/etc/systemd/system/heartbeat.service.d/fenceline.conf", "[Service]\nRemainAfterExit=yes\n")
        # a rebooted node begins a new log: the agent reads membership from it
        seed.setup.append(f"rm -f {config.LOG} {config.DEBUG_LOG}")
        for kind in kinds_in(topology):
            seed.late += kind.up_lines(topology)
        seed.late.append("systemctl start heartbeat.service")

    def seed_helper(self, node: str, seed: Seed) -> None:
        """Heartbeat has no helpers: a ping node only has to be there."""

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """The cluster as ``node`` sees it, or the first member whose heartbeat runs.

        Raises:
            ClusterError: no member answers.
        """
        told, seer = self._ask_members(lambda name: self._status(name, within * self._slowdown), node,
                                       "no member tells the cluster's state")
        return status.cluster_state(self.topology, told, seer, frozenset(self._on_standby))

    def _status(self, node: str, within: float = 10.0) -> status.NodeStatus:
        return status.parse(node, self._sessions[node].run(status.COMMAND, within=within).out)

    def move(self, service: str, target: str | None) -> None:
        """Clean relocation by ``hb_takeover``; to ``target`` or away from where it is. It takes along every service
        that has the same preferred node: haresources knows no finer unit."""
        if target is None:
            owner = self.state().owner(service)
            target = next(node for node in self.topology.cluster_nodes if node != owner)
        which = "local" if config.preferred(self.topology, service) == target else "foreign"
        self.command([f"{_TOOLS}/hb_takeover", which], node=target)
        self._moved[service] = target

    def clear_moves(self, service: str) -> None:
        """Nothing stays in force after a move."""
        self._moved.pop(service, None)

    def has_moves(self, service: str) -> bool:
        """Whether the target of the last move now says that the service is its own."""
        target = self._moved.get(service)
        return target is not None and status.holds_service(
            self._status(target), config.preferred(self.topology, service))

    def standby(self, node: str, on: bool) -> None:
        """Lets ``node`` give away all that it has (``hb_standby``), or take back its own. Heartbeat does not remember
        it: a node on standby takes over when the other dies."""
        if on:
            self.command([f"{_TOOLS}/hb_standby", "all"], node=node)
            self._on_standby.add(node)
        else:
            self._on_standby.discard(node)
            if config.auto_failback(self.topology):
                self.command([f"{_TOOLS}/hb_takeover", "local"], node=node)

    def start_daemon(self, node: str, daemon: str) -> None:
        """All that there is of heartbeat is its one unit."""
        self._sessions[node].run(["systemctl", "start", "heartbeat.service"], within=60)

    def cleanup(self) -> None:
        """Heartbeat remembers no failures."""
        self._moved.clear()
        self._on_standby.clear()
