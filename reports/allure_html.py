"""Allure's own report as one HTML file, by the npm package ``allure`` where Node is present.

The package is installed once, in Fenceline's cache outside of the checkout, in exactly one version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import FencelineError
from harness.machines.image import cache_dir

VERSION = "3.18.0"
INSTALL_WITHIN, MAKE_WITHIN = 300, 300  # s
RESULTS = "allure-results"  # what pytest's --alluredir is called by custom


class NoAllure(FencelineError):
    """There can be no Allure report: why, and the way out."""


def results_folder(chosen: str | None, base: Path) -> Path:
    """Where the results of ``pytest --alluredir`` are: ``chosen``, else allure-results here or in ``base``.

    Raises:
        NoAllure: there are none.
    """
    places = [Path(chosen)] if chosen else [Path(RESULTS), base / RESULTS]
    for folder in places:
        if folder.is_dir() and next(folder.glob("*-result.json"), None):
            return folder.absolute()
    raise NoAllure(f"no Allure results in {' or '.join(map(str, places))}: make some with pytest --alluredir {RESULTS}")


def allure_html(results: Path, target: Path) -> Path:
    """Makes ``target`` from ``results``; what earlier reports told is kept beside it, for Allure's trends.

    Raises:
        NoAllure: Node is missing, the package can't be installed, or Allure fails.
    """
    node = shutil.which("node")
    if node is None:
        raise NoAllure("no Allure report: Node is not installed (apt-get install nodejs npm)")
    program = _installed()
    with tempfile.TemporaryDirectory(prefix="fl-allure-") as scratch:
        _run([node, str(program), "awesome", str(results), "--single-file", "--output", f"{scratch}/report",
              "--report-name", "Fenceline", "--history-path", str(target.with_suffix(".history.jsonl").absolute())],
             scratch, MAKE_WITHIN)
        made = Path(scratch) / "report" / "index.html"
        if not made.is_file():
            raise NoAllure(f"no Allure report: allure {VERSION} said that all is well, but wrote no index.html")
        shutil.copyfile(made, target)
    return target


def _installed() -> Path:
    """The program in the cache; it is put there by one rename."""
    home = cache_dir() / f"allure-{VERSION}"
    program = home / "node_modules" / "allure" / "cli.js"
    if program.is_file():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise NoAllure("no Allure report: npm is not installed (apt-get install npm)")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="allure-", dir=home.parent) as scratch:
        _run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts", "--prefix", scratch,
              f"allure@{VERSION}"], scratch, INSTALL_WITHIN)
        try:
            os.rename(scratch, home)
        except OSError:
            if not program.is_file():  # else another was faster
                raise
        else:
            Path(scratch).mkdir()  # for the end of ``with``
    if not program.is_file():
        raise NoAllure(f"no Allure report: allure {VERSION} has no {program.relative_to(home)}; remove {home}")
    return program


def _run(command: Sequence[str], folder: str, within: float) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within, check=False,
                              env={**os.environ, "NO_COLOR": "1", "CI": "true"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAllure(f"no Allure report: {error}") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NoAllure(f"no Allure report: {Path(command[0]).name} failed: {words[-1] if words else done.returncode}",
                       "\n".join(words[-20:]))
