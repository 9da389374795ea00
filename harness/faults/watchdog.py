"""A watchdog that does not fire. Made in the guest, in the watchdog that SBD holds open."""

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
FAMILY = (
    "Fencing, watchdog", "inside: by way of the watchdog that SBD has open",
    "the timeout is set back; a reset does it too")

_NEVER = 65535  # s; the most that softdog takes: 18 hours
# A watchdog can be opened once, and SBD has it: its own open file is borrowed by pidfd_getfd(2), number 438. The
# ioctls are those of linux/watchdog.h. Prints the timeout that the kernel then has (s); 0 is for only asking, and
# prints nothing where no SBD has a watchdog
_TIMEOUT = """\
import ctypes, fcntl, glob, os, struct, sys
wanted = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for link in glob.glob("/proc/[0-9]*/fd/*"):
    pid, number = int(link.split("/")[2]), int(link.split("/")[4])
    try:
        if not os.readlink(link).startswith("/dev/watchdog"):
            continue
        with open(f"/proc/{pid}/comm") as file:
            if not file.read().startswith("sbd"):
                continue
    except OSError:
        continue
    fd = libc.syscall(438, os.pidfd_open(pid), number, 0)
    if fd < 0:
        sys.exit(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    if wanted:
        fcntl.ioctl(fd, 0xC0045706, struct.pack("i", wanted))
    print(struct.unpack("i", fcntl.ioctl(fd, 0x80045707, bytes(4)))[0])
    break
"""


@fault
@dataclass(frozen=True)
class FenceWatchdogDead(InGuest):
    """The watchdog of ``node`` does not fire, whoever stops feeding it."""

    name: ClassVar[str] = "fence-watchdog-dead"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says("the watchdog of <node> will not fire any more",
             given="the watchdog of <node> does not fire"),
    )
    holds: ClassVar[str] = "the watchdog"
    needs: ClassVar[tuple[str, ...]] = ("watchdog", "guest module softdog")

    def costs(self, topology: Topology) -> Cost:
        # who sends a pill goes by the time that it takes, not by what came of it: it goes on
        return Cost()

    def _timeout(self, cluster: Cluster, wanted: int = 0) -> int:
        """The timeout that the node's kernel has (s), after ``wanted`` was set; 0 where SBD has no watchdog."""
        done = cluster.session(self.node).run(["python3", "-S", "-", str(wanted)], within=20, text=_TIMEOUT)
        return int(done.out or 0)

    def _own(self, cluster: Cluster) -> int:
        sbd = cluster.topology.fencing.sbd
        if sbd is None:
            raise FaultError(f"{cluster.topology.name} is not fenced by sbd: its nodes have no watchdog")
        return int(sbd.watchdog_timeout)

    def inject(self, cluster: Cluster) -> None:
        self._own(cluster)
        if not self._timeout(cluster, _NEVER):
            raise FaultError(f"no SBD on {self.node} has a watchdog open")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        found = self._timeout(cluster)
        if found < _NEVER:
            raise FaultError(f"not confirmed: the watchdog of {self.node} fires after {found} s")
        return {"watchdog_fires_after_s": found}

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)  # it may have been switched off for good
        cluster.session(self.node).wait(cluster.boot_deadline)
        self._timeout(cluster, self._own(cluster))  # one that was reset meanwhile has it again already, or will

    def _undo(self, cluster: Cluster) -> str:
        return "true"

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        wanted, seen = self._own(cluster), []

        def is_back() -> bool:
            seen[:] = [self._timeout(cluster)]
            return seen[0] == wanted
        cluster.poll(is_back, cluster.boot_deadline, f"the watchdog of {self.node} to fire after {wanted} s again",
                     FaultError)
        return {"watchdog_fires_after_s": seen[0]}
