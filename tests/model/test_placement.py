"""What services that depend on each other may say, and what can't be on one node."""

from __future__ import annotations

import pytest

from fenceline.model.load import TopologyError, load_topology, merged, parse_topology

BASE = load_topology("services-3").model_dump(mode="json", exclude_unset=True)


def parsed(**services):
    return parse_topology(merged(BASE, {"services": services}), "x")


def test_what_may_be_said():
    topology = parsed(app={"after": ["web"], "colocated_with": ["web"], "recovery": "restart-disable"})
    assert topology.services["app"].after == ("web",)
    assert topology.services["web"].recovery == "restart"


@pytest.mark.parametrize(("services", "words"), [
    ({"app": {"after": ["mail"]}}, r"services\.app\.after: there is no service 'mail'; there are web, app"),
    ({"app": {"apart_from": ["app"]}}, r"services\.app\.apart_from: that is the service itself"),
    ({"app": {"after": ["web"]}, "web": {"after": ["app"]}}, r"web\.after: goes in a circle: web - app - web"),
    ({"app": {"colocated_with": ["web"]}, "web": {"colocated_with": ["app"]}}, r"colocated_with: goes in a circle"),
    ({"app": {"colocated_with": ["web"], "apart_from": ["web"]}}, "'web' must be on the same node"),
    ({"app": {"recovery": "hope"}}, r"services\.app\.recovery: Input should be"),
    ({"app": {"group": [{"kind": "vip", "address": "192.168.77.201"}, {
        "kind": "daemon", "name": "nginx", "document_root": "/srv/app"}]}}, r"group\.1\.port: 80 is web's already"),
    ({name: {"group": [{"kind": "vip", "address": f"192.168.77.{number}"}, {
        "kind": "daemon", "name": "nginx", "port": port, "document_root": "/srv", "agent": agent}]}
      for name, number, port, agent in (("web", 200, 80, "lsb:nginx"), ("app", 201, 81, "systemd:nginx"))},
     r"systemd:nginx and web's lsb:nginx are one nginx")])
def test_what_may_not(services, words):
    with pytest.raises(TopologyError, match=words):
        parsed(**services)


def test_what_never_meets_may_have_one_port():
    group = [{"kind": "vip", "address": "192.168.77.201"}, {"kind": "daemon", "name": "nginx", "document_root": "/srv"}]
    parsed(app={"group": group, "apart_from": ["web"]})
    parsed(app={"group": group, "domain": {"nodes": ["node3"], "restricted": True}},
           web={"domain": {"nodes": ["node1", "node2"], "restricted": True}})


@pytest.mark.parametrize("field", [{"after": ["web"]}, {"recovery": "relocate"}])
def test_other_stacks_have_none_of_it(field):
    raw = load_topology("web-nfs-heartbeat").model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"] |= field
    with pytest.raises(TopologyError, match="for the stack pacemaker"):
        parse_topology(raw, "x")
