"""``fenceline accept``: an adopted project's scenarios by way of pytest, and the report of their runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.model.verdict import Verdict
from fenceline.reports.acceptance import Row, acceptance_page, read_row, sentence

TOLD, FEATURE, PAGE = "adoption.json", "features/acceptance.feature", "report.html"
_RUNS = "runs"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PRINTED_WITHIN = 120.0  # s


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``page`` is the report; ``sentence`` its verdict; ``accepted`` whether everything was survived and nothing
    found."""

    page: Path
    sentence: str
    accepted: bool
    is_decided: bool


def read_told(project: Path) -> dict[str, Any]:
    """What the adoption told.

    Raises:
        FencelineError: ``project`` is no adopted project.
    """
    path = project / TOLD
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FencelineError(f"there is no {TOLD} in {project}: `fenceline adopt FILES...` makes a project, and "
                             "`accept` is run in it") from None
    except (OSError, ValueError) as error:
        raise FencelineError(f"{path}: {error}: adopt the cluster again") from error
    missing = {"topology", "findings", "shows", "fates", "budget", "budget_shown", "questions"} - (
        told.keys() if isinstance(told, dict) else set())
    if missing:
        raise FencelineError(f"{path}: it says nothing of {', '.join(sorted(missing))}: adopt the cluster again")
    return told


def new_folder(project: Path) -> Path:
    """Where the runs and the report of an acceptance go."""
    folder = project / "reports" / f"acceptance-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(project: Path, folder: Path, options: Sequence[str]) -> int:
    """Runs the project's scenarios into ``folder`` by way of pytest, with its further ``options``; returns its exit
    status: that of scenarios that were not survived, too.

    Raises:
        FencelineError: there is no feature to run.
    """
    if not (project / FEATURE).is_file():
        raise FencelineError(f"there is no {FEATURE} in {project}")
    command = [sys.executable, "-m", "pytest", FEATURE, "--fenceline-runs-dir", str((folder / _RUNS).absolute()),
               *options]
    return subprocess.run(command, cwd=project, check=False).returncode


def planned(project: Path) -> int:
    """How many scenarios the project has."""
    try:
        text = (project / FEATURE).read_text(encoding="utf-8")
    except OSError:
        return 0
    return sum(line.strip().startswith("Scenario:") for line in text.splitlines())


def write_report(project: Path, folder: Path, wanted: int | None = None) -> Acceptance:
    """Writes the report of the runs in ``folder``. ``wanted``: so many scenarios were to be run, of all if absent.

    Raises:
        FencelineError: the project is no adopted one.
    """
    told = read_told(project)
    rows = _rows(folder, told)
    count = planned(project) if wanted is None else wanted
    page = folder / PAGE
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(acceptance_page(told, rows, count, folder), encoding="utf-8")
    mistakes = sum(not one["remark"] for one in told["findings"])
    decided = bool(rows) and len(rows) >= count and all(row.verdict in (Verdict.PASS, Verdict.FAIL) for row in rows)
    return Acceptance(page, sentence(told["topology"], rows, count, mistakes, told["budget"]),
                      decided and not mistakes and all(row.verdict is Verdict.PASS for row in rows),
                      decided or any(row.verdict is Verdict.FAIL for row in rows))


def write_pdf(page: Path) -> Path:
    """The report as a PDF beside it, printed by Chromium.

    Raises:
        FencelineError: there is no Chromium, or it did not print.
    """
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FencelineError(f"there is no Chromium ({', '.join(_BROWSERS)}) that could print {page} as a PDF: print "
                             "it from any browser")
    target = page.with_suffix(".pdf")
    try:
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                               f"--print-to-pdf={target.absolute()}", page.absolute().as_uri()], capture_output=True,
                              text=True, check=False, timeout=_PRINTED_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise FencelineError(f"{browser} did not print {page} within {_PRINTED_WITHIN:g} s") from error
    if done.returncode or not target.is_file():
        raise FencelineError(f"{browser} did not print {page}", done.stderr[-500:])
    return target


def _rows(folder: Path, told: dict[str, Any]) -> list[Row]:
    runs = folder / _RUNS if (folder / _RUNS).is_dir() else folder
    found: dict[str, Row] = {}
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        row = read_row(path, told["shows"]) if (path / "events.jsonl").is_file() else None
        if row is not None:
            found[row.scenario] = row  # the last run of a scenario counts
    return list(found.values())
