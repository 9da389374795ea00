"""DRBD's files as a topology has them: their sections, by way of the importer."""

from __future__ import annotations

from typing import Any

from fenceline.accept.fate import Fates
from fenceline.accept.original import Original
from fenceline.importers.draft import Draft
from fenceline.importers.drbd import import_drbd


def mirrors(original: Original, fates: Fates) -> list[dict[str, Any]]:
    """The resources, in the order of the files; what of them is not the same is said."""
    if not original.drbd:
        return []
    draft = Draft("x", "x")
    for name in original.members:
        draft.node(name, "x")
    import_drbd(draft, [one.source for one in original.drbd])
    for one in original.drbd:
        fates.say(one.source.name, "translated", "DRBD is DRBD 8.4: said in storage.drbd of the topology, the disk "
                                                 "is one of the machine's own")
    names = {one.source.name for one in original.drbd}
    for note in draft.notes:
        place, _, text = note.partition(": ")
        if place.rpartition(":")[0] in names:
            fates.say(place, "left out" if "not expressed" in text else "stood in", text)
    return draft.raw["storage"].get("drbd", [])
