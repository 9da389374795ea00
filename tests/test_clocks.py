"""Nobody asks the host what time it is, or sleeps, by himself: the clock is handed in."""

from __future__ import annotations

import re

import pytest

from tests.test_imports import MODULES, ROOT

_ASKS = re.compile(r"\btime\.(monotonic|monotonic_ns|sleep|time|time_ns|perf_counter)\(|\bEvent\(\)\.wait\(")
#: Who may, and why. Only ever shorter.
ALLOWED = {
    "harness/accept/standins.py": "scripts that are put into a guest",
    "harness/chaos/fleet.py": "times the host's own workers: to say HOST_CLOCK",
    "harness/core/clock.py": "it is the host's clock",
    "harness/guest/agent.py": "runs in a guest",
    "harness/storage/drbd/watch.py": "runs in a guest",
    "harness/stacks/heartbeat/membership.py": "runs in a guest",
    "harness/stacks/keepalived/membership.py": "runs in a guest",
    "harness/faults/agents.py": "a script that is put into a guest",
    "harness/faults/clock.py": "scripts that are put into a guest, and the wall clock that they shift",
    "harness/host/info.py": "the age of files on the host",
    "harness/machines/virtual/calendar.py": "whether a machine runs away is seen by the host's time",
    "harness/machines/sockets.py": "the kernel stamps with the wall clock",
}


def asks(text: str) -> list[str]:
    return [match[0] for match in _ASKS.finditer(text)]


def test_nobody_asks_the_host_for_the_time():
    found = {str(path.relative_to(ROOT)) for path in MODULES.values() if asks(path.read_text())}
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set()


@pytest.mark.parametrize("line", ["begun = time.monotonic()", "time.sleep(1)", "threading.Event().wait(2)"])
def test_one_that_does_is_seen(line):
    assert asks(line)
