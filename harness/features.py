"""Makes ``pytest features/`` work: every .feature file is a test module of its own, and every step is known to
exist, once, before anything is run."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_bdd import scenario
from pytest_bdd.feature import get_feature
from pytest_bdd.steps import step_function_context_registry


class FeatureFile(pytest.Module):
    """A .feature file as a module with one test function per scenario, named after it."""

    def _getobj(self) -> types.ModuleType:
        base, name = str(self.path.parent), self.path.name
        try:
            feature = get_feature(base, name)
        except Exception as error:
            # a Gherkin error knows file and line: that is all that a person needs
            raise self.CollectError(f"{self.path}: {error}") from None
        problems = list(step_problems(self.path, feature))
        if problems:
            raise self.CollectError("\n".join(problems))
        module = types.ModuleType(f"feature_{_slug(self.path.stem)}")
        module.__file__ = str(self.path)
        for title in feature.scenarios:
            @scenario(name, title, features_base_dir=base)
            def test() -> None:
                pass
            test.__name__ = f"test_{_slug(title)}"
            setattr(module, test.__name__, test)
        return module


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def step_problems(path: Path, feature: object) -> Iterator[str]:
    """Steps of ``feature`` that no step function takes, or more than one."""
    contexts = list({id(context): context for context in step_function_context_registry.values()}.values())
    for template in feature.scenarios.values():
        examples = [context for table in template.examples for context in table.as_contexts()] or [{}]
        for step in template.render(examples[0]).steps:
            matching = [context for context in contexts
                        if context.type in (None, step.type) and context.parser.is_matching(step.name)]
            place = f"{path}:{step.line_number}"
            if not matching:
                yield f"{place}: no step says: {step.type.capitalize()} {step.name}"
            elif len({context.step_func for context in matching}) > 1:
                names = ", ".join(sorted(context.step_func.__name__ for context in matching))
                yield f"{place}: ambiguous ({names}): {step.type.capitalize()} {step.name}"
