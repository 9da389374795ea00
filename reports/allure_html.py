"""Allure's own report as one HTML file, by the npm package ``allure`` where Node is present.

The package is installed once, in Fenceline's cache outside of the checkout, in exactly one version.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from fenceline.core.errors import FencelineError
from fenceline.core.places import cache_dir

VERSION = "3.18.0"
INSTALL_WITHIN, MAKE_WITHIN = 300, 300  # s
#: Allure has whoever opens the page counted by somebody on the net.
_ANALYTICS = re.compile(r'<script async\s+src="https://www\.googletagmanager\.com/[^"]*">\s*</script>')
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
    """Makes ``target`` from ``results``; what earlier reports told is kept beside it, for Allure's trends. Links to run
    folders are made relative to it, so that both can be moved together.

    Raises:
        NoAllure: Node is missing, the package can't be installed, or Allure fails.
    """
    node = shutil.which("node")
    if node is None:
        raise NoAllure("no Allure report: Node is not installed (apt-get install nodejs npm)")
    program = _installed()
    with tempfile.TemporaryDirectory(prefix="fl-allure-") as scratch:
        linked = _linked(results, Path(scratch) / RESULTS, target.absolute().parent)
        _run([node, str(program), "awesome", str(linked), "--single-file", "--output", f"{scratch}/report",
              "--report-name", "Fenceline", "--history-path", str(target.with_suffix(".history.jsonl").absolute())],
             scratch, MAKE_WITHIN)
        made = Path(scratch) / "report" / "index.html"
        if not made.is_file():
            raise NoAllure(f"no Allure report: allure {VERSION} said that all is well, but wrote no index.html")
        target.write_text(_ANALYTICS.sub("", made.read_text()))
    return target


def _linked(results: Path, copy: Path, base: Path) -> Path:
    """A ``copy`` of ``results`` whose links to files are relative to the folder ``base``."""
    copy.mkdir()
    for path in sorted(results.iterdir()):
        if not path.is_file():
            continue
        if not path.name.endswith("-result.json"):
            shutil.copyfile(path, copy / path.name)  # Allure reads no symbolic links
            continue
        text = path.read_text()
        with suppress(ValueError):  # what Allure makes of a broken file is Allure's business
            result = json.loads(text)
            for link in result.get("links", ()):
                parts = urlsplit(link.get("url", ""))
                if parts.scheme == "file":
                    link["url"] = quote(os.path.relpath(unquote(parts.path), base))
            text = json.dumps(result)
        (copy / path.name).write_text(text)
    return copy


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
