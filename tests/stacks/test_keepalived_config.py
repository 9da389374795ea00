"""keepalived.conf and haproxy.cfg, read back into blocks."""

import pytest

from harness.model.load import TopologyError, load_topology, parse_topology
from harness.scene import merged
from harness.stacks.keepalived import config


def changed(name="lvs-keepalived", **changes):
    raw = load_topology(name).model_dump(mode="json", exclude_unset=True)
    return parse_topology(merged(raw, changes), "a test")


def blocks(text):
    """[(header, [lines and blocks])]: what braces make of the file; fails where they don't match."""
    stack = [[]]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            inner = []
            stack[-1].append((line[:-1].strip(), inner))
            stack.append(inner)
        elif line == "}":
            stack.pop()
        elif line:
            stack[-1].append(line)
    assert len(stack) == 1
    return stack[0]


def block(tree, header):
    return next(inner for name, inner in (item for item in tree if isinstance(item, tuple)) if name.startswith(header))


def test_the_preferred_director_has_the_higher_priority():
    topology = changed()
    assert config.priority(topology, "web", "lb1") > config.priority(topology, "web", "lb2")
    for node, peer in (("lb1", "10.75.1.12"), ("lb2", "10.75.1.11")):
        instance = block(blocks(config.keepalived_conf(topology, node)), "vrrp_instance web")
        assert f"priority {config.priority(topology, 'web', node)}" in instance
        assert block(instance, "unicast_peer") == [peer]
        assert block(instance, "virtual_ipaddress") == ["192.168.70.200/24 dev eth1"]


@pytest.mark.parametrize("failback", [True, False])
def test_preemption_follows_the_failover_domain(failback):
    topology = changed(services={"web": {"domain": {"failback": failback}}})
    instance = block(blocks(config.keepalived_conf(topology, "lb1")), "vrrp_instance")
    assert ("nopreempt" in instance) is not failback
    assert "state BACKUP" in instance  # nopreempt is refused with any other


def test_adverts_by_multicast_on_the_clients_network():
    instance = block(blocks(config.keepalived_conf(changed("haproxy-keepalived"), "lb1")), "vrrp_instance")
    assert "interface eth1" in instance
    assert not [item for item in instance if isinstance(item, tuple) and item[0] == "unicast_peer"]
    assert block(instance, "track_script") == ["check-web"]


def test_every_real_server_is_checked():
    server = block(blocks(config.keepalived_conf(changed(), "lb1")), "virtual_server 192.168.70.200 80")
    assert {"delay_loop 1", "lb_algo rr", "lb_kind DR", "protocol TCP"} <= {x for x in server if isinstance(x, str)}
    assert [name for name, _ in (x for x in server if isinstance(x, tuple))] == [
        "real_server 192.168.70.61 80", "real_server 192.168.70.62 80"]
    assert "status_code 200" in block(block(block(server, "real_server"), "HTTP_GET"), "url")


def test_haproxy_hands_requests_to_every_real_server():
    topology = changed("haproxy-keepalived")
    text = config.haproxy_cfg(topology, "web", topology.services["web"])
    assert "bind 192.168.71.200:80 transparent" in text
    assert [line.split()[1:3] for line in text.splitlines() if line.startswith("    server ")] == [
        ["www1", "192.168.71.61:80"], ["www2", "192.168.71.62:80"]]


@pytest.mark.parametrize(("changes", "path"), [
    ({"fencing": {"method": "ipmi"}}, "fencing.method"),
    ({"stack": {"router_id_first": 200}, "services": {
        f"s{n}": {"group": [{"kind": "vip", "address": f"192.168.70.{n}"}]} for n in range(130, 190)}},
     "stack.router_id_first"),
    ({"services": {"web": {"group": [{"kind": "virtual-server", "real_servers": ["lb1"]}]}}},
     "services.web.group.0.real_servers"),
    ({"services": {"web": {"group": [{"kind": "virtual-server", "real_servers": ["www1"]}]}}}, "services.web.group"),
    ({"services": {"web": {"group": [{"kind": "vip", "address": "192.168.70.200"},
                                     {"kind": "daemon", "name": "haproxy"}]}}}, "services.web.group.1.real_servers"),
])
def test_what_keepalived_can_not_do_is_said_with_its_path(changes, path):
    with pytest.raises(TopologyError) as caught:
        changed(**changes)
    assert any(line.strip().startswith(f"{path}: ") for line in str(caught.value).splitlines()), str(caught.value)


def test_a_balancer_is_for_keepalived_only():
    raw = load_topology("web-iscsi").model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"]["group"][2] = {"kind": "virtual-server", "real_servers": ["rs-01"]}
    with pytest.raises(TopologyError, match="for the stack keepalived"):
        parse_topology(raw, "a test")
