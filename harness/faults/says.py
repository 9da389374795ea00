"""How a fault is said: the sentences of its class, from which the steps are made (``fenceline.steps.faults``).

::

    says = (Says("the power of <node> is cut"),)
    heal_says = (Says("<node> is switched on"),)

In a sentence, ``<name>`` stands for what the parameter ``name`` gets, and is said as its type says
(``fenceline.faults.parameters``): a node by its role or name, a network by its role or name, all else that has a name
in quotes, a number as a number, seconds as so many seconds.
``<name:KIND>`` says that it is one of another kind: ``s`` and ``ms`` (so many seconds, milliseconds), ``count`` (a
whole number), ``number``, ``node``, ``network``, ``quoted``, ``bare`` (a name without quotes), or one of a few words:
``start|stop``, ``log=logs|service`` (said "log", given to the fault as "logs"). A word that is no parameter's name
serves the sentence's other values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

_WORD = re.compile(r"<(?P<name>\w+)(?::(?P<kind>[^<>]+))?>")


class Stage(Protocol):
    """Who plays in a scenario, as far as a sentence's values need it: see ``fenceline.scenario.scene.Scene``."""

    @property
    def cluster(self) -> Any:
        """The cluster that stands (``fenceline.cluster.cluster.Cluster``)."""

    def node(self, words: str) -> str:
        """The node that ``words`` mean now."""


#: A parameter's value where it is not said by itself: fixed, or found out from who plays and the sentence's words.
Value = Any | Callable[[Stage, Mapping[str, Any]], Any]


class Says:
    """One sentence, said with When; ``given`` is its form with Given, for what is so from the start (the same words in
    both). ``values`` are parameters that it does not name."""

    def __init__(self, when: str = "", /, *, given: str = "", **values: Value) -> None:
        self.texts = {kind: text for kind, text in (("when", when), ("given", given)) if text}
        self.values = values

    def words(self, kind: str) -> list[tuple[str, str]]:
        """The words of the sentence said with ``kind`` ("when", "given"), as (name, kind of word or "")."""
        return [(match["name"], match["kind"] or "") for match in _WORD.finditer(self.texts[kind])]

    def filled(self, kind: str, word: Callable[[str, str], str],
               between: Callable[[str], str] = lambda text: text) -> str:
        """The sentence said with ``kind``, each of its words replaced by what ``word(name, kind of word)`` gives, and
        what is between them by what ``between`` makes of it."""
        text, found, at = self.texts[kind], [], 0
        for match in _WORD.finditer(text):
            found += [between(text[at:match.start()]), word(match["name"], match["kind"] or "")]
            at = match.end()
        return "".join([*found, between(text[at:])])


def all_members(stage: Stage, words: Mapping[str, Any]) -> tuple[str, ...]:
    """Every member of the cluster."""
    return tuple(stage.cluster.topology.cluster_nodes)


def who_serves(stage: Stage, words: Mapping[str, Any]) -> str:
    """The node that serves the sentence's ``service`` now."""
    return stage.cluster.serving(words["service"])


def only_node(stage: Stage, words: Mapping[str, Any]) -> tuple[str, ...]:
    """The sentence's ``node``, as the only one of several."""
    return (words["node"],)
