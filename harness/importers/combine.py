"""Several files of one cluster as one topology."""

from __future__ import annotations

from collections.abc import Sequence

from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import parse_blocks
from fenceline.importers.cib import import_cib
from fenceline.importers.crmshell import read_crm
from fenceline.importers.draft import Draft
from fenceline.importers.drbd import import_drbd, mount_alone
from fenceline.importers.heartbeat import import_heartbeat
from fenceline.importers.keepalived import import_keepalived
from fenceline.importers.pcs import read_pcs
from fenceline.importers.rhcs import import_cluster_conf
from fenceline.importers.source import Source, kind_of
from fenceline.importers.xmltree import parse_xml

#: What tells the cluster software; of these there must be exactly one kind.
_CLUSTERS = ("ha.cf", "keepalived.conf", "cib", "crm", "pcs", "cluster.conf")
_WITH = {"ha.cf": ("haresources", "authkeys", "drbd.conf"), "keepalived.conf": (),
         **dict.fromkeys(("cib", "crm", "pcs"), ("corosync.conf", "drbd.conf")),
         "cluster.conf": ("drbd.conf",)}


def import_sources(sources: Sequence[Source], name: str) -> Draft:
    """The topology that ``sources``, of one cluster, describe together.

    Raises:
        FencelineError: they don't belong together, something is missing, or one of them is bad.
    """
    files: dict[str, list[Source]] = {}
    for source in sources:
        files.setdefault(kind_of(source), []).append(source)
    clusters = [kind for kind in _CLUSTERS if kind in files]
    if len(clusters) > 1:
        raise FencelineError(f"{' and '.join(files[kind][0].name for kind in clusters)} are of two clusters: "
                             f"{' and '.join(clusters)} can't be imported together")
    draft = Draft(name, _origin(files))
    if not clusters:
        if set(files) != {"drbd.conf"}:
            raise FencelineError(_missing(files))
        mirrors = import_drbd(draft, files["drbd.conf"])
        mount_alone(draft, mirrors)
        mirrors.settle(draft)
        return draft.finish()
    cluster = clusters[0]
    for kind, found in files.items():
        if kind not in (cluster, *_WITH[cluster]):
            raise FencelineError(f"{found[0].name} is a {kind}: it has no place beside a {cluster}")
        if len(found) > 1 and kind not in ("keepalived.conf", "drbd.conf"):
            raise FencelineError(f"{found[0].name} and {found[1].name} are both a {kind}: give one")
    mirrors = import_drbd(draft, files["drbd.conf"]) if "drbd.conf" in files else None
    _import_cluster(draft, cluster, files)
    if mirrors:
        mirrors.settle(draft)
    return draft


def _import_cluster(draft: Draft, cluster: str, files: dict[str, list[Source]]) -> None:
    if cluster == "ha.cf":
        if "haresources" not in files:
            raise FencelineError(_missing(files))
        import_heartbeat(draft, files["ha.cf"][0], files["haresources"][0],
                         next(iter(files.get("authkeys", ())), None))
    elif cluster == "keepalived.conf":
        import_keepalived(draft, files["keepalived.conf"])
    elif cluster in ("cib", "crm", "pcs"):
        source = files[cluster][0]
        corosync = [(one, parse_blocks(one, "#", by_line=True)) for one in files.get("corosync.conf", ())]
        if cluster == "pcs":
            root, setup = read_pcs(draft, source)
            if setup is not None and not corosync:
                corosync = [(source, setup)]
        else:
            root = parse_xml(source) if cluster == "cib" else read_crm(draft, source)
        import_cib(draft, source, root, corosync[0] if corosync else None)
    else:
        import_cluster_conf(draft, files["cluster.conf"][0])


def _origin(files: dict[str, list[Source]]) -> str:
    *first, last = files
    return f"{', '.join(first)} and {last}" if first else last


def _missing(files: dict[str, list[Source]]) -> str:
    given = ", ".join(f"{source.name} ({kind})" for kind, found in files.items() for source in found)
    wanted = "ha.cf and haresources" if {"ha.cf", "haresources", "authkeys"} & set(files) else (
        "a CIB (cibadmin --query)" if "corosync.conf" in files else "the cluster's own")
    return f"there is only {given}: give {wanted} together"
