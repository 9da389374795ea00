"""The plugin's options and settings in pytest. The long names are ours alone; each short one is there where no other
plugin has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fenceline.core.project import TOPOLOGIES, TOPOLOGIES_INI, Project
from fenceline.machines import drivers

#: The ini option that names the folders all of whose feature files are for machines.
FEATURES_INI = "fenceline_features"
_PREFIX = "--fenceline-"
_OPTIONS: dict[str, dict[str, Any]] = {
    "driver": {"choices": drivers.names(), "default": drivers.AUTO,
               "help": "where machines come from (default: auto: libvirt where KVM works, else uml)"},
    "libvirt-uri": {"metavar": "URI", "help": "use this libvirt instead of a private one in the fabric"},
    "runs-dir": {"metavar": "DIR", "help": "where run folders go (default: reports/runs)"},
    "seed": {"type": int, "metavar": "N", "help": "seed of all chance (default: drawn and printed)"},
    "repeat": {"type": int, "metavar": "N", "help": "run every scenario N times, for distributions (default: what its "
                                                    "tag @repeat(N) says, or 1)"},
    "history": {"metavar": "FILE", "help": "where the runs' figures are gathered (default: history.sqlite beside the "
                                           "runs folder)"},
    "rebuild": {"action": "store_true", "help": "a new cluster for every scenario, never reuse one"},
}
_HAVE_NO_SHORT_NAME = ("seed",)  # a dozen plugins have something to sow


def add_options(parser: pytest.Parser) -> None:
    """The options by their long names, and the ini options."""
    group = parser.getgroup("fenceline", "Fenceline: chaos and acceptance tests for HA clusters")
    for name, settings in _OPTIONS.items():
        group.addoption(_PREFIX + name, **settings)
    parser.addini(TOPOLOGIES_INI, f"folders of the project's own topologies (default: {TOPOLOGIES})", type="paths")
    parser.addini(FEATURES_INI, "folders in which every feature file is for machines, also one of which not a single "
                                "sentence is known; elsewhere those are that have one (default: none)", type="paths")


def add_short_options(parser: pytest.Parser) -> None:
    """The short names that are free: to be called once everybody else has said his own."""
    group = parser.getgroup("fenceline")
    for name, settings in _OPTIONS.items():
        if name not in _HAVE_NO_SHORT_NAME and _is_free(parser, f"--{name}"):
            group.addoption(f"--{name}", dest=_dest(name), **{**settings, "help": f"short for {_PREFIX}{name}"})


def _is_free(parser: pytest.Parser, name: str) -> bool:
    try:
        return name in parser.parse_known_and_unknown_args([name])[1]
    except pytest.UsageError:  # somebody's, that wants a value
        return False


def _dest(name: str) -> str:
    return (_PREFIX + name).lstrip("-").replace("-", "_")


def option(config: pytest.Config, name: str) -> Any:
    """The value of the option ``name``, without the prefix: ``runs-dir``."""
    return config.getoption(_dest(name))


def project_of(config: pytest.Config) -> Project:
    """The project that pytest runs in."""
    return Project.of(config.rootpath, config.getini(TOPOLOGIES_INI))


def is_in_our_folders(path: Path, config: pytest.Config) -> bool:
    """Whether every feature file where ``path`` is is for machines."""
    return any(path.is_relative_to(folder) for folder in config.getini(FEATURES_INI))
