"""What can be said of a feature file before anything is run: whose it is, and what in it would not work."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_bdd.gherkin_parser import get_gherkin_document
from pytest_bdd.steps import step_function_context_registry

from fenceline.core.registry import modules
from fenceline.scenario.names import REPEAT, REPEAT_TAG, SCENE, slug
from fenceline.scenario.needs import ability_problems, sentences

_LIKE = 0.6  # how alike two sentences must be for one to be proposed in the other's place


def known_contexts() -> list:
    """Every step function, as pytest-bdd knows it."""
    modules("step")
    return list({id(context): context for context in step_function_context_registry.values()}.values())


def is_ours(context: Any) -> bool:
    """Whether the step function of pytest-bdd's ``context`` is for machines: it takes the scene."""
    return SCENE in inspect.signature(context.step_func).parameters


def speaks_of_machines(path: Path) -> bool:
    """Whether any line of the feature file is a step that is for machines. Other feature files are other people's: they
    have test modules of their own that bind them."""
    contexts = [context for context in known_contexts() if is_ours(context)]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    texts = (line.strip().partition(" ")[2].strip() for line in lines)  # without its Given, When, Then, And, But or *
    return any(context.parser.is_matching(text) for text in texts if text for context in contexts)


def problems(path: Path, feature: Any, own: Sequence[Path]) -> list[str]:
    """All that keeps ``feature``, the file at ``path``, from being run; ``own`` are the project's folders of
    topologies."""
    contexts = known_contexts()
    found = [*title_problems(path), *tag_problems(path, feature), *step_problems(path, feature)]
    return found or list(ability_problems(path, feature, contexts, own))


def title_problems(path: Path) -> Iterator[str]:
    """Scenarios of the file that would be lost, as another has the same title, or one that makes the same name."""
    seen: dict[str, int] = {}
    document = get_gherkin_document(str(path), "utf-8")
    children = document.feature.children if document.feature else []
    children = [inner for child in children for inner in (child.rule.children if child.rule else [child])]
    for scenario_data in (child.scenario for child in children if child.scenario):
        line = scenario_data.location.line
        first = seen.setdefault(slug(scenario_data.name), line)
        if first != line:
            yield f"{path}:{line}: the scenario in line {first} has the same title: {scenario_data.name}"


def tag_problems(path: Path, feature: object) -> Iterator[str]:
    """Tags that look like ``@repeat(N)`` and aren't: such a scenario would quietly run once."""
    for template in feature.scenarios.values():
        for tag in sorted({*template.tags, *feature.tags}):
            if tag.lower().startswith(REPEAT) and not re.fullmatch(REPEAT_TAG, tag):
                yield f"{path}:{template.line_number}: no number of times: @{tag}; say @{REPEAT}(5): {template.name}"


def plain(pattern: str) -> str:
    """A step's regular expression as a person would read it: a group is its name."""
    pattern = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", lambda match: match[1].upper(), pattern)
    pattern = re.sub(r"(\w)\?", r"\1", pattern)  # an s that may be left out
    return pattern.removesuffix("$").replace("\\", "")


def read(context: Any) -> str:
    """The sentence that the step function of pytest-bdd's ``context`` takes, as it, or its parser, ``reads``."""
    for told in (context.step_func, context.parser):
        if hasattr(told, "reads"):
            return told.reads
    pattern = getattr(context.parser, "regex", None)
    return plain(pattern.pattern) if pattern else context.parser.name


def nearest(kind: str, text: str, contexts: Iterable[Any], most: int = 3) -> list[str]:
    """The sentences that exist and are most like ``text``, best first, each with its kind; those of ``kind`` first."""
    found: dict[str, float] = {}
    for context in contexts:
        if context.type in (None, "given", "when", "then"):
            known = read(context)
            likeness = difflib.SequenceMatcher(None, _bare(text), _bare(known), autojunk=False).ratio()
            if context.parser.is_matching(text):
                likeness = 2.0  # said with another kind of step
            if likeness >= _LIKE and is_ours(context):
                said = f"{(context.type or kind).capitalize()} {known}"
                found[said] = likeness + (0.1 if context.type in (None, kind) else 0.0)
    return sorted(found, key=lambda one: (-found[one], one))[:most]


def _bare(text: str) -> str:
    """``text`` without what differs from scenario to scenario: names, numbers, roles."""
    text = re.sub(r'(network )?"[^"]*"', "X", text)
    text = re.sub(r"\b(OTHER-NODE|NODE|the (active node|(second )?standby|storage host|client|quorum device)|"
                  r"(the )?node [\w-]+)(?!\w)", "X", text)
    text = re.sub(r"\b(heartbeat|service|storage|management) network\b|\b[A-Z]{2,}\b", "X", text)
    return re.sub(r"\b(\d+(\.\d+)?|N) seconds?\b|\b\d+(\.\d+)?\b", "X", text)


def step_problems(path: Path, feature: object) -> Iterator[str]:
    """Steps of ``feature`` that no step function takes, or more than one."""
    contexts = known_contexts()
    for template in feature.scenarios.values():
        examples = [context for table in template.examples for context in table.as_contexts()] or [{}]
        # a step without words from the table is the same in every row
        steps = {(step.line_number, step.name): step for row in examples for step in template.render(row).steps}
        if not steps:
            yield f"{path}:{template.line_number}: no steps, so nothing that could fail: {template.name}"
        for step in steps.values():
            for kind, text in sentences(step, contexts):
                matching = [context for context in contexts
                            if context.type in (None, kind) and context.parser.is_matching(text)]
                place = f"{path}:{step.line_number}"
                if not matching:
                    near = "".join(f"\n    nearest: {one}" for one in nearest(kind, text, contexts))
                    yield f"{place}: no step says: {kind.capitalize()} {text}{near}"
                elif len({context.step_func for context in matching}) > 1:
                    names = ", ".join(sorted(context.step_func.__name__ for context in matching))
                    yield f"{place}: ambiguous ({names}): {kind.capitalize()} {text}"
