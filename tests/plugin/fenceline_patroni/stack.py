"""Patroni behind the stack protocol."""

from __future__ import annotations

from fenceline.core.errors import ClusterError
from fenceline.daemons.seeding import seed_daemon
from fenceline.guest.seed import Seed
from fenceline.stacks.base import SessionStack
from fenceline.stacks.state import ClusterState
from fenceline_patroni import config, status

_UNIT = """\
[Service]
# the callbacks put the address on a card
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW
# one that was killed is missed by its watchdog, and starts with its machine
Restart=no
"""


class PatroniStack(SessionStack):
    """Configures, watches and commands the members of ``topology`` through ``sessions`` (one per node)."""

    name = "patroni"
    logs = ("/var/log/patroni/patroni.log",)
    _moved: str | None = None

    def seed_member(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a member that starts etcd and Patroni at every boot."""
        seed.add("/etc/default/etcd", config.etcd_environment(self.topology, node))
        seed.add("/etc/patroni/config.yml", config.patroni_yml(self.topology, node))
        seed.add("/etc/systemd/system/patroni.service.d/fenceline.conf", _UNIT)
        seed.add(config.CALLBACK, config.callback(self.topology, node), 0o755)
        for name, service in self.topology.services.items():
            seed_daemon(seed, name, service)
        # UML has a watchdog of its own where the first one should be, which resets nothing; softdog's is then the last
        seed.setup += ["modprobe softdog; mkdir -p /dev/fenceline; for w in /dev/watchdog[0-9]*; do "
                       "ln -sfn $w /dev/fenceline/watchdog; chown postgres $w; done",
                       "install -d -o postgres -g postgres /run/postgresql /var/log/patroni /var/lib/patroni",
                       "install -d -o etcd -g etcd -m 700 /var/lib/etcd/fenceline"]
        # etcd is up when a majority is: Patroni waits for it by itself
        seed.late += ["systemctl start --no-block etcd.service", "systemctl start --no-block patroni.service"]

    def seed_helper(self, node: str, seed: Seed) -> None:
        """There are none."""

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """The cluster as ``node`` sees it, or the first member whose Patroni answers.

        Raises:
            ClusterError: none does.
        """
        told, seer = self._ask_members(lambda name: self._status(name, within * self._slowdown), node,
                                       "no member tells the cluster's state")
        return status.cluster_state(self.topology, told, seer)

    def _status(self, node: str, within: float = 10.0) -> status.MemberStatus:
        return status.parse(node, self._sessions[node].run(status.COMMAND, within=within).out)

    def move(self, service: str, target: str | None) -> None:
        """A switchover to ``target``, or to whom Patroni takes."""
        leader = self.state().coordinator
        if leader is None:
            raise ClusterError("Patroni has no leader that could hand over")
        order = {"leader": leader} | ({"candidate": target} if target else {})
        self._moved = target
        self.command(config.order("/switchover", order), leader)

    def clear_moves(self, service: str) -> None:
        """Nothing stays in force after a switchover."""
        self._moved = None

    def has_moves(self, service: str) -> bool:
        """Whether the target of the last switchover is the leader now."""
        return self._moved is not None and self.state().coordinator == self._moved

    def standby(self, node: str, on: bool) -> None:
        """Not offered.

        Raises:
            ClusterError: always.
        """
        raise ClusterError("the patroni stack offers no standby")

    def start_daemon(self, node: str, daemon: str) -> None:
        """Each is a unit."""
        self._sessions[node].run(["systemctl", "start", f"{daemon}.service"], within=60)

    def cleanup(self) -> None:
        """Patroni remembers no failures."""
