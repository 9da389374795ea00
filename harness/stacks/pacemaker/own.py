"""A cluster's own configuration, run as it is: the folder ``stack.config`` with ``cib.xml``, ``corosync.conf``,
``files/`` (laid over every member) and ``setup.sh`` (run there at boot, before any service).

What only a running cluster knows stands in it as a marker: ``@bmc-user@``, ``@bmc-password@``, ``@bmc NODE@`` (the
address of that node's BMC), ``@pdu UNIT@`` and ``@management NODE@``.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from fenceline.guest.seed import Seed
from fenceline.model.addressing import bmc_address, management_address, pdu_address
from fenceline.model.topology import Topology
from fenceline.stacks.pacemaker.fencing import BMC_USER
from fenceline.stacks.state import ClusterState

CIB, COROSYNC, FILES, SETUP = "cib.xml", "corosync.conf", "files", "setup.sh"
_MARKER = re.compile(r"@(bmc-user|bmc-password|(?:bmc|management|pdu) [A-Za-z0-9-]+)@")


def text(topology: Topology, name: str, bmc_password: str) -> str | None:
    """The file ``name`` of the folder with its markers filled in; None where it is not there."""
    path = Path(topology.stack.config) / name
    return _filled(topology, path.read_text(encoding="utf-8"), bmc_password) if path.is_file() else None


def seed_files(topology: Topology, seed: Seed, bmc_password: str) -> None:
    """Lays ``files/`` over the node of ``seed``, and has its boot run ``setup.sh``."""
    root = Path(topology.stack.config) / FILES
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        if path.is_file():
            seed.add(f"/{path.relative_to(root)}", _filled(topology, path.read_text(encoding="utf-8"), bmc_password),
                     path.stat().st_mode & 0o777)
    lines = text(topology, SETUP, bmc_password)
    if lines is not None:
        seed.add("/etc/fenceline/own-setup.sh", lines, 0o755)
        seed.setup.append("sh -x /etc/fenceline/own-setup.sh")


def _filled(topology: Topology, told: str, bmc_password: str) -> str:
    def fill(match: re.Match[str]) -> str:
        word, _, node = match[1].partition(" ")
        if word == "bmc-user":
            return BMC_USER
        if word == "bmc-password":
            return bmc_password
        if word == "pdu":
            return str(pdu_address(topology, node)) if node in topology.fencing.pdus else match[0]
        if node not in topology.nodes:
            return match[0]
        return str(bmc_address(topology, node) if word == "bmc" else management_address(topology, node))
    return _MARKER.sub(fill, told)


def resource_id(topology: Topology, service: str) -> str:
    """How the cluster calls ``service``."""
    return topology.stack.ids.get(service, service)


def named(topology: Topology, state: ClusterState) -> ClusterState:
    """``state`` with the services' own names in the place of the cluster's."""
    names = {own: service for service, own in topology.stack.ids.items()}
    if not names:
        return state
    return dataclasses.replace(state, resources=tuple(
        dataclasses.replace(one, group=names.get(one.group, one.group),
                            name=names.get(one.name, one.name) if one.group is None else one.name)
        for one in state.resources))
