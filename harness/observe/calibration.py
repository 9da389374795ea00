"""How far the failover time is off: outages of exactly known length, and what the judge makes of them.

The client's packets are dropped in the fabric's own switch, on their way to a service's address and back, for a time
that is stamped on both ends with the clock of the event log. Against a standing cluster, or a plain HTTP server that
is plugged into a fabric of its own.
"""

from __future__ import annotations

import ctypes
import random
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError
from fenceline.core.wait import until
from fenceline.judge.history import build_history
from fenceline.judge.outages import outages
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.model.verdict import Outage
from fenceline.reports.stats import percentile

_TABLE = "fl_known_outage"
_RULES = """
add table bridge {table}
add set bridge {table} away {{ type ipv4_addr; }}
add chain bridge {table} out {{ type filter hook output priority -200; }}
add chain bridge {table} in {{ type filter hook input priority -200; }}
add rule bridge {table} out ip daddr @away drop
add rule bridge {table} in ip saddr @away drop
"""
# a thread for each client: one whose packets are dropped must not keep the others waiting
_SERVER = """\
import socket, sys, threading
answer = b"HTTP/1.0 200 OK\\r\\nContent-Length: 0\\r\\nX-Node: " + sys.argv[1].encode() + b"\\r\\n\\r\\n"
server = socket.create_server(("", 80), backlog=256)
print("listening", flush=True)
def serve(peer):
    with peer:
        peer.settimeout(5)
        try:
            while b"\\r\\n\\r\\n" not in peer.recv(4096):
                pass
            peer.sendall(answer)
        except OSError:
            pass
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


@dataclass(frozen=True, slots=True)
class KnownOutage:
    """The client's packets were dropped from ``begin`` to ``end``, each known to lie in [before, after] (ns)."""

    begin_before_ns: int
    begin_after_ns: int
    end_before_ns: int
    end_after_ns: int

    @property
    def seconds(self) -> float:
        """Its length, s."""
        return (self.end_before_ns + self.end_after_ns - self.begin_before_ns - self.begin_after_ns) / 2e9

    @property
    def plus_minus(self) -> float:
        """How exactly that length is known, s."""
        return (self.end_after_ns - self.end_before_ns + self.begin_after_ns - self.begin_before_ns) / 2e9


@dataclass(frozen=True, slots=True)
class Compared:
    """A known outage and the one that was reported, or None.

    ``service_time`` is the service's own part of the error (s): how long the first question that failed had already
    waited for its answer when the packets were dropped, and how long the answer that ended the outage took once they
    passed again. A guest with one CPU that is busy answers late; no client can tell that from an outage.
    """

    known: KnownOutage
    reported: Outage | None
    service_time: float = 0.0

    @property
    def error(self) -> float | None:
        """Reported less known, s."""
        return None if self.reported is None else self.reported.seconds - self.known.seconds

    @property
    def own_error(self) -> float | None:
        """The measurement's own part of the error, s."""
        return None if self.error is None else self.error - self.service_time

    @property
    def within_bound(self) -> bool:
        """Whether the error is no larger than the report says that it may be."""
        return self.reported is not None and abs(self.error) <= self.reported.plus_minus + self.known.plus_minus


class Switch:
    """Drops what the client sends to an address and gets from it, inside ``fabric``, at once.

    A call of ``nft`` takes 5 to 50 ms, which would be the error of the truth itself: libnftables is used in the
    process, with a socket made in the fabric (some 0.1 ms a command).

    Raises:
        HostError: libnftables is not there, or refuses.
    """

    def __init__(self, fabric: Any) -> None:
        try:
            self._lib = ctypes.CDLL("libnftables.so.1")
        except OSError as error:
            raise HostError("libnftables.so.1 is missing: apt-get install libnftables1") from error
        self._lib.nft_ctx_new.restype = ctypes.c_void_p
        self._lib.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        with fabric.entered():
            self._context = ctypes.c_void_p(self._lib.nft_ctx_new(0))
        self._lib.nft_ctx_buffer_error(self._context)
        self._do(_RULES.format(table=_TABLE))

    def _do(self, command: str) -> None:
        if self._lib.nft_run_cmd_from_buffer(self._context, command.encode()):
            words = (self._lib.nft_ctx_get_error_buffer(self._context) or b"").decode(errors="replace").strip()
            raise HostError(f"nft refuses: {words or command}")

    def cut(self, address: str) -> tuple[int, int]:
        """From now on ``address`` can't be reached by the client; returns the stamps (ns) before and after."""
        return self._stamped(f"add element bridge {_TABLE} away {{ {address} }}")

    def mend(self, address: str) -> tuple[int, int]:
        """``address`` can be reached again; returns the stamps (ns) before and after."""
        return self._stamped(f"delete element bridge {_TABLE} away {{ {address} }}")

    def _stamped(self, command: str) -> tuple[int, int]:
        before = HOST_CLOCK.now_ns()
        self._do(command)
        return before, HOST_CLOCK.now_ns()

    def close(self) -> None:
        """Takes the rules away. May be repeated."""
        if self._context:
            self._lib.nft_run_cmd_from_buffer(self._context, f"delete table bridge {_TABLE}".encode())
            self._lib.nft_ctx_free(self._context)
            self._context = None


