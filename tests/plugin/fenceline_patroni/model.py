"""Patroni with etcd, as a topology says it and Fenceline knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from fenceline.model.stack import STACKS, Quorum, StackModel
from fenceline.model.units import Duration

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


class Patroni(StackModel):
    """Patroni with etcd: one PostgreSQL is the leader while it holds the lease, and has the group's address. What keeps
    a leader that hangs from going on is its watchdog."""

    abilities: ClassVar[frozenset[str]] = frozenset({"move", "quorum", "restart"})
    runs_everywhere: ClassVar[bool] = True  # the others are its replicas
    packets: ClassVar[str] = "arp"
    own_daemons: ClassVar[Mapping[str, str]] = {"patroni": "patroni", "etcd": "etcd"}
    own_units: ClassVar[tuple[str, ...]] = ("etcd", "patroni")
    first_process: ClassVar[str] = "patroni"
    log_file: ClassVar[str] = "/var/log/patroni/patroni.log"
    membership: ClassVar[Path] = Path(__file__).with_name("membership.py")
    packages: ClassVar[frozenset[str]] = frozenset({"patroni", "etcd-server", "etcd-client", "postgresql-15"})

    kind: Literal["patroni"]
    ttl: Duration = Field(20.0, ge=5, description="of the leader's lease: who did not renew it is no leader")
    loop_wait: Duration = Field(4.0, ge=1, description="between two looks of Patroni")
    retry_timeout: Duration = Field(5.0, ge=1, description="for so long it tries to reach etcd and PostgreSQL")
    safety_margin: Duration = Field(5.0, ge=0, description="so long before the end of the lease the watchdog fires")
    watchdog: Literal["required", "automatic", "off"] = "required"

    @property
    def quorum(self) -> Quorum:
        """etcd's: a majority of the members. A leader that has lost it demotes itself before its lease ends."""
        return Quorum(stop_within=self.ttl)

    @property
    def patience_s(self) -> float:
        return self.ttl

    @property
    def notice_s(self) -> float:
        return self.ttl + self.loop_wait

    def problems(self, topology: Topology) -> list[str]:
        from fenceline_patroni.rules import problems
        return problems(topology)

    def make(self, topology: Topology, sessions: Mapping[str, Any], bmc_password: str,
             is_reachable: Callable[[str], bool], slowdown: float) -> Any:
        from fenceline_patroni.stack import PatroniStack
        return PatroniStack(topology, sessions, is_reachable, slowdown)


STACKS.register("patroni", Patroni)
