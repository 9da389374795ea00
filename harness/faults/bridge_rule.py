"""What the faults share that are a table of nftables rules on the fabric's bridges: healed by taking the table away."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.faults.claims import Claim

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology


def table_of(fault: Any, what: str) -> str:
    """The name of a table of ``fault`` alone, made from its class and all its parameters."""
    return f"fl_{what}_{zlib.crc32(repr((fault.name, sorted(asdict(fault).items()))).encode()):08x}"


class BridgeRule:
    """A fault whose rules are in the table ``_table`` of nftables' bridge family, in the run's own namespace. Tables
    live side by side: only the same fault twice would share one, and is refused."""

    on_bridges: ClassVar[bool] = True

    @property
    def _table(self) -> str:
        """The table's name, made from the fault's own value: two of them never share one, and a heal finds it again."""
        raise NotImplementedError

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the rules {self._table}")})

    def heal(self, cluster: Cluster) -> None:
        """Takes the rules away. May be repeated."""
        if self._is_there(cluster):
            cluster.fabric.remove_rules(self._table)

    def _is_there(self, cluster: Cluster) -> bool:
        return cluster.fabric.has_rules(self._table)
