"""What passed the heartbeat and service networks, as pcap files of bounded size in the run folder: for whoever does not
believe the verdict.

The fabric does it, where it can; without captures nothing else is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fenceline.core.errors import HostError
from fenceline.model.topology import Topology

SIZE = 8  # million bytes of a file; the last two are kept
_SNAP = 160  # bytes of a packet: all headers, and the head of an HTTP answer
ROLES = ("heartbeat", "service")


class Capture:
    """The captures of one run; ``start`` and ``stop`` may be repeated."""

    def __init__(self, fabric: Any, topology: Topology) -> None:
        self._fabric, self._topology = fabric, topology
        self._running: list[Any] = []

    def start(self, folder: Path) -> bool:
        """Captures into ``folder``/NETWORK.pcap0 and 1 (a ring) until ``stop``. Returns whether it can."""
        self.stop()
        for name, network in self._topology.networks.items():
            if network.role in ROLES:
                capture = self._fabric.capture(name, folder / f"{name}.pcap", _SNAP, SIZE * 1_000_000)
                if capture is None:
                    return False
                self._running.append(capture)
        return True

    def stop(self) -> None:
        """Ends the captures.

        Raises:
            HostError: one of them survives; the others have been ended.
        """
        running, self._running = self._running, []
        errors = []
        for capture in running:
            try:
                capture.stop()
            except HostError as error:
                errors.append(error)
        if errors:
            raise errors[0]
