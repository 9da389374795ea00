"""Whether records get lost where two nodes append to one file of a cluster file system at the same moment.

    .venv/bin/python -m benchmarks.appends [--records 1000] [--driver uml] [gfs2-iscsi] [gfs2-drbd] [ocfs2-iscsi]

On each file system, real machines: every node appends so many records, as fast as it can, with the ledger's own code,
first with O_APPEND alone (the file is not locked), then as the ledger does it. Prints a row for each: what was
acknowledged, what of it is not in the file afterwards, and the records a second of both nodes together. Exit status 1
if the ledger lost a record.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fenceline.cluster.cluster import Cluster, ClusterOptions
from fenceline.daemons.ledger import PROGRAM
from fenceline.model.load import load_topology, merged, parse_topology
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog

#: By the name that a row bears: the topology, and what is laid over it.
FILE_SYSTEMS: dict[str, tuple[str, dict]] = {
    "gfs2-iscsi": ("gfs2-iscsi", {}),
    "gfs2-drbd": ("gfs2-drbd", {}),
    "ocfs2-iscsi": ("gfs2-iscsi", {"storage": {"iscsi": {"luns": [
        {"name": "shared", "size": "256M", "filesystem": "ocfs2"}]}}}),
}
#: Each node begins at the same moment: as soon as all have said, by a file, that they are ready. Prints the numbers of
#: the records that it acknowledged.
APPENDER = """\
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("ledger", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
path, first, count, members, locked = sys.argv[2], *map(int, sys.argv[3:])
if not locked:
    module.fcntl.flock = lambda *_: None
ledger = module.Ledger(path, True, True)
open(f"{path}.ready.{first}", "w").close()
limit = time.monotonic() + 60
while sum(".ready." in name and name.startswith(os.path.basename(path))
          for name in os.listdir(os.path.dirname(path))) < members and time.monotonic() < limit:
    time.sleep(0.01)
for number in range(first, first + count):
    try:
        ledger.append(number)
    except OSError as error:
        print(error, file=sys.stderr)
    else:
        print(number)
"""


@dataclass(frozen=True)
class Row:
    """What came of one round: records acknowledged and lost, and how many a second."""

    locked: bool
    acknowledged: int
    lost: int
    rate: float


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file_system", nargs="*", choices=[[], *FILE_SYSTEMS], help="default: all")
    parser.add_argument("--records", type=int, default=1000, help="of each node (default: 1000)")
    parser.add_argument("--driver", default="uml", help="default: uml")
    options = parser.parse_args()
    print(f"{'file system':16} {'appends':16} {'acknowledged':>12} {'lost':>6} {'a second':>9}")
    lost = 0
    for name in options.file_system or FILE_SYSTEMS:
        for row in measure(topology_of(name), options.records, options.driver):
            how = "as the ledger" if row.locked else "O_APPEND alone"
            print(f"{name:16} {how:16} {row.acknowledged:12} {row.lost:6} {row.rate:9.1f}", flush=True)
            lost += row.lost if row.locked else 0
    return int(lost > 0)


def topology_of(name: str) -> Topology:
    """The topology of the row ``name``."""
    base, changes = FILE_SYSTEMS[name]
    raw = load_topology(base).model_dump(mode="json", exclude_unset=True)
    return parse_topology(merged(raw, changes), name)


def measure(topology: Topology, records: int, driver: str) -> Iterator[Row]:
    """Both ways on a new cluster, which is taken down again."""
    with tempfile.TemporaryDirectory(prefix="fl-bench-") as scratch:
        cluster = Cluster(topology, EventLog(), Path(scratch) / "consoles", ClusterOptions(driver))
        cluster.up()
        try:
            cluster.ledger.stop()  # our own client's records would be in the way
            folder = next(iter(topology.cluster_mountpoints))
            for locked in (False, True):
                yield appended(cluster, f"{folder}/bench-{int(locked)}.txt", records, locked)
        finally:
            cluster.down()


def appended(cluster: Cluster, path: str, records: int, locked: bool) -> Row:
    """One round: every node appends ``records`` records to the file ``path``."""
    nodes = cluster.topology.cluster_nodes

    def on(index: int) -> list[int]:
        node = nodes[index]
        session = cluster.session(node)
        session.run("cat > /tmp/appender.py", text=APPENDER)
        words = ["python3", "-S", "/tmp/appender.py", PROGRAM, path, index * records + 1, records, len(nodes),
                 int(locked)]
        return [int(line) for line in session.run([str(word) for word in words], within=600).out.split()]
    begun = time.monotonic()
    with ThreadPoolExecutor(len(nodes)) as pool:
        acknowledged = [number for numbers in pool.map(on, range(len(nodes))) for number in numbers]
    took = time.monotonic() - begun
    text = cluster.session(nodes[0]).run(["cat", path], within=60).out
    there = {int(words[0]) for line in text.splitlines() if len(words := line.split()) == 3 and words[0].isdigit()}
    return Row(locked, len(acknowledged), len(set(acknowledged) - there), len(acknowledged) / took)


if __name__ == "__main__":
    sys.exit(main())
