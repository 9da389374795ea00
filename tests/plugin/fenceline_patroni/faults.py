"""A fault that only Patroni has: it is told to do nothing, and nobody remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.claims import Claim
from fenceline.faults.says import Says
from fenceline.model.cost import Cost
from fenceline_patroni import config


@fault
@dataclass(frozen=True)
class PatroniPaused(OnCluster):
    """Patroni is paused (``patronictl pause``): PostgreSQL runs, and nobody takes over from a leader that is lost."""

    name: ClassVar[str] = "patroni-paused"
    needs: ClassVar[tuple[str, ...]] = ("daemon patroni",)
    samples: ClassVar[tuple[str, ...]] = ("",)
    says: ClassVar[tuple[Says, ...]] = (Says("Patroni is paused"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("Patroni is resumed"),)

    def claims(self, topology: Any) -> frozenset[Claim]:
        return frozenset({Claim("Patroni's pause")})

    def costs(self, topology: Any) -> Cost:
        return Cost(unmanaged=frozenset(topology.services))

    def inject(self, cluster: Any) -> None:
        self._tell(cluster, True)

    def _tell(self, cluster: Any, paused: bool) -> None:
        cluster.stack.command(config.order("/config", {"pause": paused or None}, "PATCH"))

    def _seen(self, cluster: Any, paused: bool) -> dict[str, Any]:
        waited = cluster.poll(lambda: cluster.stack.state().maintenance is paused, 20,
                              f"Patroni to say that it is {'paused' if paused else 'not paused'}", FaultError)
        return {"paused": paused, "after_s": round(waited, 3)}

    def confirm(self, cluster: Any, since_ns: int) -> dict[str, Any]:
        return self._seen(cluster, True)

    def heal(self, cluster: Any) -> None:
        self._tell(cluster, False)

    def confirm_healed(self, cluster: Any) -> dict[str, Any]:
        return self._seen(cluster, False)