def inject(switch: Switch, address: str, lengths: Iterable[float], pause: Callable[[], float]) -> list[KnownOutage]:
    """Outages of ``address`` of these ``lengths`` (s), each after a ``pause`` (s) of good service."""
    known = []
    for length in lengths:
        HOST_CLOCK.sleep(pause())
        begin = switch.cut(address)
        try:
            HOST_CLOCK.sleep(length - (HOST_CLOCK.now_ns() - begin[1]) / 1e9)
        finally:
            end = switch.mend(address)
        known.append(KnownOutage(*begin, *end))
    HOST_CLOCK.sleep(pause())
    return known


def lengths_and_pauses(count: int, seed: int, shortest: float = 0.1,
                       longest: float = 3.0) -> tuple[list[float], Callable[[], float]]:
    """``count`` lengths (s), log-uniform, and a source of pauses (1.2 to 1.5 s): at no fixed phase of the client's
    questions, as that would hide the error."""
    chance = random.Random(seed)
    lengths = [shortest * (longest / shortest) ** chance.random() for _ in range(count)]
    return lengths, lambda: chance.uniform(1.2, 1.5)


def compare(known: Sequence[KnownOutage], events: Iterable[Event], topology: Topology) -> list[Compared]:
    """Each known outage with the reported one that covers most of it."""
    events = list(events)
    reported = outages(build_history(events, topology))
    replies = [event for event in events if event.kind == "reply"]
    sent = {(event.data["service"], event.t_ns): event.data["sent_ns"] for event in replies if event.data["ok"]}

    def shared(one: KnownOutage, other: Outage) -> int:
        until = one.end_after_ns if other.end_ns is None else other.end_ns
        return min(one.end_after_ns, until) - max(one.begin_before_ns, other.start_ns)

    found = []
    for one in known:
        best = max(reported, key=lambda other: shared(one, other), default=None)
        if best is None or shared(one, best) <= 0:
            found.append(Compared(one, None))
            continue
        asked_ns = sent.get((best.service, best.end_ns), 0)
        # what was asked before and came through by a repetition is the measurement's own affair
        answering_ns = best.end_ns - asked_ns if asked_ns >= one.end_after_ns else 0
        in_vain_ns = min((event.data["sent_ns"] for event in replies if not event.data["ok"]
                          and event.data["service"] == best.service and event.t_ns > best.start_ns),
                         default=one.begin_before_ns)
        waiting_ns = max(0, one.begin_before_ns - max(in_vain_ns, best.start_ns))
        found.append(Compared(one, best, (answering_ns + waiting_ns) / 1e9))
    return found


def summary(compared: Sequence[Compared]) -> dict[str, float]:
    """n, median, p95 and maximum of the absolute error (s), its bias, and how many were outside of their bound."""
    errors = [one.error for one in compared if one.error is not None]
    sizes = sorted(abs(error) for error in errors)
    own = sorted(abs(one.own_error) for one in compared if one.own_error is not None)
    return {
        "n": len(compared), "missed": sum(one.reported is None for one in compared),
        "median": statistics.median(sizes), "p95": percentile(sizes, 0.95), "max": sizes[-1],
        "own_median": statistics.median(own), "own_p95": percentile(own, 0.95), "own_max": own[-1],
        "bias": statistics.mean(errors), "outside_bound": sum(not one.within_bound for one in compared),
        "bound": statistics.median(one.reported.plus_minus for one in compared if one.reported is not None),
        "truth_plus_minus": max(one.known.plus_minus for one in compared),
    }


@contextmanager
def plain_server(fabric: Any, node: str, network: str, address: str) -> Iterator[None]:
    """A plain HTTP server at ``address`` that answers as ``node``, in a namespace of its own, plugged into the switch
    of ``network``.

    Raises:
        HostError: it does not come up within 5 s.
    """
    server = subprocess.Popen(
        fabric.command(["unshare", "--net", sys.executable, "-S", "-c",
                        "import sys; sys.stdin.readline(); exec(sys.argv.pop(1))", _SERVER, node]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _wait_namespace(server.pid, fabric)
        prefix = fabric.topology.networks[network].subnet.prefixlen
        fabric.run(["ip", "link", "add", "fl-plain", "type", "veth", "peer", "name", "eth0", "netns",
                    str(server.pid)])
        fabric.run(["ip", "link", "set", "fl-plain", "master", fabric.bridge(network), "up"])
        for words in ("addr add {address}/{prefix} dev eth0", "link set eth0 up"):
            command = words.format(address=address, prefix=prefix).split()
            _in_namespace(server.pid, ["ip", *command])
        server.stdin.write("go\n")
        server.stdin.flush()
        if not server.stdout.readline():
            raise HostError("the plain HTTP server did not start")
        yield
    finally:
        server.kill()
        server.wait(5)
        server.stdin.close()
        server.stdout.close()


def _wait_namespace(pid: int, fabric: Any) -> None:
    """Waits until ``unshare`` has made the namespace of ``pid``: until then, it is ours."""
    from pathlib import Path
    own = Path("/proc/self/ns/net").readlink()
    with fabric.entered():
        inside = Path(f"/proc/self/task/{threading.get_native_id()}/ns/net").readlink()
    until(HOST_CLOCK, lambda: Path(f"/proc/{pid}/ns/net").readlink() not in (own, inside), 5, "unshare",
          lambda text, waited: HostError("unshare made no network namespace within 5 s"), 0.01)


def _in_namespace(pid: int, arguments: list[str]) -> None:
    done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *arguments], capture_output=True, text=True,
                          timeout=10, check=False)
    if done.returncode:
        raise HostError(f"`{' '.join(arguments)}` in the server's namespace failed: {done.stderr.strip()}")
