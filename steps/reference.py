"""Writes docs/scenarios.md, the page of every sentence:  .venv/bin/python -m steps.reference > docs/scenarios.md"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys

from pytest_bdd.steps import step_function_context_registry

import steps
from steps.words import NODE, SECONDS, SERVICE

_HEAD = """\
# What a scenario may say

Every sentence, as `python -m steps.reference` finds it in the code. NODE is a role as it was when the scenario
began (`the active node`, `the node that holds the VIP`, `the standby`, `the second standby`, `the storage host`,
`the first real server`, `the client`, `the quorum device`) or a name (`node rs-01`). Deadlines count from the last
fault, or the last heal, before the sentence; a sentence that waits says in the progress how long it took. A `Given
the topology ...` that ends in `with` takes a YAML text that is laid over the topology.

A step that can't be done for a reason of the harness or its host makes the verdict BROKEN, a fault without effect
INVALID; a `Then` that does not hold makes it FAIL.
"""


def sentence(pattern: str) -> str:
    """``pattern`` of a step as a person would read it."""
    for words, name in ((NODE, "NODE"), (NODE.replace("?P<node>", "?P<other>"), "OTHER-NODE"),
                        (SECONDS, "N seconds"), (SERVICE, '"SERVICE"')):
        pattern = pattern.replace(words, name)
    pattern = re.sub(r"\(\?P<network>([a-z|]+)\)", lambda match: match[1].replace("|", "/"), pattern)
    pattern = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", lambda match: match[1].upper(), pattern)
    return pattern.removesuffix("$").replace("\\", "")


def page() -> str:
    """The whole page, in Markdown."""
    for module in pkgutil.iter_modules(steps.__path__, "steps."):
        importlib.import_module(module.name)  # importing registers its steps
    found: dict[str, set[str]] = {"given": set(), "when": set(), "then": set()}
    for context in step_function_context_registry.values():
        if context.type in found and context.step_func.__module__.startswith("steps."):
            pattern = getattr(context.parser, "regex", None)
            found[context.type].add(sentence(pattern.pattern if pattern else context.parser.name))
    parts = [_HEAD]
    for kind, sentences in found.items():
        parts.append(f"## {kind.capitalize()}\n\n" + "\n".join(f"- `{text}`" for text in sorted(sentences)) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
