"""drbd.conf and *.res (DRBD 8.3 and 8.4 syntax) as storage of a topology; see drbd.conf(5).

Read before the cluster's own file, so that the devices in that are known; what depends on the cluster (who its members
are, whether it fences) is settled after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import Directive, parse_blocks
from fenceline.importers.draft import Draft, identifier
from fenceline.importers.kinds import FileKind, file_kind
from fenceline.importers.source import Source
from fenceline.model.units import format_duration, parse_size

_AFTER_SPLIT = {
    "after-sb-0pri": ("disconnect", "discard-younger-primary", "discard-older-primary", "discard-zero-changes",
                      "discard-least-changes", "discard-local", "discard-remote"),
    "after-sb-1pri": ("disconnect", "consensus", "violently-as0p", "discard-secondary", "call-pri-lost-after-sb"),
    "after-sb-2pri": ("disconnect", "violently-as0p", "call-pri-lost-after-sb")}
_FENCING = ("dont-care", "resource-only", "resource-and-stonith")
#: {option: (field, seconds in a unit, least, most)}
_TIMES = {"timeout": ("timeout", 0.1, 0.1, 60.0), "connect-int": ("connect_int", 1.0, 1.0, 120.0),
          "ping-int": ("ping_int", 1.0, 1.0, 120.0)}
#: What has no bearing here: where data and metadata are, addresses, who is told.
_SILENT = frozenset({"device", "disk", "meta-disk", "flexible-meta-disk", "address", "node-id", "usage-count",
                     "become-primary-on"})
#: Handlers that the cluster brings along itself.
_OWN_HANDLERS = ("crm-fence-peer", "crm-unfence-peer")
_SECTIONS = ("net", "disk", "syncer", "options", "startup", "handlers")


@dataclass
class Mirrors:
    """What was read: {host: where it is named}, and where each resource stands."""

    hosts: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def settle(self, draft: Draft) -> None:
        """Checks the resources against the cluster that they are in."""
        raw = draft.raw
        for host, place in self.hosts.items():
            if draft.known_node(host) is None:
                draft.note(place, f"{host} is no node of the cluster: its half is that of another")
        used = {part.get("drbd") for service in raw["services"].values() for part in service["group"]}
        for one in raw["storage"].get("drbd", ()):
            place = self.places.get(one["name"])
            if place is None:
                continue  # named by the cluster's file only
            if one["name"] not in used:
                draft.note(place, f"the resource {one['name']} is mounted by no service")
            wanted = one.get("fencing", "dont-care")
            if wanted != "dont-care" and raw["stack"]["kind"] != "pacemaker":
                one["fencing"] = "dont-care"
                draft.note(place, f"fencing {wanted}: dont-care, as {raw['stack']['kind']} has nothing that keeps an "
                                  "outdated replica from being promoted")
            elif wanted == "resource-and-stonith" and raw["fencing"]["method"] == "none":
                one["fencing"] = "resource-only"
                draft.note(place, f"fencing {wanted}: resource-only, as the cluster fences nobody")


def import_drbd(draft: Draft, sources: Sequence[Source]) -> Mirrors:
    """Puts the resources of all files into the storage of ``draft``.

    Raises:
        FencelineError: there is none in them, or an argument is none.
    """
    mirrors = Mirrors()
    parsed = [(source, parse_blocks(source, "#", by_line=False)) for source in sources]
    commons = [(source, one) for source, root in parsed for one in root.all("common")]
    resources = [(source, one) for source, root in parsed for one in root.all("resource")
                 if one.body is not None and len(one.words) > 1]
    for source, root in parsed:
        for one in root.body:
            if one.name == "include":
                draft.note(source.at(one.line), f"include {one.value}: not read: give those files along")
            elif one.name not in ("common", "resource", "global"):
                draft.note(source.at(one.line), f"{' '.join(one.words)}: not expressed")
    for source, one in commons:
        _unread(draft, source, one)
    for source, one in resources:
        _resource(draft, source, one, commons, mirrors)
    if not mirrors.places:
        raise FencelineError(f"{sources[0].name} has no resource: give the *.res files along")
    return mirrors


def mount_alone(draft: Draft, mirrors: Mirrors) -> None:
    """A cluster around resources of which no file says who uses them: Pacemaker, which mounts each somewhere."""
    draft.raw["stack"] = {"kind": "pacemaker", "quorum": {"policy": "two_node"}}
    draft.raw["fencing"] = {"method": "ipmi"}
    for host, place in mirrors.hosts.items():
        draft.node(host, place)
    for name, place in mirrors.places.items():
        draft.note(place, f"no file of a cluster is there: Pacemaker promotes {name}, and mounts it on /srv/{name}")
        draft.service(name, place, [{"kind": "filesystem", "drbd": name, "mountpoint": f"/srv/{name}"}],
                      {"ordered": False})


def _resource(draft: Draft, source: Source, block: Directive, commons: Iterable[tuple[Source, Directive]],
              mirrors: Mirrors) -> None:
    original = block.words[1]
    hosts = [one for one in block.all("on") if one.body is not None]
    for one in hosts:
        for host in one.words[1:]:
            mirrors.hosts.setdefault(host, source.at(one.line))
    if not hosts:
        draft.note(source.at(block.line), f"the resource {original} names no host (`on`): the cluster's two nodes")
    settings = _settings(draft, [*commons, (source, block)])
    volumes = [one for one in block.all("volume") if one.body is not None]
    for volume in volumes or [None]:
        number = volume.words[1] if volume and len(volume.words) > 1 else "0"
        name = identifier(original if len(volumes) < 2 else f"{original}-{number}", "resource")
        where = [one for one in (volume, block, *hosts, *(
            inner for host in hosts for inner in host.all("volume") if inner.words[1:] == (number,))) if one]
        for device in {device for one in where for device in _devices(one)}:
            draft.drbd_devices[device] = name
        if number == "0":
            draft.drbd_devices[f"drbddisk::{original}"] = name
            draft.drbd_devices[f"/dev/drbd/by-res/{original}"] = name
        draft.drbd_devices[f"/dev/drbd/by-res/{original}/{number}"] = name
        if name not in mirrors.places:
            mirrors.places[name] = source.at(block.line)
            draft.raw["storage"].setdefault("drbd", []).append({"name": name, **settings})
    if len(volumes) > 1:
        draft.note(source.at(block.line), f"{original} has {len(volumes)} volumes: a resource each, which are not "
                                          "promoted as one")
    _unread(draft, source, block)


def _devices(block: Directive) -> Iterator[str]:
    """What the device of a section is called: "/dev/drbd1", "minor 1", "/dev/drbd_r minor 1"."""
    for one in block.all("device"):
        words = one.words[1:]
        if words and words[0].startswith("/"):
            yield words[0]
        if "minor" in words[:-1]:
            yield f"/dev/drbd{words[words.index('minor') + 1]}"


def _settings(draft: Draft, blocks: Iterable[tuple[Source, Directive]]) -> dict[str, Any]:
    """The fields that the sections of ``blocks`` come to; later blocks win."""
    found: dict[str, Any] = {"shared_secret": False}
    for source, block in blocks:
        for one in (block, *block.all("net", "disk", "syncer")):
            for option in one.body or ():
                if option.body is None:
                    found.update(_option(draft, source, one.name if one is not block else "", option))
    return found


def _option(draft: Draft, source: Source, section: str, option: Directive) -> dict[str, Any]:
    place, value = source.at(option.line), option.value
    if option.name == "protocol" and section in ("", "net"):
        if value not in ("A", "B", "C"):
            raise FencelineError(f"{place}: protocol {value}: it must be A, B or C")
        return {"protocol": value}
    if option.name == "allow-two-primaries":
        return {"dual_primary": value in ("", "yes")}
    if option.name == "shared-secret":
        return {"shared_secret": True}
    if option.name == "fencing" and section in ("disk", "net") and value in _FENCING:
        return {"fencing": value}
    words = option.words[1:]
    if option.name in _AFTER_SPLIT and words and words[0] in _AFTER_SPLIT[option.name]:
        return {option.name.replace("-", "_"): words[0]}
    if option.name in _TIMES:
        name, unit, least, most = _TIMES[option.name]
        seconds = draft.number(value, place) * unit
        if not least <= seconds <= most:
            draft.note(place, f"{option.name} {value}: {min(max(seconds, least), most):g} s in its place")
        return {name: format_duration(min(max(seconds, least), most))}
    if option.name == "resync-rate" or (option.name == "rate" and section == "syncer"):
        match = re.fullmatch(r"(\d{1,9})([kKmMgG]?)", value)
        if not match or not int(match[1]):
            raise FencelineError(f"{place}: {option.name} {value}: it must be a number with K, M or G")
        # without a letter DRBD counts KiB
        return {"resync_rate": parse_size(f"{match[1]}{match[2] or 'K'}".upper())}
    return {}


def _unread(draft: Draft, source: Source, block: Directive) -> None:
    """Says what of a resource, or of common, is nowhere in the topology."""
    for section in (block, *block.all(*_SECTIONS, "on", "volume")):
        name = "" if section is block else section.name
        for one in section.body or ():
            if one.body is not None and (name == "" or one.name == "volume"):
                if one.name not in (*_SECTIONS, "on", "volume"):
                    draft.note(source.at(one.line), f"{' '.join(one.words)}: not expressed")
                continue
            known = one.name in _SILENT and name in ("", "on", "volume", "startup")
            known = known or bool(_option_is_known(name, one))
            if name == "handlers" and any(word in one.value for word in _OWN_HANDLERS):
                continue
            if not known:
                secret = one.name in ("shared-secret",)
                words = one.name if secret else " ".join(one.words)
                draft.note(source.at(one.line), f"{name + ': ' if name else ''}{words}: not expressed")


def _option_is_known(section: str, option: Directive) -> bool:
    words = option.words[1:]
    if option.name in _AFTER_SPLIT:
        return bool(words) and words[0] in _AFTER_SPLIT[option.name] and len(words) == 1
    if option.name == "fencing":
        return option.value in _FENCING
    if option.name == "cram-hmac-alg":
        return option.value == "sha1"
    if option.name == "rate":
        return section == "syncer"
    return section in ("", "net", "disk") and option.name in (
        "protocol", "allow-two-primaries", "shared-secret", "resync-rate", *_TIMES)


def _read_before(draft: Draft, sources: Sequence[Source]) -> Callable[[Draft], None]:
    return import_drbd(draft, sources).settle


def _read_alone(draft: Draft, sources: Sequence[Source]) -> None:
    mirrors = import_drbd(draft, sources)
    mount_alone(draft, mirrors)
    mirrors.settle(draft)
    draft.finish()


file_kind(FileKind(
    name="drbd.conf", order=50, says="drbd.conf (or *.res)", several=True, read_before=_read_before,
    read_alone=_read_alone,
    words=re.compile(r'^\s*((resource|common|global)\b[^;{}]*\{|include\s+"?[^;]*\.(res|conf)"?\s*;)', re.MULTILINE)))
