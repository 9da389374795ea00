"""When: any other When, at a moment: "200 ms after fencing starts: the power of the standby is cut"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_bdd.steps import step_function_context_registry

from fenceline.core.errors import FaultError
from fenceline.scenario.scene import Scene
from fenceline.steps.words import given, phrase, when


def step_for(scene: Scene, sentence: str) -> Callable[[], Any]:
    """The When-step ``sentence`` as something to be called.

    Raises:
        FaultError: nobody says so.
    """
    for context in step_function_context_registry.values():
        if context.type == "when" and context.parser.is_matching(sentence):
            arguments = context.parser.parse_arguments(sentence) or {}
            return lambda: context.step_func(scene, **arguments)
    raise FaultError(f"no step says: When {sentence}")


@given(phrase(r"(?P<delay>\d+) ms after (?P<moment>[^:]+): (?P<sentence>.+)"))
@when(phrase(r"(?P<delay>\d+) ms after (?P<moment>[^:]+): (?P<sentence>.+)"))
def anchored(scene: Scene, delay: str, moment: str, sentence: str) -> None:
    scene.anchor(moment, int(delay) / 1000, step_for(scene, sentence), f"{delay} ms after {moment}: {sentence}")


@when(phrase(r"all that was to come has come within <seconds>"))
def anchored_done(scene: Scene, seconds: str) -> None:
    scene.await_anchored(float(seconds))
