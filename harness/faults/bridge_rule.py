"""What the faults share that are a table of nftables rules on the fabric's bridges: healed by taking the table away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.cluster import Cluster


class BridgeRule:
    """A fault whose rules are in the table ``_table`` of nftables' bridge family, in the run's own namespace."""

    @property
    def _table(self) -> str:
        """The table's name, made from the fault's own value: two of them never share one, and a heal finds it again."""
        raise NotImplementedError

    def heal(self, cluster: Cluster) -> None:
        """Takes the rules away. May be repeated."""
        if self._is_there(cluster):
            cluster.fabric.run(["nft", "delete", "table", "bridge", self._table])

    def _is_there(self, cluster: Cluster) -> bool:
        return self._table in cluster.fabric.run(["nft", "list", "tables", "bridge"]).split()
