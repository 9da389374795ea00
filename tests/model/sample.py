"""A topology as a mapping, and changes to it."""

from __future__ import annotations

import copy
import re
from typing import Any

import yaml

from fenceline.model.load import TOPOLOGY_DIR

GONE = object()


def raw(**changes: Any) -> dict[str, Any]:
    """web-iscsi with ``changes``: a path with __ between its parts (numbers are indices, rs_01 is the node), and its
    value or GONE."""
    made = copy.deepcopy(yaml.safe_load((TOPOLOGY_DIR / "web-iscsi.yaml").read_text()))
    for path, value in changes.items():
        place: Any = made
        words = [re.sub("^rs_", "rs-", word) for word in path.split("__")]
        *parents, last = [int(word) if word.isdigit() else word for word in words]
        for part in parents:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
        if isinstance(place, list) and last == len(place):
            place.append(value)
        elif value is GONE:
            del place[last]
        else:
            place[last] = value
    return made
