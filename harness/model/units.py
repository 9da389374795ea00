"""Durations and sizes as people write them in a topology: "500ms", "1.5s", "2min"; "64M", "1G"."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h)?\s*$")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, None: 1.0}
_SIZE = re.compile(r"^\s*(\d+)\s*([KMG])(?:iB|B)?\s*$", re.IGNORECASE)
_BYTES = {"K": 2**10, "M": 2**20, "G": 2**30}


def parse_duration(value: object) -> float:
    """Seconds in ``value``: a number of seconds, or text with ms, s, min or h.

    Raises:
        ValueError: not a duration.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a duration can't be negative")
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a duration: it must end")
        return float(value)
    match = _DURATION.match(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{value!r} is not a duration: write for example 500ms, 2s or 1min")
    # not multiplied by 0.001: 700ms and 0.7s are to be the same number
    return float(match[1] + "e-3") if match[2] == "ms" else float(match[1]) * _SECONDS[match[2]]


def parse_size(value: object) -> int:
    """Bytes in ``value``: an integer of bytes, or text with K, M or G (binary).

    Raises:
        ValueError: not a size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        raise ValueError(f"{value!r} is not a size: write for example 64M or 1G")
    return int(match[1]) * _BYTES[match[2].upper()]


def format_duration(seconds: float) -> str:
    """``seconds`` as a topology would write it."""
    return f"{seconds * 1000:.12g}ms" if seconds < 1 else f"{seconds:.12g}s"


Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str | float),
                     PlainSerializer(format_duration, return_type=str)]
Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=str | int)]
