"""What every fault excuses, on every topology that it fits: computed from what the faults say that they cost.

``python -m fenceline.steps.fault_costs > tests/faults/excuses.txt`` makes the table anew; it is read line by
line before it is taken. ``python -m fenceline.steps.fault_costs page > docs/excuses.md`` then makes the page of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from fenceline.faults import FAULTS
from fenceline.faults.samples import Cast, made, samples
from fenceline.judge.demand import hits, legitimate_victims, obstacle
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.load import TOPOLOGY_DIR, load_topology
from fenceline.model.topology import Topology


def topologies() -> dict[str, Topology]:
    """The shipped ones."""
    return {path.stem: load_topology(str(path)) for path in sorted(TOPOLOGY_DIR.glob("*.yaml"))}


def shipped() -> list[str]:
    """The names of the faults that Fenceline itself brings."""
    return [name for name, cls in FAULTS.items() if cls.__module__.startswith("fenceline.faults.")]


def excuses(cast: Cast, fault: Any) -> str:
    """What ``fault`` excuses, in one line."""
    topology, cost = cast.topology, fault.costs(cast.topology)
    found = [_demand(cast, cost) or "owed"]
    for role in ("active", "standby"):
        lost = damage.machine_lost(topology, cast.nodes[role])
        why = _demand(cast, cost | lost)
        if why and found[0] == "owed" and not _demand(cast, lost):
            found.append(f"without {role} {why}")
    victims = legitimate_victims(topology, cost)
    if victims and topology.fencing.method != "none":
        found.append(f"may be fenced: {_names(cast, victims)}")
    if cost.unmanaged or cost.unmanaged_on:
        found.append("left alone, whatever befalls it")
    elif found[0] == "owed":
        hit = frozenset(node for node in topology.preferred_nodes(cast.service)
                        if hits(topology, cast.service, node, cost, victims))
        told = victims if topology.fencing.method != "none" else frozenset()
        found += [f"may be interrupted on {_names(cast, hit)}"] if hit - told else []
    if cost.slower_s:
        found.append(f"{cost.slower_s:g} s longer")
    return cast.written("; ".join(found))


def _names(cast: Cast, nodes: frozenset[str]) -> str:
    return ", ".join(node for node in cast.nodes.values() if node in nodes)


def _demand(cast: Cast, cost: Cost) -> str:
    why = obstacle(cast.topology, cast.service, cost)
    return f"not owed ({why})" if why else ""


def lines() -> Iterator[str]:
    """The table: for each sample what it excuses, and the topologies on which that is so."""
    casts = {name: Cast(topology) for name, topology in topologies().items()}
    for name in shipped():
        for sample in samples(FAULTS[name]):
            found: dict[str, list[str]] = {}
            for where, cast in casts.items():
                fault = made(cast, name, sample)
                if fault is not None:
                    found.setdefault(excuses(cast, fault), []).append(where)
            yield f"{name} {sample.partition('?')[0]}".rstrip().replace("{", "").replace("}", "")
            for text, where in found.items():
                yield f"    {text}"
                yield from wrap(" ".join(where), 120, initial_indent=" " * 8, subsequent_indent=" " * 8,
                                break_on_hyphens=False)


_HEAD = """\
# What a fault excuses

Made by `python -m fenceline.steps.fault_costs page`; a test says when it is out of date.

Every fault says what it takes away while it is in force, as a value over the topology (`harness/model/cost.py`):
nodes that are out, that are unfit to serve, that can't be fenced; links over which members don't hear each other; the
quorum device; services whose disk or address is gone; and for how much longer things may take. That value is in the
log, and the judge goes by it alone: from all that is in force together it finds the part of the cluster that should
go on. Here is what follows from each fault by itself, on the shipped topologies.

- **owed**: an outage beyond the service's `failover_budget` is a FAIL. Of two equal parts of a split some part owes
  it.
- **not owed (why)**: it is excused for as long as that is so; afterwards the service must be back in the time that
  booting and forming takes, plus its budget.
- **without active not owed**: owed by itself, and not if the named node is lost as well.
- **may be fenced**: nobody else may be, while the fault is in force or has just been healed.
- **may be interrupted on**: the service may move, or be restarted, once, while it is there (as it may wherever its
  node may be fenced).
- **left alone**: the cluster was told not to mend it. It is excused only if something else befell what it ran on.
- **N s longer**: added to the budget of the outages that overlap with the fault. It removes no demand.

Where the seconds come from: a fencing by `fence_ipmilan` is five commands (status, off, status, on, status: counted
at the virtual BMCs in a dozen runs), three where the action is off. A takeover is taken for 100 exchanges with its
disk, one after the other, a check that writes for 20, a client's first answer for 5. Up to 1 % of lost packets
excuses nothing, as Corosync bears it (`harness/model/totem.py`); a network that loses half is as good as cut.
"""


def page() -> str:
    """The table as a page of the docs."""
    out = [_HEAD.rstrip("\n"), ""]
    for line in lines():
        if not line.startswith(" "):
            out += ["", f"## `{line}`", ""]
        elif not line.startswith(" " * 8):
            out.append(f"- {line.strip()}:")
        else:
            out.append(f"  {line.strip()}")
    return "\n".join(out) + "\n"


def main() -> int:
    """Prints the table, or with the word ``page`` the page."""
    sys.stdout.write(page() if sys.argv[1:] == ["page"] else "\n".join(lines()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
