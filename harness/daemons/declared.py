"""Daemons that are declared: their files on every node, what their agents are told, and what is done once on a disk."""

from __future__ import annotations

import shlex

from fenceline.daemons.resource_agent import once
from fenceline.guest.seed import Seed
from fenceline.model.declared import AgentPart, filled
from fenceline.model.topology import Service

PREPARE_AGENT = "ocf:fenceline:prepare"
_AGENT_FILE = "/usr/lib/ocf/resource.d/fenceline/prepare"


def values(name: str, service: Service, part: AgentPart) -> dict[str, str]:
    """What the markers in ``part``'s texts stand for; a marker without a value is refused by the topology's rules."""
    found = {"service": name}
    if part.port is not None:
        found["port"] = str(part.port)
    if service.filesystem is not None:
        found["mountpoint"] = service.filesystem.mountpoint
    if service.vip is not None:
        found["address"] = str(service.vip.address)
    return found


def seed_declared(seed: Seed, name: str, service: Service) -> None:
    """Gives the node of ``seed`` the files of ``service``'s declared daemons, and its boot their shell lines."""
    for part in service.group:
        if not isinstance(part, AgentPart):
            continue
        known = values(name, service, part)
        for path, text in part.files.items():
            seed.add(path, filled(text, known))
        seed.setup += [filled(line, known) for line in part.setup]
        if part.prepare is not None:
            seed.add(_AGENT_FILE, once(), 0o755)


def parameters(name: str, service: Service, part: AgentPart) -> dict[str, str]:
    """What ``part``'s agent is told."""
    known = values(name, service, part)
    return {key: filled(text, known) for key, text in part.parameters.items()}


def prepare_parameters(name: str, service: Service, part: AgentPart) -> dict[str, str]:
    """What the agent is told that prepares the disk of ``part``."""
    known = values(name, service, part)
    return {"creates": filled(part.prepare.creates, known), "run": filled(part.prepare.run, known),
            "state": f"/run/fenceline-prepared-{shlex.quote(name)}"}
