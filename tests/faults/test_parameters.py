"""The types of parameters: what each reads, refuses and says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.base import fault
from fenceline.faults.parameters import (
    LUN,
    NODE,
    Choice,
    Count,
    Groups,
    Node,
    Number,
    Percent,
    Seconds,
    Several,
    Text,
    default_of,
    help_of,
    read,
    types_of,
)

OWN = {name: cls for name, cls in FAULTS.items() if cls.__module__.startswith("fenceline.faults.")}


@pytest.mark.parametrize(("kind", "written", "value"), [
    (Seconds(0, 60), "500ms", 0.5), (Seconds(0, 60), 60, 60.0), (Seconds(0, 60), "1min", 60.0),
    (Seconds(0, 60), 0, 0.0),
    (Seconds(2, 60, signed=True), "-30s", -30.0), (Seconds(2, 60, signed=True), "+2", 2.0),
    (Seconds(2, 60, signed=True), -2.0, -2.0),
    (Number(1, 5), "2.5", 2.5), (Number(2, 10, "%", signed=True), -10, -10.0),
    (Percent(), "12.5", 12.5), (Percent(), "12.5 %", 12.5), (Percent(), 100, 100.0),
    (Count(1, 5), "3", 3), (Count(), "-7", -7), (Count(600, 1400, "bytes"), 600, 600),
    (Text(), "whatever", "whatever"), (Choice(("a", "b")), "a", "a"),
    (NODE, "rs-01", "rs-01"), (Several(NODE), "a, b", ("a", "b")), (Several(NODE), ["a"], ("a",)),
    (Several(NODE, least=0), (), ()),
    (Groups(NODE), "a,b|c", (("a", "b"), ("c",))), (Groups(NODE), [["a"], ["b"]], (("a",), ("b",))),
])
def test_what_is_read(kind, written, value):
    assert kind.read(written) == value == kind.read(kind.read(written))
    assert type(kind.read(written)) is type(value)


@pytest.mark.parametrize(("kind", "written", "said"), [
    (Seconds(1, 60), 0.9, "0.9 s is not from 1 to 60"), (Seconds(1, 60), "2min", "120 s is not from 1 to 60"),
    (Seconds(1, 60), "soon", "'soon' is not a duration"), (Seconds(1, 60), True, "True is not a duration"),
    (Seconds(0, 60), -1, "can't be negative"), (Seconds(0, 60), math.nan, "not a duration"),
    (Seconds(2, 60, signed=True), "-1", "-1 s is not from 2 to 60 or from -60 to -2"),
    (Seconds(2, 60, signed=True), 0, "0 s is not from 2"), (Seconds(2, 60, signed=True), "--3", "not a duration"),
    (Number(1, 5), 5.1, "5.1 is not from 1 to 5"), (Number(1, 5), "nan", "nan is not from 1 to 5"),
    (Number(1, 5), None, "None is not a number"),
    (Percent(), 0, "0 % is not above 0 and at most 100"),
    (Percent(high=80), "81", "81 % is not above 0 and at most 80"),
    (Percent(), "much", "'much' is not a number"),
    (Count(1, 5), 2.5, "2.5 is not a whole number"), (Count(1, 5), 6, "6 is not from 1 to 5"), (Count(), "x", "not a"),
    (Count(), "inf", "inf is not a whole number"),
    (Choice(("a", "b")), "c", "'c' is not one of a, b"),
    (NODE, ("a",), "is not the name of a node"), (LUN, 3, "3 is not the name of a LUN"),
    (Several(NODE), "", "name at least one"), (Several(NODE), "a,", "name at least one"),
    (Several(NODE), "a,a", "a, a names one twice"), (Several(NODE), 3, "3 are not names of nodes"),
    (Groups(NODE), 3, "3 are not groups of nodes: a,b|c"),
])
def test_what_is_refused(kind, written, said):
    with pytest.raises(ValueError, match="^(?s:.*)$") as refused:
        kind.read(written)
    assert said in str(refused.value)


@dataclass(frozen=True)
class _Sample:
    """A sample."""

    node: Annotated[Node, ", another one"]
    groups: Annotated[tuple[tuple[str, ...], ...], Groups(NODE)]
    nodes: Annotated[tuple[str, ...], Several(NODE), "that get wet"] = ("a", "b")
    seconds: Annotated[float, Seconds(1, 60), "that it takes to dry"] = 2.0
    count: Annotated[int, Count()] = 1
    name: ClassVar[str] = "sample"


def test_what_is_said_of_them():
    assert {name: (help_of(_Sample, name), default_of(_Sample, name)) for name in types_of(_Sample)} == {
        "node": ("a node of the cluster, another one", None), "groups": ("groups of nodes: a,b|c", None),
        "nodes": ("nodes that get wet, separated by commas", "a,b"),
        "seconds": ("s (or 500ms, 20s, 2min) that it takes to dry, from 1 to 60", "2"),
        "count": ("a whole number", "1")}


def test_what_was_wrong_is_said_with_its_name():
    assert read(_Sample, {"nodes": "a,b", "count": "4"}) == {"nodes": ("a", "b"), "count": 4}
    with pytest.raises(ValueError, match="seconds: 99 s is not from 1 to 60"):
        read(_Sample, {"seconds": 99})
    with pytest.raises(FaultError, match="fault packet-delay: jitter: 0.2 s is more than the delay, 0.1 s"):
        make_fault("packet-delay", node="a", network="b", delay="100ms", jitter="200ms")


def test_a_parameter_that_does_not_say_what_it_takes_is_refused():
    @dataclass(frozen=True)
    class Vague:
        """It takes anything."""

        anything: str
        name: ClassVar[str] = "vague"

        def costs(self, topology): ...
    with pytest.raises(TypeError, match="Vague: the parameter 'anything' does not say what it takes"):
        fault(Vague)
    assert "vague" not in FAULTS


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_default_is_one_that_it_takes(name):
    cls = OWN[name]
    for parameter, kind in types_of(cls).items():
        default = cls.__dataclass_fields__[parameter].default
        if default_of(cls, parameter) is not None:
            assert kind.read(default) == default == kind.read(default_of(cls, parameter))
