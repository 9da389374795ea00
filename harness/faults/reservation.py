"""SCSI-3 persistent reservations of a LUN: made by the nodes themselves, and lost as by a failover of the array's
controller that forgot them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.claims import Claim
from fenceline.faults.disk import lun_number
from fenceline.faults.parameters import Lun
from fenceline.faults.says import Says
from fenceline.model.cost import Cost
from fenceline.storage.iscsi.target import disk_path

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Storage, reservations", "inside: by the nodes' own SCSI commands", "reserved again, or cleared")

_KEY = re.compile(r"^\s+0x([0-9a-f]+)\s*$", re.MULTILINE)
_HOLDER = re.compile(r"^\s+Key=0x([0-9a-f]+)", re.MULTILINE)
_TRIES = 4
_NOT_READY = "Device not ready"
_TYPE = 5  # write exclusive, registrants only (SPC-4, 5.13)


def parse_keys(text: str) -> frozenset[int]:
    """The registered keys that ``sg_persist --in --read-keys`` tells.

    Raises:
        ValueError: it tells nothing of keys.
    """
    if "NO registered reservation keys" in text:
        return frozenset()
    if "registered reservation key" not in text:
        raise ValueError(f"not an answer of sg_persist: {text[-200:]!r}")
    return frozenset(int(key, 16) for key in _KEY.findall(text))


def parse_holder(text: str) -> int | None:
    """The key that holds the reservation, as ``sg_persist --in --read-reservation`` tells; None where none does.

    Raises:
        ValueError: it tells nothing of a reservation.
    """
    if "NO reservation held" in text:
        return None
    match = _HOLDER.search(text)
    if match is None:
        raise ValueError(f"not an answer of sg_persist: {text[-200:]!r}")
    return int(match[1], 16)


@dataclass(frozen=True)
class _Reservation(OnCluster):
    """Something that becomes of the reservation of ``lun``."""

    lun: Lun

    def costs(self, topology: Topology) -> Cost:
        # members are registered, and write: what is lost with it is what keeps others off
        return Cost()

    def _members(self, cluster: Cluster) -> dict[str, int]:
        """The members that run, with the key of each."""
        lun_number(cluster, self.lun)  # or its error
        found = {node: number for number, node in enumerate(cluster.topology.cluster_nodes, 1)
                 if cluster.is_running(node)}
        if not found:
            raise FaultError("no member runs that could speak with the target")
        return found

    def _sg(self, cluster: Cluster, node: str, words: str) -> str:
        """What sg_persist answers. A target first tells a node that others changed something ("Unit attention"), and
        only then obeys; and LIO registers a key and says "Device not ready": what became of it is read back."""
        session = cluster.session(node)
        session.wait(cluster.boot_deadline)
        for _ in range(_TRIES):
            done = session.run(f"sg_persist {words} {disk_path(cluster.topology, self.lun)}", within=20, check=False)
            if done.ok or "Unit attention" not in done.out + done.err:
                break
        if not done.ok and _NOT_READY not in done.out + done.err:
            raise FaultError(f"{node}: sg_persist {words}: {(done.err or done.out).strip()[-200:]}")
        return done.out

    def _told(self, cluster: Cluster, node: str) -> tuple[frozenset[int], int | None]:
        """The registered keys and the holder's, as the target tells ``node``."""
        try:
            return (parse_keys(self._sg(cluster, node, "--in --read-keys")),
                    parse_holder(self._sg(cluster, node, "--in --read-reservation")))
        except ValueError as error:
            raise FaultError(f"{node}: {error}") from error

    def _reserve(self, cluster: Cluster) -> None:
        members = self._members(cluster)
        for node, key in members.items():
            self._sg(cluster, node, f"--out --register-ignore --param-sark={key:#x}")
        holder, key = next(iter(members.items()))
        self._sg(cluster, holder, f"--out --reserve --param-rk={key:#x} --prout-type={_TYPE}")

    def _clear(self, cluster: Cluster) -> bool:
        """Clears all; returns whether there was anything."""
        for node, key in self._members(cluster).items():
            if key in self._told(cluster, node)[0]:
                self._sg(cluster, node, f"--out --clear --param-rk={key:#x}")
                return True
        return False

    def _is_reserved(self, cluster: Cluster) -> dict[str, Any]:
        members = self._members(cluster)
        keys, holder = self._told(cluster, list(members)[-1])  # not by the one that reserved it, where there is another
        if not set(members.values()) <= keys or holder not in members.values():
            raise FaultError(f"{self.lun} is not reserved for all members: registered {sorted(keys)}, held by {holder}")
        return {"registered": sorted(keys), "holder": holder}

    def _is_free(self, cluster: Cluster) -> dict[str, Any]:
        keys, holder = self._told(cluster, list(self._members(cluster))[-1])
        if keys or holder is not None:
            raise FaultError(f"{self.lun} is still reserved: registered {sorted(keys)}, held by {holder}")
        return {"registered": [], "holder": None}


@fault
@dataclass(frozen=True)
class LunReserved(_Reservation):
    """``lun`` is reserved for the members (write exclusive, registrants only): no fault by itself, but what can be
    lost."""

    name: ClassVar[str] = "lun-reserved"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (Says(given="the LUN <lun> is reserved for the cluster nodes"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the reservation of {self.lun}")})

    def inject(self, cluster: Cluster) -> None:
        self._reserve(cluster)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return self._is_reserved(cluster)

    def heal(self, cluster: Cluster) -> None:
        self._clear(cluster)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self._is_free(cluster)


@fault
@dataclass(frozen=True)
class ReservationLost(_Reservation):
    """The target forgets the reservation of ``lun`` and who was registered: everybody may write again."""

    name: ClassVar[str] = "reservation-lost"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (Says("the target loses the reservation of the LUN <lun>"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the LUN <lun> is reserved again"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the loss of the reservation of {self.lun}")})

    def inject(self, cluster: Cluster) -> None:
        if not self._clear(cluster):
            raise FaultError(f"{self.lun} is not reserved by anybody: there is nothing to lose")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return self._is_free(cluster)

    def _was_reserved(self, cluster: Cluster) -> bool:
        return any(active.fault.lun == self.lun for active in cluster.faults.in_force(LunReserved.name))

    def heal(self, cluster: Cluster) -> None:
        if self._was_reserved(cluster):
            self._reserve(cluster)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self._is_reserved(cluster) if self._was_reserved(cluster) else self._is_free(cluster)
