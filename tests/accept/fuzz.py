"""The cases cut off and spoilt at random: adopting gives a project or one clear message, never a traceback.

``python -m tests.accept.fuzz 10000 [SEED]`` tries that many and prints what was none.
"""

import random
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from fenceline.accept.handed import of_sources
from fenceline.accept.project import make_project
from fenceline.core.errors import FencelineError
from fenceline.importers.source import Source, read_source
from fenceline.model.load import TopologyError
from tests.accept.clusters import CASES, CLEAN
from tests.importers.fuzz import main, spoil


def examples() -> list[dict[str, str]]:
    """The files of each: the cases, and the clean clusters."""
    cases = [{str(path.relative_to(case)): read_source(str(path)).text for path in sorted(case.rglob("*"))
              if path.is_file() and path.name != "expected.yaml"} for case in sorted(Path(CASES).iterdir())]
    return cases + [dict(one) for one in CLEAN.values()]


def failures(files: dict[str, str], times: int, seed: int) -> Iterator[str]:
    """What came of ``files``, one of them spoilt, ``times`` times, that is neither a project nor a message."""
    rng = random.Random(seed)
    for _ in range(times):
        name = rng.choice(list(files))
        text = spoil(rng, files[name]) if rng.random() < 0.7 else spoil(rng, spoil(rng, files[name]))
        try:
            make_project(of_sources([Source(one, text if one == name else whole) for one, whole in files.items()]))
        except FencelineError as error:
            if not error.message:
                yield f"{name}: an empty message"
        except TopologyError:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            yield f"{name}:\n{text}\n{traceback.format_exc()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], examples(), failures, "adoptions"))
