"""The project that the user stands in: his own topologies, and where what is written goes."""

from __future__ import annotations

import configparser
import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.errors import FencelineError

#: pytest's ini option that names the folders of a project's own topologies, and its default.
TOPOLOGIES_INI, TOPOLOGIES = "fenceline_topologies", "topologies"
#: Any of these in a folder makes it a project; nearer ones win.
_MARKS = ("pytest.ini", "pyproject.toml", "features")


class ProjectError(FencelineError):
    """The project's settings can't be read."""


@dataclass(frozen=True)
class Project:
    """``root`` is its folder, ``topologies`` the folders of its own topologies, looked in in this order."""

    root: Path
    topologies: tuple[Path, ...]

    @classmethod
    def of(cls, root: Path, topologies: Iterable[str | Path] = ()) -> Project:
        """The project in ``root``; ``topologies`` are relative to it (none: the default)."""
        return cls(root, tuple(root / folder for folder in topologies) or (root / TOPOLOGIES,))

    @property
    def runs(self) -> Path:
        """Where run folders go, unless the user names another place."""
        return self.root / "reports" / "runs"


def project_here(start: Path | None = None) -> Project:
    """The project around ``start`` (default: the working directory): the nearest folder upwards that looks like one,
    else that folder itself.

    Raises:
        ProjectError: its pytest.ini or pyproject.toml can't be read.
    """
    start = (start or Path.cwd()).absolute()
    root = next((folder for folder in (start, *start.parents) if any((folder / mark).exists() for mark in _MARKS)),
                start)
    return Project.of(root, _named_topologies(root))


def _named_topologies(root: Path) -> list[str]:
    """What the ini option says in pytest.ini, or else in pyproject.toml."""
    ini, toml = root / "pytest.ini", root / "pyproject.toml"
    try:
        if ini.is_file():
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(ini.read_text())
            return shlex.split(parser.get("pytest", TOPOLOGIES_INI, fallback=""))
        if toml.is_file():
            found = tomllib.loads(toml.read_text()).get("tool", {}).get("pytest", {})
            named = found.get("ini_options", found).get(TOPOLOGIES_INI, [])
            return shlex.split(named) if isinstance(named, str) else list(map(str, named))
    except OSError as error:
        raise ProjectError(f"{error.filename}: {error.strerror}") from error
    except (configparser.Error, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{ini if ini.is_file() else toml}: {error}".replace("\n", " ")) from error
    return []
