"""How the words of a step become values."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest_bdd
from pytest_bdd import parsers

from fenceline.core.errors import FaultError
from fenceline.model.topology import Topology
from fenceline.scenario.features import plain

#: A role or a node's name: "the active node", "the standby", "the node that serves \"web\" now", "node rs-01".
NODE = (r"(?P<node>the [a-z][A-Za-z0-9 ]*?|the node that serves \"[^\"]+\" now"
        r"|(?:the )?node \"?[A-Za-z0-9-]+\"?)")
NUMBER = r"\d+(?:\.\d+)?"
SECONDS = rf"(?P<seconds>{NUMBER}) seconds?"
SERVICE = r'"(?P<service>[^"]+)"'
#: All networks of a role, or one by its name: "heartbeat network", "network \"ring-a\"".
NETWORK = r'(?P<network>(?:heartbeat|service|storage|management) network|network "[^"]+")'
_WORDS = {
    "node": NODE, "other": NODE.replace("?P<node>", "?P<other>"), "seconds": SECONDS, "service": SERVICE,
    "daemon": r'"(?P<daemon>[^"]+)"', "network": NETWORK}


def word_pattern(word: str) -> str:
    """What ``word``, one of those of ``phrase``, may be; its group is called NAME."""
    return _WORDS[word].replace(f"?P<{word}>", "?P<NAME>")


def phrase(text: str) -> parsers.re:
    """A step's pattern, in which <node>, <other>, <seconds>, <service>, <daemon> and <network> stand for those
    words."""
    for word, pattern in _WORDS.items():
        text = text.replace(f"<{word}>", pattern)
    return parsers.re(text + "$")


def sentence(pattern: str) -> str:
    """The ``pattern`` of a step as a person would read it."""
    for words, name in ((NODE, "NODE"), (NODE.replace("?P<node>", "?P<other>"), "OTHER-NODE"),
                        (SECONDS, "N seconds"), (SERVICE, '"SERVICE"'), (NETWORK, "NETWORK")):
        pattern = pattern.replace(words, name)
    return plain(pattern)


@functools.cache
def _handed_the_scene(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as pytest-bdd is to see it. It hands fixtures in by the parameters' names, and those of all plugins
    and of the user's project are one namespace: ours begin with fenceline_, but a sentence reads better with less."""
    signature = inspect.signature(function)
    scene, *words = signature.parameters.values()

    @functools.wraps(function)
    def step(fenceline_scene: Any, *args: Any, **kwargs: Any) -> Any:
        return function(fenceline_scene, *args, **kwargs)

    step.__signature__ = signature.replace(parameters=[scene.replace(name="fenceline_scene"), *words])
    return step


def _step(kind: str, pattern: str | parsers.StepParser) -> Callable[[Callable], Callable]:
    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        if isinstance(pattern, parsers.re):
            pattern.reads = sentence(pattern.regex.pattern)  # for who lists sentences: a parser knows only its pattern
        pytest_bdd.step(pattern, kind, stacklevel=2)(_handed_the_scene(function))
        return function
    return mark


def given(pattern: str | parsers.StepParser) -> Callable[[Callable], Callable]:
    """pytest-bdd's ``given`` for a function whose first parameter is the scene (``fenceline.scenario.scene``)."""
    return _step("given", pattern)


def when(pattern: str | parsers.StepParser) -> Callable[[Callable], Callable]:
    """As ``given``."""
    return _step("when", pattern)


def then(pattern: str | parsers.StepParser) -> Callable[[Callable], Callable]:
    """As ``given``."""
    return _step("then", pattern)


def networks(topology: Topology, words: str) -> tuple[str, ...]:
    """The networks that ``words`` mean: those of a role ("heartbeat network"), or one by its name.

    Raises:
        FaultError: there is none.
    """
    name = re.fullmatch(r'network "([^"]+)"', words)
    found = tuple(one for one in topology.networks if one == name[1]) if name else (
        topology.networks_with(words.removesuffix(" network")))
    if not found:
        there = ", ".join(f"{one} ({settings.role})" for one, settings in topology.networks.items())
        raise FaultError(f"{topology.name} has no {words}; its networks are {there}")
    return found
