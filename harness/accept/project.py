"""The project that ``fenceline adopt`` makes of a cluster."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import yaml

from fenceline.accept.adopted import Project
from fenceline.accept.budget import Budget, budget
from fenceline.accept.cibwriter import CibWriter
from fenceline.accept.corosyncwriter import corosync_text
from fenceline.accept.fate import Fates, masked, secrets, without_secrets
from fenceline.accept.feature import feature, shown_by
from fenceline.accept.finding import Finding, find
from fenceline.accept.handed import SBD_DUMP, SBD_SETTINGS, SERVICE, Handed
from fenceline.accept.original import Original, read_original
from fenceline.accept.shape import Shape, check
from fenceline.accept.telling import telling
from fenceline.accept.translated import translate
from fenceline.core.errors import FencelineError
from fenceline.model.load import TopologyError, parse_topology
from fenceline.model.topology import Topology

#: Folders on a member into which a file that somebody handed over may go.
_MAY_GO = ("/etc/", "/usr/local/", "/usr/lib/ocf/", "/opt/", "/srv/", "/var/lib/")
_PYTEST = """\
[pytest]
fenceline_features = features
fenceline_topologies = topologies
markers =
    acceptance: what the adopted cluster must survive
"""


def make_project(files: list[Handed], name: str | None = None, given: str | None = None,
                 stood_in: frozenset[str] = frozenset()) -> Project:
    """The project of the cluster that ``files`` are of; ``given`` is its failover budget, ``stood_in`` are resources to
    be stood in for although they could run.

    Raises:
        FencelineError: they are no whole cluster, or can't be read; with the place.
        fenceline.model.load.TopologyError: what came out is no topology.
    """
    original = read_original(files)
    its_budget = budget(original, given)
    findings = find(original, its_budget.total)
    fates = Fates()
    for text in original.unread:
        place, _, told = text.partition(": ")
        fates.say(place, "left out", told)
    called = name or _name(original)
    if original.cib is None:
        raw, made, questions = translate(original, called, its_budget, fates), {}, []
        topology = _checked(raw)
    else:
        raw, made, questions, topology = _of_a_cib(original, called, its_budget, fates, stood_in)
    _own_files(original, fates, made)
    project = Project(original, topology, its_budget, findings, fates, questions)
    project.files = {f"config/{one.name}": (one.source.text, 0o600) for one in files} | made
    project.files[f"topologies/{topology.name}.yaml"] = (
        _head(its_budget) + yaml.safe_dump(raw, sort_keys=False), 0o644)
    project.files["features/acceptance.feature"] = (feature(topology, its_budget, findings), 0o644)
    hidden = secrets(original)
    project.files["adoption.md"] = (masked(telling(project), hidden), 0o644)
    project.files["adoption.json"] = (masked(_data(project), hidden), 0o644)
    project.files["pytest.ini"] = (_PYTEST, 0o644)
    return project


def _data(project: Project) -> str:
    """What the report needs of all this."""
    def told(one: Finding) -> dict[str, Any]:
        return asdict(one) | {"lines": [_line(project.original, place) for place in one.places]}
    fates = {kind: [[place, text] for place, text in project.fates.all(kind)]
             for kind in ("kept", "translated", "stood in", "left out")}
    return json.dumps({
        "topology": project.topology.name, "files": [one.name for one in project.original.files],
        "budget": project.budget.total, "budget_shown": project.budget.shown(),
        "findings": [told(one) for one in project.findings],
        "shows": {title: [told(one) for one in found] for title, found in shown_by(
            project.topology, project.budget, project.findings).items()},
        "fates": fates, "questions": [list(one) for one in project.questions]}, indent=1) + "\n"


def _line(original: Original, place: str) -> str:
    """The text of a line, without secrets."""
    name, _, number = place.rpartition(":")
    for one in original.files:
        lines = one.source.text.splitlines()
        if one.name == name and number.isdigit() and 1 <= int(number) <= len(lines):
            return without_secrets(lines[int(number) - 1].strip(), one.kind)
    return ""


def _head(its_budget: Budget) -> str:
    return (f"# Made by `fenceline adopt`: what is promised of the cluster; adoption.md says where it is from.\n"
            f"# failover_budget: {its_budget.shown()}\n")


def _name(original: Original) -> str:
    """What the cluster calls itself."""
    if original.corosync is not None and (told := original.corosync.last("totem", "cluster_name")):
        return told.value
    told = original.option("cluster-name")
    if told:
        return told.value
    if original.cluster_conf is not None and original.cluster_conf[1].get("name"):
        return original.cluster_conf[1].get("name")
    return "adopted"


def _of_a_cib(original: Original, name: str, its_budget: Budget, fates: Fates, stood_in: frozenset[str]) -> tuple[
        dict[str, Any], dict[str, tuple[str, int]], list[tuple[str, str, str]], Topology]:
    check(original.cib)
    known = {one.id for one in original.cib.resources}
    if stood_in - known:
        raise FencelineError(f"--stand-in {', '.join(sorted(stood_in - known))}: no such resource; there are "
                             f"{', '.join(sorted(known))}")
    shape = Shape(original, name, its_budget, fates, stood_in)
    topology = _checked(shape.raw)
    writer = CibWriter(shape, fates)
    made = {"adopted/cib.xml": (writer.text, 0o600)}
    if original.corosync is not None:
        made["adopted/corosync.conf"] = (corosync_text(original.corosync, shape.layout, topology, fates), 0o644)
    else:
        fates.say(original.cib.source.name, "kept", "as it is; timing, votes and links are not in it: those of a "
                                                    "corosync.conf of ours")
        shape.questions.append((original.cib.source.name, "What does corosync.conf say of token, votes and links?",
                                f"{topology.stack.quorum.policy}, token {topology.stack.token:g} s, one link: hand it "
                                "over"))
    for path, told in writer.files.items():
        made[f"adopted/files{path}"] = told
    setup = [*writer.setup, *_daemons_setup(original)]
    if setup:
        made["adopted/setup.sh"] = ("#!/bin/sh\n" + "\n".join(setup) + "\n", 0o755)
    return shape.raw, made, shape.questions, topology


def _checked(raw: dict[str, Any]) -> Topology:
    """The topology of ``raw``, in which mistakes that a topology is refused for are said to be meant: they are the
    cluster's own, and findings.

    Raises:
        fenceline.model.load.TopologyError: it is none for another reason.
    """
    try:
        return parse_topology(raw, "the adopted cluster")
    except TopologyError as error:
        planted = list(dict.fromkeys(re.findall(r"to plant that mistake say mistakes: \[([\w-]+)\]", str(error))))
        if not planted or "mistakes" in raw:
            raise
        raw["mistakes"] = planted
    return parse_topology(raw, "the adopted cluster")


def _daemons_setup(original: Original) -> list[str]:
    """What lets a daemon's own files take effect, and say who answers."""
    types = {one.type for one in original.cib.resources}
    lines = []
    if types & {"apache", "apache2"}:
        lines += ["mkdir -p /var/log/apache2 /run/apache2 /etc/apache2/conf-enabled /etc/apache2/mods-enabled",
                  "ln -sf ../mods-available/headers.load /etc/apache2/mods-enabled/headers.load",
                  'printf \'Header always set X-Node "%s"\\n\' "$(cat /etc/hostname)" '
                  "> /etc/apache2/conf-enabled/fenceline.conf",
                  "cd /etc/apache2/sites-available && for s in *.conf; do case $s in 000-default.conf|"
                  "default-ssl.conf) ;; *) ln -sf ../sites-available/$s ../sites-enabled/$s; "
                  "rm -f ../sites-enabled/000-default.conf;; esac; done; cd /"]
    if "nginx" in types:
        lines += ["mkdir -p /var/lib/nginx /var/log/nginx /etc/nginx/conf.d",
                  "printf 'add_header X-Node $hostname always;\\n' > /etc/nginx/conf.d/fenceline.conf"]
        if any("nginx" in (one.on_node or "") for one in original.own):
            lines.append("rm -f /etc/nginx/sites-enabled/default")
    return lines


