"""What somebody left behind: bans and moves, standby, maintenance, what was stopped by hand."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.accept.cibview import points
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import Original
from fenceline.importers.cibvalues import is_true

_LOST = "the active node loses its power"


@rule("left-ban", "crm_resource(8): --ban and --move make a constraint, --clear removes it", _LOST)
def bans(original: Original, _budget: float) -> Iterator[Finding]:
    """A constraint of a move that was never cleared."""
    for one in original.cib.constraints("rsc_location") if original.cib else ():
        name = one.get("id")
        if not name.startswith(("cli-ban-", "cli-prefer-", "cli-standby-")):
            continue
        where = one.get("node") or next((part.get("value") for part in one.walk() if part.tag == "expression"), "?")
        effect = "may never run" if points(one.get("score")) < 0 or name.startswith("cli-ban-") else "is kept for"
        text = (f"{where} may never run {one.get('rsc')}" if effect == "may never run" else
                f"{one.get('rsc')} always goes back to {where}")
        yield at(original.cib.at(one), text=f"{name} was left by a move or a ban that was never cleared: {text}")


@rule("left-standby", "Pacemaker Explained, node attributes: standby, maintenance", _LOST)
def standby(original: Original, _budget: float) -> Iterator[Finding]:
    """A node that runs nothing, or is not looked after."""
    for name, node in original.cib.nodes.items() if original.cib else ():
        told = original.cib.settings(node, "instance_attributes")
        for word, means in (("standby", "runs nothing"), ("maintenance", "is not looked after")):
            if is_true(told, word, False):
                yield at(told[word][1], text=f"{name} is in {word}: it {means}")


@rule("left-maintenance", "Pacemaker Explained, cluster options: maintenance-mode", _LOST)
def maintenance(original: Original, _budget: float) -> Iterator[Finding]:
    """The whole cluster is left alone."""
    if original.cib is not None and original.cib.is_on("maintenance-mode", False):
        yield at(original.option("maintenance-mode").place, text="maintenance-mode is on: the cluster does nothing")


@rule("left-stopped", "Pacemaker Explained, meta attributes: target-role, is-managed", _LOST)
def stopped(original: Original, _budget: float) -> Iterator[Finding]:
    """A resource that was stopped or let go by hand."""
    places: dict[str, list[str]] = {}
    for one in original.cib.resources if original.cib else ():
        value, place = one.meta.get("target-role", ("", ""))
        if value.lower() == "stopped":
            places.setdefault(place, []).append(f"{one.id} is stopped (target-role)")
        if "is-managed" in one.meta and not is_true(one.meta, "is-managed", True):
            places.setdefault(one.meta["is-managed"][1], []).append(f"{one.id} is not managed (is-managed=false)")
    for place, told in places.items():
        yield at(place, text=f"{', '.join(told)}: the cluster does nothing for it")
