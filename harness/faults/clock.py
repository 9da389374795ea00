"""Faults of a node's clock: stepped, and drifting. Made in the guest: its clock is its own."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import fault
from fenceline.faults.node import InGuest
from fenceline.faults.parameters import Number, Seconds
from fenceline.faults.says import Says, Stage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Time", "inside", "the clock is set to the host's, and runs at its rate")

_DRIFT_WINDOW = 2.0  # s over which a drift is measured, again and again until it is known
_DRIFT_KNOWN = 0.9  # % that it may be off: with the 1 % that is tolerated still less than the least drift of 2 %
_DRIFT_PATIENCE = 60.0  # s until it must be known
_OFFSET_KNOWN = 0.9  # s that a clock's reading may be off, likewise less than the least step
_STROBE_PID = "/run/fenceline-clock-strobe.pid"
# there and back by what the clock says at that moment: what passes in between is not lost
_STROBE = """\
import sys, time
step, period = float(sys.argv[1]), float(sys.argv[2])
while True:
    for way in (step, -step):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + way)
        time.sleep(period)
"""
# by what the clock says at that moment, too: a command that is slow to begin does not set it to a time that is past
_SHIFT = "import sys, time; time.clock_settime(time.CLOCK_REALTIME, time.time() + float(sys.argv[1]))"
# struct timex of 64-bit Linux, see adjtimex(2): modes is its first field, tick the 12th, with a gap after the
# first, fifth and ninth; ADJ_TICK. A tick is 10000 us when the clock is right
_SET_TICK = """\
import ctypes, struct, sys
raw = bytearray(208)
struct.pack_into("I", raw, 0, 0x4000)
struct.pack_into("q", raw, 88, int(sys.argv[1]))
buffer = ctypes.create_string_buffer(bytes(raw), 208)
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(0 if libc.adjtimex(buffer) >= 0 else ctypes.get_errno())
"""


def clock_offset(cluster: Cluster, node: str) -> tuple[float, float]:
    """By how much the clock of ``node`` is ahead of the host's, and the error of that, in s; the best of three tries.

    Raises:
        FaultError: ``node`` answers so slowly that its clock can't be told from one that is 2 s off.
    """
    best = (0.0, float("inf"))
    for _ in range(3):
        before = time.time()
        told = float(cluster.session(node).run(["date", "+%s.%N"], within=20).out)
        after = time.time()
        best = min(best, (told - (before + after) / 2, (after - before) / 2), key=lambda reading: reading[1])
        if best[1] <= _OFFSET_KNOWN:
            return best
    raise FaultError(f"the clock of {node} can't be read: it answers within {2 * best[1]:.1f} s")


@dataclass(frozen=True)
class _Clock(InGuest):
    """The clock of ``node`` goes wrong."""

    def costs(self, topology: Topology) -> Cost:
        # nothing here goes by the time of day
        return Cost()

    holds: ClassVar[str] = "the clock"

    def _is_off_by(self, cluster: Cluster, seconds: float) -> tuple[bool, dict[str, float]]:
        """Whether the clock is ahead of the host's by ``seconds``, give or take 1 s and the measurement's error."""
        offset, error = clock_offset(cluster, self.node)
        return abs(offset - seconds) <= 1.0 + error, {"offset_s": round(offset, 3), "plus_minus_s": round(error, 3)}

    def _shift(self, cluster: Cluster, seconds: float) -> str:
        """The command after which the clock is ahead of the host's by ``seconds``."""
        offset, _error = clock_offset(cluster, self.node)
        return f"python3 -S -c {shlex.quote(_SHIFT)} {seconds - offset:.3f}"

    def _undo(self, cluster: Cluster) -> str:
        return self._shift(cluster, 0.0)

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        is_right, seen = self._is_off_by(cluster, 0.0)
        if not is_right:
            raise FaultError(f"the clock of {self.node} is {seen['offset_s']:.1f} s off")
        return seen


def _forward_or_back(stage: Stage, words: Mapping[str, Any]) -> float:
    return words["seconds"] if words["way"] == "forward" else -words["seconds"]


@fault
@dataclass(frozen=True)
class ClockStep(_Clock):
    """The clock of ``node`` jumps by ``seconds``, forward or (negative) back."""

    seconds: Annotated[float, Seconds(2, 86400, signed=True), "by which it jumps"] = 60.0
    name: ClassVar[str] = "clock-step"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the clock of <node> jumps <way:forward|back> by <seconds>", seconds=_forward_or_back),
    )

    def inject(self, cluster: Cluster) -> None:
        self._run(cluster, self._shift(cluster, self.seconds))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        is_off, seen = self._is_off_by(cluster, self.seconds)
        if not is_off:
            raise FaultError(f"not confirmed: the clock of {self.node} is {seen['offset_s']:.2f} s ahead, not "
                             f"{self.seconds:g} s")
        return seen


