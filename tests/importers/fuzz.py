"""Examples that are cut off and spoilt at random: an import gives a topology or one clear message, never a traceback.

``python -m tests.importers.fuzz 10000 [SEED]`` tries that many and prints what was none.
"""

import random
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.combine import import_sources
from fenceline.importers.source import Source
from fenceline.model.load import TopologyError, parse_topology
from tests.importers.files import DATA

_TOGETHER = [("r2-ha.cf", "r2-haresources"), ("r5-ha.cf", "r5-haresources", "r5-authkeys"), ("lvs.conf",),
             ("haproxy-lb1.conf", "haproxy-lb2.conf"), ("cluster.conf",), ("r6-cluster.conf",),
             ("cib.xml", "corosync.conf"), ("r5-drbd.conf", "r5-ha.cf", "r5-haresources"), ("dual-primary.res",),
             ("crm.txt", "corosync.conf"), ("crm.txt",), ("pcs.sh",)]
#: The files of each: those of the test data that belong together, and the cases.
EXAMPLES = [tuple(DATA / name for name in names) for names in _TOGETHER] + [
    tuple(path for path in sorted(case.iterdir()) if path.name != "expected.yaml")
    for case in sorted((DATA.parent / "cases").iterdir())]
_INSERTED = ("{", "}", '"', "'", ";", "::", "\n", "<", ">", "/", "0", "\0", "é", "$", "(", "[", "=", ":", "-", "\\\n")


def spoil(rng: random.Random, text: str) -> str:
    """``text`` cut off, with something missing, too much, in another place or of another value."""
    at = rng.randrange(len(text) or 1)
    lines, words = text.splitlines(), re.findall(r"[\w#.-]+", text) or [""]
    line = rng.randrange(len(lines) or 1)
    return rng.choice((
        lambda: text[:at],
        lambda: text[:at] + text[at + rng.randrange(1, 40):],
        lambda: text[:at] + rng.choice(_INSERTED) + text[at:],
        lambda: re.sub(r"\d+", lambda match: rng.choice([match[0], "", "x", "99999999999"]), text),
        lambda: "\n".join(rng.sample(lines, len(lines))),
        lambda: "\n".join((*lines[:line], *lines[line + 1:])),
        lambda: "\n".join((*lines[:line + 1], *lines[line:])),
        lambda: text.replace(rng.choice(words), rng.choice(words))))()


def failures(files: Sequence[Path], times: int, seed: int | None = None) -> Iterator[str]:
    """What came of ``files``, one of them spoilt, ``times`` times, that is neither a topology nor a message."""
    rng = random.Random(str(files[0]) if seed is None else seed)
    texts = {path.name: path.read_bytes().decode(errors="replace") for path in files}
    for _ in range(times):
        name = rng.choice(list(texts))
        text = spoil(rng, texts[name]) if rng.random() < 0.7 else spoil(rng, spoil(rng, texts[name]))
        try:
            draft = import_sources([Source(one, text if one == name else whole) for one, whole in texts.items()], "x")
            parse_topology(draft.raw, "spoilt")
        except FencelineError as error:
            if not error.message:
                yield f"{files[0]}: an empty message"
        except TopologyError as error:
            if "spoilt: " not in str(error):
                yield f"{files[0]}: {error}"
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            yield f"{files[0]}: {name}:\n{text}\n{traceback.format_exc()}"


def main(arguments: Sequence[str], examples: Sequence[Any], failures: Callable[[Any, int, int], Iterator[str]],
         what: str) -> int:
    """Tries as often as asked, all examples in turn; 1 where something was found."""
    times, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    each = -(-times // len(examples))
    found = [one for index, files in enumerate(examples) for one in failures(files, each, seed * 1000 + index)]
    print("\n".join(found))
    print(f"{each * len(examples)} {what}, {len(found)} with a traceback")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], EXAMPLES, failures, "imports"))
