"""Which packages there are: setuptools can't find them by itself where a package is mapped from several folders
(``package-dir`` in pyproject.toml, which says all the rest)."""

from setuptools import find_packages, setup


def whole(name: str, folder: str) -> list[str]:
    """The package ``name``, which is in ``folder``, and all that is in it."""
    return [name, *(f"{name}.{part}" for part in find_packages(folder))]


setup(packages=[*whole("fenceline", "harness"), *whole("fenceline.steps", "steps"),
                *whole("fenceline.reports", "reports"), "fenceline.topologies", "fenceline.features"])
