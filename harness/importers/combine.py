"""Several files of one cluster as one topology."""

from __future__ import annotations

from collections.abc import Sequence

from fenceline.core.errors import FencelineError
from fenceline.importers.draft import Draft
from fenceline.importers.kinds import FileKind, Files, file_kinds, kind_of
from fenceline.importers.source import Source


def import_sources(sources: Sequence[Source], name: str) -> Draft:
    """The topology that ``sources``, of one cluster, describe together.

    Raises:
        FencelineError: they don't belong together, something is missing, or one of them is bad.
    """
    files: dict[str, list[Source]] = {}
    for source in sources:
        files.setdefault(kind_of(source).name, []).append(source)
    given = [kind for kind in file_kinds() if kind.name in files]
    clusters = [kind for kind in given if kind.read]
    if len(clusters) > 1:
        raise FencelineError(f"{' and '.join(files[kind.name][0].name for kind in clusters)} are of two clusters: "
                             f"{' and '.join(kind.name for kind in clusters)} can't be imported together")
    draft = Draft(name, _origin(files))
    if not clusters:
        if len(given) != 1 or given[0].read_alone is None:
            raise _missing(files, given)
        given[0].read_alone(draft, files[given[0].name])
        return draft
    cluster = clusters[0]
    _check_together(cluster, files)
    settlings = [kind.read_before(draft, files[kind.name]) for kind in given if kind.read_before]
    if not cluster.needs <= files.keys():
        raise _missing(files, given)
    cluster.read(draft, files)
    for settle in settlings:
        settle(draft)
    return draft


def _check_together(cluster: FileKind, files: Files) -> None:
    """Raises:
        FencelineError: a file has no place beside the ``cluster``'s own, or there is one too many.
    """
    several = {kind.name for kind in file_kinds() if kind.several}
    for name, found in files.items():
        if name != cluster.name and name not in cluster.beside:
            raise FencelineError(f"{found[0].name} is a {name}: it has no place beside a {cluster.name}")
        if len(found) > 1 and name not in several:
            raise FencelineError(f"{found[0].name} and {found[1].name} are both a {name}: give one")


def _origin(files: Files) -> str:
    *first, last = files
    return f"{', '.join(first)} and {last}" if first else last


def _missing(files: Files, given: Sequence[FileKind]) -> FencelineError:
    told = ", ".join(f"{source.name} ({name})" for name, found in files.items() for source in found)
    wanted = next((kind.together for kind in given if kind.together), "the cluster's own")
    return FencelineError(f"there is only {told}: give {wanted} together")
