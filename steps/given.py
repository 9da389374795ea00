"""Given: a cluster that is up, whole and answering, and what the scenario expects of it."""

from __future__ import annotations

import yaml

from fenceline.core.errors import FaultError
from fenceline.judge.promise import PROMISES
from fenceline.scenario.scene import Scene
from fenceline.steps.words import given, phrase


@given(phrase(r'the topology "(?P<topology>[^"]+)" is up and <service> is answering'))
def topology_is_up(scene: Scene, topology: str, service: str) -> None:
    scene.bring_up(topology, service)


@given(phrase(r'the topology "(?P<topology>[^"]+)" is up and <service> is answering, with'))
def changed_topology_is_up(scene: Scene, topology: str, service: str, docstring: str) -> None:
    try:
        changes = yaml.safe_load(docstring)
    except yaml.YAMLError as error:
        raise FaultError(f"the changes to topology {topology!r} are not YAML: {error}") from error
    if not isinstance(changes, dict):
        raise FaultError(f"the changes to topology {topology!r} are not a mapping: {docstring!r}")
    scene.bring_up(topology, service, changes)


@given(phrase(r'the promise "(?P<promise>[^"]+)" is expected to break'))
def expected_to_break(scene: Scene, promise: str) -> None:
    if promise not in PROMISES:
        raise FaultError(PROMISES.unknown(promise))
    scene.run.log.record("scenario", None, "expect", {"break": promise})


@given(phrase(r"an outage of <service> is expected: (?P<why>.+)"))
def outage_expected(scene: Scene, service: str, why: str) -> None:
    scene.run.log.record("scenario", None, "expect", {"outage": service, "why": why})
