"""Then: every promise, in its own sentence (``fenceline.judge.promise``)."""

from __future__ import annotations

from collections.abc import Callable

from fenceline.judge.promise import Promise, promises
from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.then import assert_promise
from fenceline.steps.words import then


def said(one: Promise) -> Callable[[Scene], None]:
    """The step that says that ``one`` was kept."""
    def step(scene: Scene) -> None:
        assert_promise(scene, one.name)
    step.__module__, step.__name__ = __name__, one.name
    return needs(*one.needs)(step)


for _promise in promises():  # pytest-bdd looks for steps among a module's names
    if _promise.says:
        then(_promise.says)(said(_promise))
