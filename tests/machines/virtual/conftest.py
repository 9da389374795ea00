from __future__ import annotations

import pytest

from fenceline.machines.virtual.calendar import Calendar


@pytest.fixture
def calendar(tmp_path):
    made = Calendar(tmp_path / "clock", patience=5)
    yield made
    made.close()
