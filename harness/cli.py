"""The command ``fenceline``: its words and its errors. What it does is in ``fenceline.commands``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from fenceline.core.errors import FencelineError

_EPILOG = """\
exit status: 0 done; 1 it could not be done; 2 wrong usage, or a bad topology or run folder; 130 interrupted.
`fenceline judge` has its own: see there. Set FENCELINE_DEBUG=1 for the traceback of a mistake in Fenceline.
"""
_JUDGE_EPILOG = """\
exit status, by the verdict:
  0  PASS     every promise was kept
  1  FAIL     a promise was broken
  2  BROKEN   the harness or its host failed; also: wrong usage, or RUN is no run folder
  3  INVALID  the precondition did not hold, or a fault never took effect
  4  UNKNOWN  the evidence does not decide
"""
_UP_EPILOG = """\
The cluster stays up in the background until `fenceline down`. Ctrl-C, or a failure, removes all of it again;
only its run folder stays, with the event log and the consoles. While nothing happens the log grows by some 2 MB an
hour: what is repeated is thinned, and all is kept for 6 s before and after whatever happens. A service that writes
records adds each of them.
"""
_CLUSTER = "its name or id; may be left out while only one is up"


def _lazy(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Imports what a command needs only when it is run: --help and the shell's completion stay quick."""

    def run(args: argparse.Namespace) -> int:
        return getattr(importlib.import_module(f"fenceline.commands.{module}"), function)(args)

    return run


class _Parser(argparse.ArgumentParser):
    """Options go anywhere, also between a command's other words (argparse takes those in one piece only)."""

    _is_inside = False

    def parse_known_args(self, args=None, namespace=None):
        has_own_order = any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in self._actions)
        if has_own_order or self._is_inside:
            return super().parse_known_args(args, namespace)
        self._is_inside = True  # what follows comes back here
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_inside = False


class _Words:
    """Adds subcommands that look alike."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str) -> None:
        self._sub = parser.add_subparsers(
            dest=dest, metavar="COMMAND", required=True, title="commands", parser_class=_Parser
        )

    def add(
        self, name: str, run: Callable[[argparse.Namespace], int] | None, text: str, epilog: str = ""
    ) -> argparse.ArgumentParser:
        parser = self._sub.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if run is not None:
            parser.set_defaults(run=run)
        return parser


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``fenceline``; the chosen command is ``run`` in what it returns."""
    parser = argparse.ArgumentParser(
        prog="fenceline",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        description="Chaos and acceptance tests for high-availability clusters, on real machines.\n"
        "`pytest features/` runs the tests; this command is for the host, for clusters to\n"
        "try things on, and for saved runs.",
    )
    words = _Words(parser, "command_name")
    words.add(
        "doctor", _lazy("host", "doctor"), "say what this host can do, what is missing and how to install it"
    )
    _add_init(words)
    _add_image(words)
    _add_kernel(words)
    _add_cluster(words)
    _add_fault(words)
    judge = words.add(
        "judge",
        _lazy("runs", "judge"),
        "judge a saved run again; needs no root and no cluster",
        _JUDGE_EPILOG,
    )
    judge.add_argument("run_folder", metavar="RUN", help="a run folder, or its name in the runs folder")
    judge.add_argument("--json", action="store_true", help="the whole judgement as JSON")
    _add_runs_dir(judge)
    _add_history(words)
    _add_chaos(words)
    _add_worker(words)
    words.add(
        "reap", _lazy("host", "reap"), "remove what runs left that were killed; living runs are left alone"
    )
    _add_topology(words)
    _add_import(words)
    _add_accept(words)
    return parser


