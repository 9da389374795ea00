"""Faults of what decides who may go on: the quorum device, the votes that are expected, the ping node."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.bridge_rule import BridgeRule
from fenceline.faults.claims import Claim
from fenceline.faults.node import wait_running
from fenceline.faults.parameters import Count, Pinged
from fenceline.faults.says import Says
from fenceline.guest.ping import parse_ping, ping_command
from fenceline.model.addressing import CLIENT_NAME, ping_address
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Quorum", "on the quorum device, by corosync's own command, or in the fabric", "the opposite")

_NOTICED = 30.0  # s within which every member has noticed
_EXPECTED = re.compile(r"^Expected votes:\s*(\d+)", re.MULTILINE)
# the quorum device is node 0 there
_DEVICE = re.compile(r"^\s*0\s+(\d+)\s.*Qdevice", re.MULTILINE)


def parse_expected(text: str) -> int | None:
    """The expected votes that ``corosync-quorumtool -s`` tells; None where it tells none."""
    match = _EXPECTED.search(text)
    return int(match[1]) if match else None


def parse_device_votes(text: str) -> int | None:
    """The votes that the quorum device gives, as ``corosync-quorumtool -s`` tells; None where there is no device."""
    match = _DEVICE.search(text)
    return int(match[1]) if match else None


def _told(cluster: Cluster, node: str) -> str:
    # its exit status is 2 where there is no quorum
    return cluster.session(node).run(["corosync-quorumtool", "-s"], within=20, check=False).out


def _members(cluster: Cluster) -> list[str]:
    return [node for node in cluster.topology.cluster_nodes if cluster.is_running(node)]


def _wait_all(cluster: Cluster, parse: Any, wanted: Any, what: str) -> dict[str, Any]:
    """What ``parse`` makes of every running member's words, once it is ``wanted`` of all.

    Raises:
        FaultError: it is not within 30 s.
    """
    seen: dict[str, Any] = {}

    def is_so() -> bool:
        seen.update({node: parse(_told(cluster, node)) for node in _members(cluster)})
        return bool(seen) and all(wanted(value) for value in seen.values())
    try:
        cluster.poll(is_so, _NOTICED, what, FaultError)
    except FaultError as error:
        raise FaultError(f"{error.message}; they tell {seen}") from error
    return seen


@fault
@dataclass(frozen=True)
class QuorumDeviceStop(OnCluster):
    """The quorum device's daemon (corosync-qnetd) is stopped: it gives nobody its vote."""

    name: ClassVar[str] = "quorum-device-stop"
    needs: ClassVar[tuple[str, ...]] = ("quorum device",)
    says: ClassVar[tuple[Says, ...]] = (Says("the quorum device stops"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the quorum device is started again"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim("the quorum device", getattr(topology.stack.quorum, "device", None))})

    def _systemctl(self, cluster: Cluster, action: str) -> None:
        device = getattr(cluster.topology.stack.quorum, "device", None)
        if device is None:
            raise FaultError(f"{cluster.topology.name} has no quorum device")
        if wait_running(cluster, device):
            cluster.session(device).run(["systemctl", action, "corosync-qnetd.service"], within=40)

    def costs(self, topology: Topology) -> Cost:
        return Cost(quorum_device=True)

    def inject(self, cluster: Cluster) -> None:
        self._systemctl(cluster, "stop")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return {"device_votes": _wait_all(cluster, parse_device_votes, lambda votes: votes == 0,
                                          "every member to miss the quorum device's vote")}

    def heal(self, cluster: Cluster) -> None:
        self._systemctl(cluster, "start")

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"device_votes": _wait_all(cluster, parse_device_votes, bool,
                                          "every member to have the quorum device's vote again")}


@fault
@dataclass(frozen=True)
class ExpectedVotes(OnCluster):
    """The cluster is told to expect ``votes`` votes, by mistake: of too many the majority is lost too soon."""

    votes: Annotated[int, Count(1, 64, "votes"), "(corosync refuses some of which the members are no majority)"]
    name: ClassVar[str] = "expected-votes"
    drawn: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[str, ...]] = ("votes=5",)
    needs: ClassVar[tuple[str, ...]] = ("quorum",)
    says: ClassVar[tuple[Says, ...]] = (Says("the cluster is told to expect <votes> votes"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the cluster is told the right number of votes"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim("the expected votes")})

    def _set(self, cluster: Cluster, votes: int) -> None:
        members = _members(cluster)
        if not cluster.topology.stack.on_corosync or not members:
            raise FaultError(f"{cluster.topology.name} has no corosync that counts votes")
        cluster.session(members[0]).run(["corosync-quorumtool", "-e", str(votes)], within=20)

    def _own(self, cluster: Cluster) -> int:
        return cluster.topology.expected_votes

    def costs(self, topology: Topology) -> Cost:
        return Cost(votes=self.votes)

    def inject(self, cluster: Cluster) -> None:
        self._set(cluster, self.votes)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return {"expected_votes": _wait_all(cluster, parse_expected, lambda votes: votes == self.votes,
                                            f"every member to expect {self.votes} votes")}

    def heal(self, cluster: Cluster) -> None:
        self._set(cluster, self._own(cluster))

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        wanted = self._own(cluster)
        return {"expected_votes": _wait_all(cluster, parse_expected, lambda votes: votes == wanted,
                                            f"every member to expect {wanted} votes again")}


@fault
@dataclass(frozen=True)
class PingLost(BridgeRule):
    """The machine ``pinged`` answers no ping: a ping node is lost, and whatever else it does goes on."""

    pinged: Pinged
    name: ClassVar[str] = "ping-lost"
    samples: ClassVar[tuple[str, ...]] = ("pinged=client ?ping",)
    says: ClassVar[tuple[Says, ...]] = (Says("the ping node <pinged> answers no ping"),)

    @property
    def targets(self) -> tuple[str, ...]:
        return () if self.pinged == CLIENT_NAME else (self.pinged,)

    @property
    def _table(self) -> str:
        return f"fl_ping_{self.pinged.replace('-', '_')}"

    def _address(self, cluster: Cluster) -> str:
        topology = cluster.topology
        found = ping_address(topology, self.pinged) if self.pinged in (CLIENT_NAME, *topology.nodes) else None
        if found is None:
            raise FaultError(f"{self.pinged!r} is in no network of all members; there are {CLIENT_NAME}, "
                             f"{', '.join(topology.nodes)}")
        return str(found)

    def costs(self, topology: Topology) -> Cost:
        # every member misses it alike: none is worth less than another, but by a rule all may be worth too little
        return Cost(stopped=topology.stack.stopped_without(topology, {self.pinged}))

    def inject(self, cluster: Cluster) -> None:
        address = self._address(cluster)
        cluster.fabric.run(["nft", "-f", "-"], f"""
table bridge {self._table} {{
    chain pings {{
        type filter hook prerouting priority -200
        ip daddr {address} icmp type echo-request drop
    }}
}}
""")

    def _answered(self, cluster: Cluster) -> dict[str, int]:
        """How many of four pings each running member got an answer to."""
        command = ping_command(self._address(cluster), 4, 0.2)
        found = {}
        for node in _members(cluster):
            try:
                found[node] = parse_ping(cluster.session(node).run(command, within=20, check=False).out).received
            except (ValueError, FencelineError) as error:
                raise FaultError(f"{node} can't ping: {error}") from error
        return found

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        found = self._answered(cluster)
        if any(found.values()) or not found:
            raise FaultError(f"not confirmed: {self.pinged} still answers pings: {found}")
        return {"answers_to_4_pings": found}

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError(f"the rule that drops the pings of {self.pinged} is still there")
        found = self._answered(cluster)
        if not all(found.values()):
            raise FaultError(f"{self.pinged} does not answer pings: {found}")
        return {"answers_to_4_pings": found}
