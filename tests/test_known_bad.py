"""Every planted defect is caught on real machines, and no clean twin raises an alarm.

Some 25 minutes on two cores: only where FENCELINE_MATRIX=1 asks for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fenceline.judge.promise import PROMISES
from fenceline.reports.matrix import matrix, matrix_text

CHECKOUT = Path(__file__).resolve().parents[1]
LEAST_TWIN_RUNS = 10


@pytest.mark.parametrize("feature", sorted((CHECKOUT / "features").rglob("*.feature")), ids=lambda path: path.stem)
def test_every_promise_that_a_feature_names_is_there(feature):
    named = set(re.findall(r'the promise "([^"]+)"', feature.read_text()))
    assert named <= set(PROMISES)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or os.environ.get("FENCELINE_MATRIX") != "1",
                    reason="25 minutes of real clusters, as root: FENCELINE_MATRIX=1 asks for them")
def test_every_planted_defect_is_caught_and_no_twin_raises_an_alarm(tmp_path):
    runs = tmp_path / "runs"
    done = subprocess.run([sys.executable, "-m", "pytest", "features", "-m", "(known_bad or twin) and not libvirt",
                           "-q", "--runs-dir", str(runs), "--history", str(tmp_path / "history.sqlite")],
                          cwd=CHECKOUT, capture_output=True, text=True, timeout=3600, check=False)
    rows = matrix(sorted(runs.iterdir()))
    text = matrix_text(rows)
    print(text)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{text}"
    assert all(row.is_right for row in rows), text
    assert sum(row.runs for row in rows if not row.is_bad) >= LEAST_TWIN_RUNS, text