def _add_history(words: _Words) -> None:
    report = words.add(
        "report",
        _lazy("history", "report"),
        "write a page of all runs: failover times over time, distributions, phases, verdicts",
        "One HTML file that needs nothing but itself; its links lead into the run folders. Runs that the history\n"
        "does not know yet are added to it first.",
    )
    report.add_argument("--history", metavar="FILE", help="the SQLite file (default: reports/history.sqlite)")
    report.add_argument("-o", "--output", metavar="FILE", help="the page (default: reports/history.html)")
    report.add_argument("--allure", metavar="DIR", help="results of pytest --alluredir DIR, for allure.html beside the "
                                                        "page (default: allure-results, where Node is present)")
    _add_runs_dir(report)
    compare = words.add(
        "compare",
        _lazy("history", "compare"),
        "tell whether failover became slower from one set of runs to another",
        "BEFORE and AFTER are histories (SQLite) or folders of run folders. Slower is what is unlikely by chance\n"
        "(rank test, p < 0.05), true of most pairs (Cliff's delta of 0.33 or more), and more than the error bound.\n"
        "Only runs of one host are compared, and of each set those with its newest kernel and packages.\n"
        "exit status: 0 not slower; 1 slower; 3 too few runs to tell.",
    )
    compare.add_argument("before", metavar="BEFORE")
    compare.add_argument("after", metavar="AFTER")
    compare.add_argument("--any-host", action="store_true", help="compare runs of different hosts, too")
    matrix = words.add(
        "matrix",
        _lazy("history", "matrix"),
        "print which check caught which planted defect, and every false alarm",
        "Judges the saved runs again, without what their scenarios expected: those tagged @known_bad must turn a\n"
        "check red, all others must not. Make them with:\n"
        "  pytest features -m 'known_bad or twin' --runs-dir DIR\n"
        "exit status: 0 every defect caught and no false alarm; 1 otherwise.",
    )
    matrix.add_argument("--markdown", action="store_true", help="a table for the docs")
    _add_runs_dir(matrix)


_CHAOS_EPILOG = """\
exit status: 0 no promise broke; 1 one did; 2 wrong usage, or a bad schedule, profile or topology;
3 too little was proven: no episode passed.
"""


def _add_chaos(words: _Words) -> None:
    from fenceline.machines import drivers

    chaos = _Words(words.add("chaos", None, "break clusters in ways that nobody wrote down, from a seed"),
                   "chaos_command")

    def machines(parser: argparse.ArgumentParser, default: str | None) -> None:
        parser.add_argument("--driver", choices=drivers.names(), default=default,
                            help="where machines come from (default: " + ("auto)" if default else "the schedule's)"))
        parser.add_argument("--libvirt-uri", metavar="URI", help="use this libvirt instead of a private one")
        parser.add_argument("-o", "--output", metavar="DIR", help="where run folders go (default: a new folder in "
                                                                  "reports/chaos)")

    run = chaos.add("run", _lazy("chaos", "run"), "draw and play episodes on one topology", _CHAOS_EPILOG)
    run.add_argument("topology", metavar="TOPOLOGY", help="a name (see `fenceline topology list`) or a YAML file")
    run.add_argument("--profile", metavar="PROFILE", default="everything",
                     help="what may be drawn: a YAML file, or network, power, storage, fencing, load, time, admin, "
                          "everything (default)")
    run.add_argument("--service", metavar="NAME", help="whose fail-over it is about (default: the first)")
    run.add_argument("--seed", type=_natural, metavar="N", help="of all chance (default: drawn and told)")
    run.add_argument("--for", dest="time", type=_seconds, default=0.0, metavar="TIME",
                     help="begin further episodes for so long: 30min, 2h (default: one episode)")
    run.add_argument("--length", type=_seconds, default=60.0, metavar="TIME", help="of one episode (default: 60s)")
    run.add_argument("--dry-run", action="store_true", help="print the first schedule, and play nothing")
    run.add_argument("--guided", action="store_true", help="prefer what the history says has seldom been hit, and grow "
                                                           "schedules that took a new course")
    machines(run, drivers.AUTO)
    replay = chaos.add("replay", _lazy("chaos", "replay"), "play a schedule again", _CHAOS_EPILOG)
    replay.add_argument("schedule", metavar="SCHEDULE", help="its file, or the run folder of an episode")
    replay.add_argument("--times", type=_positive, default=1, metavar="N", help="so many times (default: once)")
    machines(replay, None)
    shrink = chaos.add(
        "shrink", _lazy("chaos", "shrink"), "make a schedule that broke a promise as short as it gets, and a feature",
        "It is repeated first, to know how often it fails; then actions are taken out, parameters made simpler, times\n"
        "earlier or anchored to a moment. A change is kept where the same promise breaks no less often, as far as\n"
        "chance lets one tell. exit status: 1 it broke again; 2 as above; 3 it did not break again.")
    shrink.add_argument("schedule", metavar="SCHEDULE", help="its file, or the run folder of an episode")
    shrink.add_argument("--promise", metavar="PROMISE", help="which one must break (default: what breaks first)")
    shrink.add_argument("--times", type=_positive, default=5, metavar="N",
                        help="repeat the first and the last so many times (default: 5)")
    shrink.add_argument("--for", dest="time", type=_seconds, default=3600.0, metavar="TIME",
                        help="begin no further run after so long (default: 1h)")
    shrink.add_argument("--feature", metavar="FILE", help="where the feature goes (default: found.feature beside the "
                                                          "schedule)")
    machines(shrink, None)
    nightly = chaos.add(
        "nightly", _lazy("chaos", "nightly"), "play a plan's episodes for a night, and report",
        "PLAN is a YAML file: topologies, profiles, time, length, seed, clusters, disk (docs/chaos.md). It may be\n"
        "ended at any time, by kill -9 too, and goes on where it was when it is begun again with the same --output.\n"
        "exit status: 0 nothing new; 1 a promise broke in a way that no earlier night knew; 2 a bad plan, profile or\n"
        "topology; 3 too little was proven (the last lines say what).")
    nightly.add_argument("plan", metavar="PLAN")
    nightly.add_argument("-j", "--jobs", type=_positive, metavar="N",
                         help="clusters side by side (default: the plan's)")
    nightly.add_argument("--scheduler", metavar="ADDRESS", help="play on the workers of this dask scheduler "
                                                                "(tcp://host:8786) instead of here")
    nightly.add_argument("-o", "--output", metavar="DIR", help="the campaign's folder (default: a new one in "
                                                               "reports/chaos)")
    coverage = chaos.add("coverage", _lazy("chaos", "coverage"), "print what was hit in which state, and what never",
                         "It is added up over all nights, in the history, and drawn into coverage.svg beside it.")
    coverage.add_argument("--topology", metavar="NAME", help="only on this one (default: all together)")
    coverage.add_argument("--profile", metavar="PROFILE", default="everything",
                          help="whose faults (default: everything)")
    coverage.add_argument("--history", metavar="FILE", help="the SQLite file (default: reports/history.sqlite)")
    coverage.add_argument("-o", "--output", metavar="FILE",
                          help="the picture (default: coverage.svg beside the history)")


