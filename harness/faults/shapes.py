"""Shapes of a network that is in pieces: pure functions over node names.

Each returns the directed links that are lost, as pairs (sender, receiver).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

Links = frozenset[tuple[str, str]]


def groups(parts: Sequence[Collection[str]]) -> Links:
    """``parts`` don't hear each other; within a part everybody hears everybody.

    Raises:
        ValueError: fewer than two parts, an empty one, or a node in two of them.
    """
    if len(parts) < 2 or not all(parts):
        raise ValueError("a partition needs two groups or more, each with a node")
    named = [node for part in parts for node in part]
    if len(set(named)) < len(named):
        raise ValueError(f"a node can't be in a partition twice: {', '.join(named)}")
    return frozenset((a, b) for i, one in enumerate(parts) for j, other in enumerate(parts) if i != j
                     for a in one for b in other)


def isolate(nodes: Iterable[str], node: str) -> tuple[tuple[str, ...], ...]:
    """The groups in which ``node`` is alone."""
    return ((node,), tuple(name for name in nodes if name != node))


def halves(nodes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The groups that are the first half of ``nodes`` and the rest; of an odd number the rest is larger."""
    middle = len(nodes) // 2
    return (tuple(nodes[:middle]), tuple(nodes[middle:]))


def at_random(nodes: Sequence[str], seed: int) -> tuple[tuple[str, ...], ...]:
    """Two groups or more; who is with whom follows from ``seed``.

    Raises:
        ValueError: fewer than two nodes.
    """
    if len(nodes) < 2:
        raise ValueError("a partition needs two nodes or more")
    rng = random.Random(seed)
    mixed = rng.sample(list(nodes), len(nodes))
    cuts = sorted(rng.sample(range(1, len(nodes)), rng.randint(1, len(nodes) - 1)))
    return tuple(tuple(sorted(mixed[first:last])) for first, last in pairwise([0, *cuts, len(nodes)]))


def majority(nodes: Sequence[str], minority: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """The groups that are ``minority`` and the others.

    Raises:
        ValueError: ``minority`` is not less than half.
    """
    if not 0 < len(set(minority)) < len(nodes) / 2:
        raise ValueError(f"{', '.join(minority) or 'nobody'} is no minority of {', '.join(nodes)}")
    return (tuple(minority), tuple(name for name in nodes if name not in minority))


def one_way(sender: str, receiver: str) -> Links:
    """What ``sender`` sends to ``receiver`` is lost; the other way round it is not."""
    if sender == receiver:
        raise ValueError(f"{sender} does not send to itself")
    return frozenset({(sender, receiver)})


def bridge(nodes: Sequence[str], middle: str) -> Links:
    """Two halves that don't hear each other, and ``middle``, which hears both: hearing is not transitive.

    Raises:
        ValueError: fewer than three nodes.
    """
    others = [name for name in nodes if name != middle]
    if len(others) < 2:
        raise ValueError("a bridge needs three nodes or more")
    return groups(halves(others))


def ring(nodes: Sequence[str]) -> Links:
    """Every node hears a majority, its neighbours in a ring, and no two the same one.

    Raises:
        ValueError: fewer than four nodes: of three a majority of neighbours is everybody.
    """
    count = len(nodes)
    if count < 4:
        raise ValueError("a ring of majorities needs four nodes or more")
    # a majority including itself, as even as it goes to both sides
    reach = count // 2
    right, left = (reach + 1) // 2, reach // 2
    near = [{(i + step) % count for step in range(-left, right + 1)} for i in range(count)]
    # node i hears whom is near to it
    return frozenset((nodes[j], nodes[i]) for i in range(count) for j in range(count) if j not in near[i])