def _own_files(original: Original, fates: Fates, made: dict[str, tuple[str, int]]) -> None:
    """Files of the services: where their first lines say that they are, they are there on every member."""
    for one in original.files:
        if one.kind in (SBD_DUMP, SBD_SETTINGS):
            fates.say(one.name, "translated", "said in fencing.sbd of the topology; the disks' headers are made so")
        if one.kind != SERVICE:
            continue
        where = one.on_node or _named_in(original, one)
        if original.cib is None:
            fates.say(one.name, "left out", "a service's own file: with this cluster software the services are ours")
        elif where is None:
            fates.say(one.name, "left out", "nothing says where on a node it is: let its first line be a comment with "
                                            "its path")
        elif not where.startswith(_MAY_GO) or ".." in where:
            fates.say(one.name, "left out", f"{where}: no place for a service's file")
        elif f"adopted/files{where}" in made:
            fates.say(one.name, "stood in", f"a stand-in is in the place of {where}")
        else:
            mode = 0o755 if one.source.text.startswith("#!") else 0o644
            made[f"adopted/files{where}"] = (one.source.text, mode)
            fates.say(one.name, "kept", f"{where} on every member")


def _named_in(original: Original, one: Handed) -> str | None:
    """The path by which another file names it."""
    for other in original.files:
        for word in other.source.text.replace('"', " ").replace("'", " ").split():
            if word.startswith("/") and PurePosixPath(word.rstrip(";")).name == one.base:
                return word.rstrip(";")
    return None