def _add_worker(words: _Words) -> None:
    from fenceline.machines import drivers

    worker = words.add(
        "worker", _lazy("fleet", "worker"), "play the episodes of another host's campaign on this hypervisor",
        "SCHEDULER is a dask scheduler (`dask scheduler`), which `fenceline chaos nightly --scheduler` asks. A worker\n"
        "whose code or guest image is another one is refused there. It needs the extra fenceline[fleet].")
    worker.add_argument("scheduler", metavar="SCHEDULER", help="its address: tcp://host:8786")
    worker.add_argument("--clusters", type=_positive, default=1, metavar="N", help="side by side (default: 1)")
    worker.add_argument("--driver", choices=drivers.names(), default=drivers.AUTO,
                        help="where machines come from (default: auto)")
    worker.add_argument("--name", help="what to call it (default: the host's name)")
    worker.add_argument("--patience", type=_seconds, default=60.0, metavar="TIME",
                        help="give up where the scheduler is not there for so long (default: 60s)")


def _seconds(text: str) -> float:
    from fenceline.model.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _add_init(words: _Words) -> None:
    from fenceline.commands.init import CI

    init = words.add("init", _lazy("init", "init"), "make a project: a feature, a topology, settings, CI",
                     "What is there is never written over.")
    init.add_argument("folder", metavar="DIR", nargs="?", default=".", help="where (default: here)")
    init.add_argument("--ci", choices=(*CI, "none"), default="none",
                      help="write the file for this place, too (default: none)")


def _add_image(words: _Words) -> None:
    image = _Words(words.add("image", None, "build or find the guest image"), "image_command")
    image.add(
        "build",
        _lazy("host", "image_build"),
        "build the guest image, unless it is in the cache",
        "Takes some minutes, once. Packages come from the mirror in the host's /etc/apt. The cache is\n"
        "~/.cache/fenceline; FENCELINE_CACHE names another folder.",
    )
    image.add("path", _lazy("host", "image_path"), "print the folder of the guest image")
    image.add("key", _lazy("host", "image_key"), "print the key of the guest image, whether it is built or not",
              "A hash over all that decides what is in the image: what a cache of it, in CI, goes by.")


