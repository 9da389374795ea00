"""What a step needs of the cluster software, and the check at collection that the scenario's topology has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from fenceline.model.load import TopologyError, load_changed
from fenceline.model.topology import Topology
from fenceline.stacks.offers import lacking

_GIVEN = re.compile(r'the topology "([^"]+)" is up and "([^"]+)" is answering(, with)?$')


def needs(*abilities: str) -> Callable:
    """Marks a step function: its scenario's stack must offer ``abilities`` (``fenceline.stacks.offers``). In these,
    {name} stands for a word of the step."""
    def mark(function: Callable) -> Callable:
        function.needs = abilities
        return function
    return mark


def injects(*names: str) -> Callable:
    """Marks a step function that injects the faults ``names`` by its own code."""
    def mark(function: Callable) -> Callable:
        function.faults = names
        return function
    return mark


def injected(context: Any) -> tuple[str, ...]:
    """The faults that the step function of pytest-bdd's ``context`` injects."""
    return getattr(context.step_func, "faults", ())


def faults_of(steps: Iterable[Any], contexts: Iterable[Any]) -> list[str]:
    """The faults that a scenario's ``steps`` inject, those put off too."""
    contexts = tuple(contexts)
    return [name for step in steps for kind, text in sentences(step, contexts) for context in contexts
            if context.type in (None, kind) and context.parser.is_matching(text) for name in injected(context)]


def sentences(step: Any, contexts: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """What ``step`` says, as (type, text): itself, and the When that it puts off (its word ``sentence``), if any."""
    yield step.type, step.name
    for context in contexts:
        if context.type in (None, step.type) and context.parser.is_matching(step.name):
            put_off = (context.parser.parse_arguments(step.name) or {}).get("sentence")
            if put_off is not None:
                yield "when", put_off
                return


def needed(context: Any, text: str) -> tuple[str, ...]:
    """What the step ``text``, taken by the step function of pytest-bdd's ``context``, needs."""
    abilities = getattr(context.step_func, "needs", ())
    needs_of = getattr(context.step_func, "needs_of", lambda words: ())  # of a fault's own sentence
    words = context.parser.parse_arguments(text) or {}
    return (*(ability.format(**words) for ability in abilities), *needs_of(words))


def _needed_by_faults(context: Any) -> Iterator[str]:
    """What the faults need that the step function of pytest-bdd's ``context`` injects, whatever their parameters."""
    from fenceline.faults import FAULTS
    from fenceline.faults.fitting import needs_of
    for name in injected(context):
        yield from needs_of(FAULTS[name])


def topology_of(steps: Iterable[Any], own: Sequence[Path] = ()) -> Topology | None:
    """The topology that a scenario's ``steps`` bring up, with its changes; None if they bring up none. ``own``
    are the project's folders of topologies.

    Raises:
        TopologyError: there is no such one, or not with these changes, or it has no such service.
    """
    for step in steps:
        match = _GIVEN.match(step.name)
        if match is None:
            continue
        changes = None
        if match[3]:
            try:
                changes = yaml.safe_load(step.docstring or "")
            except yaml.YAMLError as error:
                raise TopologyError(f"the changes to the topology {match[1]!r} are not YAML: {error}") from error
        topology = load_changed(match[1], own, changes if isinstance(changes, dict) else None, "the scenario")
        if match[2] not in topology.services:
            raise TopologyError(f"the topology {match[1]!r} has no service {match[2]!r}; it has "
                                f"{', '.join(topology.services) or 'none'}")
        return topology
    return None


def ability_problems(path: Path, feature: Any, contexts: Iterable[Any], own: Sequence[Path] = ()) -> Iterator[str]:
    """Steps of ``feature`` that need more than the scenario's stack offers, in any row of its examples; and topologies
    that are none, shipped or in the project's ``own`` folders."""
    contexts = tuple(contexts)
    for template in feature.scenarios.values():
        rows = [row for table in template.examples for row in table.as_contexts()] or [{}]
        for row in rows:
            steps = template.render(row).steps
            try:
                topology = topology_of(steps, own)
            except TopologyError as error:
                yield f"{path}:{template.line_number}: {error}"
                continue
            if topology is None:
                continue
            for step in steps:
                for kind, text in sentences(step, contexts):
                    for context in contexts:
                        if context.type in (None, kind) and context.parser.is_matching(text):
                            why = lacking(topology, {*needed(context, text), *_needed_by_faults(context)})
                            if why:
                                yield f"{path}:{step.line_number}: {kind.capitalize()} {text}: {why}"
