"""A shrunk schedule as a feature: a short scenario in the project's own sentences, that fails."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from fenceline.chaos.schedule import Action, Schedule
from fenceline.chaos.sentence import Speaker
from fenceline.faults import FAULTS
from fenceline.faults.claims import Once
from fenceline.faults.parameters import default_of
from fenceline.judge.promise import PROMISES
from fenceline.model.topology import Topology
from fenceline.model.units import parse_duration


@dataclass(frozen=True)
class Found:
    """What a feature is written of: the ``schedule``, the ``promise`` that breaks, and how often (in words)."""

    schedule: Schedule
    promise: str
    rate: str


def feature_text(found: Found, topology: Topology, notes: Iterable[str] = ()) -> str:
    """The feature; ``notes`` stand above it as comments."""
    schedule = found.schedule
    service = schedule.service or next(iter(topology.services))
    speaker = Speaker(topology, service)
    lines = [f"# {note}" for note in (*notes, f"breaks in {found.rate} runs; schedule {schedule.key}")]
    lines += [f"Feature: Found by chaos on {topology.name}", "",
              f"  Scenario: {_title(schedule, speaker, found.promise)}"]
    given = f'Given the topology "{schedule.topology}" is up and "{service}" is answering'
    lines.append(f"    {given}, with" if schedule.changes else f"    {given}")
    if schedule.changes:
        text = yaml.safe_dump(schedule.changes, sort_keys=False)
        lines += ['      """', *(f"      {line}" for line in text.splitlines()), '      """']
    word = "When"
    for line in _whens(schedule, speaker):
        lines.append(f"    {word} {line}")
        word = "And"
    lines.append(f"    Then {_then(found.promise)}")
    return "\n".join(lines) + "\n"


def _title(schedule: Schedule, speaker: Speaker, promise: str) -> str:
    told = " and ".join(dict.fromkeys(action.fault for action in schedule.actions))
    return f"{told}: {promise} breaks"


def _then(promise: str) -> str:
    """The promise's own sentence; every promise is judged in any case."""
    known = PROMISES.get(promise)
    return known.says if known is not None and known.says else "the cluster is whole again within 300 seconds"


def said(action: Action, speaker: Speaker) -> str:
    """The When that injects ``action``."""
    sentence = speaker.says(action)
    if sentence is not None:
        return sentence
    told = " ".join(shlex.quote(f"{name}={_word(value)}") for name, value in action.parameters.items())
    return f'the fault "{action.fault}" comes with {told}'


def _word(value: object) -> str:
    if isinstance(value, list | tuple):
        return ("|" if any(isinstance(one, list | tuple) for one in value) else ",").join(map(_word, value))
    return str(value)


def _is_healed(action: Action) -> bool:
    """Whether there is anything to heal of it before the end."""
    cls = FAULTS[action.fault]
    return action.lasts is not None and not issubclass(cls, Once)


def _whens(schedule: Schedule, speaker: Speaker) -> Iterator[str]:
    # what waits for a moment must be there before it
    for action in schedule.actions:
        if action.after is None:
            continue
        yield f"{round(action.delay * 1000)} ms after {_moment(action.after, speaker)}: {said(action, speaker)}"
        if _is_healed(action):
            delay = round((action.delay + action.lasts) * 1000)
            yield f"{delay} ms after {_moment(action.after, speaker)}: {speaker.heals(action)}"
    timed: list[tuple[float, int, str]] = []
    end = 0.0
    for number, action in enumerate(schedule.actions):
        if action.at is None:
            continue
        timed.append((action.at, number, said(action, speaker)))
        if _is_healed(action):
            timed.append((action.at + action.lasts, number, speaker.heals(action)))
        end = max(end, action.at + (action.lasts or _seconds(action)))
    now = 0.0
    for at, _, sentence in sorted(timed):
        pause = round(at - now, 1)
        if pause > 0:
            yield f"{pause:g} seconds pass"
        yield sentence
        now = max(now, at)
    if end - now > 0.1:
        yield f"{round(end - now, 1):g} seconds pass"
    if any(action.after is not None for action in schedule.actions):
        yield "all that was to come has come within 60 seconds"


def _seconds(action: Action) -> float:
    """For how long (s) one lasts that ends by itself; 0 for any other."""
    cls = FAULTS[action.fault]
    if not hasattr(cls, "lasts"):
        return 0.0
    return parse_duration(action.parameters.get("seconds", default_of(cls, "seconds") or 0))


def _moment(words: str, speaker: Speaker) -> str:
    """A moment with roles for names."""
    first, _, rest = words.partition(" ")
    if first != "node":
        return words
    name, _, what = rest.partition(" ")
    return f"{speaker.node(name)} {what}"