def _add_kernel(words: _Words) -> None:
    kernel = _Words(words.add("kernel", None, "build or find the kernel of machines in virtual time"), "kernel_command")
    kernel.add(
        "build",
        _lazy("host", "kernel_build"),
        "build the kernel, unless it is in the cache",
        "Takes 10 to 30 minutes, once; needs a compiler, no root. The sources are Debian's linux-source, from the\n"
        "mirror in the host's /etc/apt. The cache is ~/.cache/fenceline; FENCELINE_CACHE names another folder.",
    )
    kernel.add("path", _lazy("host", "kernel_path"), "print the kernel's file")
    kernel.add("key", _lazy("host", "kernel_key"), "print the key of the kernel's recipe, whether it is built or not",
               "A hash over patches and configuration: what a cache of it, in CI, goes by.")


def _add_cluster(words: _Words) -> None:
    from fenceline.machines import drivers

    up = words.add("up", _lazy("cluster", "up"), "bring a cluster up and leave it standing", _UP_EPILOG)
    up.add_argument(
        "topology", metavar="TOPOLOGY", help="a name (see `fenceline topology list`) or a YAML file"
    )
    up.add_argument(
        "--driver",
        choices=drivers.names(),
        default=drivers.AUTO,
        help="where machines come from (default: auto: libvirt where KVM works, else uml)",
    )
    up.add_argument(
        "--libvirt-uri", metavar="URI", help="use this libvirt instead of a private one in the fabric"
    )
    up.add_argument("--name", help="what to call the cluster (default: as the topology)")
    _add_runs_dir(up)
    status = words.add(
        "status",
        _lazy("cluster", "status"),
        "show nodes, quorum, resources, owners, faults in force and the last outage",
    )
    status.add_argument("cluster", metavar="CLUSTER", nargs="?", help=_CLUSTER)
    status.add_argument("--json", action="store_true", help="the same as JSON")
    ssh = words.add(
        "ssh",
        _lazy("cluster", "ssh"),
        "open a shell on a node, or run a command there",
        "OpenSSH's own client, run inside the fabric with the run's key; its exit status is ours.\n"
        "Options of COMMAND are its own: --cluster goes before NODE.",
    )
    _add_cluster_option(ssh)
    ssh.add_argument("node", metavar="NODE", help="a machine of the cluster, the storage host too")
    ssh.add_argument(
        "command", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run (default: a shell)"
    )
    console = words.add("console", _lazy("cluster", "console"), "print what a node wrote to its console")
    _add_cluster_option(console)
    console.add_argument("node", metavar="NODE", help="a machine of the cluster")
    console.add_argument(
        "-f", "--follow", action="store_true", help="go on until Ctrl-C or the cluster's end"
    )
    console.add_argument(
        "-n", "--lines", type=_count, metavar="N", help="begin with the last N lines (default: all)"
    )
    down = words.add(
        "down",
        _lazy("cluster", "down"),
        "take a cluster down and print the verdict of its run",
        "exit status: 0 all was removed, whatever the verdict (for that: fenceline judge RUN); 1 it was not.",
    )
    down.add_argument("cluster", metavar="CLUSTER", nargs="?", help=_CLUSTER)
    down.add_argument("--all", action="store_true", help="every cluster that is up")


def _add_fault(words: _Words) -> None:
    fault = _Words(words.add("fault", None, "break a standing cluster, and heal it"), "fault_command")
    fault.add(
        "list", _lazy("faults", "list_faults"), "show every fault, its parameters, their units and ranges"
    )
    inject = fault.add(
        "inject",
        _lazy("faults", "inject"),
        "inject a fault and wait until it is confirmed",
        "example: fenceline fault inject network-cut node=rs-01 networks=heartbeat",
    )
    inject.add_argument("name", metavar="NAME", help="see `fenceline fault list`")
    # argparse would name it among what is missing
    inject.add_argument("parameters", metavar="KEY=VALUE", nargs="*", help="its parameters").required = False
    inject.add_argument("--json", action="store_true", help="the fault and its evidence as JSON")
    _add_cluster_option(inject)
    heal = fault.add("heal", _lazy("faults", "heal"), "heal a fault and wait until it is seen to be healed")
    heal.add_argument(
        "fault",
        metavar="FAULT",
        nargs="?",
        default="all",
        help="the number that `inject` and `status` show, a name (all faults of that name), or all (default: all)",
    )
    _add_cluster_option(heal)


