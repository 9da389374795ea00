"""What the agents inside the guests tell, as events stamped with the host's clock."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

from fenceline.machines.protocol import AgentStream
from fenceline.model.event import Event
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop

#: Bounds on how much earlier than its line's arrival a thing happened, ns: pushed; polled each 100 or 250 ms.
LATE_NS = {"listen": 120_000_000, "log": 270_000_000, "drbd.oos": 270_000_000}
PUSHED_LATE_NS = 20_000_000
_SILENCE_NS = 500_000_000  # two ticks: an agent that was silent for longer did not run, and tells late
_LONGEST = 64 * 1024  # bytes of a line
_KEYS = {
    "agent.start": (), "tick": (), "mount": ("source", "mountpoint", "fstype", "mounted"),
    "address": ("ip", "device", "present"), "listen": ("port", "present"), "quorum": ("quorate", "members"),
    "log": ("file", "line"), "drbd.role": ("resource", "role"),
    "drbd.connection": ("resource", "connection", "peer_role"),
    "drbd.disk": ("resource", "disk", "peer_disk", "replication"), "drbd.oos": ("resource", "kib"),
    "drbd.helper": ("resource", "helper", "status"),
}
_STATES = ("drbd.role", "drbd.connection", "drbd.disk", "drbd.oos")


def parse_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """The kind and the data of an agent's ``line``.

    Raises:
        ValueError: it is none: noise on the serial port, or a kind or data that we don't know.
    """
    try:
        raw = json.loads(line)
        kind, data = raw["kind"], raw["data"]
        missing = [key for key in _KEYS[kind] if key not in data]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a line of the agent: {line[:80]!r}") from error
    if missing:
        raise ValueError(f"{kind} without {', '.join(missing)}: {line[:80]!r}")
    return kind, data


class GuestObserver:
    """The observer of one guest. ``current`` is the node's state as last told: its keys are ("mount",
    mountpoint), ("address", ip, device), ("listen", port), ("quorum",), ("drbd.role", resource) and the like. It is
    void when the power goes, and when the agent restarts. Each change makes a new one, so that whoever looks into it
    sees one moment, in whichever thread.

    ``late_ns`` of its events: 20 ms for what the kernel pushes, 120 ms for ports, 270 ms for log lines. If
    the agent had been silent for more than 500 ms (it ticks 4 times a second), by that silence more.
    """

    def __init__(self, machine_name: str, log: EventLog, loop: ObserverLoop) -> None:
        self.name = machine_name
        self.garbage = 0  # lines that were none
        self.current: dict[tuple, dict[str, Any]] = {}
        self._changing = threading.Lock()
        self._log, self._loop = log, loop
        self._stream: AgentStream | None = None
        self._rest = b""
        self._heard_ns = 0
        log.listeners.append(self._on_event)
        loop.at_stop.append(self.close)

    def attach(self, stream: AgentStream) -> None:
        """Reads from ``stream`` from now on, in place of an earlier one; it is ours to close."""
        self._loop.call(lambda: self._attach(stream))

    def _attach(self, stream: AgentStream) -> None:
        self._detach()
        self._stream, self._rest, self._heard_ns = stream, b"", 0
        self._loop.add(stream, lambda: self._read(stream))

    def detach(self) -> None:
        """Stops reading, and closes the stream. May be repeated."""
        self._loop.call(self._detach)

    def _detach(self) -> None:
        if self._stream is not None:
            self._loop.remove(self._stream)
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Detaches, and lets go of the log."""
        self.detach()
        with contextlib.suppress(ValueError):
            self._log.listeners.remove(self._on_event)

    def baseline(self) -> None:
        """Records the current state anew: for the start of a segment."""
        for (kind, *_), data in self.current.items():
            self._log.record("guest", self.name, kind, dict(data), late_ns=LATE_NS.get(kind, PUSHED_LATE_NS))

    def silence(self) -> float | None:
        """For how long (s) the agent has not been heard; None if it never was since ``attach``."""
        return (self._log.clock.now_ns() - self._heard_ns) / 1e9 if self._heard_ns else None

    def _on_event(self, event: Event) -> None:
        if event.kind == "power.off" and event.node == self.name:
            self._void()

    def _void(self) -> None:
        with self._changing:  # the power goes in another thread than the loop's
            self.current = {}

    def _read(self, stream: AgentStream) -> None:
        try:
            chunk = stream.read(65536)
        except BlockingIOError:
            return
        except OSError:  # EIO: the other end of a pseudo terminal is closed
            chunk = b""
        if not chunk:
            self.detach()
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        arrived = self._log.clock.now_ns()
        silence = arrived - self._heard_ns if self._heard_ns else 0
        self._heard_ns = arrived
        for line in lines:
            if line.strip():
                self._take(line, arrived, silence if silence > _SILENCE_NS else 0)

    def _take(self, line: bytes, arrived: int, silence: int) -> None:
        try:
            kind, data = parse_line(line)
        except ValueError as error:
            self.garbage += 1
            if self.garbage == 1:  # told once; ``garbage`` counts the others
                self._log.record("guest", self.name, "log",
                             {"file": "agent", "line": f"[fenceline: {error}]"})
            return
        self._remember(kind, data)
        late = LATE_NS.get(kind, PUSHED_LATE_NS) + silence
        self._log.record("guest", self.name, kind, data, arrived, late)

    def _remember(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "agent.start":
            self._void()
        elif kind == "mount":
            self._set(("mount", data["mountpoint"]), data)
        elif kind == "address":
            # "on no device" holds no more once it is on one
            self._set(("address", data["ip"], data["device"]), data,
                      ("address", data["ip"], "") if data["present"] else None)
        elif kind == "listen":
            self._set(("listen", data["port"]), data)
        elif kind == "quorum":
            self._set(("quorum",), data)
        elif kind in _STATES:
            self._set((kind, data["resource"]), data)

    def _set(self, key: tuple, data: dict[str, Any], gone: tuple | None = None) -> None:
        with self._changing:
            kept = {known: told for known, told in self.current.items() if known != gone}
            self.current = kept | {key: data}
