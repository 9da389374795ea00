"""Opens a stage on this host: what a command, a worker and a hypervisor of a fleet have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fenceline.chaos.episode import Stage
from fenceline.cluster.cluster import ClusterOptions
from fenceline.core.progress import Progress
from fenceline.core.project import Project
from fenceline.faults.requirements import hindrances, place
from fenceline.scenario.pool import ClusterPool


@contextmanager
def on_stage(folder: Path, project: Project, driver: str, uri: str | None, history: Path | None,
             say: Callable[[str], None]) -> Iterator[Stage]:
    """Where episodes are played, on machines of ``driver``; what stands is taken down at the end, by Ctrl-C too."""
    where = place(driver, uri)

    def hindrance(fault: str) -> str | None:
        return next(iter(hindrances([fault], where)), None)
    pool = ClusterPool(ClusterOptions(driver, uri), Progress(say))
    try:
        yield Stage(pool, folder, project.topologies, hindrance, history)
    finally:
        pool.close()
