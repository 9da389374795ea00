"""A log and a loop."""

from __future__ import annotations

import pytest

from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop


@pytest.fixture
def log(tmp_path):
    made = EventLog(tmp_path / "events.jsonl")
    yield made
    made.close()


@pytest.fixture
def loop(log):
    made = ObserverLoop(log)
    yield made
    made.stop()
