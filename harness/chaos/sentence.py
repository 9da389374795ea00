"""An action as a sentence of a scenario: the inverse of what ``fenceline.steps.faults`` makes of a fault's ``says``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from fenceline.chaos.schedule import SERVES_NOW, Action, resolved
from fenceline.core.errors import FencelineError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.parameters import NETWORK, Several, types_of
from fenceline.faults.says import Says
from fenceline.model.topology import Topology
from fenceline.scenario.roles import roles

#: More ways than this to fill a sentence in are not tried.
_WAYS = 4096


@dataclass(frozen=True)
class _Fill:
    """What a word of a sentence may be: its ``text``, and what that means to whoever serves (one value each)."""

    text: str
    values: tuple[Any, ...]


class Speaker:
    """Says actions on clusters of ``topology`` whose clients ask ``service``. Where the cluster begins with the service
    at home, nodes are said by their role, else by name."""

    def __init__(self, topology: Topology, service: str) -> None:
        self.topology, self.service = topology, service
        preferred = topology.preferred_nodes(service)
        is_home_known = topology.services[service].domain.ordered and topology.services[service].active == "one"
        known = roles(topology, service, preferred[0]) if is_home_known else {}
        self._role_of: dict[str, str] = {}
        for role, node in known.items():
            self._role_of.setdefault(node, role)
        self._serving = preferred
        self._said: dict[str, str | None] = {}

    def node(self, name: str) -> str:
        """The node ``name`` in a sentence; a role in words is said as it is."""
        if name.startswith(("the ", "node ")):
            return name
        return self._role_of.get(name, f"node {name}")

    def says(self, action: Action) -> str | None:
        """The When by which ``action`` is injected; None: no sentence of its fault can say its parameters."""
        key = f"{action.fault} {action.parameters}"
        if key not in self._said:
            self._said[key] = self._find(action, "says")
        return self._said[key]

    def heals(self, action: Action) -> str:
        """The When by which it is healed: by then another node may serve than the one that it hit."""
        if SERVES_NOW in action.parameters.values():
            return f'the fault "{action.fault}" is healed'
        return self._find(action, "heal_says") or f'the fault "{action.fault}" is healed'

    def _find(self, action: Action, which: str) -> str | None:
        cls = FAULTS[action.fault]
        serving = self._serving  # what is said must mean the same whoever serves then
        try:
            wanted = [make_fault(action.fault, **resolved(action.fault, action.parameters, self._name_of(node)))
                      for node in serving]
        except FencelineError:
            return None
        for says in getattr(cls, which, ()):
            if "when" in says.texts:
                found = self._filled(cls, says, action, wanted, serving, which == "says")
                if found is not None:
                    return found
        return None

    def _name_of(self, serving: str) -> Callable[[str], str]:
        known = {role: node for node, role in self._role_of.items()}
        return lambda words: serving if words == SERVES_NOW else known.get(words, words.removeprefix("node "))

    def _filled(self, cls: type, says: Says, action: Action, wanted: Sequence[Any], serving: Sequence[str],
                whole: bool) -> str | None:
        words = says.words("when")
        ways = [list(self._fills(cls, name, kind, action, wanted)) for name, kind in words]
        for fills in itertools.islice(itertools.product(*ways), _WAYS):
            filled = dict(zip((name for name, _ in words), fills, strict=True))
            if all(self._means(cls, says, {name: fill.values[number] for name, fill in filled.items()}, one, node,
                               whole)
                   for number, (one, node) in enumerate(zip(wanted, serving, strict=True))):
                return says.filled("when", lambda name, kind, filled=filled: filled[name].text)
        return None

    def _means(self, cls: type, says: Says, words: dict[str, Any], wanted: Any, serving: str, whole: bool) -> bool:
        """Whether the sentence with ``words`` means the fault ``wanted`` while ``serving`` serves."""
        stage = SimpleNamespace(cluster=SimpleNamespace(topology=self.topology, serving=lambda service: serving),
                                node=self._name_of(serving))
        types = types_of(cls)
        try:
            given = ({name: value for name, value in words.items() if name in types}
                     | {name: value(stage, words) if callable(value) else value for name, value in says.values.items()})
            # a role of two networks is said of a fault in one network as well: it is then injected into both
            given = {name: value[0] if types[name] is NETWORK and isinstance(value, tuple) and len(value) == 1 else
                     value for name, value in given.items()}
            if whole:
                return make_fault(cls.name, **given) == wanted
            return all(types[name].read(value) == getattr(wanted, name) for name, value in given.items())
        except (FencelineError, AttributeError, KeyError, ValueError, TypeError, IndexError):
            return False  # it asks the cluster that stands, or is no such fault

    # -- what a word may be --------------------------------------------------------------------------------

    def _fills(self, cls: type, name: str, kind: str, action: Action, wanted: Sequence[Any]) -> Iterator[_Fill]:
        count = len(wanted)
        values = tuple(getattr(one, name, None) for one in wanted)
        if "|" in kind:
            for choice in kind.split("|"):
                text, _, meant = choice.partition("=")
                yield _Fill(text, (meant or text,) * count)
            return
        types = types_of(cls)
        said = kind or (types[name].said if name in types else name)
        if said == "node":
            if name in types and not isinstance(types[name], Several) and isinstance(values[0], str):
                moves = action.parameters.get(name) == SERVES_NOW
                yield _Fill(SERVES_NOW if moves else self.node(values[0]), values)
            else:
                yield from (_Fill(self.node(node), (node,) * count) for node in self.topology.nodes)
        elif said == "network":
            yield from (_Fill(text, (names,) * count) for text, names in self._networks())
        elif values[0] is not None:
            yield from _plain(said, values)

    def _networks(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for role in ("heartbeat", "service", "storage", "management"):
            names = self.topology.networks_with(role)
            if names:
                yield f"{role} network", names
        yield from ((f'network "{name}"', (name,)) for name in self.topology.networks)


def _plain(said: str, values: tuple[Any, ...]) -> Iterator[_Fill]:
    value = values[0]
    if said in ("quoted", "bare"):
        yield _Fill(f'"{value}"' if said == "quoted" else str(value), values)
        return
    for number in dict.fromkeys((value, abs(value))):
        if number < 0:
            continue
        text = {"s": f"{number:.10g} seconds", "ms": f"{number * 1000:.10g} ms", "count": str(number),
                "number": f"{number:.10g}"}.get(said)
        if text is not None:
            meant = float(text.split()[0]) / 1000 if said == "ms" else number
            yield _Fill(text, (meant,) * len(values))
