"""What can be seen in the text before any machine starts: rules, each one function from a cluster to its findings.

A rule is registered under its name by ``@rule`` (entry points of the group ``fenceline.findings``)::

    @rule("fencing-off", "Pacemaker Explained, Fencing: stonith-enabled", "power of the active node is cut")
    def fencing_off(original):
        yield at("cib.xml:7", "stonith-enabled is false: a lost node's services are never taken over safely")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fenceline.accept.original import Original
from fenceline.core.registry import Registry


@dataclass(frozen=True, slots=True)
class Finding:
    """``places`` are the lines that are to blame (``name:line``), ``reference`` what says so, ``shown_by`` the scenario
    that shows it; a ``remark`` is worth knowing, and no mistake by itself."""

    places: tuple[str, ...]
    text: str
    rule: str = ""
    reference: str = ""
    shown_by: str = ""
    remark: bool = False

    @property
    def place(self) -> str:
        """The first line that is to blame."""
        return self.places[0]


Rule = Callable[[Original, float], Iterator[Finding]]
#: Every rule, by its name.
FINDINGS: Registry[Rule] = Registry("finding")


def at(*places: str, text: str, remark: bool = False) -> Finding:
    """A finding at ``places``; its rule adds what it knows."""
    return Finding(tuple(dict.fromkeys(places)), text, remark=remark)


def rule(name: str, reference: str, shown_by: str) -> Callable[[Callable[..., Iterator[Finding]]], Rule]:
    """Registers a function as the rule ``name``. It is given the cluster and its failover budget (s)."""
    def mark(function: Callable[..., Iterator[Finding]]) -> Rule:
        def run(original: Original, budget: float) -> Iterator[Finding]:
            for one in function(original, budget):
                yield replace(one, rule=name, reference=reference, shown_by=shown_by)
        run.__doc__, run.__module__, run.__name__ = function.__doc__, function.__module__, function.__name__
        FINDINGS.register(name, run)
        return run
    return mark


def find(original: Original, budget: float) -> list[Finding]:
    """What all rules find in ``original``, whose services may be away for ``budget`` (s): in the order of the files and
    lines. What several rules say of the same lines is one finding."""
    found: dict[tuple[str, ...], Finding] = {}
    for one in (one for each in FINDINGS.values() for one in each(original, budget)):
        there = found.get(one.places)
        if there is None:
            found[one.places] = one
        else:
            found[one.places] = Finding(
                one.places, f"{there.text}; {one.text}", f"{there.rule}, {one.rule}",
                "; ".join(dict.fromkeys((there.reference, one.reference))),
                there.shown_by if there.shown_by == one.shown_by else f"{there.shown_by}; {one.shown_by}",
                there.remark and one.remark)
    names = [one.name for one in original.files]

    def order(one: Finding) -> tuple[int, int]:
        name, _, line = one.place.rpartition(":")
        return (names.index(name) if name in names else len(names), int(line) if line.isdigit() else 0)
    return sorted(found.values(), key=order)
