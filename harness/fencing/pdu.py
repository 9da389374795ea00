"""Power distribution units: outlets that are switched over SNMP, as APC's are, and the power of the machines behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from fenceline.core.clock import Task
from fenceline.core.errors import HostError
from fenceline.fencing import snmp
from fenceline.machines.protocol import Machine, Power
from fenceline.model.addressing import pdu_address
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop

PORT = 161  # UDP: snmp
_ON, _OFF = 1, 2
#: APC's PowerNet MIB: what kind of device it is, and of each outlet its name, its state and its switch.
_KIND = (1, 3, 6, 1, 2, 1, 1, 2, 0)
_RPDU = (1, 3, 6, 1, 4, 1, 318, 1, 3, 4, 5)
_NAMES = (1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 2)
STATE = (1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 4)
SWITCH = (1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 3, 1, 1, 4)
_CLOSE_PATIENCE = 10.0  # s that ``close`` waits for actions in progress

Outlet = tuple[str, int]


class PduRack:
    """The units of ``topology``, at UDP 161 of their addresses in the management network; ``community`` is their
    password. ``power`` gives the machine of a node.

    A machine is off when all outlets are that it is plugged into, and starts when one is on again. Each switching is
    an ``outlet`` of the node; that which cuts its power, or gives it, is a ``bmc.request`` and a ``bmc.done`` too, as
    those of any fencing device, with its ``device``. What the machine's driver can't do makes the run ``broken``.

    Raises:
        HostError: an address can't be bound, or the thread can't enter the fabric.
    """

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, community: str,
                 power: Callable[[str], Machine]) -> None:
        self._log, self._community, self._machine_of = log, community, power
        self._fed = {(unit, outlet): node for unit, pdu in topology.fencing.pdus.items()
                     for outlet, node in pdu.outlets.items()}
        self._on = dict.fromkeys(self._fed, True)
        self._dead: set[str] = set()
        self._lock = threading.Lock()  # one switching at a time: two outlets of one node may be told at once
        self._workers: set[Task] = set()
        self._sockets: dict[str, socket.socket] = {}
        self._loop = ObserverLoop(log, source="bmc") if self._fed else None
        try:
            for unit in topology.fencing.pdus:
                self._open(unit, fabric, str(pdu_address(topology, unit)))
        except BaseException:
            self.close()
            raise

    def _open(self, unit: str, fabric: Any, address: str) -> None:
        try:
            sock = self._sockets[unit] = fabric.udp_socket(address, PORT)
        except HostError as error:
            raise HostError(f"the PDU {unit}: {error.message}") from error
        self._loop.add(sock, lambda: self._receive(unit, sock))

    def has_supply(self, node: str) -> bool:
        """Whether some outlet gives ``node`` power, or it has its power from elsewhere."""
        own = [self._on[outlet] for outlet, fed in self._fed.items() if fed == node]
        return not own or any(own)

    def kill(self, unit: str, dead: bool) -> None:
        """Makes ``unit`` deaf and dumb, or hear again; its outlets stay as they are."""
        (self._dead.add if dead else self._dead.discard)(unit)

    def is_dead(self, unit: str) -> bool:
        """Whether ``unit`` was killed."""
        return unit in self._dead

    def reset(self, node: str) -> None:
        """Puts all outlets of ``node`` on, as people do who switch a machine on by hand; starts nothing."""
        with self._lock:
            for outlet, fed in self._fed.items():
                if fed == node and not self._on[outlet]:
                    self._on[outlet] = True
                    self._tell(outlet)

    def close(self) -> None:
        """Ends the units; waits for switching in progress, at most 10 s. May be repeated."""
        if self._loop is not None:
            self._loop.stop()
        for sock in self._sockets.values():
            sock.close()
        for worker in list(self._workers):
            if not worker.join(_CLOSE_PATIENCE):
                self._log.record("scenario", None, "broken",
                                 {"reason": f"a power distribution unit's switching hangs: {worker.name}"})

    def _receive(self, unit: str, sock: socket.socket) -> None:
        try:
            packet, client = sock.recvfrom(4096, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionRefusedError):  # refused: an ICMP for an earlier answer
            return
        if unit in self._dead:
            return
        said = snmp.answer(packet, self._community, self._table(unit),
                           lambda name, value: self._told(unit, name, value, client[0]))
        if said is not None:
            with contextlib.suppress(OSError):
                sock.sendto(said, client)

    def _table(self, unit: str) -> Mapping[snmp.Oid, snmp.Value]:
        found: dict[snmp.Oid, snmp.Value] = {_KIND: _RPDU}
        for (name, outlet), node in self._fed.items():
            if name == unit:
                state = _ON if self._on[name, outlet] else _OFF
                found |= {(*_NAMES, outlet): node.encode(), (*STATE, outlet): state, (*SWITCH, outlet): state}
        return found

    def _told(self, unit: str, name: snmp.Oid, value: int, client: str) -> bool:
        """Begins what was ordered: a unit answers at once, and its state tells when it is done."""
        if name[:-1] != SWITCH or value not in (_ON, _OFF):
            return False

        def work() -> None:
            with self._lock:
                self._switch((unit, name[-1]), value == _ON, client)

        worker = Task(self._log.clock, work, f"pdu-{unit}-{name[-1]}")
        self._workers = {one for one in self._workers if one.is_alive} | {worker}
        return True

    def _switch(self, outlet: Outlet, on: bool, client: str) -> None:
        node = self._fed[outlet]
        if self._on[outlet] == on:
            return
        others = any(self._on[one] for one, fed in self._fed.items() if fed == node and one != outlet)
        if others:
            self._on[outlet] = on
            self._tell(outlet)
            return
        action = "on" if on else "off"
        self._log.record("bmc", node, "bmc.request", {"action": action, "from": client, "device": outlet[0]})
        error = self._power(self._machine_of(node), on)
        if error is None:
            self._on[outlet] = on
            self._tell(outlet)
        self._log.record("bmc", node, "bmc.done", {"action": action, "ok": error is None, "error": error,
                                                   "device": outlet[0]})

    def _power(self, machine: Machine, on: bool) -> str | None:
        """Gives ``machine`` its power, or takes it; returns what went wrong."""
        try:
            if not on:
                machine.power_off(why="fence")
            elif machine.power() is Power.OFF:
                machine.start()
        except Exception as error:  # whatever the driver raises is no fault of the cluster that asked for it
            why = str(error) or repr(error)
            self._log.record("scenario", None, "broken",
                             {"reason": f"a power distribution unit could not switch {machine.name}: {why}"})
            return why
        return None

    def _tell(self, outlet: Outlet) -> None:
        self._log.record("bmc", self._fed[outlet], "outlet", {"device": outlet[0], "outlet": outlet[1],
                                                              "on": self._on[outlet]})
