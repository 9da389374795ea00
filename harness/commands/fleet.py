"""``worker``: this hypervisor, for the campaigns of another host."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys

from fenceline.commands.cluster import say
from fenceline.core.errors import HostError
from fenceline.core.project import project_here


def worker(args: argparse.Namespace) -> int:
    """Plays what a scheduler gives, until Ctrl-C."""
    from fenceline.chaos.fleet import CLUSTER, distributed, open_here
    from fenceline.chaos.identity import identity
    from fenceline.commands.chaos import reap_dead
    from fenceline.host.info import Host
    from fenceline.reports.history import NAME

    package = distributed()
    if Host().image() is None:
        raise HostError("this host has no guest image: fenceline image build")
    if os.geteuid() != 0:
        say("not root: clusters are made in user namespaces, if this host allows them (fenceline doctor)")
    reap_dead()  # of a worker of this host that was killed
    history = project_here().runs.parent / NAME
    open_here(identity(), (sys.executable, "-m", "fenceline.chaos.worker", args.driver, str(history)), args.clusters)

    async def serve() -> None:
        async with package.Worker(args.scheduler, nthreads=args.clusters, resources={CLUSTER: args.clusters},
                                  name=args.name or platform.node(), dashboard=False,
                                  death_timeout=args.patience) as joined:
            say(f"{joined.name}: {args.clusters} clusters at a time for {args.scheduler}")
            await joined.finished()
    try:
        asyncio.run(serve())
    except (OSError, TimeoutError, ValueError) as error:
        raise HostError(f"the scheduler {args.scheduler} can't be reached: {error}; start one: dask scheduler"
                        ) from error
    return 0
