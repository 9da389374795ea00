"""Clusters whose own configuration is not run as it is yet (Heartbeat, keepalived, cman): the topology that the
importers make of it, with everything that it does not say."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from fenceline.accept.budget import Budget
from fenceline.accept.fate import Fates
from fenceline.accept.original import Original
from fenceline.importers.combine import import_sources
from fenceline.importers.draft import identifier
from fenceline.importers.source import Source
from fenceline.model.units import format_duration


def translate(original: Original, name: str, budget: Budget, fates: Fates) -> dict[str, Any]:
    """The topology; what becomes of the files is said in ``fates``.

    Raises:
        FencelineError: nothing of its services can be expressed.
    """
    sources, begins = _sources(original)
    draft = import_sources(sources, identifier(name, "adopted"))
    for one in sources:
        fates.say(one.name, "translated", "said in the topology, which makes a configuration of ours of it")
    for note in draft.notes:
        place, _, text = note.partition(": ")
        file, _, line = place.rpartition(":")
        for included, begin in begins.get(file, ()):
            if line.isdigit() and int(line) > begin:
                place = f"{included}:{int(line) - begin}"
        lost = any(word in text for word in ("not expressed", "left out", "not read"))
        fates.say(place, "left out" if lost else "stood in", text)
    for one in draft.raw["services"].values():
        one["failover_budget"] = format_duration(budget.total)
    return draft.raw


def _sources(original: Original) -> tuple[list[Source], dict[str, list[tuple[str, int]]]]:
    """(one file of each kind, or one of each director with what it includes; where the included begin in them)."""
    begins: dict[str, list[tuple[str, int]]] = {}
    if original.cluster_conf is not None:
        return [original.cluster_conf[0], *(one.source for one in original.drbd)], begins
    if original.ha_cf:
        found = [told[0].source for told in (original.ha_cf, original.haresources, original.authkeys) if told]
        return [*found, *(one.source for one in original.drbd)], begins
    parts = {PurePosixPath(one.source.name).name: one.source for one in original.keepalived}
    found = []
    for one in original.keepalived:
        if not any(True for _ in one.root.all("vrrp_instance")):
            continue
        text = one.source.text
        for include in one.root.all("include"):
            part = parts.get(PurePosixPath(include.value).name)
            if part is not None and part.name != one.source.name:
                begins.setdefault(one.source.name, []).append((part.name, len(text.splitlines())))
                text = text.rstrip("\n") + "\n" + part.text
                base = re.escape(PurePosixPath(include.value).name)
                text = re.sub(rf"^(\s*)include(\s+\S*{base}.*)$", r"\1#include\2", text, flags=re.MULTILINE)
        found.append(Source(one.source.name, text))
    return found, begins
