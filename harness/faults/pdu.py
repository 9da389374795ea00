"""Faults of power distribution units. Made at the virtual unit."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.claims import Claim
from fenceline.faults.parameters import Unit
from fenceline.faults.says import Says
from fenceline.fencing import pdu, snmp
from fenceline.model import damage
from fenceline.model.addressing import pdu_address
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Fencing, power distribution units", "outside: in the virtual unit", "the unit behaves again")

_PATIENCE = 1.0  # s that an answer may take


@fault
@dataclass(frozen=True)
class PduDead(OnCluster):
    """The power distribution unit ``unit`` answers nobody; what is plugged into it keeps its power."""

    unit: Unit
    on_bridges: ClassVar[bool] = True
    name: ClassVar[str] = "pdu-dead"
    needs: ClassVar[tuple[str, ...]] = ("PDU",)
    samples: ClassVar[tuple[str, ...]] = ("unit=pdu-a ?PDU",)
    says: ClassVar[tuple[Says, ...]] = (
        Says("the power distribution unit <unit> stops answering",
             given="the power distribution unit <unit> does not answer"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the power distribution unit <unit> works again"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the power distribution unit {self.unit}")})

    def costs(self, topology: Topology) -> Cost:
        plugged = topology.fencing.pdus[self.unit].outlets.values() if self.unit in topology.fencing.pdus else ()
        return reduce(or_, (damage.device_out(topology, node, self.unit) for node in sorted(set(plugged))), Cost())

    def inject(self, cluster: Cluster) -> None:
        cluster.pdus.kill(self.unit, True)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if self._states(cluster) is not None:
            raise FaultError(f"not confirmed: {self.unit} still answers")
        return {"snmp": "no answer"}

    def heal(self, cluster: Cluster) -> None:
        cluster.pdus.kill(self.unit, False)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        states = self._states(cluster)
        if states is None:
            raise FaultError(f"{self.unit} does not answer")
        return {"outlets": states}

    def _states(self, cluster: Cluster) -> dict[str, int] | None:
        """The state of each outlet (1: on, 2: off), as a client of the unit is told; None where nobody answers."""
        found = {}
        with cluster.fabric.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(_PATIENCE)
            sock.connect((str(pdu_address(cluster.topology, self.unit)), pdu.PORT))
            for outlet in cluster.topology.fencing.pdus[self.unit].outlets:
                try:
                    sock.send(snmp.request(outlet, cluster.bmc_password, (*pdu.STATE, outlet)))
                    found[str(outlet)] = snmp.value_in(sock.recv(4096))
                except (OSError, ValueError):
                    return None
        return found
