"""The cluster software of a topology: one model per product, each with its own timing, told apart by ``kind``.

Where a service prefers to run, and whether it goes back there, is said once, in its failover domain; what a product
calls ``auto_failback``, ``nopreempt`` or a priority follows from that.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field

from fenceline.model.declared import Words
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration

#: How long corosync waits for its quorum device while its members change (s); SBD trusts no quorum that may take longer
#: than its watchdog.
QDEVICE_SYNC_TIMEOUT = 6.0


class Quorum(Strict):
    """Who may go on after a split."""

    policy: Literal["majority", "two_node", "qdevice"] = "majority"
    device: Name | None = Field(None, description="the machine with corosync-qnetd, for policy qdevice")
    algorithm: Literal["ffsplit", "lms"] = "ffsplit"
    wait_for_all: bool = Field(True, description="no quorum before all nodes were seen once: else whoever boots "
                                                 "first fences the others")
    without_quorum: Literal["stop", "freeze", "ignore", "suicide"] = Field(
        "stop", description="Pacemaker's no-quorum-policy")
    stop_within: Duration = Field(20.0, description="a partition that lost quorum has stopped its services by then")


#: Of a stack that knows no quorum: every part that is left goes on.
NO_QUORUM = Quorum(without_quorum="ignore", wait_for_all=False)


class Dlm(Strict):
    """dlm_controld, which cluster file systems take their locks from."""

    post_join_delay: Duration = Field(30.0, description="so long after it has started it leaves a lost node alone, and "
                                                        "what it locks stays frozen")
    fencing: bool = Field(True, description="wait for the fencing of a lost node; without it, nothing keeps two nodes "
                                            "from holding one lock")


class _Stack(Strict):

    @property
    def handover(self) -> float:
        """How long (s) two nodes may have an address while it changes hands: none."""
        return 0.0


class Pacemaker(_Stack):
    """Pacemaker on Corosync."""

    kind: Literal["pacemaker"] = "pacemaker"
    token: Duration = Field(1.0, ge=0.1, description="corosync totem token")
    consensus: Duration | None = Field(None, description="absent: 1.2 x token, corosync's own default")
    dc_deadtime: Duration = 2.0
    quorum: Quorum = Quorum()
    resource_stickiness: int = 100
    migration_threshold: int = Field(0, ge=0, description="0: never")
    start_failure_is_fatal: bool = True
    secauth: bool = Field(True, description="authenticated and encrypted totem (knet aes256/sha256)")
    properties: Words = Field(default_factory=dict, description="cluster properties, passed through as they are: "
                                                                "priority-fencing-delay, node-health-strategy, ...")
    resource_defaults: Words = Field(default_factory=dict, description="meta attributes that hold for all resources")
    operation_defaults: Words = Field(default_factory=dict, description="attributes that hold for all operations")
    dlm: Dlm = Field(Dlm(), description="used where there is a cluster file system")


class Heartbeat(_Stack):
    """Heartbeat 3 without a resource manager (``crm no``): ha.cf and haresources."""

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

    @property
    def quorum(self) -> Quorum:
        """None: in a split both go on."""
        return NO_QUORUM

    @property
    def pinged(self) -> tuple[str, ...]:
        """Every machine that is pinged, alone or in a group."""
        return tuple(dict.fromkeys([*self.ping, *(name for group in self.ping_group.values() for name in group)]))


class TrackScript(Strict):
    """A check of the administrator's own: where it fails, the director gives its addresses away, or is worth less."""

    script: str = Field(description="a command line; its exit status 0 is good")
    interval: Duration = Field(1.0, ge=1.0)
    fall: int = Field(1, ge=1, description="failures in a row that count")
    rise: int = Field(1, ge=1, description="successes in a row that count")
    weight: int = Field(0, ge=-253, le=253, description="added to the priority: below 0 where it fails, above 0 where "
                                                        "it succeeds; 0: who fails is out")
    services: tuple[Name, ...] = Field((), description="whose addresses depend on it; empty: all")


class Keepalived(_Stack):
    """keepalived: one VRRP instance per service; priorities and preemption follow the service's failover domain."""

    kind: Literal["keepalived"]
    advert_interval: Duration = Field(0.2, ge=0.01, description="time between two adverts; three without one, and "
                                                                "the backup takes over")
    transport: Literal["unicast", "multicast"] = "unicast"
    adverts_on: Literal["heartbeat", "service"] = Field("heartbeat", description="the network that carries the adverts")
    check_interval: Duration = Field(1.0, ge=1.0, description="interval of the check of a proxy that runs on the "
                                                              "directors themselves")
    check: Literal["script", "process"] = Field("script", description="how such a proxy is watched: every "
                                                                      "check_interval, or by the kernel's word that "
                                                                      "its process ended")
    preempt_delay: Duration = Field(0.0, le=1000, description="how long a director that is preferred waits before it "
                                                              "takes the address back, where its domain has failback")
    track_scripts: dict[Name, TrackScript] = Field(default_factory=dict)
    sync_groups: dict[Name, tuple[Name, ...]] = Field(
        default_factory=dict, description="services that move together: one that fails takes the others along")
    router_id_first: int = Field(51, ge=1, le=200, description="virtual router id of the first service")

    @property
    def quorum(self) -> Quorum:
        """None: who hears no better one is master."""
        return NO_QUORUM

    @property
    def handover(self) -> float:
        """How long (s) both may have an address that is preempted: the one that takes it announces itself by an advert,
        and the other lets go when it hears that (RFC 9568, 6.4.3)."""
        return self.advert_interval


Stack = Annotated[Pacemaker | Heartbeat | Keepalived, Field(discriminator="kind")]
