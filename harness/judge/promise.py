"""What a promise is: judged over the whole log of every scenario, whether or not that names it.

A promise is a function in a module of its own, or beside its like, and nothing else names it::

    @promise("no second coffee", order=155, safety=True, says="nobody had a second coffee",
             breaks="somebody had two cups within the hour")
    def no_second_coffee(history: History) -> Finding: ...

It is found through the registry (``fenceline.core.registry``, group ``fenceline.promises``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fenceline.core.registry import Registry
from fenceline.judge.history import History
from fenceline.model.verdict import Finding

Check = Callable[[History], Finding]


@dataclass(frozen=True)
class Promise:
    """``check`` is what judges it. ``breaks`` says in words when it is broken.

    One of ``safety`` is proven by the log alone: its certain break is FAIL, whatever the harness or the fault did.
    ``order`` is its place among the findings. ``says`` is the Then-sentence by which a scenario names it, which can be
    said of a topology that offers ``needs`` (``fenceline.stacks.offers``).
    """

    name: str
    check: Check
    order: float
    breaks: str
    safety: bool = False
    says: str = ""
    needs: tuple[str, ...] = ()


#: Every promise, by its name.
PROMISES: Registry[Promise] = Registry("promise")


def promise(name: str, *, order: float, breaks: str, safety: bool = False, says: str = "",
            needs: tuple[str, ...] = ()) -> Callable[[Check], Check]:
    """Registers the function that judges the promise ``name``: see ``Promise``.

    Raises:
        TypeError: there is another one of that name.
    """
    def mark(check: Check) -> Check:
        PROMISES.register(name, Promise(name, check, order, breaks, safety, says, needs))
        return check
    return mark


def promises() -> list[Promise]:
    """Every promise, in the order of the findings."""
    return sorted(PROMISES.values(), key=lambda one: (one.order, one.name))
