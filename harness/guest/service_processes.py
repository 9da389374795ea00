"""The processes of one service on this machine: signals them, and prints the letter of each one's state.

    python3 -S - NAME PORT [SIGNAL [SIGNAL]]

They are who listens on PORT under NAME, the masters of the same name that left the port to him, and all that descends
from these; not who has the same name and another port. The first signal goes to each before its children are looked
for (who is stopped gets no more of them), the second to all of them afterwards. Exit status 1 if there are none.
One program, as a shell's many would take longer than the service takes to be missed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable

_LISTENING = "0A"  # in the fourth column of /proc/net/tcp, see the kernel's Documentation/networking/proc_net_tcp.rst


def _stats() -> dict[int, tuple[str, int, str]]:
    """By pid: name, parent and state."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                head, _, rest = file.read().rpartition(")")
        except OSError:  # it has just ended
            continue
        fields = rest.split()
        found[int(pid)] = head.partition("(")[2], int(fields[1]), fields[0]
    return found


def _sockets(port: int) -> set[str]:
    """Those that listen on ``port``, as the links in /proc/PID/fd name them."""
    found = set()
    for table in filter(os.path.exists, ("/proc/net/tcp", "/proc/net/tcp6")):
        with open(table) as file:
            lines = [line.split() for line in file]
        found |= {f"socket:[{line[9]}]" for line in lines
                  if line[3] == _LISTENING and line[1].endswith(f":{port:04X}")}
    return found


def _holds(pid: int, sockets: set[str]) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{fd}") in sockets for fd in os.listdir(folder))
    except OSError:
        return False


def _roots(name: str, port: int) -> set[int]:
    known, sockets, found = _stats(), _sockets(port), set()
    for pid in [pid for pid, (own, _, _) in known.items() if own == name and _holds(pid, sockets)]:
        while known.get(known[pid][1], ("",))[0] == name:
            pid = known[pid][1]
        found.add(pid)
    return found


def _send(signals: Iterable[signal.Signals], pids: set[int]) -> None:
    for one in signals:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, one)


def main() -> int:
    signals = [signal.Signals[name] for name in sys.argv[3:]]
    found: set[int] = set()
    new = _roots(sys.argv[1], int(sys.argv[2]))
    while new:
        _send(signals[:1], new)
        found |= new
        new = {pid for pid, (_, parent, _) in _stats().items() if parent in found} - found
    _send(signals[1:], found)
    print(*(state for pid, (_, _, state) in _stats().items() if pid in found))
    return not found


sys.exit(main())
