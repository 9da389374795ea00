"""``adopt`` and ``accept``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fenceline.commands.cluster import say


def adopt(args: argparse.Namespace) -> int:
    """Makes a project of the cluster that ``args.files`` are of, and tells what can be seen in its text.

    Raises:
        FencelineError: the files are no whole cluster, or something is in the way; nothing was written then.
    """
    from fenceline.accept.handed import hand_over
    from fenceline.accept.project import make_project

    project = make_project(hand_over(args.files), args.name, args.budget, frozenset(args.stand_in))
    folder = Path(args.into or project.topology.name)
    project.write(folder)
    for one in project.findings:
        print(f"{one.place}: {'' if not one.remark else 'worth knowing: '}{one.text}")
        print(f"    {one.rule}; {one.reference}; shown by: {one.shown_by}")
    mistakes = sum(not one.remark for one in project.findings)
    stood_in, left_out = (len(project.fates.all(kind)) for kind in ("stood in", "left out"))
    print(f"{mistakes or 'no'} finding{'s' * (mistakes != 1)}; {stood_in} stood in for, {left_out} left out, "
          f"{len(project.questions)} question{'s' * (len(project.questions) != 1)}: {folder / 'adoption.md'}")
    print(f"failover budget: {project.budget.shown()}")
    say(f"next:\n  cd {folder}\n  fenceline accept          # the report; or: pytest features/")
    return 0


def accept(args: argparse.Namespace) -> int:
    """Runs the scenarios of the adopted project here, and writes the report. Returns 0 where everything was survived
    and nothing is to be seen in the text, 1 where not, 2 where that was not decided.

    Raises:
        FencelineError: this is no adopted project.
    """
    from fenceline.accept.acceptance import new_folder, read_told, run, write_pdf, write_report

    project = Path.cwd()
    read_told(project)
    if args.runs:
        folder = Path(args.runs)
    else:
        folder = new_folder(project)
        options = [f"--fenceline-driver={args.driver}"] if args.driver else []
        run(project, folder, [*options, *(["-k", args.only] if args.only else [])])
    found = write_report(project, folder)
    print(found.sentence)
    print(found.page)
    if args.pdf:
        print(write_pdf(found.page))
    return 0 if found.accepted else 1 if found.is_decided else 2
