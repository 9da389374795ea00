"""The switch of a virtual network: who is plugged in, how long a frame takes, and what becomes of it on its way.

Every fault of packets is a ``Rule``: which frames, from whom to whom, and what happens to them. All chance is from the
world's seed, by rule: a rule that is added leaves the chance of the others as it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.frames import Frame

LATENCY = 100_000  # ns from port to port: a switch and two kernels of a server room
NS_PER_BYTE = 8  # 1 Gbit/s
#: Called with a frame and the port that it came in by, before any rule.
Tap = Callable[["Port", Frame], None]


class Port:
    """Something with a cable to a switch. ``is_up`` is False while the cable is pulled."""

    mac: bytes

    def __init__(self, name: str) -> None:
        self.name, self.is_up = name, True
        self.busy_until = 0  # ns: its cable carries one frame at a time

    def deliver(self, frame: Frame) -> None:
        """A frame arrives."""
        raise NotImplementedError


@dataclass(eq=False)
class Rule:
    """What happens to frames that ``match``, from one of the MAC addresses ``sources`` to one of ``targets``, or any.

    ``loss``, ``duplicate``, ``corrupt`` and ``reorder`` are probabilities; times are ns: ``delay`` with up to
    ``jitter`` more or less of it; a frame that is reordered takes no delay. ``rate`` is bytes a second; what would wait
    for longer than ``queue`` is dropped. ``holds`` keeps everything until ``Switch.release``.
    """

    name: str
    sources: frozenset[bytes] | None = None
    targets: frozenset[bytes] | None = None
    match: Callable[[Frame], bool] | None = None
    loss: float = 0.0
    delay: int = 0
    jitter: int = 0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    rate: int | None = None
    queue: int = 1_000_000_000
    holds: bool = False
    hits: int = 0  # frames that it concerned
    lost: int = 0
    held: list[tuple[Port, Frame]] = field(default_factory=list, repr=False)
    chance: random.Random = field(default_factory=random.Random, repr=False)
    _free_at: int = 0

    def concerns(self, source: Port, target: Port, frame: Frame) -> bool:
        """Whether it has a say in ``frame`` on its way from ``source`` to ``target``."""
        return ((self.sources is None or source.mac in self.sources)
                and (self.targets is None or target.mac in self.targets)
                and (self.match is None or self.match(frame)))

    def apply(self, target: Port, frame: Frame, now: int) -> list[tuple[int, Frame]]:
        """What comes out, and how many ns later."""
        self.hits += 1
        if self.holds:
            self.held.append((target, frame))
            return []
        chance = self.chance.random
        if self.loss and chance() < self.loss:
            self.lost += 1
            return []
        if self.corrupt and chance() < self.corrupt:
            frame = frame.corrupted(self.chance.getrandbits(24))
        delay = self.delay
        if self.jitter:
            delay = max(0, delay + self.chance.randint(-self.jitter, self.jitter))
        if self.reorder and chance() < self.reorder:
            delay = 0
        if self.rate:
            begin = max(now, self._free_at)
            if begin - now > self.queue:
                self.lost += 1
                return []
            self._free_at = begin + len(frame.data) * 1_000_000_000 // self.rate
            delay += self._free_at - now
        out = [(delay, frame)]
        if self.duplicate and chance() < self.duplicate:
            out.append((delay, frame))
        return out


class Switch:
    """A learning switch. ``latency`` (ns) is every frame's, ``ns_per_byte`` that of each port's cable."""

    def __init__(self, calendar: Calendar, name: str, seed: int = 0, latency: int = LATENCY,
                 ns_per_byte: int = NS_PER_BYTE) -> None:
        self.name, self.latency, self.ns_per_byte = name, latency, ns_per_byte
        self.frames = 0
        self.ports: list[Port] = []
        self.rules: list[Rule] = []
        self.taps: list[Tap] = []
        self.arrivals: list[Tap] = []  # likewise with the port that a frame goes out by, after all rules
        self._calendar, self._seed = calendar, seed
        self._where: dict[bytes, Port] = {}

    def plug_in(self, port: Port) -> None:
        """Connects ``port``."""
        self.ports.append(port)

    def pull_out(self, port: Port) -> None:
        """Disconnects ``port``."""
        self.ports.remove(port)
        self._where = {mac: where for mac, where in self._where.items() if where is not port}

    def add(self, rule: Rule) -> None:
        """Lets ``rule`` have a say from now on, after those that are there; one of its name is replaced."""
        self.remove(rule.name)
        rule.chance.seed(f"{self._seed} {self.name} {rule.name}")
        self.rules.append(rule)

    def remove(self, name: str) -> None:
        """Takes the rule ``name`` away, if it is there. What it holds is lost: ``release`` it before."""
        self.rules = [rule for rule in self.rules if rule.name != name]

    def release(self, rule: Rule) -> None:
        """Delivers now what ``rule`` holds, in the order of its coming; the rule goes on."""
        held, rule.held = rule.held, []
        for target, frame in held:
            self._calendar.after(0, lambda target=target, frame=frame: self._deliver(target, frame))

    def send(self, source: Port, frame: Frame) -> None:
        """Takes a frame in at ``source``; it arrives later wherever it belongs."""
        if not source.is_up:
            return
        self.frames += 1
        for tap in self.taps:
            tap(source, frame)
        calendar, now = self._calendar, self._calendar.now
        self._where[frame.source] = source
        where = None if frame.is_to_group else self._where.get(frame.target)
        targets = [port for port in self.ports if port is not source] if where is None else [where]
        source.busy_until = max(now, source.busy_until) + len(frame.data) * self.ns_per_byte
        arrives = source.busy_until + self.latency
        for target in targets:
            if target is source:
                continue
            for delay, sent in self._ruled(source, target, frame, now):
                calendar.at(arrives + delay, lambda target=target, sent=sent: self._deliver(target, sent))

    def _deliver(self, target: Port, frame: Frame) -> None:
        for tap in self.arrivals:
            tap(target, frame)
        target.deliver(frame)

    def _ruled(self, source: Port, target: Port, frame: Frame, now: int) -> list[tuple[int, Frame]]:
        out = [(0, frame)]
        for rule in self.rules:
            if out and rule.concerns(source, target, frame):
                out = [(before + delay, sent) for before, one in out for delay, sent in rule.apply(target, one, now)]
        return out
