"""A configuration file that somebody gave: its text, what kind it is, and where in it something stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.errors import FencelineError
from fenceline.importers.xmltree import parse_xml

_KEEPALIVED = re.compile(r"^\s*(global_defs|vrrp_\w+|virtual_server|virtual_server_group|static_\w+)\b", re.MULTILINE)
_DRBD = re.compile(r'^\s*((resource|common|global)\b[^;{}]*\{|include\s+"?[^;]*\.(res|conf)"?\s*;)', re.MULTILINE)
_COROSYNC = re.compile(r"^\s*(totem|nodelist|quorum|logging|interface)\s*\{", re.MULTILINE)
_HA_CF = re.compile(r"^\s*(node|keepalive|deadtime|warntime|initdead|deadping|udpport|ucast|mcast|bcast|auto_failback|"
                    r"ping|ping_group|respawn|stonith|stonith_host|crm|use_logd|logfacility|debugfile|logfile|"
                    r"baud|serial|autojoin|watchdog)\b", re.MULTILINE)
_AUTHKEYS = re.compile(r"^\s*auth[ \t]+\d+[ \t]*(#.*)?$", re.MULTILINE)
_HARESOURCES = re.compile(r"^\s*[A-Za-z0-9][\w.-]*[ \t].*(::|\d+\.\d+\.\d+\.\d+)", re.MULTILINE)
_XML = {"cib": "cib", "configuration": "cib", "cluster": "cluster.conf"}
_PLAIN = (("keepalived.conf", _KEEPALIVED), ("corosync.conf", _COROSYNC), ("drbd.conf", _DRBD),
          ("authkeys", _AUTHKEYS), ("ha.cf", _HA_CF), ("haresources", _HARESOURCES))
KNOWN = ("ha.cf, haresources, authkeys, keepalived.conf, drbd.conf (or *.res), a CIB (cibadmin --query), "
         "corosync.conf, cluster.conf")


@dataclass(frozen=True, slots=True)
class Source:
    """One file. ``name`` is how messages call it."""

    name: str
    text: str

    def at(self, line: int) -> str:
        """A place in it, as editors read it."""
        return f"{self.name}:{line}"


def read_source(path: str) -> Source:
    """The file at ``path``.

    Raises:
        FencelineError: it can't be read, or is no text.
    """
    try:
        return Source(path, Path(path).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise FencelineError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FencelineError(f"{path}: byte {error.start} is no UTF-8: it is no configuration file") from error


def kind_of(source: Source) -> str:
    """What ``source`` is, by its content: ``ha.cf``, ``haresources``, ``authkeys``, ``keepalived.conf``,
    ``drbd.conf``, ``cib``, ``corosync.conf`` or ``cluster.conf``.

    Raises:
        FencelineError: none of these.
    """
    text = source.text.lstrip()
    if not text:
        raise FencelineError(f"{source.name} is empty")
    if text.startswith("<"):
        root = parse_xml(source).tag
        if root not in _XML:
            raise FencelineError(f"{source.name}: <{root}> is neither a CIB (cibadmin --query) nor a cluster.conf")
        return _XML[root]
    # the first one that says something decides: comments may quote other files
    text = re.sub(r"^\s*[#!].*$", "", source.text, flags=re.MULTILINE)
    first = [(match.start(), kind) for kind, pattern in _PLAIN if (match := pattern.search(text))]
    if not first:
        raise FencelineError(f"{source.name} is not recognised; there can be imported: {KNOWN}")
    return min(first, key=lambda pair: pair[0])[1]
