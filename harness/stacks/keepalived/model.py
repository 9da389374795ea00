"""keepalived, as a topology says it and the rest of the house knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from fenceline.model.declared import Words
from fenceline.model.stack import NO_QUORUM, STACKS, Quorum, StackModel
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


class TrackScript(Strict):
    """A check of the administrator's own: where it fails, the director gives its addresses away, or is worth less."""

    script: str = Field(description="a command line; its exit status 0 is good")
    interval: Duration = Field(1.0, ge=1.0)
    fall: int = Field(1, ge=1, description="failures in a row that count")
    rise: int = Field(1, ge=1, description="successes in a row that count")
    weight: int = Field(0, ge=-253, le=253, description="added to the priority: below 0 where it fails, above 0 where "
                                                        "it succeeds; 0: who fails is out")
    services: tuple[Name, ...] = Field((), description="whose addresses depend on it; empty: all")


class Extra(Strict):
    """What keepalived.conf can say beside the fields that there are: a keyword and its value, passed through as it is;
    a keyword without a value has ""."""

    global_defs: Words = Field(default_factory=dict)
    vrrp_instance: Words = Field(default_factory=dict, description="of every service")
    services: dict[Name, Words] = Field(default_factory=dict, description="vrrp_instance of one service")
    virtual_server: Words = Field(default_factory=dict)
    real_server: Words = Field(default_factory=dict)
    text: str = Field("", description="whole blocks, at the end of the file")


class Keepalived(StackModel):
    """keepalived: one VRRP instance per service; priorities and preemption follow the service's failover domain."""

    abilities: ClassVar[frozenset[str]] = frozenset({"move"})
    moves_addresses_only: ClassVar[bool] = True
    runs_everywhere: ClassVar[bool] = True
    membership: ClassVar[Path] = Path(__file__).with_name("membership.py")
    packets: ClassVar[str] = "vrrp"
    own_daemons: ClassVar[Mapping[str, str]] = {"keepalived": "keepalived", "haproxy": "haproxy"}
    own_units: ClassVar[tuple[str, ...]] = ("keepalived",)
    first_process: ClassVar[str] = "keepalived"
    log_file: ClassVar[str] = "/var/log/keepalived.log"

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
    priorities: dict[Name, int] = Field(
        default_factory=dict, description="VRRP priority by director, for all services; absent: by the domain, 200, "
                                          "190, ...")
    states: dict[Name, Literal["MASTER", "BACKUP"]] = Field(
        default_factory=dict, description="what a director begins as, for all services; absent: BACKUP")
    extra: Extra = Extra()
    router_id_first: int = Field(51, ge=1, le=200, description="virtual router id of the first service")

    @property
    def handover(self) -> float:
        """How long (s) both may have an address that is preempted: the one that takes it announces itself by an advert,
        and the other lets go when it hears that (RFC 9568, 6.4.3)."""
        return self.advert_interval

    @property
    def quorum(self) -> Quorum:
        """None: who hears no better one is master."""
        return NO_QUORUM

    @property
    def patience_s(self) -> float:
        return 3 * self.advert_interval

    @property
    def notice_s(self) -> float:
        return 4 * self.advert_interval + max([self.check_interval, *(
            script.interval * script.fall for script in self.track_scripts.values())])

    @property
    def detection_s(self) -> float:
        return 3 * self.advert_interval + self.check_interval

    def heartbeat_networks(self, topology: Topology) -> tuple[str, ...]:
        return topology.networks_with(self.adverts_on)[:1]

    def daemons(self, topology: Topology) -> dict[str, str]:
        has_proxy = any(service.daemon and service.daemon.name == "haproxy" for service in topology.services.values())
        return {name: process for name, process in self.own_daemons.items() if name != "haproxy" or has_proxy}

    def moved_with(self, topology: Topology, service: str) -> tuple[str, ...]:
        return tuple(other for group in self.sync_groups.values() if service in group for other in group)

    def problems(self, topology: Topology) -> list[str]:
        from fenceline.stacks.keepalived.rules import problems
        return problems(topology)

    def make(self, topology: Topology, sessions: Mapping[str, Any], bmc_password: str,
             is_reachable: Callable[[str], bool], slowdown: float) -> Any:
        from fenceline.stacks.keepalived.stack import KeepalivedStack
        return KeepalivedStack(topology, sessions, is_reachable, slowdown)


STACKS.register("keepalived", Keepalived)
