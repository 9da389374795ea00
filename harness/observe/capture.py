"""What passed the heartbeat and service networks, as pcap files of bounded size in the run folder: for whoever does not
believe the verdict.

tcpdump does it, in the fabric; without tcpdump on the host there are no captures, and nothing else is lost.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from fenceline.core.errors import HostError
from fenceline.model.topology import Topology

SIZE = 8  # million bytes of a file; the last two are kept
_SNAP = 160  # bytes of a packet: all headers, and the head of an HTTP answer
ROLES = ("heartbeat", "service")
_PATIENCE = 3.0  # s for tcpdump to end when it is asked to, and when it is killed


class Capture:
    """The captures of one run; ``start`` and ``stop`` may be repeated."""

    def __init__(self, fabric: Any, topology: Topology) -> None:
        self._fabric, self._topology = fabric, topology
        self._running: list[subprocess.Popen] = []

    def start(self, folder: Path) -> bool:
        """Captures into ``folder``/NETWORK.pcap0 and 1 (a ring) until ``stop``. Returns whether it can."""
        self.stop()
        if shutil.which("tcpdump") is None or shutil.which("setpriv") is None:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        for name, network in self._topology.networks.items():
            if network.role in ROLES:
                # killed with us, however we die: what it holds open would keep the namespace
                self._running.append(subprocess.Popen(
                    self._fabric.command(["setpriv", "--pdeathsig", "KILL", "tcpdump", "-i", self._fabric.bridge(name),
                                          "-n", "-q", "-U", "-s", str(_SNAP), "-B", "2048", "-C", str(SIZE), "-W", "2",
                                          "-Z", "root", "-w", str(folder / f"{name}.pcap")]),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return True

    def stop(self) -> None:
        """Ends the captures. The last second may be missing: the kernel hands packets over once a second.

        Raises:
            HostError: one of them survives; the others have been ended.
        """
        running, self._running = self._running, []
        for process in running:
            process.terminate()  # tcpdump flushes what it has
        survivors = [process for process in running if not _ended(process, _PATIENCE)]
        for process in survivors:
            process.kill()
        left = [str(process.pid) for process in survivors if not _ended(process, _PATIENCE)]
        if left:
            raise HostError(f"tcpdump survives SIGKILL for {_PATIENCE:g} s: pids {', '.join(left)}")


def _ended(process: subprocess.Popen, within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True
