"""``report`` and ``compare``: the figures of all runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from fenceline.commands.cluster import runs_dir, say
from fenceline.core.errors import FencelineError


class NoHistory(FencelineError):
    """Nothing there that could be reported or compared."""


def report(args: argparse.Namespace) -> int:
    """Writes the page of all runs."""
    import sqlite3

    from fenceline.reports import history
    from fenceline.reports.allure_html import NoAllure, allure_html, results_folder
    from fenceline.reports.history_page import history_page

    base = runs_dir(args.runs_dir)
    path = Path(args.history) if args.history else base.parent / history.NAME
    target = Path(args.output) if args.output else base.parent / "history.html"
    try:
        with history.opened(path) as db:
            fresh = history.gather(db, base)
            found = history.runs(db)
        target.write_text(history_page(found, target.parent.resolve()))
    except sqlite3.Error as error:
        raise NoHistory(f"{path}: not a usable history: {error}") from error
    say(f"{len(found)} runs, {fresh} of them new in {path}")
    print(target)
    try:
        print(allure_html(results_folder(args.allure, base.parent), target.with_name("allure.html")))
    except NoAllure as error:
        if args.allure:
            raise
        say(error.message)
    return 0


def compare(args: argparse.Namespace) -> int:
    """Says whether failover became slower from one set of runs to another; 1 if it did."""
    from fenceline.reports import history
    from fenceline.reports.compare import compare as compared
    from fenceline.reports.compare import comparison_text

    sides = []
    for source in (args.before, args.after):
        try:
            sides.append(history.load(source))
        except (OSError, ValueError) as error:
            raise NoHistory(f"{source}: {error}") from error
    found = [one for one in compared(*sides, any_host=args.any_host) if one.before is not None or one.after is not None]
    if not found:
        raise NoHistory("the two have no scenario in common that had a failover"
                        + ("" if args.any_host else " on the same host; across hosts: --any-host"))
    print(comparison_text(found))
    slower = [one for one in found if one.answer == "slower"]
    if slower:
        say(f"slower: {', '.join(one.series.scenario for one in slower)}")
    elif all(one.answer == "too few" for one in found):
        say("too few runs to tell anything: at least 4 of each that passed (pytest --repeat)")
        return 3
    return int(bool(slower))


def matrix(args: argparse.Namespace) -> int:
    """Prints which check caught which planted defect; 1 if one was missed, or a clean cluster raised an alarm."""
    from fenceline.reports.matrix import matrix as rows_of
    from fenceline.reports.matrix import matrix_markdown, matrix_text

    base = runs_dir(args.runs_dir)
    rows = rows_of(sorted(folder for folder in base.glob("*") if folder.is_dir()))
    if not rows:
        raise NoHistory(f"no finished runs in {base}")
    print(matrix_markdown(rows, "fenceline matrix --markdown") if args.markdown else matrix_text(rows))
    return int(not all(row.is_right for row in rows))
