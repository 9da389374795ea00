"""What passes a bridge of the fabric, written down by tcpdump."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from fenceline.core.errors import HostError

_PATIENCE = 3.0  # s for tcpdump to end when it is asked to, and when it is killed


class Tcpdump:
    """Captures the device ``bridge`` into ``path`` with 0 and 1 behind it, a ring of two files of ``size`` bytes; the
    first ``snap`` bytes of each packet. ``inside`` makes a command one that runs in the fabric."""

    def __init__(self, inside: Callable[[Sequence[str]], list[str]], bridge: str, path: Path, snap: int,
                 size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # killed with us, however we die: what it holds open would keep the namespace
        self._process = subprocess.Popen(
            inside(["setpriv", "--pdeathsig", "KILL", "tcpdump", "-i", bridge, "-n", "-q", "-U", "-s", str(snap), "-B",
                    "2048", "-C", str(size // 1_000_000), "-W", "2", "-Z", "root", "-w", str(path)]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def is_there() -> bool:
        """Whether the host has what that needs."""
        return shutil.which("tcpdump") is not None and shutil.which("setpriv") is not None

    def stop(self) -> None:
        """Ends it. The last second may be missing: the kernel hands packets over once a second.

        Raises:
            HostError: it survives.
        """
        self._process.terminate()  # it flushes what it has
        if not self._ends():
            self._process.kill()
            if not self._ends():
                raise HostError(f"tcpdump survives SIGKILL for {_PATIENCE:g} s: pid {self._process.pid}")

    def _ends(self) -> bool:
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return False
        return True
