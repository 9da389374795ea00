"""What a user hands over: configuration files, folders of them, archives that hold them (a crm report, a sosreport)."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fenceline.core.errors import FencelineError
from fenceline.importers.kinds import file_kinds, kind_of
from fenceline.importers.source import Source, read_source, source_of

#: Kinds that are recognised by so little that a service's own file may look like one: their files have their name.
_LOOSE = ("ha.cf", "haresources", "authkeys")
_SBD_DUMP = re.compile(r"^==\s*Dumping header on disk ", re.MULTILINE)
_SBD_SETTINGS = re.compile(r"^\s*SBD_[A-Z_]+=", re.MULTILINE)
_ON_NODE = re.compile(r"(/(?:etc|usr|var|srv|opt|lib)/[\w./@-]+)")
#: What of an archive is of the cluster; the rest is logs and the like.
_OF_AN_ARCHIVE = re.compile(r"(^|/)(cib\.xml|corosync\.conf|cluster\.conf|keepalived\.conf|ha\.cf|haresources|authkeys|"
                            r"drbd\.conf|drbd\.d/[^/]+\.(res|conf)|sysconfig/sbd|default/sbd)$")
_MOST_FILES = 400
_LARGEST = 8 * 2**20

CIB = ("cib", "crm", "pcs")
SBD_DUMP, SBD_SETTINGS, SERVICE = "sbd dump", "sbd settings", "service's own"


@dataclass(frozen=True, slots=True)
class Handed:
    """A file. ``kind``: one of the importers', SBD_DUMP, SBD_SETTINGS or SERVICE (a daemon's own configuration, a
    script); ``node``: whose it is, by the folder that it was in, where several hand over the same."""

    source: Source
    kind: str
    node: str | None = None

    @property
    def name(self) -> str:
        """As messages call it."""
        return self.source.name

    @property
    def base(self) -> str:
        """Its name without its folders."""
        return PurePosixPath(self.source.name).name

    @property
    def on_node(self) -> str | None:
        """The path on a node that its first lines say it has; None where they don't."""
        for line in self.source.text.splitlines()[:3]:
            if line.lstrip()[:1] in ("#", "!", ";") and (match := _ON_NODE.search(line)):
                return match[1].rstrip(".,:")
        return None


def hand_over(paths: Sequence[str]) -> list[Handed]:
    """All files of ``paths``, each with its kind. Names in messages are relative to the folder that they are all in.

    Raises:
        FencelineError: one can't be read, is a template or no text; none is of a cluster.
    """
    read = [one for path in paths for one in _sources(path)]
    if not read:
        raise FencelineError(f"there is no file in {', '.join(paths)}")
    if len(read) > _MOST_FILES:
        raise FencelineError(f"{len(read)} files: a cluster has not so many; hand over those of its configuration")
    return of_sources(_renamed(read))


def of_sources(sources: Sequence[Source]) -> list[Handed]:
    """``sources``, each with its kind; a copy of another is left away.

    Raises:
        FencelineError: one is a template; none is of a cluster.
    """
    given, failed = [], None
    for source in sources:
        kind = SERVICE
        try:
            kind = _kind(source)
        except FencelineError as error:
            if "template" in error.message or source.text.lstrip().startswith("<"):
                raise
            failed = failed or error
        given.append((source, kind))
    of_clusters = {kind.name for kind in file_kinds()}
    if not any(kind in of_clusters for _, kind in given):
        raise failed or FencelineError(f"{sources[0].name}: nothing of a cluster's configuration is in it")
    found: list[Handed] = []
    for source, kind in given:
        is_copy = kind in (*CIB, "corosync.conf") and any(one.kind == kind and one.source.text == source.text
                                                          for one in found)
        if not is_copy:
            found.append(Handed(source, kind, _node(source, kind, given)))
    return found


def _kind(source: Source) -> str:
    if _SBD_DUMP.search(source.text):
        return SBD_DUMP
    if _SBD_SETTINGS.search(source.text):
        return SBD_SETTINGS
    kind = kind_of(source).name
    base = PurePosixPath(source.name).name.lower()
    if kind in _LOOSE and kind not in base:
        return SERVICE
    # what a shell runs is a script, but for those of the cluster's own commands
    return SERVICE if source.text.startswith("#!") and kind not in CIB else kind


def _node(source: Source, kind: str, given: Sequence[tuple[Source, str]]) -> str | None:
    """The folder's name, where another folder has a file of the same name."""
    path = PurePosixPath(source.name)
    twins = [one for one, other in given if other == kind and PurePosixPath(one.name).name == path.name]
    return path.parent.name if len(twins) > 1 and path.parent.name else None


def _sources(path: str) -> Iterator[Source]:
    place = Path(path)
    if place.is_dir():
        for one in sorted(place.rglob("*")):
            if one.is_file() and not one.name.startswith("."):
                yield from _sources(str(one))
    elif place.is_file() and tarfile.is_tarfile(place):
        yield from _members(place)
    else:
        yield read_source(path)


def _members(archive: Path) -> Iterator[Source]:
    """What of a cluster's configuration is in an archive; nothing is unpacked onto the disk."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and _OF_AN_ARCHIVE.search(member.name) and member.size <= _LARGEST:
                    yield source_of(member.name, tar.extractfile(member).read())
    except (OSError, tarfile.TarError, EOFError) as error:
        raise FencelineError(f"{archive}: the archive can't be read: {error}") from error


def _renamed(sources: Sequence[Source]) -> list[Source]:
    """``sources`` called by what is different in their paths."""
    parts = [PurePosixPath(one.name).parts for one in sources]
    common = 0
    while all(len(one) > common + 1 for one in parts) and len({one[common] for one in parts}) == 1:
        common += 1
    named = [Source(str(PurePosixPath(*one[common:])), source.text)
             for one, source in zip(parts, sources, strict=True)]
    seen: set[str] = set()
    return [one for one in named if not (one.name in seen or seen.add(one.name))]
