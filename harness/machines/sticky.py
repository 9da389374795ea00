"""A host that does not ask again: the router in front of most clients, which keeps its neighbour entries for minutes.

It has a network stack of its own, in a namespace without a name: that is gone, with the cable to the fabric, as soon as
nobody has it open, also after a ``kill -9``. What it knows of an address changes only by what it hears: an
announcement, or a question in which somebody says that he has it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fenceline.machines.namespace import entered_namespace, run_command, unshared_namespace
from fenceline.machines.sockets import HostSockets
from fenceline.model.addressing import router_address

#: ms, s: longer than any scenario. Then an entry is never out of date, nor asked for again.
_HOURS_MS, _HOURS_S = "36000000", "36000"
_CARD = "uplink"


class StickyHost(HostSockets):
    """A host in the service networks of ``fabric``. Not usable before ``create``.

    Raises:
        HostError: from every method, when the host refuses.
    """

    def __init__(self, fabric: Any) -> None:
        self._fabric = fabric
        self._fd = -1

    def create(self) -> None:
        """Makes the namespace, and a cable from it to every service network's bridge."""
        self._fd = unshared_namespace()
        try:
            self._plug_in()
        except BaseException:
            self.close()
            raise

    def _plug_in(self) -> None:
        topology, fabric = self._fabric.topology, self._fabric
        outside, inside = [], ["link set lo up"]
        cards = {network: f"{_CARD}{number}" for number, network in enumerate(topology.networks_with("service"))}
        for network, card in cards.items():
            # a short-lived path that the child inherits: nobody else needs to find the namespace
            outside += [f"link add {card} type veth peer name in-{card} netns /proc/{os.getpid()}/fd/{self._fd}",
                        f"link set {card} addrgenmode none",
                        f"link set {card} master {fabric.bridge(network)} up"]
            inside += [f"link set in-{card} addrgenmode none",
                       f"addr add {router_address(topology, network)}/{topology.networks[network].subnet.prefixlen} "
                       f"dev in-{card}",
                       f"link set in-{card} up"]
        fabric.ip_batch(outside)
        with self.entered():
            run_command(["ip", "-batch", "-"], "\n".join(inside) + "\n")
            for card in cards.values():
                folder = Path(f"/proc/sys/net/ipv4/neigh/in-{card}")
                (folder / "base_reachable_time_ms").write_text(_HOURS_MS)
                (folder / "delay_first_probe_time").write_text(_HOURS_S)
                (folder / "gc_stale_time").write_text(_HOURS_S)
                (folder / "retrans_time_ms").write_text("250")  # the very first question, before there is an entry
                (folder / "locktime").write_text("0")  # the last who speaks is believed

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling *thread* is inside of this host's stack: sockets made here stay in it for their life."""
        with entered_namespace(self._fd):
            yield

    def forget(self) -> None:
        """Forgets all neighbours: who has an address now is asked once, as by a router that was just switched on."""
        with self.entered():
            run_command(["ip", "neigh", "flush", "all"])

    def close(self) -> None:
        """Removes the namespace, and its cables with it. May be repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