def _fast_or_slow(stage: Stage, words: Mapping[str, Any]) -> float:
    return words["percent"] if words["way"] == "fast" else -words["percent"]


@fault
@dataclass(frozen=True)
class ClockDrift(_Clock):
    """The clock of ``node`` runs ``percent`` too fast, or (negative) too slow."""

    percent: Annotated[float, Number(2, 10, "%", signed=True), "by which it is too fast"] = 5.0
    name: ClassVar[str] = "clock-drift"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the clock of <node> runs <percent> % too <way:fast|slow>", percent=_fast_or_slow),
    )

    def _set_tick(self, cluster: Cluster, tick: int) -> None:
        cluster.session(self.node).run(["python3", "-S", "-", str(tick)], within=20, text=_SET_TICK)

    def inject(self, cluster: Cluster) -> None:
        self._set_tick(cluster, round(10000 * (1 + self.percent / 100)))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        drift, error = self._measured(cluster)
        if abs(drift - self.percent) > 1.0 + error:
            raise FaultError(f"not confirmed: the clock of {self.node} runs {drift:.2f} % too fast, give or take "
                             f"{error:.2f}, not {self.percent:g} %")
        return {"percent": round(drift, 2), "plus_minus": round(error, 2)}

    def _measured(self, cluster: Cluster) -> tuple[float, float]:
        """The drift and its error, in %.

        Raises:
            FaultError: ``node`` answers too slowly for it to be known.
        """
        begun = cluster.clock.now()
        first, error = clock_offset(cluster, self.node)
        while True:
            cluster.clock.sleep(_DRIFT_WINDOW)  # a drift shows only over time
            second, other = clock_offset(cluster, self.node)
            gone = cluster.clock.now() - begun
            drift, known = 100 * (second - first) / gone, 100 * (error + other) / gone
            if known <= _DRIFT_KNOWN:
                return drift, known
            if gone > _DRIFT_PATIENCE:
                raise FaultError(f"whether the clock of {self.node} drifts can't be told after {gone:.0f} s: "
                                 f"{drift:.2f} %, give or take {known:.2f}")

    def heal(self, cluster: Cluster) -> None:
        if cluster.is_running(self.node):
            cluster.session(self.node).wait(cluster.boot_deadline)
            self._set_tick(cluster, 10000)
        super().heal(cluster)

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        drift, error = self._measured(cluster)
        if abs(drift) > 1.0 + error:
            raise FaultError(f"the clock of {self.node} still runs {drift:.2f} % too fast")
        return {**super()._gone(cluster), "percent": round(drift, 2)}


@fault
@dataclass(frozen=True)
class ClockStrobe(_Clock):
    """The clock of ``node`` jumps ahead by ``seconds`` and back again, every ``period``."""

    seconds: Annotated[float, Seconds(3, 3600), "by which it jumps"] = 60.0
    period: Annotated[float, Seconds(0.1, 30), "between two jumps"] = 0.5
    name: ClassVar[str] = "clock-strobe"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the clock of <node> jumps ahead by <seconds> and back, every <period>"),
    )

    def inject(self, cluster: Cluster) -> None:
        self._run(cluster, f"[ ! -e {_STROBE_PID} ] || exit 3; setsid python3 -S -c {shlex.quote(_STROBE)} "
                  f"{self.seconds:g} {self.period:g} </dev/null >/dev/null 2>&1 & echo $! > {_STROBE_PID}")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        seen = {"ahead": 0, "right": 0}

        def both() -> bool:
            seen["ahead"] += self._is_off_by(cluster, self.seconds)[0]
            seen["right"] += self._is_off_by(cluster, 0.0)[0]
            return all(count >= 2 for count in seen.values())
        cluster.poll(both, 20 + 4 * self.period, f"the clock of {self.node} to go there and back", FaultError)
        return seen

    def heal(self, cluster: Cluster) -> None:
        if cluster.is_running(self.node):
            cluster.session(self.node).wait(cluster.boot_deadline)
            self._run(cluster, f"[ ! -e {_STROBE_PID} ] || {{ kill -KILL $(cat {_STROBE_PID}) 2>/dev/null; "
                      f"rm -f {_STROBE_PID}; }}")
        super().heal(cluster)

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        cluster.clock.sleep(min(self.period, 2.0))  # one that goes on would have jumped
        return super()._gone(cluster)
