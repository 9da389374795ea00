"""corosync.conf as it was handed over, with the fabric's addresses where its own can't be had."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fenceline.accept.fate import Fates
from fenceline.accept.layout import QUORUM_HOST, Layout
from fenceline.accept.original import File
from fenceline.importers.blocks import Directive
from fenceline.model.addressing import address
from fenceline.model.topology import Topology

_LOGGING = ("logging {", "    to_logfile: yes", "    logfile: /var/log/corosync/corosync.log", "    to_syslog: no",
            "    timestamp: hires", "}")


def corosync_text(corosync: File, layout: Layout, topology: Topology, fates: Fates) -> str:
    """The file that the members run."""
    lines: list[str] = []
    for block in corosync.root.body or ():
        if block.name == "logging":
            fates.say(corosync.at(block), "stood in", "the log is where the witnesses read it")
        elif block.body is not None:
            lines += _block(block, corosync, layout, topology, fates, 0)
        elif len(block.words) > 1:
            lines.append(f"{block.name.rstrip(':')}: {block.value}")
    return "\n".join([*lines, *_LOGGING]) + "\n"


def _block(block: Directive, corosync: File, layout: Layout, topology: Topology, fates: Fates,
           depth: int) -> Iterator[str]:
    indent = "    " * depth
    yield f"{indent}{' '.join(block.words)} {{"
    member = None
    if block.name == "node":
        values = {one.name.rstrip(":"): one.value for one in block.body or ()}
        member = next((found for word in ("name", "ring0_addr") if (found := layout.machine(values.get(word, "")))),
                      None)
        if member is not None and "name" not in values:
            yield f"{indent}    name: {member}"
    for one in block.body or ():
        if one.body is not None:
            yield from _block(one, corosync, layout, topology, fates, depth + 1)
            continue
        word, value = one.name.rstrip(":"), one.value
        ring = re.fullmatch(r"ring(\d+)_addr", word)
        links = topology.networks_with("heartbeat")
        if member is not None and ring and int(ring[1]) < len(links):
            told = str(address(topology, member, links[int(ring[1])]))
            if told != value:
                fates.say(corosync.at(one), "stood in", f"{value} is {told} here")
            value = told
        elif member is not None and word == "name":
            value = member
        elif block.name == "net" and word == "host":
            fates.say(corosync.at(one), "stood in", f"the quorum device {value} is the machine {QUORUM_HOST}")
            value = f"@management {QUORUM_HOST}@"
        elif block.name == "net" and word == "tls":
            fates.say(corosync.at(one), "stood in", "tls off: no certificates are handed over; the fabric is closed")
            value = "off"
        elif word in ("key", "keyfile", "cluster_uuid"):
            fates.say(corosync.at(one), "left out", f"{word}: the fabric has its own key")
            continue
        elif word == "bindnetaddr":
            fates.say(corosync.at(one), "left out", "bindnetaddr: the nodelist says it")
            continue
        yield f"{indent}    {word}: {value}"
    if block.name == "net" and not any(one.name.rstrip(":") == "tls" for one in block.body or ()):
        yield f"{indent}    tls: off"
    yield f"{indent}}}"
