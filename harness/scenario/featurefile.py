"""A feature file as pytest has it. The plugin is loaded wherever it is installed: what a feature needs is imported when
there is one."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from fenceline.core.errors import FencelineError
from fenceline.core.registry import modules
from fenceline.scenario.names import slug
from fenceline.scenario.options import is_in_our_folders, project_of


def collect(path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """The feature file at ``path``, if it is for machines: it lies where the project says that all are, or has a
    sentence that is. The sentences are made known to pytest first, wherever the file is.

    Raises:
        pytest.UsageError: a plug-in's sentences can't be had.
    """
    from fenceline.scenario.features import speaks_of_machines
    plugins = parent.config.pluginmanager
    try:
        names = modules("step")
    except FencelineError as error:
        raise pytest.UsageError(f"{error.message}; {error.detail}") from error
    for name in names:
        if not plugins.has_plugin(name):
            plugins.register(sys.modules[name], name)
    if is_in_our_folders(path, parent.config) or speaks_of_machines(path):
        return FeatureFile.from_parent(parent, path=path)
    return None


class FeatureFile(pytest.Module):
    """A .feature file as a module with one test function per scenario, named after it."""

    def _getobj(self) -> types.ModuleType:
        from pytest_bdd import scenario
        from pytest_bdd.feature import get_feature

        from fenceline.scenario.features import problems
        base, name = str(self.path.parent), self.path.name
        try:
            feature = get_feature(base, name)
        except Exception as error:
            # a Gherkin error knows file and line: that is all that a person needs
            raise self.CollectError(f"{self.path}: {error}") from None
        found = problems(self.path, feature, project_of(self.config).topologies)
        if found:
            raise self.CollectError("\n".join(found))
        module = types.ModuleType(f"feature_{slug(self.path.stem)}")
        module.__file__ = str(self.path)
        for title in feature.scenarios:
            @scenario(name, title, features_base_dir=base)
            def test() -> None:
                pass
            test.__name__ = f"test_{slug(title)}"
            setattr(module, test.__name__, test)
        return module
