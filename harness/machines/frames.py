"""The harness's own look at the switch: frames counted on taps, and marked frames sent to nodes.

Independent of what drops or delays frames: a tap shows what a guest sent before any rule, and what a guest gets
after all of them.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.wait import Deadline

_ETH_P_ALL = 0x0003  # linux/if_ether.h
_MARK = b"\x88\xb5"  # EtherType for local experiments (IEEE 802): no guest does anything with it
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Watch:
    """Frames from the MAC address ``source`` at ``tap``, those to ``target`` (None: to anybody) or to a group."""

    tap: str
    source: str
    target: str | None = None


def _mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def count_frames(fabric: Any, watches: Sequence[Watch], seconds: float,
                 provoke: Callable[[], None] | None = None) -> list[int]:
    """How many frames each of ``watches`` saw within ``seconds``, and while ``provoke`` made somebody send them."""
    counts = [0] * len(watches)
    by_tap: dict[str, list[tuple[int, bytes, bytes | None]]] = {}
    for number, watch in enumerate(watches):
        target = None if watch.target is None else _mac_bytes(watch.target)
        by_tap.setdefault(watch.tap, []).append((number, _mac_bytes(watch.source), target))
    with selectors.DefaultSelector() as selector:
        sockets = []
        try:
            for tap, wanted in by_tap.items():
                sock = _packet_socket(fabric, tap)
                sockets.append(sock)
                selector.register(sock, selectors.EVENT_READ, wanted)
            if provoke is not None:
                provoke()
            deadline = Deadline(HOST_CLOCK, seconds)
            while (left := deadline.left) > 0:
                for key, _ in selector.select(left):
                    frame = key.fileobj.recv(64)
                    for number, source, target in key.data:
                        # the first bit of a MAC address: a group, everybody
                        if frame[6:12] == source and (target is None or frame[:6] == target or frame[0] & 1):
                            counts[number] += 1
        finally:
            for sock in sockets:
                sock.close()
    return counts


def flood(fabric: Any, network: str, target: str, tap: str, rate: float, seconds: float,
          size: int = 1000) -> tuple[int, int]:
    """Sends marked frames of ``size`` bytes to the MAC address ``target`` at ``rate`` bytes/s for ``seconds``;
    returns the bytes sent, and the bytes that left the switch at ``tap`` in that time."""
    # the source's bridge is no port: the frames come from the harness's own side of the switch
    with _packet_socket(fabric, fabric.bridge(network)) as out, _packet_socket(fabric, tap) as seen:
        seen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        frame = _mac_bytes(target) + out.getsockname()[4] + _MARK + bytes(size - 14)
        deadline = Deadline(HOST_CLOCK, seconds)
        sent = passed = 0
        while (gone := deadline.took) < seconds:
            if sent < rate * gone:
                out.send(frame)
                sent += size
            passed += _drained(seen, size)
            if sent >= rate * gone:
                HOST_CLOCK.sleep(0.001)
        return sent, passed + _drained(seen, size)


def _drained(sock: socket.socket, size: int) -> int:
    count = 0
    while True:
        try:
            if sock.recv(64, socket.MSG_DONTWAIT)[12:14] == _MARK:
                count += size
        except BlockingIOError:
            return count


def _packet_socket(fabric: Any, interface: str) -> socket.socket:
    with fabric.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing before it is bound
    sock.bind((interface, _ETH_P_ALL))
    return sock
