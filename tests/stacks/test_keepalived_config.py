"""keepalived.conf and haproxy.cfg, read back into blocks."""

import subprocess

import pytest

from fenceline.daemons.nginx import seed_real_server
from fenceline.guest.seed import Seed
from fenceline.model.load import TopologyError, load_topology, merged, parse_topology
from fenceline.stacks.keepalived import config
from fenceline.stacks.keepalived.stack import KeepalivedStack


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


def test_the_last_state_that_keepalived_tells_is_the_one_that_is_kept(tmp_path):
    """Its notify scripts would run side by side: of two states within a millisecond the first could be written last."""
    (tmp_path / "fifo").write_text('INSTANCE "web" BACKUP 200\nINSTANCE "mail" FAULT 200\nGROUP "all" MASTER 200\n'
                                   'INSTANCE "web" MASTER 200\nINSTANCE "web" MASTER_RX_LOWER_PRI 200\n'
                                   'INSTANCE "web" BACKUP 200\nINSTANCE "web" BACKUP_PRIORITY 190\n')
    script = tmp_path / "notify"
    script.write_text(config.NOTIFY_SCRIPT.replace(config.RUN, str(tmp_path)))
    subprocess.run(["sh", script, tmp_path / "fifo"], check=True, timeout=20)
    told = {path.name: path.read_text() for path in tmp_path.glob("vrrp-*")}
    assert told == {"vrrp-web": "BACKUP\n", "vrrp-mail": "FAULT\n"}
    for node in ("lb1", "lb2"):
        told = block(blocks(config.keepalived_conf(changed(), node)), "global_defs")
        assert f"vrrp_notify_fifo_script {config.NOTIFY}" in told


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


SHOP = {"group": [{"kind": "vip", "address": "192.168.70.201"}], "domain": {"nodes": ["lb1", "lb2"]}}
BY_PROCESS = {"check": "process"}


def test_scripts_of_the_administrator_are_run_where_they_are_meant():
    scripts = {"clients": {"script": "/usr/bin/ping -c 1 192.168.70.9", "fall": 2, "weight": -30},
               "disk": {"script": "/usr/bin/test -w /", "services": ["shop"]}}
    tree = blocks(config.keepalived_conf(changed(stack={"track_scripts": scripts}, services={"shop": SHOP}), "lb1"))
    assert {'script "/usr/bin/ping -c 1 192.168.70.9"', "interval 1", "fall 2", "rise 1", "weight -30"} == set(
        block(tree, "vrrp_script clients"))
    assert not any(line.startswith("weight") for line in block(tree, "vrrp_script disk"))
    assert block(block(tree, "vrrp_instance web"), "track_script") == ["clients"]
    assert block(block(tree, "vrrp_instance shop"), "track_script") == ["clients", "disk"]


def test_what_is_in_a_sync_group_moves_together():
    topology = changed(stack={"sync_groups": {"front": ["web", "shop"]}},
                       services={"web": {"domain": {"failback": False}}, "shop": SHOP})
    group = block(blocks(config.keepalived_conf(topology, "lb2")), "vrrp_sync_group front")
    assert block(group, "group") == ["web", "shop"]
    assert "sync_group_tracking_weight" in group


@pytest.mark.parametrize(("port", "started"), [(80, [80]), (8080, [80, 8080])])
def test_a_real_server_of_two_services_starts_each_port_once(port, started):
    shop = SHOP | {"group": [*SHOP["group"], {"kind": "virtual-server", "port": port, "real_servers": ["www1"]}]}
    seed = Seed()
    seed_real_server(changed(services={"shop": shop}), "www1", seed)
    assert seed.late == [f"/usr/sbin/nginx -c /etc/nginx/fenceline-{one}.conf" for one in started]
    assert all(f"listen {one};" in seed.files[f"/etc/nginx/fenceline-{one}.conf"][0] for one in started)


