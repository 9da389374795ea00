"""A whole cluster as it was handed over: every file read by its kind, nothing translated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fenceline.accept.cibview import Cib
from fenceline.accept.handed import CIB, SBD_DUMP, SBD_SETTINGS, SERVICE, Handed
from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import Directive, parse_blocks
from fenceline.importers.crmshell import read_crm
from fenceline.importers.draft import Draft
from fenceline.importers.pcs import read_pcs
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element, parse_xml

_CIB_WANTED = ("the CIB (cibadmin --query > cib.xml on one node, or /var/lib/pacemaker/cib/cib.xml of a stopped one), "
               "or crm configure show > crm.txt, or the pcs commands (pcs cluster cib cib.xml)")


@dataclass(frozen=True, slots=True)
class Told:
    """A value and where it stands."""

    value: str
    place: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of braces, read; ``node`` as ``Handed`` has it."""

    source: Source
    root: Directive
    node: str | None = None

    def at(self, one: Directive) -> str:
        """The place of a directive."""
        return self.source.at(one.line)

    def last(self, *path: str) -> Told | None:
        """The last value at ``path``: ("totem", "token")."""
        *blocks, name = path
        found = [self.root]
        for word in blocks:
            found = [one for block in found for one in block.all(word)]
        told = [one for block in found for one in block.all(name, f"{name}:")]
        return Told(told[-1].value, self.at(told[-1])) if told else None


@dataclass(frozen=True, slots=True)
class Settings:
    """A file of lines: a word and what follows it (ha.cf, haresources, authkeys, sysconfig)."""

    source: Source
    node: str | None
    lines: tuple[tuple[int, tuple[str, ...]], ...]

    def at(self, line: int) -> str:
        """A place in it."""
        return self.source.at(line)

    def all(self, word: str) -> list[tuple[int, tuple[str, ...]]]:
        """(line, what follows) of every line that begins with ``word``."""
        return [(line, words[1:]) for line, words in self.lines if words[0].lower() == word]


@dataclass(slots=True)
class Original:
    """``files`` in the order in which they were handed over; the rest is None or empty where nothing says it."""

    files: list[Handed]
    cib: Cib | None = None
    #: What the reader of crm text or of pcs commands could not read, with its place.
    unread: list[str] = field(default_factory=list)
    corosync: File | None = None
    other_corosync: list[File] = field(default_factory=list)
    drbd: list[File] = field(default_factory=list)
    keepalived: list[File] = field(default_factory=list)
    ha_cf: list[Settings] = field(default_factory=list)
    haresources: list[Settings] = field(default_factory=list)
    authkeys: list[Settings] = field(default_factory=list)
    cluster_conf: tuple[Source, Element] | None = None
    sbd_settings: Settings | None = None
    sbd_dump: list[tuple[str, dict[str, Told]]] = field(default_factory=list)
    own: list[Handed] = field(default_factory=list)

    @property
    def members(self) -> list[str]:
        """The names of the members, as the cluster itself has them."""
        if self.cib is not None and self.cib.nodes:
            return list(self.cib.nodes)
        if self.corosync is not None:
            return [name for name in (_node_name(one) for one in nodes_of(self.corosync)) if name]
        if self.cluster_conf is not None:
            return [one.get("name") for one in self.cluster_conf[1].walk() if one.tag == "clusternode"]
        if self.ha_cf:
            return [name for _, words in self.ha_cf[0].all("node") for name in words]
        return [one.node or one.source.name for one in self.keepalived
                if any(True for _ in one.root.all("vrrp_instance"))]

    def option(self, name: str) -> Told | None:
        """A property of the CIB."""
        told = self.cib.properties.get(name) if self.cib is not None else None
        return Told(*told) if told else None

    @property
    def has_device(self) -> bool:
        """Whether there is a quorum device."""
        return self.corosync is not None and any(
            True for block in self.corosync.root.all("quorum") for _ in block.all("device"))

    @property
    def is_two_node(self) -> bool:
        """Whether two members have nobody who decides between them."""
        return len(self.members) == 2 and not self.has_device


def nodes_of(corosync: File) -> list[Directive]:
    """The nodes of its nodelist."""
    return [node for block in corosync.root.all("nodelist") for node in block.all("node")]


def _node_name(node: Directive) -> str:
    values = {one.name.rstrip(":"): one.value for one in node.body or ()}
    return values.get("name") or values.get("ring0_addr", "")


def read_original(files: Sequence[Handed]) -> Original:
    """The cluster that ``files`` are of.

    Raises:
        FencelineError: one can't be read, they are of two clusters, or what tells the services is missing.
    """
    original = Original(list(files))
    kinds = {one.kind for one in files}
    clusters = [kind for kind in ("ha.cf", "keepalived.conf", *CIB, "cluster.conf") if kind in kinds]
    if len(clusters) > 1:
        names = [next(one.name for one in files if one.kind == kind) for kind in clusters]
        raise FencelineError(f"{' and '.join(names)} are of two clusters ({' and '.join(clusters)}): hand over the "
                             "files of one")
    for one in files:
        _read(original, one)
    _check_whole(original)
    return original


