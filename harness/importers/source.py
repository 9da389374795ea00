"""A configuration file that somebody gave: its text, what kind it is, and where in it something stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fenceline.core.errors import FencelineError
from fenceline.importers.xmltree import parse_xml

_KEEPALIVED = re.compile(r"^\s*(global_defs|vrrp_\w+|virtual_server|virtual_server_group|static_\w+)\b", re.MULTILINE)
_DRBD = re.compile(r'^\s*((resource|common|global)\b[^;{}]*\{|include\s+"?[^;]*\.(res|conf)"?\s*;)', re.MULTILINE)
_COROSYNC = re.compile(r"^\s*((totem|nodelist|quorum|logging|interface|aisexec|service|amf|uidgid|system|resources|"
                       r"nozzle|event)\s*\{|compatibility:)", re.MULTILINE)
_HA_CF = re.compile(r"^\s*(node|keepalive|deadtime|warntime|initdead|deadping|udpport|ucast|mcast|bcast|auto_failback|"
                    r"ping|ping_group|respawn|stonith|stonith_host|crm|use_logd|logfacility|debugfile|logfile|"
                    r"baud|serial|autojoin|watchdog)\b", re.MULTILINE)
_AUTHKEYS = re.compile(r"^\s*auth[ \t]+\d+[ \t]*(#.*)?$", re.MULTILINE)
_HARESOURCES = re.compile(r"^\s*[A-Za-z0-9][\w.-]*[ \t].*(::|\d+\.\d+\.\d+\.\d+)", re.MULTILINE)
_PCS = re.compile(r"^\s*(sudo\s+)?pcs\s+(-\S+\s+)?(\S+\s+)?(cluster|resource|stonith|property|constraint|quorum|node)"
                  r"\b", re.MULTILINE)
_CRM = re.compile(r"^\s*(sudo\s+)?(crm\s+(-F\s+)?configure\s+)?((primitive|rsc_template)\s+\S+\s+\S+|"
                  r"property\s+(\$id=\S+\s+)?(cib-bootstrap-options:|\w+-[\w-]+=))", re.MULTILINE)
_XML = {"cib": "cib", "configuration": "cib", "cluster": "cluster.conf"}
_PLAIN = (("keepalived.conf", _KEEPALIVED), ("corosync.conf", _COROSYNC), ("drbd.conf", _DRBD),
          ("authkeys", _AUTHKEYS), ("ha.cf", _HA_CF), ("haresources", _HARESOURCES))
_TEMPLATES = (".j2", ".jinja", ".jinja2", ".erb", ".epp", ".tmpl", ".tpl")
_TEMPLATE_MARK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>")
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
#: A byte that is no UTF-8, as it is decoded with surrogateescape.
_FOREIGN = re.compile("[\udc80-\udcff]")
KNOWN = ("ha.cf, haresources, authkeys, keepalived.conf, drbd.conf (or *.res), a CIB (cibadmin --query), "
         "crm shell text (crm configure show), a script of pcs commands, corosync.conf, cluster.conf")


@dataclass(frozen=True, slots=True)
class Source:
    """One file. ``name`` is how messages call it."""

    name: str
    text: str

    def at(self, line: int) -> str:
        """A place in it, as editors read it."""
        return f"{self.name}:{line}"


def read_source(path: str) -> Source:
    """The file at ``path``. Comments may have bytes that are no UTF-8, and XML another encoding that it names.

    Raises:
        FencelineError: it can't be read, is a template, or is no text.
    """
    if path.lower().endswith(_TEMPLATES):
        raise FencelineError(f"{path} is a template (.{path.rpartition('.')[2]}): give the file that was made from it, "
                             "as it is on a node")
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise FencelineError(f"{path}: {error.strerror}") from error
    declared = _ENCODING.match(raw)
    try:
        text = raw.decode(declared[1].decode() if declared else "utf-8-sig")
    except LookupError as error:
        raise FencelineError(f"{path}:1: {error}") from error
    except UnicodeDecodeError:
        text = raw.decode("utf-8-sig", errors="surrogateescape")
        _check_bytes(path, text)
        text = _FOREIGN.sub("\ufffd", text)
    if "\0" in text:
        raise FencelineError(f"{path}:{text[:text.index(chr(0))].count(chr(10)) + 1}: a NUL byte: it is no "
                             "configuration file")
    return Source(path, text)


def _check_bytes(path: str, text: str) -> None:
    """Raises:
        FencelineError: a byte that is no UTF-8 stands outside of a comment.
    """
    first = text.lstrip()[:1]
    for match in _FOREIGN.finditer(text):
        before = text[:match.start()]
        if first == "<":
            in_comment = before.rfind("<!--") > before.rfind("-->")
        else:
            in_comment = bool(re.search(r"(^|\s)[#!]", before.rpartition("\n")[2]))
        if not in_comment:
            line = before.count("\n") + 1
            raise FencelineError(f"{path}:{line}: byte {len(before.encode(errors='surrogateescape'))} is no UTF-8: "
                                 "only comments may have others; is it a configuration file?")


def kind_of(source: Source) -> str:
    """What ``source`` is, by its content: ``ha.cf``, ``haresources``, ``authkeys``, ``keepalived.conf``,
    ``drbd.conf``, ``cib``, ``crm``, ``pcs``, ``corosync.conf`` or ``cluster.conf``.

    Raises:
        FencelineError: none of these.
    """
    if not source.text.strip():
        raise FencelineError(f"{source.name} is empty")
    text = _without_comments(source.text)
    if mark := _TEMPLATE_MARK.search(text):
        line = text[:mark.start()].count("\n") + 1
        raise FencelineError(f"{source.at(line)}: {mark[0]}: it is a template: give the file that was "
                             "made from it, as it is on a node")
    if source.text.lstrip().startswith("<"):
        root = parse_xml(source).tag
        if root not in _XML:
            raise FencelineError(f"{source.name}: <{root}> is neither a CIB (cibadmin --query) nor a cluster.conf")
        return _XML[root]
    for kind, pattern in (("pcs", _PCS), ("crm", _CRM)):
        if pattern.search(text):
            return kind
    # the first one that says something decides: comments may quote other files
    if not text.strip():
        raise FencelineError(f"{source.name} has only comments: it names no service and no node, nothing that could be "
                             "imported")
    first = [(match.start(), kind) for kind, pattern in _PLAIN if (match := pattern.search(text))]
    if not first:
        raise FencelineError(f"{source.name} is not recognised; there can be imported: {KNOWN}")
    return min(first, key=lambda pair: pair[0])[1]


def _without_comments(text: str) -> str:
    """``text`` with its lines that are comments left empty."""
    return re.sub(r"^[ \t]*[#!].*$", "", text, flags=re.MULTILINE)
