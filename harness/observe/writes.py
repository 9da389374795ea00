"""Who writes to the shared disks, as the storage network shows it: mount tables can lie, the wire can't.

Every write command to an iSCSI target, and every call to an NFS server that changes something, is seen as it passes the
storage bridge, where the kernel stamps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fenceline.machines.sockets import TcpTo
from fenceline.model.addressing import address
from fenceline.model.topology import Topology
from fenceline.observe import iscsi, nfs
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.tcp import Followed, Segment, dissect
from fenceline.observe.timed import TimedObserver
from fenceline.storage.iscsi import target
from fenceline.storage.nfs import server

WINDOW = 0.100  # s of writes that are told in one event
_LATE_NS = 1_000_000  # from the guest's card to the bridge, where the kernel stamps it
_MAX_STREAMS = 256


@dataclass
class _Batch:
    first_ns: int
    last_ns: int
    count: int


class Gatherer:
    """Which writes are told when: the first after a quiet time at once, the others together once a window. A pure
    state machine; times in ns."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], int] = {}
        self._open: dict[tuple[str, str], _Batch] = {}

    def add(self, node: str, lun: str, t_ns: int) -> _Batch | None:
        """Takes a write in; returns what is to be told now."""
        key = (node, lun)
        if key not in self._open and t_ns - self._told.get(key, -10**12) >= WINDOW * 1e9:
            self._told[key] = t_ns
            return _Batch(t_ns, t_ns, 1)
        batch = self._open.setdefault(key, _Batch(t_ns, t_ns, 0))
        batch.last_ns = max(batch.last_ns, t_ns)
        batch.count += 1
        return None

    def flush(self) -> list[tuple[str, str, _Batch]]:
        """What has gathered since the last time."""
        found = [(node, lun, batch) for (node, lun), batch in self._open.items()]
        for node, lun, batch in found:
            self._told[node, lun] = batch.last_ns
        self._open.clear()
        return found


class WriteObserver(TimedObserver):
    """Watches the storage bridge; writes become events ``write`` {lun, count} of the node that sent them, at most some
    ten a second per node and LUN, or export.

    An event is stamped with its last write; its first was ``late_ns`` earlier at most. Without shared storage it does
    nothing.

    Raises:
        OSError: from ``start``, without the right to open packet sockets in the fabric.
    """

    interval = WINDOW

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        super().__init__(log, loop)
        self._fabric, self._topology = fabric, topology
        networks = topology.networks_with("storage")
        storage = topology.storage
        self._network = networks[0] if networks and (storage.iscsi or storage.nfs) else None
        self._luns = [lun.name for lun in storage.iscsi.luns] if storage.iscsi else []
        self._exports = server.fsids(storage.nfs) if storage.nfs else {}
        self._nodes = {str(address(topology, node, self._network)): node for node in topology.cluster_nodes
                       if self._network in topology.networks_of(node)} if self._network else {}
        self._streams: dict[tuple[str, int, int], Followed] = {}
        self._gatherer, self._segment = Gatherer(), log.segment
        self._frames: Any | None = None

    def _open(self) -> bool:
        if self._network is None:
            return False
        self._frames = self._fabric.frames(self._network, TcpTo(target.PORT, server.PORT))
        self._loop.add(self._frames, self._read)
        return True

    def _close(self) -> None:
        if self._frames is not None:
            self._turn()
            self._loop.remove(self._frames)
            self._frames.close()
            self._frames = None

    def _read(self) -> None:
        for _ in range(200):  # then the other observers have their turn
            if (found := self._frames.read()) is None:
                return
            frame, t_ns = found
            segment = dissect(frame, target.PORT, server.PORT)
            if segment is not None and segment.source in self._nodes:
                for name in self._written(segment):
                    self._take(self._nodes[segment.source], name, t_ns)

    def _written(self, segment: Segment) -> list[str]:
        """What ``segment`` writes to: the names of LUNs and exports."""
        key = (segment.source, segment.source_port, segment.port)
        if key not in self._streams and len(self._streams) >= _MAX_STREAMS:
            self._streams.pop(next(iter(self._streams)))
        if segment.port == target.PORT:
            commands = self._streams.setdefault(key, iscsi.Stream()).feed(segment)
            return [self._lun(command.lun) for command in commands if command.writes]
        changes = self._streams.setdefault(key, nfs.Stream()).feed(segment)
        return [self._exports.get(change.fsid, f"export-{change.fsid}") for change in changes]

    def _lun(self, number: int) -> str:
        return self._luns[number] if number < len(self._luns) else f"lun-{number}"

    def _take(self, node: str, lun: str, t_ns: int) -> None:
        self._renew()
        batch = self._gatherer.add(node, lun, t_ns)
        if batch is not None:
            self._tell(node, lun, batch)

    def _turn(self) -> None:
        self._renew()
        for node, lun, batch in self._gatherer.flush():
            self._tell(node, lun, batch)

    def _renew(self) -> None:
        if self._segment != self._log.segment:  # another scenario's log: what was gathered is not its own
            self._gatherer, self._segment = Gatherer(), self._log.segment

    def _tell(self, node: str, lun: str, batch: _Batch) -> None:
        self._log.record("storage", node, "write", {"lun": lun, "count": batch.count}, batch.last_ns,
                         batch.last_ns - batch.first_ns + _LATE_NS)
