"""The daemons that a service may have: what they get on every node, and what their OCF agents are told."""

from __future__ import annotations

from fenceline.daemons import container, declared, ledger, mariadb, nfs_server
from fenceline.daemons.nginx import NGINX_CONF, seed_nginx
from fenceline.guest.seed import Seed
from fenceline.model.declared import AgentPart
from fenceline.model.topology import Service


def seed_daemon(seed: Seed, name: str, service: Service) -> None:
    """Gives the node of ``seed`` what the daemon of ``service`` needs, if it has one."""
    seed_nginx(seed, name, service)
    ledger.seed_ledger(seed, service)
    container.seed_container(seed, service)
    mariadb.seed_mariadb(seed, service)
    nfs_server.seed_nfs_server(seed, service)
    declared.seed_declared(seed, name, service)


def agent_parameters(name: str, service: Service) -> dict[str, str]:
    """The parameters of the OCF agent of ``service``'s daemon."""
    if isinstance(service.daemon, AgentPart):
        return declared.parameters(name, service, service.daemon)
    if container.is_container(service):
        return container.parameters(service)
    if service.daemon.name == "ledger":
        return ledger.parameters(service)
    if service.daemon.name == "mariadb":
        return mariadb.parameters(service)
    if service.daemon.name == "nfs-server":
        return nfs_server.parameters(name, service)
    return {"configfile": NGINX_CONF.format(service=name)}
