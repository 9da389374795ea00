"""YAML files that people write: read, checked, and every error said at once, with the path to its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError


def read_mapping(path: Path, error: type[Exception], holds: str) -> dict[str, Any]:
    """The mapping in the YAML file ``path``; ``holds`` says what it should have, for the message.

    Raises:
        error: the file can't be read, is not YAML, or holds no mapping; names file, line and column.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise error(f"{path}{place}: not YAML: {getattr(problem, 'problem', problem)}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not a text: {problem.reason}") from problem
    except OSError as problem:
        raise error(f"{path}: {problem.strerror}") from problem
    if not isinstance(raw, dict):
        raise error(f"{path}: expected a mapping with {holds}")
    return raw


def errors_text(origin: str, error: ValidationError) -> str:
    """All that ``error`` says is wrong in ``origin``, a line each, with the path to the field."""
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        lines += [f"  {path + ': ' if path else ''}{line}" for line in message.splitlines()]
    return f"{origin}: {len(lines)} error(s)\n" + "\n".join(lines)
