"""One scenario on one cluster: its folder, its event log, its verdict.

The folder holds all that a verdict needs and all that a person wants to see afterwards: ``run.json`` (what, where,
which versions, seed), ``topology.yaml``, ``events.jsonl``, ``verdict.json``, ``timeline.svg``, ``consoles/``,
``logs/``.
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.judge.verdict import judge, judgement_to_json
from fenceline.model.load import dump_topology
from fenceline.model.topology import Topology
from fenceline.model.verdict import Judgement
from fenceline.observe.log import EventLog


@dataclass(frozen=True)
class RunInfo:
    """What identifies a run. ``scenario`` its name, ``origin`` file and line or command, ``seed`` of all chance."""

    scenario: str
    origin: str
    tags: tuple[str, ...]
    seed: int
    driver: str


class Run:
    """A run in ``folder``; ``log`` is its event log."""

    def __init__(self, folder: Path, info: RunInfo, log: EventLog) -> None:
        self.folder = folder
        self.info = info
        self.log = log
        self.topology: Topology | None = None
        self.judgement: Judgement | None = None

    @staticmethod
    def new_folder(base: Path, scenario: str) -> Path:
        """A new folder below ``base``: time and scenario, so that a listing sorts and reads well."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        slug = re.sub(r"[^a-z0-9]+", "-", scenario.lower()).strip("-")[:60]
        folder = base / f"{stamp}-{slug}"
        base.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another worker began the same scenario in the same millisecond
                number += 1
                folder = base / f"{stamp}-{slug}-{number}"

    def begin(self, topology: Topology, versions: dict[str, Any]) -> None:
        """Begins the log's segment of this run and writes down what is about to be run."""
        self.topology = topology
        self.log.switch(self.folder / "events.jsonl")
        (self.folder / "topology.yaml").write_text(dump_topology(topology))
        (self.folder / "run.json").write_text(json.dumps({
            "scenario": self.info.scenario, "origin": self.info.origin, "tags": list(self.info.tags),
            "seed": self.info.seed, "driver": self.info.driver, "topology": topology.name,
            "begun": datetime.now(UTC).isoformat(timespec="seconds"),
            "host_kernel": platform.release(), "host": platform.node(),
            "versions": versions}, indent=1) + "\n")
        self.log.record("scenario", None, "scenario.begin", {
            "name": self.info.scenario, "feature": self.info.origin, "tags": list(self.info.tags),
            "seed": self.info.seed})

    def note(self, **facts: Any) -> None:
        """Adds ``facts`` to run.json: what is known only when the cluster stands."""
        path = self.folder / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | facts, indent=1) + "\n")

    def watch(self, cluster: Any) -> None:
        """The cluster stands: writes down what it runs on, and begins the captures of this run."""
        cluster.capture.start(self.folder / "captures")
        self.note(driver_used=cluster.driver.name, versions=cluster.versions())

    def look_back(self, cluster: Any) -> None:
        """Before the end: reads back what clients were promised, and ends the captures. Where that fails, the run is
        judged all the same, as ``broken``."""
        try:
            self.read_back(cluster)
            cluster.capture.stop()
        except Exception as error:  # whatever it is, it must not cost the verdict
            self.broken(error)

    def read_back(self, cluster: Any) -> None:
        """Reads back what clients were promised."""
        for service in cluster.ledger.services:
            cluster.ledger.read_back(service)

    def broken(self, error: BaseException) -> None:
        """The harness or its host failed."""
        message = error.message if isinstance(error, FencelineError) else f"{type(error).__name__}: {error}"
        self.log.record("scenario", None, "broken", {"reason": message})

    def end(self) -> Judgement:
        """Closes the scenario, judges the whole log and writes the verdict down."""
        self.log.record("scenario", None, "scenario.end", {})
        assert self.topology is not None
        self.judgement = judge(self.log.seal(), self.topology)
        path = self.folder / "verdict.json"
        try:
            path.write_text(judgement_to_json(self.judgement))
        except OSError:  # a full disk, of which the log tells; half a verdict is none
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        return self.judgement