def _add_import(words: _Words) -> None:
    importer = words.add(
        "import",
        _lazy("imports", "import_files"),
        "turn a cluster's own configuration into a topology",
        "Files of one cluster, told apart by their content: ha.cf with haresources (and authkeys); keepalived.conf,\n"
        "of one director or of each; a CIB (cibadmin --query), crm shell text (crm configure show) or a script of pcs\n"
        "commands, best with corosync.conf; cluster.conf of cman and rgmanager; drbd.conf or *.res,\n"
        "alone or along with another. The topology goes to stdout;\n"
        "what of the original it can't say, with file and line, to stderr, and as comments into the topology.",
    )
    importer.add_argument("files", nargs="+", metavar="FILE", help="configuration files of one cluster")
    importer.add_argument("--name", default="imported", help="the topology's name (default: imported)")


def _add_accept(words: _Words) -> None:
    adopt = words.add(
        "adopt",
        _lazy("accept", "adopt"),
        "make a project of a cluster's own configuration, run as it is",
        "FILES are files of one cluster, folders of them, or an archive (crm report, sosreport): a CIB, crm shell\n"
        "text or a script of pcs commands with corosync.conf; ha.cf, haresources and authkeys of each node;\n"
        "keepalived.conf of each director; cluster.conf; and the services' own: DRBD's files, sysconfig of sbd,\n"
        "what `sbd dump` prints, configuration files whose first line is a comment with their path, scripts that\n"
        "the others name.\n"
        "Makes config/ (the originals), adopted/ (what is run), topologies/, features/acceptance.feature and\n"
        "adoption.md, which says what each line became. What can be seen in the text goes to stdout, with the line.",
    )
    adopt.add_argument("files", nargs="+", metavar="FILES", help="what was handed over")
    adopt.add_argument("--into", metavar="DIR", help="where (default: a folder of the cluster's name)")
    adopt.add_argument("--name", help="the topology's name (default: the cluster's own)")
    adopt.add_argument("--budget", metavar="TIME", help="how long a service may be away, 45s for example (default: by "
                                                        "the cluster's own figures)")
    adopt.add_argument("--stand-in", metavar="RESOURCE", action="append", default=[],
                       help="stand in for this resource, though its software is there or can be installed; may be "
                            "repeated")


    accept = words.add(
        "accept",
        _lazy("accept", "accept"),
        "run an adopted cluster's scenarios, and write the acceptance report",
        "To be run in a project that `fenceline adopt` made. The scenarios are features/acceptance.feature, run by\n"
        "pytest (which runs them as well: pytest features/); the report is one HTML file.\n"
        "exit status: 0 everything was survived and nothing is to be seen in the text; 1 not; 2 not decided.",
    )
    accept.add_argument("--only", metavar="WORDS", help="the scenarios that these words choose, as pytest's -k")
    accept.add_argument("--driver", help="where machines come from (default: auto)")
    accept.add_argument("--pdf", action="store_true", help="print the report as a PDF, too, by Chromium")
    accept.add_argument("--runs", metavar="DIR", help="run nothing: write the report of the runs that are there")


def _add_topology(words: _Words) -> None:
    topology = _Words(words.add("topology", None, "list and check topology files"), "topology_command")
    check = topology.add(
        "check", _lazy("runs", "topology_check"), "say everything that is wrong with a topology"
    )
    check.add_argument("file", metavar="FILE", help="a YAML file, or the name of a topology")
    topology.add(
        "schema", _lazy("runs", "topology_schema"), "print the JSON Schema of topology files, for editors"
    )
    topology.add("list", _lazy("runs", "topology_list"),
                 "list the topologies of this project and those that come with Fenceline")


def _add_cluster_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--cluster", metavar="CLUSTER", help=_CLUSTER)


def _add_runs_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs-dir", metavar="DIR", help="the folder of run folders (default: reports/runs)")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``fenceline`` with ``argv``; returns its exit status. Never shows a traceback unless asked to."""
    args = make_parser().parse_args(argv)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("fenceline: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader (head, less) has what it wants; Python must not complain at its end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("FENCELINE_DEBUG"):
            raise
        text, status = _explain(error)
        print(f"fenceline: {text}", file=sys.stderr)
        return status


def _explain(error: Exception) -> tuple[str, int]:
    """The words and the exit status for ``error``."""
    from fenceline.model.load import TopologyError

    if isinstance(error, FencelineError):
        detail = "".join(f"\n  {line}" for line in error.detail.splitlines())
        return error.message + detail, error.status
    if isinstance(error, TopologyError):
        return str(error), 2
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}", 1
    return (f"a mistake in Fenceline: {type(error).__name__}: {error} (FENCELINE_DEBUG=1 shows where)", 1)


if __name__ == "__main__":
    sys.exit(main())
