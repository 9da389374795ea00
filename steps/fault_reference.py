"""The reference page of the faults, made from the code:
``python -m fenceline.steps.fault_reference > docs/faults.md``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from fenceline.faults import FAULTS
from fenceline.faults.base import family_of
from fenceline.faults.parameters import default_of, help_of, types_of
from fenceline.scenario.features import read
from fenceline.scenario.needs import injected
from fenceline.steps.fault_evidence import load, words
from fenceline.steps.reference import load_steps

_HEAD = """\
# Faults

Made by `python -m fenceline.steps.fault_reference`; a test says when it is out of date.
`fenceline fault list` tells the same.

Every fault is written into the journal before it is made, is confirmed by an observation of its effect that does not
come from what made it, and its healing is confirmed too. A fault whose effect is not seen makes the run INVALID. All of
it is in network namespaces and machines that the run itself made: `fenceline reap` removes those, and with them any
fault that a killed run left behind.

What stands after "confirmed on" is what that observation was the last time that the fault was injected into a real
cluster of those machines (`docs/fault-evidence.json`, gathered from run folders by
`python -m fenceline.steps.fault_evidence`). Most faults are made in the fabric, in the BMC or by the guest's
own commands, by the same code whatever the machines are. On libvirt those count in which the machines' driver has a
part (cables, power, pauses): what was
seen there by now
has a line that says so.

Any `When` below can be anchored: `200 ms after fencing starts: the power of the standby is cut`; the moments are
"""


def families(faults: Iterable[type] | None = None) -> dict[tuple[str, str, str], list[type]]:
    """``faults``, or all that there are, by what their module says of them as its FAMILY: title, where they
    are made, and what undoes them."""
    found: dict[tuple[str, str, str], list[type]] = {}
    for cls in FAULTS.values() if faults is None else faults:
        found.setdefault(family_of(cls), []).append(cls)
    return dict(sorted(found.items()))


def sentences() -> dict[str, set[str]]:
    """What may be said for each fault: the sentences of the step functions that inject it."""
    found: dict[str, set[str]] = {}
    for context in load_steps():
        if context.type in ("given", "when"):
            for name in injected(context):
                found.setdefault(name, set()).add(f"{context.type.capitalize()} {read(context)}")
    return found


def page(faults: Iterable[type] | None = None) -> str:
    """The whole page, of ``faults``, or of all that there are here."""
    from fenceline.scenario.anchors import MOMENTS
    said, known = sentences(), load()
    lines = [_HEAD + ", ".join(f"`{words}`" for words in MOMENTS) + "."]
    for (title, where, undo), members in families(faults).items():
        lines += ["", f"## {title}", "", f"Made {where}. Healed: {undo}.", ""]
        for cls in members:
            own = {name: default_of(cls, name) for name in types_of(cls)}
            first = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
            lines += [f"- **`{cls.name}`**: {re.sub('``', '`', first)}"]
            lines += [f"  - {name} ({help_of(cls, name)}{f'; default {default}' if default is not None else ''})"
                      for name, default in own.items()]
            lines += [f"  - `{text}`" for text in sorted(said.get(cls.name, ()))]
            lines += [f"  - confirmed on {key.split()[1]} (kernel {seen['kernel']}): {words(seen['evidence'])}"
                      for key, seen in known.items() if key.split()[0] == cls.name]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Prints the page."""
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
