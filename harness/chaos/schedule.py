"""A schedule: all that is done to a cluster, and when. It is drawn from a seed, or written by hand; a file either way.

::

    topology: web-iscsi
    seed: 7
    actions:
    - {fault: stun, with: {node: rs-01, seconds: 5}, at: 12.3s}
    - {fault: network-cut, with: {node: the node that serves now, networks: heartbeat}, at: 20s, for: 10s}
    - {fault: packet-drop, with: {network: storage, percent: 10}, after: fencing starts, delay: 200ms, for: 5s}

``at`` counts from the moment at which the cluster is ready. Who is named may be a node, or a role as a sentence says it
(``fenceline.scenario.scene``); a moment is one of ``fenceline.scenario.anchors``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.fitting import misfit
from fenceline.faults.parameters import NODE, types_of
from fenceline.model.documents import errors_text, read_mapping
from fenceline.model.load import dump_topology, load_changed
from fenceline.model.strict import Strict
from fenceline.model.topology import Topology
from fenceline.model.units import Duration
from fenceline.scenario.anchors import moment
from fenceline.scenario.roles import roles

#: The node that serves when the action is done.
SERVES_NOW = "the node that serves now"
#: What a run folder has beside what every run has, where it played one.
SCHEDULE = "schedule.yaml"


class ScheduleError(FencelineError):
    """A schedule that can't be played; the text has its file and, a line each, the path to every bad field."""

    status = 2


class Action(Strict):
    """One fault: with what parameters, when (``at``, or so long (``delay``) ``after`` a moment), and after how long it
    is healed (``for``; one that ends by itself, or is over at once, needs none)."""

    fault: str
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with")
    at: Duration | None = Field(None, description="s after the cluster is ready")
    after: str | None = Field(None, description="a moment in words: fencing starts, node rs-02 starts to mount, ...")
    delay: Duration = Field(0.0, le=600, description="s after that moment")
    lasts: Duration | None = Field(None, le=3600, alias="for", description="s after which it is healed")

    @model_validator(mode="after")
    def _has_a_time(self) -> Action:
        if (self.at is None) == (self.after is None):
            raise ValueError("say when: either `at: 12s` or `after: fencing starts`")
        if self.delay and self.after is None:
            raise ValueError("`delay` counts from a moment: say `after`")
        return self

    @property
    def when(self) -> str:
        """When it is done, in words."""
        if self.at is not None:
            return f"at {self.at:g} s"
        return f"{round(self.delay * 1000)} ms after {self.after}" if self.delay else f"when {self.after}"

    def __str__(self) -> str:
        told = " ".join(f"{name}={_written(value)}" for name, value in self.parameters.items())
        return f"{self.when}: {self.fault} {told}".rstrip() + (f", for {self.lasts:g} s" if self.lasts else "")


def _written(value: Any) -> str:
    return ",".join(map(_written, value)) if isinstance(value, list | tuple) else str(value)


class Schedule(Strict):
    """What is done to a cluster of ``topology`` (with ``changes`` laid over it), while clients ask ``service`` (the
    first one, if none is named), within ``length`` s after it is ready."""

    fenceline: str | None = Field(None, description="the version that drew it")
    topology: str
    service: str | None = None
    changes: dict[str, Any] | None = Field(None, description="laid over the topology")
    topology_key: str | None = Field(None, description="of the topology that it was drawn for; none: any that fits")
    driver: str = "auto"
    seed: int = Field(0, ge=0)
    profile: str | None = Field(None, description="of which it was drawn")
    ground: Literal["survivable", "any", "maintenance"] = "any"
    length: Duration = Field(0.0, description="s; at least until the last action is done and healed")
    actions: tuple[Action, ...] = ()

    @property
    def key(self) -> str:
        """Of what is done, whatever seed it was drawn from."""
        told = self.model_dump(mode="json", by_alias=True, include={"topology", "changes", "service", "actions"})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    def with_actions(self, actions: Sequence[Action]) -> Schedule:
        """The same with other actions."""
        return self.model_copy(update={"actions": tuple(actions)})


def topology_key(topology: Topology) -> str:
    """By which one sees that a topology has changed."""
    return hashlib.sha256(dump_topology(topology).encode()).hexdigest()[:12]


