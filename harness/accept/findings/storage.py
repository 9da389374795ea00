"""DRBD, SBD, and what a database promises of its disk."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fenceline.accept.advice import CLUSTER_FILESYSTEMS
from fenceline.accept.fencetimes import is_sbd
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import File, Original
from fenceline.importers.blocks import Directive

_REPLICATION = "the replication link is cut, then the power of the node that writes"
_PILL = "the active node hangs, its heartbeat and its disks cut off"


def _sections(original: Original) -> Iterator[tuple[File, Directive]]:
    """The common sections and the resources of DRBD's files."""
    for one in original.drbd:
        yield from ((one, block) for block in one.root.all("common", "resource"))


def _values(blocks: list[tuple[File, Directive]], *path: str) -> Iterator[tuple[File, Directive]]:
    *sections, name = path
    for one, block in blocks:
        found = [block]
        for word in sections:
            found = [inner for outer in found for inner in outer.all(word)]
        yield from ((one, told) for outer in found for told in outer.all(name))


@rule("drbd-not-fenced", "drbd.conf(5), fencing and fence-peer; DRBD user's guide, Using resource-level fencing",
      _REPLICATION)
def not_fenced(original: Original, _budget: float) -> Iterator[Finding]:
    """A peer that does not know that it is outdated is promoted."""
    if original.cib is None or not any(one.type == "drbd" for one in original.cib.resources):
        return
    common = [(one, block) for one, block in _sections(original) if block.name == "common"]
    for one, block in _sections(original):
        if block.name != "resource":
            continue
        blocks = [*common, (one, block)]
        policies = [told.value for place in ("disk", "net") for _, told in _values(blocks, place, "fencing")]
        handlers = list(_values(blocks, "handlers", "fence-peer"))
        if handlers and policies and policies[-1] != "dont-care":
            continue
        places = [(file, inner) for file, outer in common for inner in outer.all("handlers")][:1]
        places += [(one, inner) for inner in block.all("handlers", "net")][:1] or [(one, block)]
        missing = " and ".join(what for what, there in (("no fence-peer handler", handlers),
                                                        ("no fencing policy (dont-care)",
                                                         policies and policies[-1] != "dont-care")) if not there)
        yield at(*(file.at(inner) for file, inner in places),
                 text=f"{block.value}: {missing}: when the replication is lost, nobody marks the peer as outdated, and "
                      "it may be promoted: acknowledged records are lost, and the two diverge")


@rule("drbd-protocol", "drbd.conf(5), protocol", _REPLICATION)
def protocol(original: Original, _budget: float) -> Iterator[Finding]:
    """A write is acknowledged before the peer has it."""
    for one, told in _values(list(_sections(original)), "net", "protocol"):
        if told.value.upper() in ("A", "B"):
            yield at(one.at(told), text=f"protocol {told.value}: a write is acknowledged before it is on the peer's "
                                        "disk: a failover may lose it")
    for one, told in _values(list(_sections(original)), "protocol"):
        if told.value.upper() in ("A", "B"):
            yield at(one.at(told), text=f"protocol {told.value}: a failover may lose acknowledged writes")


@rule("drbd-two-primaries", "drbd.conf(5), allow-two-primaries", _REPLICATION)
def two_primaries(original: Original, _budget: float) -> Iterator[Finding]:
    """Both may be promoted, and the file system is not made for it."""
    mounts = [one for one in original.cib.resources if one.type == "Filesystem"] if original.cib else []
    shared = any(one.value("fstype").lower() in CLUSTER_FILESYSTEMS for one in mounts)
    if not mounts or shared:
        return
    for one, told in _values(list(_sections(original)), "net", "allow-two-primaries"):
        if told.value.lower() not in ("no",):
            yield at(one.at(told), text="allow-two-primaries without a cluster file system: two nodes may mount it")


@rule("sbd-msgwait", "sbd(8): msgwait is at least 2 x the watchdog's timeout", _PILL)
def message_wait(original: Original, _budget: float) -> Iterator[Finding]:
    """The pill is taken for swallowed while the watchdog has not fired yet."""
    short = [(disk, values) for disk, values in original.sbd_dump if {"watchdog", "msgwait"} <= values.keys()
             and int(values["msgwait"].value) < 2 * int(values["watchdog"].value)]
    if short:
        watchdog, wait = short[0][1]["watchdog"].value, short[0][1]["msgwait"].value
        places = [values[word].place for _, values in short for word in ("watchdog", "msgwait")]
        yield at(*places, text=f"msgwait {wait} s is less than 2 x watchdog {watchdog} s: the survivor takes over "
                               f"{wait} s after the pill, while a node that can't read it is reset up to {watchdog} s "
                               "after it lost its disk")


@rule("sbd-disks", "sbd(8): one disk or three", _PILL)
def disks(original: Original, _budget: float) -> Iterator[Finding]:
    """Two disks have no majority; without any, two nodes can't tell who is lost."""
    told = original.sbd_settings
    lines = told.all("sbd_device") if told else []
    found = [one for _, words in lines for one in re.split(r"[;\s]+", " ".join(words)) if one]
    uses = original.cib is not None and (any(is_sbd(one) for one in original.cib.devices)
                                         or original.cib.is_on("have-watchdog", False))
    if len(found) == 2:
        yield at(told.at(lines[0][0]), text="two disks: when one is lost there is no majority; one or three")
    elif told is not None and not found and uses and original.is_two_node:
        yield at(told.at(told.lines[0][0] if told.lines else 1),
                 text="no disk, and two nodes without a quorum device: neither can know that it is the one to reset")


@rule("database-not-durable", "the database's manual: fsync, synchronous_commit, innodb_flush_log_at_trx_commit",
      "the active node loses its power while records are written")
def durable(original: Original, _budget: float) -> Iterator[Finding]:
    """Records are acknowledged that are on no disk."""
    lossy = {"fsync": ("off", "false", "no", "0"), "synchronous_commit": ("off",),
             "innodb_flush_log_at_trx_commit": ("0", "2"), "innodb-flush-log-at-trx-commit": ("0", "2")}
    for one in original.own:
        for number, line in enumerate(one.source.text.splitlines(), 1):
            match = re.match(r"\s*([\w-]+)\s*=?\s*'?([\w.-]+)'?\s*(#.*)?$", line)
            if match and match[2].lower() in lossy.get(match[1].lower(), ()):
                yield at(one.source.at(number), text=f"{match[1]} is {match[2]}: records are acknowledged before they "
                                                     "are on the disk; a power cut loses them")
