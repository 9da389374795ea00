"""``up``, ``status``, ``ssh``, ``console``, ``down``: a cluster that stands in the background."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from fenceline.commands.show import judgement_text, status_text
from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import ClusterError, HostError
from fenceline.core.project import project_here
from fenceline.lab import control

_LOOK_AGAIN = 0.2  # s between two looks at a console


def runs_dir(chosen: str | None) -> Path:
    """Where run folders go: where pytest puts them."""
    return Path(chosen).absolute() if chosen else project_here().runs


def say(line: str) -> None:
    """Progress is for the person, results are for stdout."""
    print(line, file=sys.stderr, flush=True)


def up(args: argparse.Namespace) -> int:
    """Brings a cluster up in the background."""
    from fenceline.lab.launch import Order, launch
    from fenceline.model.load import load_topology
    from fenceline.observe.targets import all_targets
    from fenceline.scenario.run import Run

    topology = load_topology(args.topology, project_here().topologies)
    name = args.name or topology.name
    taken = [entry for entry in control.living() if entry.name == name]
    if taken:
        raise control.ControlError(
            f"a cluster {name!r} is up already: give this one another name (--name), or take "
            f"that one down: fenceline down {name}"
        )
    try:
        folder = Run.new_folder(runs_dir(args.runs_dir), f"up {name}")
    except OSError as error:
        raise HostError(
            f"{runs_dir(args.runs_dir)}: {error.strerror}; name another folder with --runs-dir"
        ) from error
    # a closed terminal or a kill takes down what Ctrl-C would
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    begun = HOST_CLOCK.now()
    raw = json.loads(topology.model_dump_json())
    say(f"{name}: coming up; run folder: {folder}")
    entry = launch(Order(name, raw, str(folder), args.driver, args.libvirt_uri), say)
    print(
        f"{name} is up after {HOST_CLOCK.now() - begun:.1f} s on {entry.driver}: "
        + ", ".join(
            f"{service} at {', '.join(target.address for target in targets)}"
            for service, targets in all_targets(topology).items()
        )
    )
    which = "" if len(control.living()) == 1 else f" --cluster {name}"
    first = topology.cluster_nodes[0]
    print(
        f"next:\n  fenceline status{which.replace(' --cluster', '')}\n  fenceline ssh{which} {first}\n"
        f"  fenceline fault list\n  fenceline fault inject{which} power-off node={first}\n"
        f"  fenceline fault heal{which}\n  fenceline down{which.replace(' --cluster', '')}"
    )
    return 0


def status(args: argparse.Namespace) -> int:
    """Prints how a cluster is."""
    found = control.ask(control.find(args.cluster), "status")
    print(json.dumps(found, indent=2) if args.json else status_text(found))
    return 0


def _entry_of_node(args: argparse.Namespace) -> tuple[control.Standing, Path]:
    entry = control.find(args.cluster, args.node)
    nodes = control.nodes_of(entry)
    if args.node not in nodes:
        raise ClusterError(f"no node {args.node!r} in {entry.name}; there are {', '.join(nodes)}")
    return entry, Path(entry.run)


def ssh_command(entry: control.Standing, node: str, command: list[str]) -> list[str]:
    """OpenSSH's client inside the fabric, with the run's own key and host keys, nobody's configuration."""
    from fenceline.model.addressing import management_address
    from fenceline.model.load import load_topology

    address = management_address(load_topology(str(Path(entry.run) / "topology.yaml")), node)
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f"{entry.folder}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "LogLevel": "ERROR",
    }
    return [
        "ip",
        "netns",
        "exec",
        entry.namespace,
        "ssh",
        "-F",
        "none",
        "-i",
        f"{entry.folder}/id_ed25519",
        *[f"-o{key}={value}" for key, value in options.items()],
        f"root@{address}",
        *command,
    ]


def ssh(args: argparse.Namespace) -> int:
    """Becomes an SSH client that is connected to a node."""
    entry, _ = _entry_of_node(args)
    if not entry.ready:
        raise ClusterError(f"{entry.name} is still coming up; wait for `fenceline up`")
    for program, package in (("ip", "iproute2"), ("ssh", "openssh-client")):
        if shutil.which(program, path=search_path()) is None:
            raise HostError(f"{program} is not installed: apt-get install {package}")
    if os.geteuid() != 0:
        raise HostError("the fabric's namespace is root's: run as root (sudo)")
    sys.stdout.flush()
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    command = ssh_command(entry, args.node, words)
    os.execvpe(command[0], command, os.environ | {"PATH": search_path()})


def search_path() -> str:
    """PATH with the folders of system programs, which not every login has in it."""
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def console(args: argparse.Namespace) -> int:
    """Prints what a node wrote to its console."""
    entry, run = _entry_of_node(args)
    path = run / "consoles" / f"{args.node}.log"
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ClusterError(f"{path}: {error.strerror}; {args.node} has not been switched on yet") from error
    with stream:
        text = stream.read()
        if args.lines is not None:
            text = b"".join(text.splitlines(keepends=True)[-args.lines :] if args.lines else [])
        _write(text)
        while args.follow:
            chunk = stream.read()
            if chunk:
                _write(chunk)
            elif entry.pid not in [other.pid for other in control.living()]:
                say(f"{entry.name} has been taken down")
                break
            else:
                HOST_CLOCK.sleep(_LOOK_AGAIN)
    return 0


def _write(text: bytes) -> None:
    sys.stdout.write(text.decode(errors="replace"))
    sys.stdout.flush()


def down(args: argparse.Namespace) -> int:
    """Takes clusters down and prints what their runs came to."""
    if args.all:
        if args.cluster:
            raise ClusterError("down: name a cluster or say --all, not both")
        chosen = control.living()
        if not chosen:
            print("no cluster is up")
    else:
        chosen = [control.find(args.cluster)]
    return max([_down(entry) for entry in chosen], default=0)


def _down(entry: control.Standing) -> int:
    if not entry.ready:
        # it has no socket yet; it takes down what it has on SIGTERM, and who waits for it is told
        os.kill(entry.pid, signal.SIGTERM)
        print(f"{entry.name} was still coming up: stopped (run folder: {entry.run})")
        return 0
    say(f"{entry.name}: judging and taking down")
    result: dict[str, Any] = control.ask(entry, "down", within=300.0)
    judgement = result["judgement"]
    print(f"{entry.name} has been taken down")
    print(judgement_text(judgement) if judgement else f"no verdict: see {entry.run}/supervisor.log")
    print(f"run folder: {entry.run}; judge it again: fenceline judge {entry.run}")
    for problem in result["problems"]:
        say(f"not removed: {problem}; try `fenceline reap`")
    return 1 if result["problems"] else 0
