"""Sentences that only wait."""

from __future__ import annotations

from fenceline.scenario.scene import Scene
from fenceline.steps.words import given, phrase, then, when


@given(phrase(r"<seconds> pass"))
@given(phrase(r"<seconds> passes"))
@when(phrase(r"<seconds> pass"))
@when(phrase(r"<seconds> passes"))
@then(phrase(r"<seconds> pass"))
@then(phrase(r"<seconds> passes"))
def time_passes(scene: Scene, seconds: str) -> None:
    """Nothing is asked and nothing demanded; deadlines count from the last fault as before."""
    scene.clock.sleep(float(seconds))


@when(phrase(r"the fault is over"))
def fault_is_over(scene: Scene) -> None:
    """Those in force that end by themselves; deadlines count from here."""
    scene.await_over()
