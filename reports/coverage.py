"""What chaos has hit, and what never: as text and as a picture. Pure: counts in, text and SVG out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from fenceline.reports.palette import DEFINITIONS, GRID, INK, MUTED
from fenceline.reports.svg import Canvas, text_width

#: (state, fault, role)
Triple = tuple[str, str, str]
_CELL, _ROW, _SIZE = 34.0, 17.0, 11.0
_FEW = 12  # names a line of the text


def coverage_text(hits: Counter[Triple], states: Sequence[str], faults: Sequence[str]) -> str:
    """Which of ``states`` and ``faults`` were hit how often, and which never."""
    by_state = Counter()
    pairs: set[tuple[str, str]] = set()
    for (state, fault, _), count in hits.items():
        by_state[state] += count
        pairs.add((state, fault))
    total = sum(hits.values())
    lines = [f"{total} hits of {len({fault for _, fault in pairs})} faults in {len(by_state)} states; "
             f"{len(pairs)} of {len(states) * len(faults)} pairs of state and fault, {len(hits)} with the role",
             "", f"{'state':<16}{'hits':>7}{'faults':>8}  roles"]
    for state in states:
        roles = Counter()
        for (where, _, role), count in hits.items():
            if where == state:
                roles[role] += count
        told = ", ".join(f"{role} {count}" for role, count in roles.most_common())
        lines.append(f"{state:<16}{by_state[state]:>7}{sum(where == state for where, _ in pairs):>8}  {told or '-'}")
    never = [fault for fault in faults if fault not in {fault for _, fault in pairs}]
    lines += ["", f"never hit, of {len(faults)} faults that may be drawn: {len(never)}"]
    lines += [f"  {', '.join(never[first:first + _FEW])}" for first in range(0, len(never), _FEW)]
    only_calm = sorted(fault for fault in faults if {where for where, what in pairs if what == fault} == {"steady"})
    lines += [f"only ever hit while all was well: {', '.join(only_calm) or 'none'}"]
    return "\n".join(lines)


def coverage_svg(hits: Counter[Triple], states: Sequence[str], faults: Sequence[str]) -> str:
    """A row a fault, a column a state; the darker, the more often; the number says how often, nothing that it never
    was. Under the pointer: in which roles."""
    canvas = Canvas()
    left = max((text_width(fault, _SIZE) for fault in faults), default=60.0) + 16
    top = max((text_width(state, _SIZE) for state in states), default=60.0) * 0.75 + 40
    counts: Counter[tuple[str, str]] = Counter()
    for (state, fault, _), count in hits.items():
        counts[state, fault] += count
    most = max(counts.values(), default=1)
    canvas.text(8, 20, "What chaos has hit: faults by the state that the cluster was in", 14, bold=True)
    for column, state in enumerate(states):
        x = left + column * _CELL + _CELL / 2
        canvas.text(x, top - 8, state, _SIZE, transform=f"rotate(-45 {x:.1f} {top - 8:.1f})")
    for row, fault in enumerate(faults):
        y = top + row * _ROW
        is_hit = any(counts[state, fault] for state in states)
        canvas.text(left - 8, y + _ROW - 5, fault, _SIZE, anchor="end", fill=INK if is_hit else MUTED)
        for column, state in enumerate(states):
            count = counts[state, fault]
            share = math.log1p(count) / math.log1p(most)
            told = ", ".join(f"{role} {number}" for role, number in _roles(hits, state, fault))
            canvas.rect(left + column * _CELL, y, _CELL - 1, _ROW - 1, _shade(share), stroke=GRID,
                        tip=f"{fault}, {state}: {told or 'never'}")
            if count:
                canvas.text(left + column * _CELL + _CELL / 2, y + _ROW - 5, str(count), _SIZE - 1, anchor="middle",
                            fill="#fff" if share > 0.55 else INK)
    return canvas.document(left + len(states) * _CELL + 60, top + len(faults) * _ROW + 16,
                           "What chaos has hit", DEFINITIONS)


def _roles(hits: Counter[Triple], state: str, fault: str) -> Iterable[tuple[str, int]]:
    return sorted((role, count) for (where, what, role), count in hits.items() if (where, what) == (state, fault))


def _shade(share: float) -> str:
    """White for nothing to dark blue: it also reads in grey."""
    red, green, blue = (round(255 + (dark - 255) * share) for dark in (0x1B, 0x3A, 0x57))
    return f"#{red:02x}{green:02x}{blue:02x}"
