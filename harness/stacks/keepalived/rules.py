"""What a topology must be like for keepalived. Each problem starts with the path to its field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fenceline.model.mistakes import Mistake

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def problems(topology: Topology) -> list[str]:
    """Everything that keepalived could not do, one line each."""
    found = []
    if topology.fencing.method != "none":
        found.append("fencing.method: keepalived fences nobody: say none")
    if not topology.networks_with(topology.stack.adverts_on):
        found.append(f"stack.adverts_on: no network has the role {topology.stack.adverts_on}")
    found += [*_tracking(topology), *_passed_through(topology), *_mistakes(topology)]
    if topology.stack.router_id_first + len(topology.services) > 255:
        found.append("stack.router_id_first: the ids of all services must be below 256")
    for name, service in topology.services.items():
        if service.vip is None:
            found.append(f"services.{name}.group: keepalived needs a vip")
        found += [f"services.{name}.group.{index}: keepalived moves addresses, no {part.kind}"
                  for index, part in enumerate(service.group) if part.kind == "filesystem"]
        if service.domain.restricted and len(service.domain.nodes) < len(topology.cluster_nodes):
            found.append(f"services.{name}.domain.restricted: every keepalived here is a candidate for every service")
    return found


#: Keywords that a field says, by the block.
_SAID = {
    "global_defs": {"router_id": "the director's name", "vrrp_version": "3, always",
                    "vrrp_notify_fifo": "Fenceline, which reads it", "vrrp_notify_fifo_script": "Fenceline likewise"},
    "vrrp_instance": {"state": "states", "priority": "priorities", "nopreempt": "services.*.domain.failback",
                      "preempt_delay": "preempt_delay", "advert_int": "advert_interval", "interface": "adverts_on",
                      "virtual_router_id": "router_id_first", "unicast_peer": "transport",
                      "unicast_src_ip": "transport", "virtual_ipaddress": "the group's vip",
                      "track_script": "track_scripts"},
    "virtual_server": {"delay_loop": "interval", "lb_algo": "algorithm", "lb_kind": "forwarding",
                       "protocol": "TCP, always", "real_server": "real_servers"},
    "real_server": {"HTTP_GET": "check", "TCP_CHECK": "check"}}


def _passed_through(topology: Topology) -> Iterable[str]:
    extra = topology.stack.extra
    for name in extra.services:
        if name not in topology.services:
            yield (f"stack.extra.services.{name}: there is no service {name!r}; there are "
                   f"{', '.join(topology.services)}")
    blocks = [(block, block, getattr(extra, block)) for block in _SAID]
    blocks += [(f"services.{name}", "vrrp_instance", words) for name, words in extra.services.items()]
    yield from (f"stack.extra.{path}.{word}: is said by {_SAID[block][word]}"
                for path, block, words in blocks for word in words if word in _SAID[block])


def _mistakes(topology: Topology) -> Iterable[str]:
    stack, nodes = topology.stack, topology.cluster_nodes
    for field in ("priorities", "states"):
        yield from (f"stack.{field}.{name}: there is no cluster node {name!r}; there are {', '.join(nodes)}"
                    for name in getattr(stack, field) if name not in nodes)
    yield from (f"stack.priorities.{name}: {value}: VRRP has 1 to 254" for name, value in stack.priorities.items()
                if not 1 <= value <= 254)
    if stack.priorities and set(stack.priorities) != set(nodes):
        yield "stack.priorities: say that of every director: the others' follow from the domains"
    by_value: dict[int, list[str]] = {}
    for name, value in stack.priorities.items():
        by_value.setdefault(value, []).append(name)
    yield from (Mistake("equal-priorities", f"stack.priorities: {' and '.join(names)} have {value} both: who is "
                                            "master is then a matter of their addresses")
                for value, names in by_value.items() if len(names) > 1)
    masters = [name for name, state in stack.states.items() if state == "MASTER"]
    if len(masters) > 1:
        yield Mistake("two-masters", f"stack.states: {' and '.join(masters)} begin as MASTER both, and have the "
                                     "address both until one hears the other: at most one, please")
    if masters and not all(service.domain.failback for service in topology.services.values()):
        yield Mistake("master-without-preemption", f"stack.states.{masters[0]}: MASTER, and the domain has no "
                                                   "failback: keepalived ignores nopreempt then; say BACKUP for all")


def _tracking(topology: Topology) -> list[str]:
    stack = topology.stack
    found = [f"stack.track_scripts.{name}.services: there is no service {service!r}"
             for name, script in stack.track_scripts.items() for service in script.services
             if service not in topology.services]
    grouped: dict[str, str] = {}
    for name, members in stack.sync_groups.items():
        path = f"stack.sync_groups.{name}"
        if len(members) < 2:
            found.append(f"{path}: needs two services at least")
        for service in members:
            if service not in topology.services:
                found.append(f"{path}: there is no service {service!r}; there are {', '.join(topology.services)}")
            if service in grouped:
                found.append(f"{path}: {service} is in {grouped[service]} already")
            grouped[service] = name
        homes = {topology.services[service].domain for service in members if service in topology.services}
        if len(homes) > 1:
            found.append(f"{path}: what moves together has the same domain")
    return found
