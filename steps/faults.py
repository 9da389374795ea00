"""When and Given: every fault, in the sentences of its own class (``fenceline.faults.says``)."""

from __future__ import annotations

import dataclasses
import inspect
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

from fenceline.faults import FAULTS
from fenceline.faults.fitting import templates_of
from fenceline.faults.parameters import NETWORK, types_of
from fenceline.faults.says import Says
from fenceline.scenario.scene import Scene
from fenceline.steps.words import NUMBER, given, networks, parsers, when, word_pattern

_STEP = {"given": given, "when": when}


@dataclasses.dataclass(frozen=True)
class _Word:
    """A word of a sentence: ``pattern`` is what it may be, ``value(scene, text)`` what the text means; ``reads`` is how
    the pages write it. What is ``said`` means the same whoever plays."""

    pattern: str
    value: Callable[[Scene, str], Any]
    reads: str = "NAME"
    said: bool = False


def _text(scene: Scene, text: str) -> str:
    return text


_KINDS = {
    "node": _Word(word_pattern("node"), lambda scene, text: scene.node(text), "NODE"),
    "network": _Word(word_pattern("network"), lambda scene, text: networks(scene.cluster.topology, text), "NETWORK"),
    "quoted": _Word('"(?P<NAME>[^"]+)"', _text, '"NAME"', said=True),
    "bare": _Word(r"(?P<NAME>[a-z][A-Za-z0-9-]*)", _text, said=True),
    "number": _Word(rf"(?P<NAME>{NUMBER})", lambda scene, text: float(text)),
    "count": _Word(r"(?P<NAME>\d+)", lambda scene, text: int(text)),
    "s": _Word(rf"(?P<NAME>{NUMBER}) seconds?", lambda scene, text: float(text), "N seconds"),
    "ms": _Word(rf"(?P<NAME>{NUMBER}) ms", lambda scene, text: float(text) / 1000, "N ms"),
}


def word(cls: type, name: str, kind: str) -> _Word:
    """The word ``<name:kind>`` of a sentence of the fault class ``cls``."""
    if "|" in kind:
        meant = dict((choice.split("=") * 2)[:2] for choice in kind.split("|"))
        return _Word(f"(?P<NAME>{'|'.join(map(re.escape, meant))})", lambda scene, text: meant[text], said=True)
    if not kind:
        kind = types_of(cls)[name].said if name in types_of(cls) else name
    if kind not in _KINDS:
        raise TypeError(f"{cls.__name__}: in a sentence of the fault {cls.name!r}, <{name}> is no parameter: say of "
                        f"which kind it is, <{name}:KIND>, one of {', '.join(_KINDS)} or a|b")
    return _KINDS[kind]


def _escaped(text: str) -> str:
    """``text`` taken literally; its blanks stay readable, which they don't with re.escape."""
    return re.sub(r"[.^$*+?{}\[\]\\|()]", r"\\\g<0>", text)


def regex(cls: type, says: Says, kind: str) -> str:
    """What is taken for the sentence ``says`` of ``cls``, said with ``kind``."""
    return says.filled(kind, lambda name, of: word(cls, name, of).pattern.replace("NAME", name), _escaped) + "$"


def reads(cls: type, says: Says, kind: str) -> str:
    """The sentence ``says`` of ``cls``, said with ``kind``, as a person reads it: a second node is OTHER-NODE."""
    nodes: list[str] = []

    def read(name: str, of: str) -> str:
        text = word(cls, name, of).reads.replace("NAME", name.upper())
        if text == "NODE":
            nodes.append(name)
            text = "OTHER-NODE" if nodes.index(name) else text
        return text
    return says.filled(kind, read)


def _words(cls: type, says: Says, texts: dict[str, str]) -> dict[str, _Word]:
    kinds = {name: of for kind in says.texts for name, of in says.words(kind)}
    return {name: word(cls, name, kinds[name]) for name in texts}


def parameters(cls: type, says: Says, scene: Scene, texts: dict[str, str]) -> dict[str, Any]:
    """The parameters of ``cls`` that the sentence ``says`` gives, whose words are ``texts``."""
    words = {name: one.value(scene, texts[name]) for name, one in _words(cls, says, texts).items()}
    return ({name: value for name, value in words.items() if name in types_of(cls)}
            | {name: value(scene, words) if callable(value) else value for name, value in says.values.items()})


def _for_each_network(cls: type, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """``given``, once for each of the networks that a role means, where the fault is in one of them."""
    single = [name for name, kind in types_of(cls).items() if kind is NETWORK and name in given]
    if not single:
        yield given
        return
    for name in given[single[0]]:
        yield given | {single[0]: name}


def needed(cls: type, says: Says, texts: dict[str, str]) -> Iterator[str]:
    """What the fault of a sentence needs of the topology (``fenceline.stacks.offers``), as far as its ``texts`` say it
    by name."""
    literal = {name: one.value(None, texts[name]) for name, one in _words(cls, says, texts).items() if one.said}
    for need in templates_of(cls):
        if {name for _, name, _, _ in string.Formatter().parse(need) if name} <= set(literal):
            yield need.format(**literal)


def _signed(function: Callable[..., None], cls: type, says: Says, kind: str, faults: tuple[str, ...],
            needs: Callable[[dict[str, str]], set[str]]) -> Callable[..., None]:
    """``function`` as pytest-bdd looks at it: with the sentence's words for parameters."""
    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name, _ in says.words(kind)]
    scene = inspect.Parameter("scene", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    function.__signature__ = inspect.Signature([scene, *named])
    function.__module__, function.__name__ = __name__, cls.name if faults else f"heal {cls.name}"
    function.faults, function.needs_of, function.reads = faults, needs, reads(cls, says, kind)
    return function


def _injecting(cls: type, says: Says, kind: str) -> Callable[..., None]:
    def step(scene: Scene, **texts: str) -> None:
        for one in _for_each_network(cls, parameters(cls, says, scene, texts)):
            scene.inject(cls.name, **one)
    return _signed(step, cls, says, kind, (cls.name,), lambda texts: set(needed(cls, says, texts)))


def _healing(meant: list[tuple[type, Says]]) -> Callable[..., None]:
    """The step of one sentence that may heal several faults."""
    def step(scene: Scene, **texts: str) -> None:
        scene.heal_any([(cls.name, parameters(cls, says, scene, texts)) for cls, says in meant])
    return _signed(step, *meant[0], "when", (), lambda texts: set.intersection(
        *(set(needed(cls, says, texts)) for cls, says in meant)))


def own(cls: type, what: str) -> tuple[Says, ...]:
    """The sentences ``what`` (``says``, ``heal_says``) of ``cls``: its own or its bases', but not those of another
    fault that it is made from."""
    for base in cls.__mro__:
        if base is not cls and FAULTS.get(vars(base).get("name")) is base:
            return ()
        if what in vars(base):
            return vars(base)[what]
    return ()


def steps() -> Iterator[tuple[str, str, Callable[..., None]]]:
    """Every step that the faults say: When or Given, its pattern, its function."""
    healing: dict[str, list[tuple[type, Says]]] = {}
    for cls in FAULTS.values():
        for says in own(cls, "says"):
            for kind in says.texts:
                yield kind, regex(cls, says, kind), _injecting(cls, says, kind)
        for says in own(cls, "heal_says"):
            healing.setdefault(regex(cls, says, "when"), []).append((cls, says))
    for pattern, meant in healing.items():
        yield "when", pattern, _healing(meant)


for _kind, _pattern, _function in steps():  # pytest-bdd looks for steps among a module's names
    _STEP[_kind](parsers.re(_pattern))(_function)
