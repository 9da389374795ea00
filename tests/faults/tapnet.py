"""A machine's card without the machine: a thread holds its tap, answers ARP and talks to the others, like a guest."""

from __future__ import annotations

import os
import select
import threading

from fenceline.machines.fabric import Fabric
from fenceline.model.addressing import address
from tests.fabrics import arp_answer, open_tap


class TapGuest:
    """One card: says something to every other card of its network 50 times a second, and answers ARP."""

    def __init__(self, fabric: Fabric, node: str, network: str) -> None:
        self.own = bytes.fromhex(fabric.mac(node, network).replace(":", ""))
        self.ip = address(fabric.topology, node, network).packed
        self.others = [bytes.fromhex(fabric.mac(other, network).replace(":", "")) for other in fabric.topology.nodes
                       if other != node and network in fabric.topology.networks_of(other)]
        self.talks = True
        self._stop = threading.Event()
        self._fd = open_tap(fabric, node, network)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if select.select([self._fd], [], [], 0.02)[0]:
                answer = arp_answer(os.read(self._fd, 2048), self.own, self.ip)
                if answer:
                    os.write(self._fd, answer)
            elif self.talks:
                for other in self.others:
                    os.write(self._fd, other + self.own + b"\x88\xb6" + bytes(60))

    def ask(self) -> None:
        """Asks everybody, once, for an address that nobody has."""
        os.write(self._fd, b"\xff" * 6 + self.own + b"\x08\x06" + bytes(46))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)
        os.close(self._fd)