def test_a_proxy_is_watched_by_the_kernel_where_it_can():
    tree = blocks(config.keepalived_conf(changed("haproxy-keepalived", stack=BY_PROCESS), "lb1"))
    assert block(tree, "vrrp_track_process check-web") == ["process haproxy"]
    instance = block(tree, "vrrp_instance web")
    assert block(instance, "track_process") == ["check-web"]
    assert not [item for item in instance if isinstance(item, tuple) and item[0] == "track_script"]


def test_preemption_may_wait():
    text = config.keepalived_conf(changed("haproxy-keepalived", stack={"preempt_delay": "5s"}), "lb1")
    assert "    preempt_delay 5\n" in text
    assert "preempt_delay" not in config.keepalived_conf(changed(stack={"preempt_delay": "5s"}), "lb1")  # nopreempt


def part(forwarding):
    return [{"kind": "vip", "address": "192.168.70.200"},
            {"kind": "virtual-server", "real_servers": ["www1", "www2"], "forwarding": forwarding}]


@pytest.mark.parametrize(("forwarding", "has", "has_not"), [
    ("dr", "192.168.70.200/32 dev lo", "tunl0"),
    ("tun", "192.168.70.200/32 dev tunl0", "dev lo"),
    ("nat", "ip route add 192.168.70.9/32 via 192.168.70.200", "192.168.70.200/32")])
def test_answers_find_their_way_back(forwarding, has, has_not):
    topology = changed(services={"web": {"group": part(forwarding)}})
    assert f"    lb_kind {forwarding.upper()}\n" in config.keepalived_conf(topology, "lb1")
    seed, director = Seed(), Seed()
    seed_real_server(topology, "www1", seed)
    assert has in "\n".join(seed.setup)
    assert has_not not in "\n".join(seed.setup)
    KeepalivedStack(topology, {}, lambda node: True).seed_member("lb1", director)
    assert ("ip_forward" in "\n".join(director.setup)) is (forwarding == "nat")


@pytest.mark.parametrize(("changes", "path"), [
    ({"stack": {"sync_groups": {"front": ["web"]}}}, "stack.sync_groups.front"),
    ({"stack": {"sync_groups": {"front": ["web", "mail"]}}}, "stack.sync_groups.front"),
    ({"stack": {"sync_groups": {"a": ["web", "shop"], "b": ["web", "shop"]}}, "services": {"shop": SHOP}},
     "stack.sync_groups.b"),
    ({"stack": {"sync_groups": {"a": ["web", "shop"]}}, "services": {"shop": SHOP | {"domain": {"failback": True}}}},
     "stack.sync_groups.a"),
    ({"stack": {"track_scripts": {"c": {"script": "/bin/true", "services": ["mail"]}}}},
     "stack.track_scripts.c.services"),
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


def test_what_is_passed_through_and_planted():
    topology = changed(mistakes=["equal-priorities", "two-masters", "master-without-preemption"], stack={
        "priorities": {"lb1": 100, "lb2": 100}, "states": {"lb1": "MASTER", "lb2": "MASTER"},
        "extra": {"global_defs": {"vrrp_garp_master_refresh": 10}, "vrrp_instance": {"garp_master_repeat": 2},
                  "virtual_server": {"persistence_timeout": 30}, "real_server": {"weight": 7, "inhibit_on_failure": ""},
                  "text": "static_routes {\n}"}})
    tree = blocks(config.keepalived_conf(topology, topology.cluster_nodes[1]))
    instance = block(tree, "vrrp_instance")
    assert "vrrp_garp_master_refresh 10" in block(tree, "global_defs") and "garp_master_repeat 2" in instance
    assert "state MASTER" in instance and "priority 100" in instance
    server = block(tree, "virtual_server")
    assert "persistence_timeout 30" in server and "weight 7" in block(server, "real_server")
    assert "inhibit_on_failure" in block(server, "real_server") and block(tree, "static_routes") == []
