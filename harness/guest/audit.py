"""What a node has to show after a scenario: core files, crashes that its kernel saw, room on its disks, logs that are
written. A command, and a pure parser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fenceline.core.errors import ClusterError

_CORES = ("/var/lib/pacemaker/cores", "/var/lib/corosync", "/var/lib/heartbeat/cores", "/var/lib/systemd/coredump")
_LEAST_FREE = 5  # % of a disk


@dataclass(frozen=True, slots=True)
class Audit:
    """``cores`` are paths; ``crashes`` the kernel's lines; ``free`` % by mountpoint; ``logs`` bytes by path."""

    node: str
    cores: tuple[str, ...]
    crashes: tuple[str, ...]
    free: dict[str, int]
    logs: dict[str, int]

    def problems(self) -> list[str]:
        """What is not as it should be, in words."""
        found = [f"{self.node}: core file {path}" for path in self.cores]
        found += [f"{self.node}: a process crashed: {line}" for line in self.crashes]
        found += [f"{self.node}: {mountpoint} has only {free} % free" for mountpoint, free in self.free.items()
                  if free < _LEAST_FREE]
        found += [f"{self.node}: nothing was logged to {path}" for path, size in self.logs.items() if not size]
        return found


def command(logs: Sequence[str]) -> str:
    """What tells it; ``logs`` are the files that the cluster software writes."""
    return (f"find {' '.join(_CORES)} -name 'core*' -type f 2>/dev/null | sed 's/^/core /'; "
            "dmesg | grep -E 'segfault at|traps: |general protection' | sed 's/^/crash /'; "
            "df -P / /var/log | sed 's/^/df /'; "
            f"for f in {' '.join(logs)}; do echo log $f $(stat -c %s $f 2>/dev/null || echo 0); done")


def parse(node: str, text: str) -> Audit:
    """What ``command`` printed on ``node``.

    Raises:
        ClusterError: it isn't that.
    """
    cores, crashes, free, logs = [], [], {}, {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        fields = rest.split()
        if word == "core":
            cores.append(rest)
        elif word == "crash":
            crashes.append(rest)
        elif word == "df" and len(fields) >= 6 and fields[4].rstrip("%").isdigit():
            free[fields[5]] = 100 - int(fields[4].rstrip("%"))
        elif word == "log" and len(fields) == 2:
            logs[fields[0]] = int(fields[1])
    if not free:
        raise ClusterError(f"{node}: no audit", text[:500])
    return Audit(node, tuple(cores), tuple(crashes), free, logs)
