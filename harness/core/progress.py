"""What a person sees of long work: one line a step, on the terminal, with the time it took."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fenceline.core.clock import HOST_CLOCK

Say = Callable[[str], None]


class Progress:
    """Prints lines with the seconds since its start. ``say`` takes one line."""

    def __init__(self, say: Say | None = None) -> None:
        self._begun = HOST_CLOCK.now()
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))

    def __call__(self, text: str) -> None:
        self._say(f"[{HOST_CLOCK.now() - self._begun:6.1f} s] {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Says what is waited for, and how long it took."""
        begun = HOST_CLOCK.now()
        self(f"{text} ...")
        yield
        self(f"{text}: {HOST_CLOCK.now() - begun:.1f} s")
