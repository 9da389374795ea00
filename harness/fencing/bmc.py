"""The fencing devices: one virtual IPMI BMC per cluster node, wired to the power of its machine, and able to
misbehave in the ways that real ones do."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fenceline.core.clock import Task
from fenceline.core.errors import FencelineError, HostError
from fenceline.core.wait import Deadline
from fenceline.fencing.ipmi import FAILED, NOT_IN_THIS_STATE, OK, Answer, Endpoint
from fenceline.machines.protocol import Machine, Power
from fenceline.model.addressing import bmc_address
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop

USER = "fenceline"
PORT = 623  # UDP: asf-rmcp
_LOOK = 0.05  # s from one look at a machine that is to switch itself off to the next
_CLOSE_PATIENCE = 10.0  # s that ``close`` waits for actions in progress


@dataclass(frozen=True, slots=True)
class BmcMode:
    """How a BMC behaves.

    ``NORMAL``; ``SILENT``: nothing is answered; ``WRONG_PASSWORD``: no login is accepted; ``LIES``: says that it
    did what it was told, and that the power is as it was told, and does nothing; ``SLOW(seconds)``: each command
    is done, and then answered, so much later; ``EARLY(seconds)``: each is answered as done at once, and done so much
    later; ``GENTLE(seconds)``: presses the power button, and cuts the power only of a machine that has not switched
    itself off so much later; ``ON_NODE_SUPPLY``: is as dead as its node while that has no power; ``LEAVES_OFF``: cuts
    the power, and gives none again; ``WRONG_NODE(other)``: wired to the power of ``other``.
    """

    kind: str
    seconds: float = 0.0
    other: str | None = None

    NORMAL: ClassVar[BmcMode]
    SILENT: ClassVar[BmcMode]
    WRONG_PASSWORD: ClassVar[BmcMode]
    LIES: ClassVar[BmcMode]
    ON_NODE_SUPPLY: ClassVar[BmcMode]
    LEAVES_OFF: ClassVar[BmcMode]

    @staticmethod
    def EARLY(seconds: float) -> BmcMode:
        """Answers ``seconds`` s before it does it."""
        return BmcMode("early", seconds=seconds)

    @staticmethod
    def GENTLE(seconds: float) -> BmcMode:
        """Gives the machine ``seconds`` s to shut itself down."""
        return BmcMode("gentle", seconds=seconds)

    @staticmethod
    def SLOW(seconds: float) -> BmcMode:
        """Answers ``seconds`` s late."""
        return BmcMode("slow", seconds=seconds)

    @staticmethod
    def WRONG_NODE(other: str) -> BmcMode:
        """Switches ``other``."""
        return BmcMode("wrong-node", other=other)


BmcMode.NORMAL = BmcMode("normal")
BmcMode.SILENT = BmcMode("silent")
BmcMode.WRONG_PASSWORD = BmcMode("wrong-password")
BmcMode.LIES = BmcMode("lies")
BmcMode.ON_NODE_SUPPLY = BmcMode("on-node-supply")
BmcMode.LEAVES_OFF = BmcMode("leaves-off")


class _Device:
    """One BMC: its socket and what it believes."""

    def __init__(self, node: str, sock: socket.socket) -> None:
        self.node, self.socket = node, sock
        self.mode = BmcMode.NORMAL
        self.claims_on: bool | None = None  # what it says of the power, where that is not what is so
        self.owed = 0  # commands that were answered and are yet to be done
        self.endpoint: Endpoint | None = None


class BmcRack:
    """The BMCs of all cluster nodes of ``topology``, at UDP 623 of their addresses in the management network.

    One thread speaks IPMI for all of them; each power action runs in a thread of its own, so that no machine's
    slowness delays another BMC. ``power`` gives the machine of a node.

    "off", "cycle" and "reset" are answered when the machine has stopped executing; a start is not waited for.
    "identify" lights the lamp of the machine that the device is wired to: an event ``bmc.lamp`` of that machine.
    Each command is a ``bmc.request`` when it arrives and a ``bmc.done`` when its answer is known ("on": when
    the machine was started). A BMC that misbehaves adds ``mode`` to ``bmc.done``; ``ok`` is what its client
    hears. What the machine's driver can't do makes the run ``broken``. ``press`` presses a machine's power button for a
    moment; what then switches itself off within the time that it is given was fenced (``has_pressed``). ``has_supply``
    says whether a node's power distribution units give it power.

    Raises:
        HostError: an address can't be bound, or the thread can't enter the fabric.
    """

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, password: str,
                 power: Mapping[str, Machine] | Callable[[str], Machine],
                 press: Callable[[str], None] = lambda node: None,
                 has_supply: Callable[[str], bool] = lambda node: True) -> None:
        self._log = log
        self._on_node_supply = topology.fencing.bmc_supply == "node"
        self._has_supply = has_supply
        self._press = press
        self._pressed: set[str] = set()
        self._off_why: dict[str, str] = {}
        self._machine_of = power.__getitem__ if isinstance(power, Mapping) else power
        self._passwords = {USER: password}
        self._switches = {node: threading.Lock() for node in topology.service_nodes}
        self._workers: set[Task] = set()
        self._closed = False
        self._loop = ObserverLoop(log, source="bmc")
        self._devices: dict[str, _Device] = {}
        log.listeners.append(self._note_power)
        try:
            for node in topology.service_nodes:
                self._devices[node] = self._make(node, fabric, str(bmc_address(topology, node)))
        except BaseException:
            self.close()
            raise

    def _make(self, node: str, fabric: Any, address: str) -> _Device:
        try:
            sock = fabric.udp_socket(address, PORT)
        except HostError as error:
            raise HostError(f"the BMC of {node}: {error.message}") from error
        device = _Device(node, sock)
        device.endpoint = Endpoint(sock, dict(self._passwords), lambda *asked: self._asked(device, *asked),
                                   self._log.clock)
        self._loop.add(sock, lambda: self._receive(device))
        return device

    def set_mode(self, node: str, mode: BmcMode) -> None:
        """From now on the BMC of ``node`` behaves as ``mode`` says. What a liar claimed is forgotten.

        Raises:
            FencelineError: ``node``, or the other one of WRONG_NODE, has no BMC.
        """
        for name in (node, mode.other):
            if name is not None and name not in self._devices:
                raise FencelineError(f"{name!r} has no BMC; there are {', '.join(self._devices)}")
        device = self._devices[node]
        self._loop.call(lambda: self._set(device, mode))

    def mode(self, node: str) -> BmcMode:
        """How the BMC of ``node`` behaves."""
        return self._devices[node].mode

    def has_pressed(self, node: str) -> bool:
        """Whether a BMC has pressed the power button of ``node`` and waits for it to switch itself off."""
        return node in self._pressed

    def close(self) -> None:
        """Ends the BMCs; waits for power actions in progress, at most 10 s. May be repeated."""
        if self._closed:
            return
        self._closed = True
        self._log.listeners.remove(self._note_power)
        self._loop.stop()
        for device in self._devices.values():
            device.socket.close()
        for worker in list(self._workers):
            if not worker.join(_CLOSE_PATIENCE):
                self._log.record("scenario", None, "broken",
                                 {"reason": f"a BMC's power action hangs: {worker.name}"})

    def _set(self, device: _Device, mode: BmcMode) -> None:
        device.mode, device.claims_on = mode, None
        wrong = mode == BmcMode.WRONG_PASSWORD
        device.endpoint.passwords[USER] = secrets.token_hex(8) if wrong else self._passwords[USER]
        if wrong or mode == BmcMode.SILENT:
            device.endpoint.forget_all()

    def _is_mute(self, device: _Device) -> bool:
        """Whether it can't even hear who asks it. A node that is off by its fencing device or by itself has its supply,
        and so has the device; one whose power was cut has none."""
        if device.mode == BmcMode.SILENT:
            return True
        if device.mode != BmcMode.ON_NODE_SUPPLY and not self._on_node_supply:
            return False
        return not self._has_supply(device.node) or (
            self._off_why.get(device.node) == "power_off" and self._machine_of(device.node).power() is Power.OFF)

    def _note_power(self, event: Event) -> None:
        if event.kind == "power.off" and event.node is not None:
            self._off_why[event.node] = str(event.data.get("why"))

    def _receive(self, device: _Device) -> None:
        if self._is_mute(device):
            device.endpoint.forget_all()
            device.endpoint.drain()
        else:
            device.endpoint.receive()

    def _asked(self, device: _Device, action: str, client: str, answer: Answer) -> None:
        self._log.record("bmc", device.node, "bmc.request", {"action": action, "from": client})
        mode = device.mode

        def act() -> None:
            if mode == BmcMode.LIES:
                self._lie(device, action, answer)
            elif mode.kind == "early":
                self._answer_early(device, mode, action, answer)
            else:
                self._spawn(device, mode, action, answer)

        if mode.kind == "slow":
            self._loop.later(mode.seconds, act)
        else:
            act()

    def _lie(self, device: _Device, action: str, answer: Answer) -> None:
        if action == "status" and device.claims_on is None:
            self._spawn(device, device.mode, action, answer)  # nothing to lie about yet
            return
        if action not in ("status", "identify"):
            device.claims_on = action != "off"
        self._done(device, device.mode, action, None)
        answer(OK, bool(device.claims_on))

    def _answer_early(self, device: _Device, mode: BmcMode, action: str, answer: Answer) -> None:
        """Says at once that ``action`` was done, and does it later. Until all is done that was said to be, it says of
        the power what it should be."""
        if action == "status":
            if device.claims_on is None:
                self._spawn(device, mode, action, answer)
            else:
                self._done(device, mode, action, None)
                answer(OK, device.claims_on)
            return
        if action != "identify":
            device.claims_on = action != "off"
        device.owed += 1
        self._done(device, mode, action, None)
        answer(OK, action != "off")

        def paid(code: int, is_on: bool) -> None:
            device.owed -= 1
            if not device.owed and device.mode == mode:
                device.claims_on = None
        self._loop.later(mode.seconds, lambda: self._spawn(device, mode, action, paid, told=True))

    def _spawn(self, device: _Device, mode: BmcMode, action: str, answer: Answer,
               told: bool = False) -> None:
        """Does ``action`` in a thread of its own; ``told``: what is done was told before."""
        node = mode.other or device.node

        def work() -> None:
            self._switch(device, mode, self._machine_of(node), action, self._in_loop(device, answer), told)

        worker = Task(self._log.clock, work, f"bmc-{device.node}-{action}")
        self._workers = {one for one in self._workers if one.is_alive} | {worker}

    def _in_loop(self, device: _Device, answer: Answer) -> Answer:
        """``answer``, to be called from a worker: a session belongs to the loop's thread."""
        def send(code: int, is_on: bool) -> None:
            if device.mode != BmcMode.SILENT:
                answer(code, is_on)

        return lambda code, is_on: self._loop.call_soon(lambda: send(code, is_on))

    def _switch(self, device: _Device, mode: BmcMode, machine: Machine, action: str, answer: Answer,
                told: bool) -> None:
        """Does ``action``, in a worker's thread."""
        try:
            if action == "status":
                is_on = machine.power() is not Power.OFF  # a machine that hangs is on
                self._done(device, mode, action, None)
                answer(OK, is_on)
            elif action == "identify":
                # harmless, and shows what a device is really wired to: that machine's lamp lights up
                self._log.record("machine", machine.name, "bmc.lamp", {"by": device.node})
                if not told:
                    self._done(device, mode, action, None)
                answer(OK, True)
            elif action == "on":
                answer(OK, True)
                error = None if mode == BmcMode.LEAVES_OFF else self._start(machine)
                if not told or error:
                    self._done(device, mode, action, error)
            else:
                self._cut(device, mode, machine, action, answer, told)
        except Exception as error:  # whatever the driver raises: the client must hear that it failed
            self._done(device, mode, action, self._broken(machine, action, error))
            answer(FAILED, False)

    def _cut(self, device: _Device, mode: BmcMode, machine: Machine, action: str, answer: Answer,
             told: bool) -> None:
        with self._switches[machine.name]:
            if action != "off" and machine.power() is Power.OFF:
                if not told:
                    self._done(device, mode, action, "it is off")
                answer(NOT_IN_THIS_STATE, False)
                return
            if mode.kind == "gentle":
                answer(OK, True)  # the button was pressed: that is all that was asked for
                self._wait_gently(machine, mode.seconds)
            machine.power_off(why="fence")
        if not told:
            self._done(device, mode, action, None)
        if mode.kind != "gentle":
            answer(OK, False)
        if action != "off" and mode != BmcMode.LEAVES_OFF and (error := self._start(machine)):
            self._done(device, mode, "on", error)  # the reset was answered already: told as the "on" it is

    def _wait_gently(self, machine: Machine, seconds: float) -> None:
        """Presses the power button of ``machine``, and returns when it is off, or has had ``seconds``."""
        if machine.power() is Power.OFF:
            return
        self._pressed.add(machine.name)
        try:
            with contextlib.suppress(FencelineError):  # it hangs, or can't be told: then it does not hear the button
                self._press(machine.name)
            deadline = Deadline(self._log.clock, seconds)
            while machine.power() is not Power.OFF and deadline.left and not self._closed:
                # a machine's end is no event that is waited for here: its driver tells the log
                self._log.clock.sleep(_LOOK)
        finally:
            self._pressed.discard(machine.name)

    def _start(self, machine: Machine) -> str | None:
        """Starts ``machine`` if it is off; returns what went wrong, as that has been answered already."""
        try:
            with self._switches[machine.name]:
                if not self._closed and machine.power() is Power.OFF and self._has_supply(machine.name):
                    machine.start()
        except Exception as error:  # whatever the driver raises
            return self._broken(machine, "on", error)
        return None

    def _broken(self, machine: Machine, action: str, error: Exception) -> str:
        """What the driver could not do with ``machine`` is no fault of the cluster that asked for it."""
        why = str(error) or repr(error)
        self._log.record("scenario", None, "broken",
                         {"reason": f"a fencing device could not switch {machine.name} ({action}): {why}"})
        return why

    def _done(self, device: _Device, mode: BmcMode, action: str, error: str | None) -> None:
        data: dict[str, Any] = {"action": action, "ok": error is None, "error": error}
        if mode != BmcMode.NORMAL:
            data["mode"] = mode.kind
        self._log.record("bmc", device.node, "bmc.done", data)
