"""Writes docs/scenarios.md, the page of every sentence:
.venv/bin/python -m fenceline.steps.reference > docs/scenarios.md"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

from pytest_bdd.steps import step_function_context_registry

from fenceline.core.registry import import_whole
from fenceline.judge.promise import promises
from fenceline.model.stack import STACKS
from fenceline.scenario.anchors import MOMENTS
from fenceline.scenario.features import read

_HEAD = """\
# What a scenario may say

Every sentence, as `python -m fenceline.steps.reference` finds it in the code. Where a word may be one of a few,
they stand behind the sentence; the other words are in the table. Deadlines count from the last fault, or the last
heal, before the sentence; a sentence that waits says in the progress how long it took.
A `Given the topology ...` that ends in `with`
takes a YAML text that is laid over the topology.

A step that can't be done for a reason of the harness or its host makes the verdict BROKEN, a fault without effect
INVALID; a `Then` that does not hold makes it FAIL. A sentence that nobody knows is refused before anything is run, with
the nearest ones that there are.

"""
_ROLES = ("the active node", "the node that holds the VIP", "the standby", "the second standby", "the storage host",
          "the first real server", "the client", "the quorum device")


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _general() -> list[tuple[str, str]]:
    """What stands for more than can be listed behind a sentence."""
    return [
        ("NODE, OTHER-NODE", f"a role as it was when the scenario began: {_code(_ROLES)}; `the node that serves now` "
                             "or `the node that serves \"web\" now`, asked for when the step is run: the one whose "
                             "answers clients get, or in front of real servers the one that has the address; a name: "
                             "`node rs-01`"),
        ("NETWORK", "all networks of a role, `heartbeat network`, `service network`, `storage network`, "
                    "`management network`; or one by its name: `network \"ring-a\"`"),
        ("SERVICE, LUN, RESOURCE, TOPOLOGY, PINGED", "a name in the topology; a topology that is shipped, or a path"),
        ("DAEMON", "; ".join(f"{kind}: {_code(model.own_daemons)}" for kind, model in STACKS.items())),
        ("PROMISE", _code(one.name for one in promises())),
        ("MOMENT", _code(MOMENTS)),
        ("SENTENCE", "any `When`"),
        ("N, PERCENT, COUNT, ...", "a number: `20`, `0.5`"),
    ]


def choices(pattern: str) -> dict[str, list[str]]:
    """The words of a step's ``pattern`` that are one of a few, and which: {"WAY": ["forward", "back"]}."""
    found = re.findall(r"\(\?P<(\w+)>([a-z0-9 -]+(?:\|[a-z0-9 -]+)+)\)", pattern)
    return {name.upper(): values.split("|") for name, values in found}


def load_steps() -> list[Any]:
    """Every step of ours, as pytest-bdd knows it."""
    import_whole("fenceline.steps")  # importing registers its steps
    return [context for context in step_function_context_registry.values()
            if context.step_func.__module__.startswith("fenceline.steps.")]


def page() -> str:
    """The whole page, in Markdown."""
    found: dict[str, set[str]] = {"given": set(), "when": set(), "then": set()}
    for context in load_steps():
        if context.type in found:
            pattern = getattr(context.parser, "regex", None)
            words = "; ".join(f"{word}: {_code(values)}" for word, values in choices(
                pattern.pattern if pattern else "").items())
            found[context.type].add(f"- `{read(context)}`" + (f" ({words})" if words else ""))
    table = ["| Word | What it may be |", "|---|---|", *(f"| {word} | {text} |" for word, text in _general())]
    parts = [_HEAD + "\n".join(table) + "\n"]
    for kind, sentences in found.items():
        parts.append(f"## {kind.capitalize()}\n\n" + "\n".join(sorted(sentences)) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
