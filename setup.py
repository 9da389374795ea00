"""Which packages there are: setuptools can't find them by itself where a package is mapped from several folders
(``package-dir`` in pyproject.toml, which says all the rest)."""

from setuptools import find_packages, setup

setup(packages=["fenceline", *(f"fenceline.{name}" for name in find_packages("harness")),
                *(f"fenceline.{part}{dot}{name}" for part in ("steps", "reports")
                  for dot, name in [("", ""), *((".", name) for name in find_packages(part))]),
                "fenceline.topologies", "fenceline.features"])
