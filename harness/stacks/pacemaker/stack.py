"""Pacemaker on Corosync behind the stack protocol."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

from fenceline.core.errors import FencelineError
from fenceline.daemons.seeding import seed_daemon
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import Session
from fenceline.model.fencing import SBD
from fenceline.model.storage import pill_carrier
from fenceline.model.topology import Topology
from fenceline.stacks.base import SessionStack
from fenceline.stacks.pacemaker import crm_mon, dlm, own, sbd
from fenceline.stacks.pacemaker.cib import cib_xml
from fenceline.stacks.pacemaker.corosync import AUTHKEY_BYTES, corosync_conf
from fenceline.stacks.pacemaker.remote import seed_authkey, seed_remote
from fenceline.stacks.state import ClusterState

LOGS = ("/var/log/corosync/corosync.log", "/var/log/pacemaker/pacemaker.log")


class PacemakerStack(SessionStack):
    """Configures, watches and commands the cluster of ``topology`` through ``sessions`` (one per node)."""

    name = "pacemaker"
    logs = LOGS

    def __init__(self, topology: Topology, sessions: Mapping[str, Session], bmc_password: str,
                 is_reachable: Callable[[str], bool], slowdown: float = 1.0) -> None:
        super().__init__(topology, sessions, is_reachable, slowdown)
        self._bmc_password = bmc_password
        self._authkey = secrets.token_hex(AUTHKEY_BYTES // 2)
        self._remote_authkey = secrets.token_hex(AUTHKEY_BYTES)

    def seed_member(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a member that starts its cluster software at every boot."""
        its = own.text(self.topology, own.COROSYNC, self._bmc_password) if self.topology.stack.config else None
        seed.add("/etc/corosync/corosync.conf", its or corosync_conf(self.topology))
        seed.add("/etc/corosync/authkey", self._authkey, 0o400)
        seed_authkey(self.topology, self._remote_authkey, seed)
        seed.add("/etc/fenceline/cib.xml", self._cib(), 0o600)
        for name, service in self.topology.services.items():
            seed_daemon(seed, name, service)
            seed.setup += [f"mkdir -p {part.mountpoint}" for part in service.group if part.kind == "filesystem"]
        if self.topology.cluster_mountpoints:
            dlm.seed_lock_manager(self.topology, seed)
        if self.topology.stack.config:
            own.seed_files(self.topology, seed, self._bmc_password)
        # only where there is none: a rebooted node keeps what the cluster has decided since
        seed.setup += ["mkdir -p /var/log/corosync /var/log/pacemaker /var/lib/nginx /var/log/nginx",
                       "C=/var/lib/pacemaker/cib; [ -e $C/cib.xml ] || "
                       "install -o hacluster -g haclient -m 600 /etc/fenceline/cib.xml $C/cib.xml"]
        if SBD in self.topology.fencing.devices:
            sbd.seed_member(self.topology, node, seed)
        else:
            seed.units.append("corosync.service")
        if self.topology.stack.quorum.policy == "qdevice":
            seed.late.append("systemctl start corosync-qdevice.service")
        # Pacemaker finds its disk at the first try only if the login is done: late
        seed.late.append("systemctl start pacemaker.service")

    def _cib(self) -> str:
        """The cluster's own configuration, or one of the topology.

        Raises:
            FencelineError: the topology names a folder for it, and it is not there.
        """
        if not self.topology.stack.config:
            return cib_xml(self.topology, self._bmc_password)
        told = own.text(self.topology, own.CIB, self._bmc_password)
        if told is None:
            raise FencelineError(f"there is no {own.CIB} in {self.topology.stack.config}, which stack.config names")
        return told

    def seed_helper(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a remote node, the quorum device's server or the keeper of SBD's disks, if that is
        its role."""
        topology = self.topology
        if SBD in topology.fencing.devices and node == pill_carrier().host(topology):
            sbd.seed_storage(topology, seed)
        if topology.nodes[node].role == "remote":
            seed_remote(topology, self._remote_authkey, seed)
        if topology.nodes[node].role != "quorum-device":
            return
        # TLS off: no certificates, see corosync.py
        seed.add("/etc/default/corosync-qnetd", 'COROSYNC_QNETD_OPTIONS="-s off"\n')
        seed.units.append("corosync-qnetd.service")

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """The cluster as ``node`` sees it, or the first member that answers; ``within`` seconds each, more where
        machines are emulated.

        Raises:
            ClusterError: no member answers.
            ClusterSilent: likewise, though they can be reached.
        """
        failed = {}
        for name in [node] if node else self.topology.cluster_nodes:
            if not self._is_reachable(name):
                continue
            try:
                result = self._sessions[name].run(crm_mon.COMMAND, within=within * self._slowdown)
                return own.named(self.topology, crm_mon.parse(name, result.out))
            except FencelineError as error:
                failed[name] = error
        raise self._silence("no member tells the cluster's state", failed)

    def move(self, service: str, target: str | None) -> None:
        """Clean relocation by the cluster's own command; to ``target`` or away from where it is."""
        where = ["--node", target] if target else []
        self.command(["crm_resource", "--move", "--resource", self._id(service), *where])

    def ban(self, service: str, node: str) -> None:
        """Forbids ``service`` to run on ``node``; ``clear_moves`` allows it again."""
        self.command(["crm_resource", "--ban", "--resource", self._id(service), "--node", node])

    def clear_moves(self, service: str) -> None:
        """Takes the constraints of ``move`` away again."""
        self.command(["crm_resource", "--clear", "--resource", self._id(service)])

    def has_moves(self, service: str) -> bool:
        """Whether a constraint of ``move`` is in force for ``service``; crm_resource names them cli-..."""
        out = self.command(["cibadmin", "--query", "--scope", "constraints"])
        name = self._id(service)
        return f'"cli-prefer-{name}"' in out or f'"cli-ban-{name}-on-' in out

    def _id(self, service: str) -> str:
        return own.resource_id(self.topology, service)

    def standby(self, node: str, on: bool) -> None:
        """Puts ``node`` into standby, or back."""
        self.command(["crm_attribute", "--node", node, "--name", "standby", "--update", "on" if on else "off"])

    def node_maintenance(self, node: str, on: bool) -> None:
        """Has the cluster leave alone whatever runs on ``node``, or take it up again."""
        self.command(["crm_attribute", "--node", node, "--name", "maintenance", *(
            ["--update", "true"] if on else ["--delete"])])

    def start_daemon(self, node: str, daemon: str) -> None:
        """Pacemaker's daemons are one unit, which has ended with corosync."""
        self._sessions[node].run(["systemctl", "start", "corosync.service", "pacemaker.service"], within=60)

    def property(self, name: str, node: str | None = None) -> str | None:
        """The cluster property ``name`` as the configuration has it, or ``node``'s own copy of it; None where it has
        not."""
        local = ["--local"] if node else []
        out = self.command(["cibadmin", "--query", *local, "--scope", "crm_config"], node)
        match = re.search(rf'<nvpair [^>]*name="{re.escape(name)}"[^>]*>', out)
        value = match and re.search(r'value="([^"]*)"', match[0])
        return value[1] if value else None

    def set_property(self, name: str, value: str) -> None:
        """Sets the cluster property ``name``."""
        self.command(["crm_attribute", "--type", "crm_config", "--name", name, "--update", value])

    def delete_property(self, name: str) -> None:
        """Takes the cluster property ``name`` out of the configuration."""
        self.command(["crm_attribute", "--type", "crm_config", "--name", name, "--delete"])

    def cleanup(self) -> None:
        """Forgets failed actions and the fence history, so that the next scenario sees its own only."""
        self.command(["crm_resource", "--cleanup"])