def _read(original: Original, one: Handed) -> None:
    source = one.source
    if one.kind in CIB:
        if original.cib is not None:
            raise FencelineError(f"{original.cib.source.name} and {source.name} are both a configuration of Pacemaker: "
                                 "hand over one")
        original.cib = _cib(original, one)
    elif one.kind == "corosync.conf":
        read = File(source, parse_blocks(source, "#", by_line=True), one.node)
        if original.corosync is None or original.corosync.source.text == "":
            original.corosync = read
        else:
            original.other_corosync.append(read)
    elif one.kind == "drbd.conf":
        original.drbd.append(File(source, parse_blocks(source, "#", by_line=False)))
    elif one.kind == "keepalived.conf":
        original.keepalived.append(File(source, parse_blocks(source, "#!", by_line=True), one.node))
    elif one.kind in ("ha.cf", "haresources", "authkeys"):
        getattr(original, one.kind.replace(".", "_")).append(_settings(one, one.kind == "haresources"))
    elif one.kind == "cluster.conf":
        if original.cluster_conf is not None:
            raise FencelineError(f"{original.cluster_conf[0].name} and {source.name} are both a cluster.conf: hand "
                                 "over one")
        original.cluster_conf = (source, parse_xml(source))
    elif one.kind == SBD_SETTINGS:
        original.sbd_settings = _sysconfig(one)
    elif one.kind == SBD_DUMP:
        original.sbd_dump += _dump(source)
    else:
        original.own.append(one)


def _cib(original: Original, one: Handed) -> Cib:
    if one.kind == "cib":
        root = parse_xml(one.source)
        found = root if root.tag == "configuration" else root.first("configuration")
        if found is None:
            raise FencelineError(f"{one.name} has no <configuration>: it is no whole CIB")
        return Cib(one.source, found)
    draft = Draft("x", "x")
    if one.kind == "crm":
        root = read_crm(draft, one.source)
    else:
        root, setup = read_pcs(draft, one.source)
        if setup is not None and original.corosync is None and not any(
                other.kind == "corosync.conf" for other in original.files):
            original.corosync = File(one.source, setup)
    original.unread += draft.notes
    return Cib(one.source, root, by_pcs=one.kind == "pcs")


def _check_whole(original: Original) -> None:
    cib = original.cib
    if cib is not None:
        if not cib.primitives:
            raise FencelineError(f"{cib.source.name} has no resources: there is nothing that the cluster runs. Give "
                                 f"{_CIB_WANTED}")
        if not original.members:
            raise FencelineError(f"{cib.source.name} names no node: give corosync.conf along, or the CIB of a cluster "
                                 "that runs")
        return
    if original.keepalived or original.cluster_conf:
        return
    if original.ha_cf and original.haresources:
        return
    if original.ha_cf or original.haresources or original.authkeys:
        there = ", ".join(one.name for one in original.files if one.kind != SERVICE)
        raise FencelineError(f"there is only {there}: hand over ha.cf and haresources together, best of each node")
    if original.corosync is not None:
        raise FencelineError(_only_corosync(original))
    raise FencelineError(f"there is only {', '.join(one.name for one in original.files)}: what the cluster runs, "
                         f"and how it is told, is missing. Give {_CIB_WANTED}; or ha.cf and haresources; or "
                         "keepalived.conf of each director; or cluster.conf")


def _only_corosync(original: Original) -> str:
    """What was understood, and what else is needed."""
    corosync = original.corosync
    nodes = nodes_of(corosync)
    links = {one.name.rstrip(":") for node in nodes for one in node.body or ()
             if re.fullmatch(r"ring\d+_addr:?", one.name)}
    told = [f"cluster {name.value}" if (name := corosync.last("totem", "cluster_name")) else "a cluster without a name",
            f"nodes {' and '.join(original.members) or 'not named'}",
            "one link" if len(links) <= 1 else f"{len(links)} links"]
    if token := corosync.last("totem", "token"):
        told.append(f"token {int(token.value) / 1000:g} s" if token.value.isdigit() else f"token {token.value}")
    two_node, waits = corosync.last("quorum", "two_node"), corosync.last("quorum", "wait_for_all")
    if two_node and two_node.value == "1":
        told.append("two_node " + ("without" if waits and waits.value == "0" else "with") + " wait_for_all")
    single = f"\n  {corosync.at(nodes[0])}: one link only: one cable or switch is a split" if (
        nodes and len(links) <= 1) else ""
    return (f"{corosync.source.name} tells who the members are and how they talk, not what they run. Understood: "
            f"{', '.join(told)}. Missing: resources, constraints and fencing. Give {_CIB_WANTED}, and then both: "
            f"fenceline adopt cib.xml {corosync.source.name}{single}")


def _settings(one: Handed, continues: bool) -> Settings:
    found: list[tuple[int, tuple[str, ...]]] = []
    words: list[str] = []
    begun = 0
    for number, line in enumerate([*one.source.text.splitlines(), ""], 1):
        text = line.partition("#")[0].rstrip()
        begun = begun if words else number
        words += text.rstrip("\\").split() if continues else text.split()
        if words and not (continues and text.endswith("\\")):
            found.append((begun, tuple(words)))
            words = []
    return Settings(one.source, one.node, tuple(found))


def _sysconfig(one: Handed) -> Settings:
    found = []
    for number, line in enumerate(one.source.text.splitlines(), 1):
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            found.append((number, (name.removeprefix("export ").strip(), value.strip().strip("\"'"))))
    return Settings(one.source, one.node, tuple(found))


def _dump(source: Source) -> list[tuple[str, dict[str, Told]]]:
    """[(disk, {watchdog, allocate, loop, msgwait: s})] of what ``sbd dump`` printed."""
    found: list[tuple[str, dict[str, Told]]] = []
    for number, line in enumerate(source.text.splitlines(), 1):
        if match := re.match(r"==\s*Dumping header on disk (\S+)", line):
            found.append((match[1], {}))
        elif found and (match := re.match(r"Timeout \((\w+)\)\s*:\s*(\d+)", line)):
            found[-1][1][match[1]] = Told(match[2], source.at(number))
    return found
