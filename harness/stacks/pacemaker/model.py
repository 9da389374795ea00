"""Pacemaker on Corosync, as a topology says it and the rest of the house knows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from fenceline.model.declared import Words
from fenceline.model.stack import STACKS, Quorum, StackModel
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


class Dlm(Strict):
    """dlm_controld, which cluster file systems take their locks from."""

    post_join_delay: Duration = Field(30.0, description="so long after it has started it leaves a lost node alone, and "
                                                        "what it locks stays frozen")
    fencing: bool = Field(True, description="wait for the fencing of a lost node; without it, nothing keeps two nodes "
                                            "from holding one lock")


class Ping(Strict):
    """The ping resource on every member, and the rule by which services keep away from where too little is reached."""

    hosts: tuple[Name, ...] = Field(min_length=1, description="machines, or 'client', Fenceline's own address among "
                                                              "the clients")
    rule: Literal["must", "prefer"] = Field("must", description="must: no service where fewer than least are reached, "
                                                                "so none at all where nobody reaches them; prefer: "
                                                                "rather where more are reached")
    least: int = Field(1, ge=1)
    services: tuple[Name, ...] = Field((), description="that look at it; empty: all")
    multiplier: int = Field(1, ge=1, description="points for each host that is reached: with prefer, more than the "
                                                 "service's stickiness moves it")
    attempts: int = Field(2, ge=1)
    timeout: Duration = Field(1.0, ge=1, description="of one ping; whole seconds")
    dampen: Duration = Field(1.0, description="how long a change waits for that of the others")
    monitor: Duration = Field(2.0, ge=1)


class Pacemaker(StackModel):
    """Pacemaker on Corosync."""

    abilities: ClassVar[frozenset[str]] = frozenset({
        "ban", "configuration", "fencing by hand", "fencing switch", "maintenance", "move", "node maintenance",
        "standby", "quorum", "restart"})
    manages_resources: ClassVar[bool] = True
    has_coordinator: ClassVar[bool] = True
    on_corosync: ClassVar[bool] = True
    heartbeat_kbit: ClassVar[int] = 200
    packets: ClassVar[str] = "totem"
    own_daemons: ClassVar[Mapping[str, str]] = {
        "corosync": "corosync", "pacemakerd": "pacemakerd", "pacemaker-controld": "pacemaker-contr",
        "pacemaker-based": "pacemaker-based", "pacemaker-fenced": "pacemaker-fence",
        "pacemaker-execd": "pacemaker-execd",
        "pacemaker-remoted": "pacemaker-remot", "pacemaker-schedulerd": "pacemaker-sched",
        "pacemaker-attrd": "pacemaker-attrd"}
    own_units: ClassVar[tuple[str, ...]] = ("corosync", "pacemaker")
    first_process: ClassVar[str] = "pacemakerd"
    log_file: ClassVar[str] = "/var/log/corosync/corosync.log"

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
                                                                "node-health-strategy, ...")
    resource_defaults: Words = Field(default_factory=dict, description="meta attributes that hold for all resources")
    operation_defaults: Words = Field(default_factory=dict, description="attributes that hold for all operations")
    ping: Ping | None = Field(None, description="who pings whom, and what follows from it")
    config: str | None = Field(None, description="a folder with the cluster's own configuration, from where this file "
                                                 "is, which is run as it is: cib.xml, corosync.conf, files/ (laid over "
                                                 "every member) and setup.sh (run there at boot); what stands here of "
                                                 "timing, quorum and fencing is then what is promised, and must be the "
                                                 "same")
    ids: dict[Name, str] = Field(default_factory=dict, description="with config: the id that a service's group or "
                                                                   "resource has there, where it is not its name")
    dlm: Dlm = Field(Dlm(), description="used where there is a cluster file system")

    @property
    def quorum_device_s(self) -> float:
        return self.quorum.sync_timeout if self.quorum.policy == "qdevice" else 0.0

    @property
    def pinged(self) -> tuple[str, ...]:
        """Every machine that is pinged."""
        return () if self.ping is None else self.ping.hosts

    def stopped_without(self, topology: Topology, pinged: Collection[str]) -> frozenset[str]:
        ping = self.ping
        if ping is None or ping.rule == "prefer" or len(set(ping.hosts) - set(pinged)) >= ping.least:
            return frozenset()
        return frozenset(ping.services or topology.services)

    @property
    def runs_own_configuration(self) -> bool:
        return self.config is not None

    @property
    def patience_s(self) -> float:
        return self.token

    @property
    def notice_s(self) -> float:
        return self.token + (1.2 * self.token if self.consensus is None else self.consensus)

    @property
    def forming_s(self) -> float:
        return self.notice_s

    def daemons(self, topology: Topology) -> dict[str, str]:
        found = dict(self.own_daemons)
        if not topology.nodes_with("remote"):
            del found["pacemaker-remoted"]
        return found

    def units(self, topology: Topology) -> tuple[str, ...]:
        first, *others = self.own_units
        return (first, *(["corosync-qdevice"] if self.quorum.policy == "qdevice" else []), *others)

    def problems(self, topology: Topology) -> list[str]:
        from fenceline.stacks.pacemaker.rules import problems
        return problems(topology)

    def make(self, topology: Topology, sessions: Mapping[str, Any], bmc_password: str,
             is_reachable: Callable[[str], bool], slowdown: float) -> Any:
        from fenceline.stacks.pacemaker.stack import PacemakerStack
        return PacemakerStack(topology, sessions, bmc_password, is_reachable, slowdown)


STACKS.register("pacemaker", Pacemaker)
