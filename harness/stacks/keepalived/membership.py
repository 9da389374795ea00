"""A watch that tells the agent whether keepalived runs: it pushes nothing itself.

Runs in the guests, beside agent.py; standard library only.
"""

import contextlib
import os
import threading
import time

POLL = 0.100  # s


class KeepalivedWatch(threading.Thread):
    """Whether keepalived runs, and every instance of its has found its place: its notify script writes states. VRRP
    knows no members: a node counts itself only."""

    def __init__(self, config, tell, folder="/run/fenceline", pid="/run/keepalived.pid"):
        super().__init__(daemon=True)
        self._own, self._instances = config["self"], config["instances"]
        self._tell, self._folder, self._pid = tell, folder, pid

    def run(self):
        while True:
            self.look()
            time.sleep(POLL)

    def look(self):
        """Tells what is the case now."""
        here = is_process(self._pid) and all(
            self._state(name) in ("MASTER", "BACKUP") for name in self._instances)
        self._tell({"quorate": here, "members": [self._own] if here else []}, None)

    def _state(self, name):
        with contextlib.suppress(OSError), open(f"{self._folder}/vrrp-{name}") as file:
            return file.read().strip()
        return ""


def is_process(path):
    """Whether the process of the pid file ``path`` is there."""
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        return os.path.exists(f"/proc/{int(file.read().strip())}")
    return False


def watch(config, tell):
    """The watch, which calls ``tell(state, problem)``."""
    return KeepalivedWatch(config, tell)
