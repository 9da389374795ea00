"""What a night is to do: a YAML file.

::

    topologies: [web-iscsi, ledger-drbd]
    profiles: {everything: 3, admin: 1}
    time: 8h
    length: 60s
    seed: 7
    clusters: 2
    disk: 10G
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field, ValidationError

from fenceline.chaos.chance import Chance
from fenceline.core.errors import FencelineError
from fenceline.model.documents import errors_text, read_mapping
from fenceline.model.strict import Strict
from fenceline.model.units import Duration, Size


class PlanError(FencelineError):
    """A plan that can't be used; the text has its file and, a line each, the path to every bad field."""

    status = 2


class Plan(Strict):
    """A night: ``block`` episodes in a row on one of ``topologies``, so that its cluster is used again, then the next
    one; each of a profile that is drawn by its weight, and of a seed that follows from ``seed`` and its number."""

    topologies: tuple[str, ...] = Field(min_length=1)
    profiles: dict[str, float] = Field(default_factory=lambda: {"everything": 1.0}, min_length=1)
    time: Duration = Field(8 * 3600.0, gt=0, description="begin no further episode after so long")
    length: Duration = Field(60.0, gt=0, le=3600, description="of one episode")
    seed: int = Field(0, ge=0)
    clusters: int = Field(1, ge=1, le=64, description="side by side")
    episodes: int = Field(0, ge=0, description="so many at most; 0: as many as there is time for")
    block: int = Field(10, ge=1)
    guided: bool = True
    driver: str = "auto"
    disk: Size = Field(10 * 2**30, description="bytes that run folders may take")
    hang: Duration = Field(900.0, gt=0, description="an episode that takes so long more than its length hangs")
    least: int = Field(1, ge=0, description="fewer episodes that passed or failed than this prove too little")

    @property
    def key(self) -> str:
        """By which one sees that a campaign goes on with another plan."""
        return hashlib.sha256(self.model_dump_json(exclude={"time", "clusters", "disk", "hang"}).encode()
                              ).hexdigest()[:12]

    def what(self, number: int) -> tuple[str, str, int]:
        """(topology, profile, seed) of the episode ``number``, from 0."""
        chance = Chance(self.seed, "episode", number)
        topology = self.topologies[number // self.block % len(self.topologies)]
        names = sorted(name for name, weight in self.profiles.items() if weight > 0)
        return topology, chance.weighed(names, [self.profiles[name] for name in names]), chance.below(2**32)


def load_plan(path: Path | str) -> Plan:
    """The plan in the file ``path``.

    Raises:
        PlanError: it can't be read, or is none.
    """
    path = Path(path)
    try:
        return Plan.model_validate(read_mapping(path, PlanError, "topologies, profiles, time"))
    except ValidationError as error:
        raise PlanError(errors_text(str(path), error)) from error