def topology_of(schedule: Schedule, own: Sequence[Path] = ()) -> Topology:
    """The topology that ``schedule`` is for; ``own`` are the project's folders of them.

    Raises:
        TopologyError: there is none, or not with the schedule's changes.
        ScheduleError: it has changed since the schedule was drawn, or has no such service.
    """
    topology = load_changed(schedule.topology, own, schedule.changes, "the schedule")
    if schedule.service is not None and schedule.service not in topology.services:
        raise ScheduleError(f"service: the topology {schedule.topology!r} has no {schedule.service!r}; there are "
                            f"{', '.join(topology.services) or 'none'}")
    if not topology.services:
        raise ScheduleError(f"topology: {schedule.topology!r} has no service that clients could ask")
    if schedule.topology_key not in (None, topology_key(topology)):
        raise ScheduleError(f"topology_key: the topology {schedule.topology!r} has changed since this schedule was "
                            f"drawn ({schedule.topology_key}, now {topology_key(topology)}): take the line out to play "
                            "it on the one as it is now")
    return topology


def parse_schedule(raw: Mapping[str, Any], origin: str) -> Schedule:
    """The schedule that ``raw`` describes; ``origin`` names it in errors.

    Raises:
        ScheduleError: all errors at once.
    """
    try:
        return Schedule.model_validate(raw)
    except ValidationError as error:
        raise ScheduleError(errors_text(origin, error)) from error


def load_schedule(path: Path | str) -> Schedule:
    """The schedule in the file ``path``.

    Raises:
        ScheduleError: it can't be read, or is none.
    """
    path = Path(path)
    return parse_schedule(read_mapping(path, ScheduleError, "topology and actions"), str(path))


def dump_schedule(schedule: Schedule) -> str:
    """``schedule`` as YAML that ``load_schedule`` reads back to an equal one; the same text for the same schedule."""
    told = schedule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    actions = told.pop("actions", [])
    lines = [yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=10_000)]
    lines += ["actions:\n"] if actions else ["actions: []\n"]
    lines += ["- " + yaml.safe_dump(action, sort_keys=False, allow_unicode=True, width=10_000,
                                    default_flow_style=True) for action in actions]
    return "".join(lines)


def is_word(value: Any) -> bool:
    """Whether ``value``, given for a node, is a role in words rather than a name."""
    return isinstance(value, str) and value.startswith(("the ", "node "))


def resolved(fault: str, parameters: Mapping[str, Any], node_of: Callable[[str], str]) -> dict[str, Any]:
    """The ``parameters`` of ``fault`` with names for roles; ``node_of`` gives the node that a role means.

    Raises:
        FencelineError: what ``node_of`` raises.
        FaultError: no such fault.
    """
    if fault not in FAULTS:
        raise FaultError(FAULTS.unknown(fault))
    types = types_of(FAULTS[fault])

    def named(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(named(part) for part in value)
        return node_of(value) if is_word(value) else value
    return {name: named(value) if name in types and types[name].thing is NODE else value
            for name, value in parameters.items()}


def problems(schedule: Schedule, topology: Topology) -> Iterator[str]:
    """What of ``schedule`` does not fit ``topology``, a line each, with the path to the action."""
    service = schedule.service or next(iter(topology.services))
    known = roles(topology, service, topology.preferred_nodes(service)[0])

    def node_of(words: str) -> str:
        if words == SERVES_NOW:
            return topology.preferred_nodes(service)[0]
        name = words.removeprefix("node ")
        if name in topology.nodes:
            return name
        if words not in known:
            raise FaultError(f"{words!r} is no node here; say {', '.join(known)}, {SERVES_NOW}, or one of "
                             f"{', '.join(topology.nodes)}")
        return known[words]

    for number, action in enumerate(schedule.actions):
        try:
            why = misfit(make_fault(action.fault, **resolved(action.fault, action.parameters, node_of)), topology)
            if why:
                yield f"actions.{number}: {why}"
            if action.after is not None:
                moment(action.after, node_of)
        except FencelineError as error:
            yield f"actions.{number}: {error.message}"


def check(schedule: Schedule, topology: Topology, origin: str) -> None:
    """Says all that does not fit.

    Raises:
        ScheduleError: there is something.
    """
    found = list(problems(schedule, topology))
    if found:
        raise ScheduleError(f"{origin}: {len(found)} error(s)\n" + "\n".join(f"  {line}" for line in found))
