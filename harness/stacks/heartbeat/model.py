"""Heartbeat, as a topology says it and the rest of the house knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from fenceline.model.declared import Word
from fenceline.model.stack import NO_QUORUM, STACKS, Quorum, StackModel
from fenceline.model.strict import Name
from fenceline.model.units import Duration

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


class Heartbeat(StackModel):
    """Heartbeat 3 without a resource manager (``crm no``): ha.cf and haresources."""

    abilities: ClassVar[frozenset[str]] = frozenset({"move", "standby"})
    membership: ClassVar[Path] = Path(__file__).with_name("membership.py")
    moves_by_preferred_node: ClassVar[bool] = True  # haresources knows no finer unit
    packets: ClassVar[str] = "heartbeat"
    own_daemons: ClassVar[Mapping[str, str]] = {"heartbeat": "heartbeat", "ipfail": "ipfail"}
    own_units: ClassVar[tuple[str, ...]] = ("heartbeat",)
    first_process: ClassVar[str] = "heartbeat"
    log_file: ClassVar[str] = "/var/log/ha-log"

    kind: Literal["heartbeat"]
    keepalive: Duration = Field(0.5, ge=0.05, description="time between two heartbeats")
    warntime: Duration = Field(1.5, description="a heartbeat that is so late is said in the log")
    deadtime: Duration = Field(3.0, description="a node that was silent for so long is dead")
    initdead: Duration = Field(20.0, description="the deadtime while the cluster starts")
    deadping: Duration | None = Field(None, description="a ping node that was silent for so long is dead; absent: "
                                                        "deadtime")
    udpport: int = Field(694, ge=1, le=65535)
    media: Literal["ucast", "mcast", "bcast"] = Field("ucast", description="how heartbeats travel on every heartbeat "
                                                                           "network")
    mcast_group: IPv4Address = IPv4Address("239.0.0.1")
    auth: Literal["crc", "md5", "sha1"] = Field("sha1", description="how heartbeats are signed; crc only checks")
    ping: tuple[Name, ...] = Field((), description="ping nodes, each a member of its own for ipfail: machines, or "
                                                   "'client', Fenceline's own address among the clients")
    ping_group: dict[Name, tuple[Name, ...]] = Field(
        default_factory=dict, description="ping groups: alive while one of their machines answers")
    ipfail: bool = Field(False, description="give the services away when the peer reaches more ping nodes")

    extra: dict[str, Word | tuple[Word, ...]] = Field(
        default_factory=dict, description="directives of ha.cf beside the fields that there are, passed through as "
                                          "they are; several values are several lines")

    @property
    def pinged(self) -> tuple[str, ...]:
        """Every machine that is pinged, alone or in a group."""
        return tuple(dict.fromkeys([*self.ping, *(name for group in self.ping_group.values() for name in group)]))

    @property
    def quorum(self) -> Quorum:
        """None: in a split both go on."""
        return NO_QUORUM

    @property
    def patience_s(self) -> float:
        return self.deadtime

    @property
    def notice_s(self) -> float:
        return max(self.deadtime, self.deadping or 0.0)

    @property
    def detection_s(self) -> float:
        return self.deadtime

    @property
    def forming_s(self) -> float:
        return self.deadtime + self.keepalive

    def daemons(self, topology: Topology) -> dict[str, str]:
        return {name: process for name, process in self.own_daemons.items() if name != "ipfail" or self.ipfail}

    def moved_with(self, topology: Topology, service: str) -> tuple[str, ...]:
        home = topology.preferred_nodes(service)[:1]
        return tuple(other for other in topology.services if topology.preferred_nodes(other)[:1] == home)

    def problems(self, topology: Topology) -> list[str]:
        from fenceline.stacks.heartbeat.rules import problems
        return problems(topology)

    def make(self, topology: Topology, sessions: Mapping[str, Any], bmc_password: str,
             is_reachable: Callable[[str], bool], slowdown: float) -> Any:
        from fenceline.stacks.heartbeat.stack import HeartbeatStack
        return HeartbeatStack(topology, sessions, bmc_password, is_reachable, slowdown)


STACKS.register("heartbeat", Heartbeat)
