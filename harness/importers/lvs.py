"""A virtual_server of keepalived.conf as a part of a service."""

from __future__ import annotations

from typing import Any

from fenceline.importers.blocks import Directive
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.model.units import format_duration

_ALGORITHMS = ("rr", "wrr", "lc", "wlc", "sh", "dh")
_CHECKS = {"HTTP_GET": "http", "SSL_GET": "http", "TCP_CHECK": "tcp"}
_OTHER_CHECKS = ("MISC_CHECK", "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "PING_CHECK", "BFD_CHECK", "FILE_CHECK")
_READ = frozenset({"delay_loop", "lb_algo", "lvs_sched", "lb_kind", "lvs_method", "protocol", "real_server"})
_READ_OF_SERVER = frozenset({*_CHECKS, *_OTHER_CHECKS, "weight"})


def import_virtual_server(draft: Draft, source: Source, block: Directive) -> dict[str, Any] | None:
    """The part; None, with a note, where it can't be had.

    Raises:
        FencelineError: an argument is none.
    """
    place = source.at(block.line)
    protocol = block.last("protocol")
    servers = [one for one in block.all("real_server") if one.body is not None and len(one.words) > 1]
    if protocol and protocol.value.upper() != "TCP":
        draft.note(source.at(protocol.line), f"virtual_server with {protocol.value}: left out, there is TCP only")
        return None
    if not servers:
        draft.note(place, "a virtual_server without a real_server: left out")
        return None
    port = draft.number(block.words[2], place)
    part: dict[str, Any] = {"kind": "virtual-server", "port": port, "real_servers": [],
                            "algorithm": "wlc", "forwarding": "nat"}  # keepalived's own defaults
    for one in servers:
        name = draft.helper(f"rs-{one.words[1].replace('.', '-').replace(':', '-')}"[:31], "real-server")
        if name not in part["real_servers"]:
            part["real_servers"].append(name)
        if len(one.words) > 2 and one.words[2] != block.words[2]:
            draft.note(source.at(one.line), f"port {one.words[2]}: it is the virtual server's here, {port}")
        weight = one.last("weight")
        if weight and weight.value != "1":
            draft.note(source.at(weight.line), f"weight {weight.value}: all real servers have the same")
        draft.unread(source, one, _READ_OF_SERVER)
    algorithm = block.last("lb_algo", "lvs_sched")
    if algorithm and algorithm.value in _ALGORITHMS:
        part["algorithm"] = algorithm.value
    elif algorithm:
        draft.note(source.at(algorithm.line), f"{algorithm.name} {algorithm.value}: wlc in its place")
    kind = block.last("lb_kind", "lvs_method")
    if kind and kind.value.upper() in ("NAT", "TUN", "DR"):
        part["forwarding"] = kind.value.lower()
    elif kind:
        draft.note(source.at(kind.line), f"{kind.name} {kind.value}: nat in its place")
    loop = block.last("delay_loop")
    if loop:
        part["interval"] = _at_least_a_second(draft, source, loop)
    part.update(_check(draft, source, servers[0]))
    draft.unread(source, block, _READ)
    return part


def _check(draft: Draft, source: Source, server: Directive) -> dict[str, Any]:
    """How real servers are checked: as the first one is."""
    found = next(server.all(*_CHECKS), None)
    other = next(server.all(*_OTHER_CHECKS), None)
    if found is None:
        what = other.name if other else "no check"
        draft.note(source.at((other or server).line), f"{what}: a TCP check in its place")
        return {"check": "tcp"}
    if found.name == "SSL_GET":
        draft.note(source.at(found.line), "SSL_GET: the real servers speak HTTP; HTTP_GET in its place")
    part: dict[str, Any] = {"check": _CHECKS[found.name]}
    timeout, retry = found.last("connect_timeout"), found.last("retry", "nb_get_retry")
    if timeout:
        part["timeout"] = _at_least_a_second(draft, source, timeout)
    if retry:
        part["retries"] = max(draft.number(retry.value, source.at(retry.line)), 0)
    for one in found.body or ():
        if one.name == "url" and any(line.name == "digest" for line in one.body or ()):
            draft.note(source.at(one.line), "digest: the status 200 is looked for")
        elif one.name not in ("url", "connect_timeout", "retry", "nb_get_retry"):
            draft.note(source.at(one.line), f"{' '.join(one.words)}: not expressed")
    return part


def _at_least_a_second(draft: Draft, source: Source, one: Directive) -> str:
    seconds = draft.seconds(one.value, source.at(one.line))
    if seconds < 1:
        draft.note(source.at(one.line), f"{one.name} {one.value}: 1s in its place")
    return format_duration(max(seconds, 1.0))
