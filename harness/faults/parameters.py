"""Parameters of faults: what each takes, in words, and the check that it is in its range."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from fenceline.model.units import parse_duration


def parameter(text: str, default: Any = dataclasses.MISSING, kind: str = "") -> Any:
    """A dataclass field that says in ``text`` what it takes: unit and range; and of which ``kind``
    (``fenceline.faults.fitting.KINDS``) are the things that it names, where it is not called after them itself."""
    return dataclasses.field(default=default, metadata={"help": text, "kind": kind})


def _set(fault: Any, name: str, value: Any) -> None:
    object.__setattr__(fault, name, value)  # frozen: only while it is being made


def check_seconds(fault: Any, name: str, low: float, high: float) -> None:
    """Makes ``fault``'s parameter ``name`` seconds.

    Raises:
        ValueError: not a duration, or not from ``low`` to ``high`` (s).
    """
    value = parse_duration(getattr(fault, name))
    if not low <= value <= high:
        raise ValueError(f"{name}: {value:g} s is not from {low:g} s to {high:g} s")
    _set(fault, name, value)


def check_signed_seconds(fault: Any, name: str, high: float) -> None:
    """Like ``check_seconds`` for a step that goes forward, or back: "-30s"; never zero.

    Raises:
        ValueError: not a duration, zero, or further away from zero than ``high`` (s).
    """
    value = getattr(fault, name)
    sign = 1
    if isinstance(value, str) and value[:1] in "+-":
        sign, value = (-1 if value[0] == "-" else 1), value[1:]
    elif isinstance(value, (int, float)) and value < 0:
        sign, value = -1, -value
    value = sign * parse_duration(value)
    if not 0 < abs(value) <= high:
        raise ValueError(f"{name}: {value:g} s is not from -{high:g} s to {high:g} s and other than zero")
    _set(fault, name, value)


def check_number(fault: Any, name: str, low: float, high: float, unit: str = "") -> None:
    """Makes ``fault``'s parameter ``name`` a number above ``low``.

    Raises:
        ValueError: not a number, or not above ``low`` and at most ``high``.
    """
    value = getattr(fault, name)
    try:
        value = float(value.rstrip("% ") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {value!r} is not a number") from None
    if not low < value <= high:
        raise ValueError(f"{name}: {value:g}{unit} is not above {low:g} and at most {high:g}{unit}")
    _set(fault, name, value)


def check_names(fault: Any, name: str) -> None:
    """Makes ``fault``'s parameter ``name`` a tuple of names: ("a", "b") or "a,b".

    Raises:
        ValueError: none, or one of them twice.
    """
    value = getattr(fault, name)
    names = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
    if not names or not all(names):
        raise ValueError(f"{name}: name at least one")
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: {', '.join(names)} names one twice")
    _set(fault, name, names)


def check_choice(fault: Any, name: str, choices: Sequence[str]) -> None:
    """Checks that ``fault``'s parameter ``name`` is one of ``choices``.

    Raises:
        ValueError: it is not.
    """
    if getattr(fault, name) not in choices:
        raise ValueError(f"{name}: {getattr(fault, name)!r} is not one of {', '.join(choices)}")
