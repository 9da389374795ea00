"""The page of the promises, made from the code:
``python -m fenceline.steps.promise_reference > docs/promises.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from fenceline.judge.promise import Promise, promises

_HEAD = """\
# What a cluster owes: the promises

Made by `python -m fenceline.steps.promise_reference`; a test says when it is out of date.

Each is judged over the whole log of every scenario, whether or not that names it, and once more by
`fenceline judge RUN`. A promise of **safety** is proven by the log alone: its certain break is FAIL, whatever the
harness or the fault did meanwhile. How verdicts come about, and what is no promise (the steps, the evidence), is in
[judging.md](judging.md); how one is added, in [extend.md](extend.md).

Any of them may be expected to break: `Given the promise "NAME" is expected to break`, and
`Then the promise "NAME" is broken within N seconds`.

| Promise | FAIL when | Then |
|---|---|---|
"""


def page(known: Iterable[Promise] | None = None) -> str:
    """The page, of the promises ``known``, or of all that there are here."""
    rows = [f"| {one.name}{' (**safety**)' if one.safety else ''} | {one.breaks} | "
            f"{f'`{one.says}`' if one.says else ''} |" for one in (promises() if known is None else known)]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
