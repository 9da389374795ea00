"""Watches DRBD for the agent: its own event stream, and the count of blocks out of sync.

Comes with the seed beside agent.py, only where the topology has DRBD; standard library only.

Roles, connections, disk states and calls of helpers are pushed by the kernel (``drbdsetup events2``). DRBD 8.4 pushes
no change of the out-of-sync count while it only grows or shrinks: that one is read from /proc/drbd at each tick.
"""

import re
import subprocess
import threading
import time

_COMMAND = ("drbdsetup", "events2")
_PAUSE = 0.5  # s until the stream is opened again
_DEVICE = re.compile(r"^\s*(\d+): cs:")
_OUT_OF_SYNC = re.compile(r"\boos:(\d+)")
#: What is said of a resource that is not configured: DRBD itself then says nothing.
ABSENT = {
    "drbd.role": {"role": "Unconfigured"},
    "drbd.connection": {"connection": "Unconfigured", "peer_role": "Unknown"},
    "drbd.disk": {"disk": "Unconfigured", "peer_disk": "DUnknown", "replication": "Off"},
}
#: By object of an event: the kind of ours, and how DRBD's own words are called there.
_WORDS = {
    "resource": ("drbd.role", {"role": "role"}),
    "connection": ("drbd.connection", {"connection": "connection", "role": "peer_role"}),
    "device": ("drbd.disk", {"disk": "disk"}),
    "peer-device": ("drbd.disk", {"peer-disk": "peer_disk", "replication": "replication"}),
}


def parse_event(line):
    """(action, object, {word: value}) of a line of ``drbdsetup events2``; None for the end of the first dump.

    Raises ValueError for anything else."""
    words = line.split()
    if words[:2] == ["exists", "-"]:
        return None
    if len(words) < 3 or words[0] not in ("exists", "create", "change", "destroy", "call", "response", "rename"):
        raise ValueError(f"not a line of events2: {line[:120]!r}")
    return words[0], words[1], dict(word.split(":", 1) for word in words[2:] if ":" in word)


def parse_out_of_sync(text):
    """{minor: KiB out of sync} from /proc/drbd's ``text``; devices that are not configured are left out."""
    found, current = {}, None
    for line in text.splitlines():
        match = _DEVICE.match(line)
        if match:
            current = int(match.group(1))
        match = _OUT_OF_SYNC.search(line)
        if match and current is not None:
            found[current] = int(match.group(1))
    return found


class DrbdState:
    """What is known of the resources of ``minors`` {resource: minor}. ``feed`` and ``look`` return what changed, as
    (kind, data)."""

    def __init__(self, minors):
        self._minors = minors
        self._known = {}
        self._blocks = {}
        self.lost()

    def lost(self):
        """The stream has ended: nothing is known."""
        self._known = {name: {kind: dict(data) for kind, data in ABSENT.items()} for name in self._minors}

    def snapshot(self):
        """All of it, as if nothing had been told."""
        found = [(kind, {"resource": name, **data}) for name, kinds in self._known.items()
                 for kind, data in kinds.items()]
        return found + [("drbd.oos", {"resource": name, "kib": kib}) for name, kib in self._blocks.items()]

    def feed(self, line):
        """Takes a line of events2 in."""
        event = parse_event(line)
        if event is None:
            return []
        action, what, words = event
        name = words.get("name")
        if name not in self._known:
            return []
        if what == "helper":
            # a status as of wait(2): the exit code is its second byte
            status = int(words["status"]) >> 8 & 0xff if action == "response" else None
            return [("drbd.helper", {"resource": name, "helper": words.get("helper", ""), "status": status})]
        if what not in _WORDS:
            return []
        kind, names = _WORDS[what]
        known = self._known[name][kind]
        before = dict(known)
        for word, ours in names.items():
            if action == "destroy":
                known[ours] = ABSENT[kind][ours]
            elif word in words:
                known[ours] = words[word]
        return [(kind, {"resource": name, **known})] if known != before else []

    def look(self, text):
        """Takes /proc/drbd's ``text`` in."""
        now = parse_out_of_sync(text)
        found = []
        for name, minor in self._minors.items():
            kib = now.get(minor)
            if kib is not None and kib != self._blocks.get(name):
                self._blocks[name] = kib
                found.append(("drbd.oos", {"resource": name, "kib": kib}))
        return found


class DrbdWatch(threading.Thread):
    """Follows the event stream and tells each line; None when it has ended."""

    def __init__(self, tell, command=_COMMAND):
        super().__init__(daemon=True)
        self._tell, self._command = tell, command

    def run(self):
        while True:
            try:
                with subprocess.Popen(self._command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, text=True) as process:
                    for line in process.stdout:
                        self._tell(line)
            except OSError:
                pass  # said by the silence of its states: Unconfigured
            self._tell(None)
            time.sleep(_PAUSE)
