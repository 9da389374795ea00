"""Names that the plugin, pytest's view of a feature file and the checks of its text have in common."""

from __future__ import annotations

import re

#: The marker and the tag of a scenario that is run more than once.
REPEAT, REPEAT_TAG = "repeat", r"repeat\(([1-9][0-9]{0,3})\)"
#: The fixture that every step for machines takes.
SCENE = "fenceline_scene"


def slug(text: str) -> str:
    """``text`` as a part of a name in Python; two titles with the same one would hide each other."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")
