"""A profile: what may be drawn. YAML files; the shipped ones are in ``profiles/`` beside this module.

::

    description: the networks lose, delay and cut; services must go on throughout
    ground: survivable
    families: {network: 3, "network service": 1}
    faults: {dns-gone: 0}
    at_once: 2
    lasts: [2s, 30s]
    rest: [5s, 20s]
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from fenceline.core.errors import FencelineError
from fenceline.faults import FAULTS
from fenceline.faults.base import family_of
from fenceline.faults.samples import drawn
from fenceline.model.documents import errors_text, read_mapping
from fenceline.model.strict import Strict
from fenceline.model.units import Duration

SHIPPED = Path(__file__).parent / "profiles"
#: The folder of a project's own ones.
PROFILES = "profiles"
Weight = float


class ProfileError(FencelineError):
    """No such profile, or one that can't be used; the text has its file and, a line each, the path to every bad
    field."""

    status = 2


def family(name: str) -> str:
    """The family of the fault ``name``: the first words of its title in docs/faults.md, "network"."""
    return family_of(FAULTS[name])[0].partition(",")[0].lower()


def families() -> list[str]:
    """Every family that there is."""
    return sorted({family(name) for name in FAULTS})


class Profile(Strict):
    """What may be drawn, and how dense.

    ``ground`` says how much may be taken away at once: ``survivable`` (by the faults' own costs some part of the
    cluster can always run every service, so that it is demanded throughout), ``any`` (whatever comes: safety is
    demanded throughout, the services where the costs leave enough, and all of it after the healing), or ``maintenance``
    (administration is kept survivable by itself, and what else is drawn is thrown in, one at a time).
    """

    description: str = ""
    ground: Literal["survivable", "any", "maintenance"] = "survivable"
    families: dict[str, Weight] = Field(default_factory=dict, description="weights; shared out among their faults")
    faults: dict[str, Weight] = Field(default_factory=dict, description="single faults' own weights; 0 leaves one out")
    at_once: int = Field(2, ge=1, le=8, description="so many are in force together, at most")
    lasts: tuple[Duration, Duration] = Field((2.0, 30.0), description="s that one is in force")
    rest: tuple[Duration, Duration] = Field((4.0, 20.0), description="s from the beginning of one to that of the next")
    anchored: float = Field(0.25, ge=0, le=1, description="so many of them (share) wait for a moment of the failover")
    moving: float = Field(0.3, ge=0, le=1, description="so many (share) hit the node that serves then")

    @field_validator("families")
    @classmethod
    def _families_there_are(cls, found: dict[str, Weight]) -> dict[str, Weight]:
        _known(found, families(), "family")
        return found

    @field_validator("faults")
    @classmethod
    def _faults_there_are(cls, found: dict[str, Weight]) -> dict[str, Weight]:
        _known(found, list(FAULTS), "fault")
        return found

    @field_validator("lasts", "rest")
    @classmethod
    def _in_order(cls, found: tuple[float, float]) -> tuple[float, float]:
        if not 0 < found[0] <= found[1] <= 3600:
            raise ValueError("write the least and the most, above 0 and up to 1h: [2s, 30s]")
        return found

    @model_validator(mode="after")
    def _draws_something(self) -> Profile:
        if not self.weights():
            raise ValueError("nothing may be drawn: give `families` or `faults` a weight above 0")
        return self

    def weights(self) -> dict[str, float]:
        """The faults that may be drawn, each with its weight, by name; a defect only where it is named itself."""
        shares: dict[str, list[str]] = {}
        for name in FAULTS:
            if drawn(FAULTS[name]):
                shares.setdefault(family(name), []).append(name)
        found = {name: self.families.get(title, 0) / len(names) for title, names in shares.items() for name in names}
        found |= self.faults
        return {name: found[name] for name in sorted(found) if found[name] > 0}

    @property
    def key(self) -> str:
        """By which one sees that a profile has changed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def _known(found: dict[str, Weight], there: list[str], what: str) -> None:
    for name, weight in found.items():
        if name not in there:
            near = difflib.get_close_matches(name, there, 3, 0.5)
            raise ValueError(f"no {what} {name!r}; {'the nearest' if near else 'there are'}: "
                             f"{', '.join(near or there)}")
        if not 0 <= weight < 1e6:
            raise ValueError(f"{name}: a weight is 0 or more, not {weight:g}")


def known_profiles(own: Sequence[Path] = ()) -> dict[str, Path]:
    """Every profile that has a name: those in the project's ``own`` folders, and the shipped ones."""
    return {path.stem: path for folder in (SHIPPED, *reversed(own)) for path in sorted(folder.glob("*.yaml"))}


def load_profile(name: str, own: Sequence[Path] = ()) -> Profile:
    """The profile ``name``: a YAML file, or one of those that have a name.

    Raises:
        ProfileError: there is none, or it is not one.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        known = known_profiles(own)
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 3, 0.5)
            raise ProfileError(f"no profile {name!r}: neither a YAML file nor one of {', '.join(sorted(known))}"
                               + (f"; do you mean {near[0]}?" if near else ""))
        path = known[name]
    try:
        return Profile.model_validate(read_mapping(path, ProfileError, "families and their weights"))
    except ValidationError as error:
        raise ProfileError(errors_text(str(path), error)) from error
