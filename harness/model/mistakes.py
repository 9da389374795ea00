"""Wrong values that people have. A rule that knows one by name refuses it, unless the topology says that it is planted.

What is judged stays what the topology promises: a planted mistake excuses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Mistake(str):
    """A problem, as the rules say it, that may be ``planted`` under this name."""

    planted: str

    def __new__(cls, planted: str, problem: str) -> Mistake:
        made = super().__new__(cls, problem)
        made.planted = planted
        return made


def unplanted(problems: Iterable[str], planted: Collection[str]) -> list[str]:
    """What remains of ``problems`` where some mistakes are ``planted``; those that are not there are a problem too: who
    plants one and does not have it would test nothing."""
    found, seen = [], set()
    for problem in problems:
        if not isinstance(problem, Mistake):
            found.append(problem)
        elif problem.planted in planted:
            seen.add(problem.planted)
        else:
            found.append(f"{problem}; to plant that mistake say mistakes: [{problem.planted}]")
    return found + [f"mistakes: {name}: no such mistake is in this topology" for name in planted if name not in seen]
