"""A watch that tells the agent who is a member: Heartbeat pushes nothing itself.

Runs in the guests, beside agent.py; standard library only.
"""

import contextlib
import os
import re
import threading
import time

POLL = 0.100  # s
_HEARTBEAT_NODE = re.compile(r"Status update for node (\S+): status (\w+)")
_HEARTBEAT_DEAD = re.compile(r"node (\S+): is dead")
_HEARTBEAT_SELF = re.compile(r"Local status now set to: '(\w+)'|updating status to (\w+)")
_HEARTBEAT_START = re.compile(r"Starting heartbeat \d")
_HEARTBEAT_END = re.compile(r"Heartbeat shutdown complete|Emergency Shutdown")


def heartbeat_line(line):
    """What a line of ha-log says of membership: (node, status), node "" for this one; ("", "init") when heartbeat
    begins and ("", "gone") when it ends; None for other lines."""
    if _HEARTBEAT_START.search(line):
        return "", "init"
    if _HEARTBEAT_END.search(line):
        return "", "gone"
    match = _HEARTBEAT_NODE.search(line)
    if match:
        return match.group(1), match.group(2)
    match = _HEARTBEAT_DEAD.search(line)
    if match:
        return match.group(1), "dead"
    match = _HEARTBEAT_SELF.search(line)
    if match:
        return "", match.group(1) or match.group(2)
    return None


class HeartbeatWatch(threading.Thread):
    """Heartbeat's members, from its log and its pid file: it logs every change at once, and asking it by
    ``cl_status`` costs a process each time. Heartbeat has no quorum: one that runs is "quorate"."""

    def __init__(self, config, tell, log="/var/log/ha-log", pid="/run/heartbeat.pid"):
        super().__init__(daemon=True)
        self._own, self._nodes = config["self"], set(config["nodes"])
        self._tell, self._log, self._pid = tell, log, pid
        self._status, self._place, self._rest = {}, 0, ""
        self._alive = False

    def run(self):
        while True:
            self.look()
            time.sleep(POLL)

    def look(self):
        """Reads what is new and tells what follows from it."""
        alive = is_process(self._pid)
        if self._alive and not alive:
            self._status = {}
        self._alive = alive
        for line in self._new_lines():
            found = heartbeat_line(line)
            if found == ("", "init"):
                self._status = {}
            if found:
                self._status[found[0] or self._own] = found[1]
        here = alive and self._status.get(self._own) in ("up", "active")
        members = [name for name in sorted(self._nodes) if self._status.get(name) in ("up", "active")]
        self._tell({"quorate": here, "members": members if here else []}, None)

    def _new_lines(self):
        try:
            with open(self._log, errors="replace") as file:
                if os.fstat(file.fileno()).st_size < self._place:
                    self._place, self._rest = 0, ""
                file.seek(self._place)
                text = file.read()
                self._place = file.tell()
        except OSError:
            return []
        *lines, self._rest = (self._rest + text).split("\n")
        return lines


def is_process(path):
    """Whether the process of the pid file ``path`` is there."""
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        return os.path.exists(f"/proc/{int(file.read().strip())}")
    return False


def watch(config, tell):
    """The watch, which calls ``tell(state, problem)``."""
    return HeartbeatWatch(config, tell)
