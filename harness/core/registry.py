"""Where everything is found of which there may be more than one: stacks, storage, daemons, drivers, faults, promises,
steps, importers and findings.

A kind is found through an entry point of its group (``fenceline.faults``, ``fenceline.stacks``, ...), the shipped ones
like those of a plug-in. What an entry point names is a module, or a package whose modules are taken too; it is imported
when the group is first asked, and what is in it says itself that it is there::

    FAULTS: Registry[type] = Registry("fault")          # one a group, beside what it is a registry of

    # in a plug-in's pyproject.toml:  [project.entry-points."fenceline.faults"]
    #                                 coffee = "fenceline_coffee.faults"
    # in its module:
    FAULTS.register("coffee-spilled", CoffeeSpilled)

A registry is a mapping from name to what was registered, in the order of its names. A shipped kind is a file in its
group's folder, and there is no list of them anywhere.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from fenceline.core.errors import HostError

#: What there is a registry of, and the group of its entry points.
GROUPS = {"stack": "fenceline.stacks", "storage": "fenceline.storage", "daemon": "fenceline.daemons",
          "driver": "fenceline.drivers", "fault": "fenceline.faults", "promise": "fenceline.promises",
          "step": "fenceline.steps", "importer": "fenceline.importers", "finding": "fenceline.findings"}

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Everything of one ``kind`` (a key of GROUPS) that this installation has."""

    def __init__(self, kind: str, whole: bool = True) -> None:
        """``whole``: what an entry point names is imported with all that is in it, not alone."""
        self.kind = kind
        self._import = import_whole if whole else importlib.import_module
        self._group = GROUPS[kind]
        self._there: dict[str, T] = {}
        self._from: dict[str, str] = {}
        self._source = ""
        self._loaded = False

    def register(self, name: str, thing: T) -> T:
        """Makes ``thing`` known as ``name``; returns it.

        Raises:
            TypeError: there is another one of that name; says where both are from.
        """
        source = self._source or getattr(thing, "__module__", "this program")
        if name in self._there:
            raise TypeError(f"the {self.kind} {name!r} is there twice: from {self._from[name]} and from {source}")
        self._there[name], self._from[name] = thing, source
        return thing

    def load(self) -> None:
        """Imports what the group's entry points name, once.

        Raises:
            HostError: one can't be imported; says which distribution brought it, and why.
        """
        if self._loaded:
            return
        self._loaded = True
        try:
            for entry in _entries(self._group):
                self._source = _source(entry)
                _taken(self.kind, entry, self._import)
        except BaseException:
            self._loaded = False
            raise
        finally:
            self._source = ""

    def find(self, name: str) -> T:
        """What is registered as ``name``.

        Raises:
            KeyError: nothing; its text names the nearest ones, or all.
        """
        self.load()
        if name not in self._there:
            raise KeyError(self.unknown(name))
        return self._there[name]

    def unknown(self, name: str) -> str:
        """That there is no ``name``, in words, with the nearest ones that there are, or all."""
        near = difflib.get_close_matches(name, list(self), 5, 0.6)
        there = f"the nearest: {', '.join(near)}" if near else f"there are {', '.join(self) or 'none'}"
        return f"no {self.kind} {name!r}; {there}"

    def __getitem__(self, name: str) -> T:
        self.load()
        return self._there[name]

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(sorted(self._there))

    def __len__(self) -> int:
        self.load()
        return len(self._there)


def import_whole(name: str) -> list[str]:
    """Imports the module ``name`` and, where it is a package, all that is in it; returns the names of these modules."""
    found, paths = [name], getattr(importlib.import_module(name), "__path__", ())
    for part in pkgutil.walk_packages(paths, f"{name}."):
        importlib.import_module(part.name)
        found.append(part.name)
    return found


@functools.cache
def modules(kind: str) -> tuple[str, ...]:
    """The names of all modules that the entry points of ``kind`` (a key of GROUPS) name, imported; for what registers
    with somebody else, as steps do with pytest-bdd.

    Raises:
        HostError: one can't be imported; says which distribution brought it, and why.
    """
    return tuple(dict.fromkeys(name for entry in _entries(GROUPS[kind]) for name in _taken(kind, entry, import_whole)))


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} ({entry.value})" if entry.dist else entry.value


def _taken(kind: str, entry: EntryPoint, take: Callable[[str], T]) -> T:
    try:
        return take(entry.value)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        raise HostError(f"the {kind} plug-in {entry.name!r} of {_source(entry)} can't be imported: "
                        f"{type(error).__name__}: {error}", "mend it, or uninstall that distribution") from error


def _entries(group: str) -> list[EntryPoint]:
    """The group's entry points, the shipped ones first: a plug-in can't take the name of one of those."""
    found = sorted(entry_points(group=group), key=lambda entry: (not entry.value.startswith("fenceline."), entry.name))
    return list({entry.value: entry for entry in found}.values())
