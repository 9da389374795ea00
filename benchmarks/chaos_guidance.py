"""Blind, pairs or guided: how many episodes each way of drawing needs until it hits what only two faults, or one at the
right moment, show.

A model, no cluster: of ``web-iscsi`` it knows how a fail-over goes (detecting, fencing, taking over, degraded, and
back) and in what state each action of a schedule hits. Its times are those of the shipped cluster on an idle host. What
is planted is a rule over what was hit. So it says whether guidance leads to rare combinations; what real defects need,
only real clusters say.

    python benchmarks/chaos_guidance.py [REPEATS [EPISODES]]
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fenceline.chaos.chance import Chance
from fenceline.chaos.draw import Repertoire
from fenceline.chaos.guide import Guide
from fenceline.chaos.profile import Profile, load_profile
from fenceline.chaos.schedule import SERVES_NOW, Schedule
from fenceline.model.load import load_topology
from fenceline.reports.stats import bootstrap

#: What a fail-over looks like: (state, s since the loss at which it begins).
PHASES = (("detecting", 0.0), ("fencing", 1.2), ("taking over: filesystem", 2.2), ("taking over: vip", 3.6),
          ("taking over: daemon", 4.2), ("degraded", 5.2))
BOOTS_S = 20.0
LENGTH_S = 60.0
NODES = ("rs-01", "rs-02")


@dataclass(frozen=True)
class Hit:
    """What the model says of one action: when, in what state, on whom, and what was in force."""

    at: float
    fault: str
    state: str
    role: str
    in_force: frozenset[str]


class Model:
    """The cluster: who serves, who is out, and since when a fail-over goes on."""

    def __init__(self, repertoire: Repertoire) -> None:
        self._repertoire = repertoire

    def play(self, schedule: Schedule) -> tuple[list[Hit], list[str]]:
        """The hits of ``schedule``, and the course."""
        serves, lost_at, back_at, out = "rs-01", None, 0.0, None
        hits: list[Hit] = []
        course = ["steady"]
        in_force: list[tuple[float, str]] = []
        waiting = [action for action in schedule.actions if action.at is None]
        timed = sorted((action for action in schedule.actions if action.at is not None), key=lambda one: one.at)
        queue = [(action.at, action) for action in timed]
        while queue:
            queue.sort(key=lambda pair: pair[0])
            at, action = queue.pop(0)
            state = "steady"
            if lost_at is not None:
                if at >= back_at:
                    lost_at = out = None
                else:
                    state = next(name for name, since in reversed(PHASES) if at - lost_at >= since)
            target = self._target(action, serves)
            if target in NODES and target == out:
                continue  # it is off
            running = frozenset(fault for until, fault in in_force if until > at)
            role = "serves" if target == serves else "stands by" if target in NODES else "other"
            hits.append(Hit(at, action.fault, state, role, running))
            course.append(state)
            in_force.append((at + (action.lasts or 3.0), action.fault))
            costs = self._repertoire.taken(action, schedule.length).costs
            loses = target in NODES and any(target in cost.lost | cost.victims for cost in costs)
            if loses and lost_at is None:
                lost_at, out = at, target
                back_at = at + max(action.lasts or 0.0, PHASES[-1][1]) + BOOTS_S
                if target == serves:
                    serves = NODES[1 - NODES.index(target)]
                    course += [name for name, _ in PHASES]
                    queue += [(at + self._since(one.after) + one.delay, one) for one in waiting
                              if self._since(one.after) is not None]
                    waiting = []
        return hits, course

    @staticmethod
    def _since(words: str) -> float | None:
        return {"fencing starts": 1.2}.get(words, 2.2 if "mount" in words else 3.6 if "VIP" in words else
                                           1.9 if "fenced" in words else 8.0 if "boots" in words else None)

    @staticmethod
    def _target(action, serves: str) -> str:
        node = action.parameters.get("node") or next(iter(action.parameters.get("nodes", ())), "")
        return serves if node == SERVES_NOW else str(node)


def _hit(fault: str | None = None, state: str = "", role: str = "", beside: str = "") -> Callable[[list[Hit]], bool]:
    def rule(hits: list[Hit]) -> bool:
        return any((fault is None or one.fault == fault) and one.state.startswith(state)
                   and (not role or one.role == role) and (not beside or beside in one.in_force) for one in hits)
    return rule


#: What is planted: none shows by a single fault in a cluster at rest.
DEFECTS: dict[str, Callable[[list[Hit]], bool]] = {
    "stop of the service hangs only under load": _hit("service-kill", role="serves", beside="cpu-overload"),
    "fencing device slow while a node is lost": _hit("power-off", beside="fence-device-slow"),
    "standby can't start it: its log disk is full": _hit("power-off", role="serves", beside="disk-full"),
    "a stun during the take-over of the file system": _hit("stun", "taking over: filesystem"),
    "heartbeat trouble while fencing": _hit("network-cut", "fencing"),
    "a daemon dies while the address is taken over": _hit("daemon-kill", "taking over: vip"),
    "the session breaks while it is mounted": _hit("session-reset", "taking over"),
    "an administrator moves the service while degraded": _hit("move", "degraded"),
    "the clock jumps while detecting": _hit("clock-step", "detecting"),
    "a second failure of the service while degraded": _hit("service-kill", "degraded", "serves"),
    "standby while a disk is slow": _hit("standby", role="serves", beside="disk-delay"),
    "a hang just as the daemon starts": _hit("hang", "taking over: daemon"),
}


def needed(how: str, seed: int, episodes: int, repertoire: Repertoire, alone: dict[str, Repertoire]) -> dict[str, int]:
    """For each defect the episode that showed it first; ``episodes`` + 1 where none did."""
    model, guide = Model(repertoire), Guide() if how == "guided" else None
    chance, found = Chance(seed, how), {}
    pairs = [(one, other) for one in repertoire.names for other in repertoire.names]
    pairs = chance.ordered(pairs) if how == "pairs" else pairs
    for number in range(1, episodes + 1):
        drawn = chance.below(2**32)
        schedule = guide.schedule(repertoire, drawn, LENGTH_S) if guide else repertoire.draw(drawn, LENGTH_S)
        if how == "pairs":
            schedule = _pair(alone, repertoire, drawn, pairs[(number - 1) % len(pairs)])
        hits, course = model.play(schedule)
        if guide:
            guide.learn(schedule, [(one.state.partition(":")[0], one.fault, one.role, "+".join(sorted(one.in_force)))
                                       for one in hits], course)
        for name, rule in DEFECTS.items():
            if name not in found and rule(hits):
                found[name] = number
    return {name: found.get(name, episodes + 1) for name in DEFECTS}


def _pair(alone: dict[str, Repertoire], whole: Repertoire, seed: int, pair: tuple[str, str]) -> Schedule:
    """A schedule with these two faults, one shortly after the other."""
    chance, at, actions = Chance(seed, "pair"), 5.0, []
    for name in pair:
        drawn = [action for action in alone[name].draw(chance.below(2**32), LENGTH_S).actions if action.at is not None]
        actions += [action.model_copy(update={"at": round(at, 1)}) for action in drawn[:1]]
        at += chance.between(0.5, 10.0)
    return whole.draw(seed, LENGTH_S).with_actions(actions)


def main(arguments: Sequence[str]) -> int:
    """Prints the table."""
    repeats, episodes = (int(arguments[0]) if arguments else 10), (int(arguments[1]) if len(arguments) > 1 else 300)
    repertoire = Repertoire(load_topology("web-iscsi"), load_profile("everything"), title="everything")
    alone = {name: Repertoire(repertoire.topology, Profile(ground="any", faults={name: 1}))
             for name in repertoire.names}
    ways = ("blind", "pairs", "guided")
    found = {how: [needed(how, seed, episodes, repertoire, alone) for seed in range(repeats)] for how in ways}
    print(f"episodes until first shown, median (95 % interval) of {repeats}; > {episodes}: not shown\n")
    print(f"| defect | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")

    def told(values: list[int]) -> str:
        low, high = bootstrap(values)
        middle = statistics.median(values)
        return f"> {episodes}" if middle > episodes else f"{middle:.0f} ({low:.0f} to {high:.0f})"
    for name in DEFECTS:
        print(f"| {name} | {' | '.join(told([one[name] for one in found[how]]) for how in ways)} |")
    print(f"| all of them | {' | '.join(told([max(one.values()) for one in found[how]]) for how in ways)} |")
    print(f"| of {len(DEFECTS)}, shown within {episodes} | " + " | ".join(
        f"{statistics.mean(sum(value <= episodes for value in one.values()) for one in found[how]):.1f}"
        for how in ways) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
