"""Names that nobody can tell any more. Made in the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import fault
from fenceline.faults.node import InGuest
from fenceline.faults.says import Says
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network service, names", "inside", "the name server that there was, or none; a reboot does it too")

_CONF = "/etc/resolv.conf"
_KEPT = "/run/fenceline-resolv.conf"
_SILENT = "192.0.2.53"  # TEST-NET-1 (RFC 5737): no server is there
_LOOKUP = 2.0  # s that a lookup waits, as resolv.conf says
_HANGS = 1.5  # s that a lookup takes at least when it waits for a server


@fault
@dataclass(frozen=True)
class DnsGone(InGuest):
    """The name server of ``node`` answers nothing: whoever looks a name up waits, and then does not get it.

    A route to nowhere, so that the questions vanish rather than be refused at once.
    """

    name: ClassVar[str] = "dns-gone"
    says: ClassVar[tuple[Says, ...]] = (Says("no name server answers <node>"),)
    holds: ClassVar[str] = "the name server"

    def costs(self, topology: Topology) -> Cost:
        # nothing here goes by names; whoever looks one up all the same waits
        return Cost(slower_s=2 * _LOOKUP)

    def inject(self, cluster: Cluster) -> None:
        self._run(cluster, f"[ ! -e {_KEPT} ] || exit 3; cat {_CONF} > {_KEPT} 2>/dev/null || : > {_KEPT}; "
                  f"ip link add fl-nodns type dummy && ip link set fl-nodns arp off up && "
                  f"ip route add {_SILENT}/32 dev fl-nodns; "
                  f"rm -f {_CONF}; printf 'nameserver {_SILENT}\\noptions timeout:{_LOOKUP:g} attempts:1\\n' > {_CONF}")

    def _lookup(self, cluster: Cluster) -> float:
        """How long the lookup of a name that nobody has takes (s)."""
        return int(self._run(cluster, "B=$(date +%s%N); getent hosts no-such-name.invalid >/dev/null; "
                             "echo $(($(date +%s%N) - B))")) / 1e9

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        took = self._lookup(cluster)
        if took < _HANGS:
            raise FaultError(f"not confirmed: a lookup on {self.node} takes {took:.2f} s")
        return {"lookup_s": round(took, 2)}

    def _undo(self, cluster: Cluster) -> str:
        # where the machine was rebooted meanwhile, /run has lost what was kept: a guest has no name server of its own
        return (f"ip link del fl-nodns 2>/dev/null; ! grep -q {_SILENT} {_CONF} || {{ "
                f"if [ -s {_KEPT} ]; then cat {_KEPT} > {_CONF}; else rm -f {_CONF}; fi; }}; rm -f {_KEPT}")

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        took = self._lookup(cluster)
        if took >= _HANGS:
            raise FaultError(f"a lookup on {self.node} still takes {took:.2f} s")
        return {"lookup_s": round(took, 2)}
