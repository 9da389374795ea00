"""The CIB, parsed back. (The guest image's crm_verify 2.1.5 takes that of every shipped topology.)"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from fenceline.model.load import TOPOLOGY_DIR, load_topology, parse_topology
from fenceline.stacks.pacemaker.cib import cib_xml
from tests.model.sample import raw

PACEMAKER = [path.stem for path in sorted(TOPOLOGY_DIR.glob("*.yaml"))
             if load_topology(path.stem).stack.kind == "pacemaker"]


def cib(topology) -> ET.Element:
    return ET.fromstring(cib_xml(topology, "s3<&\"cret"))


def changed(**changes) -> ET.Element:
    return cib(parse_topology(raw(**changes), "x"))


def pairs(element: ET.Element | None) -> dict[str, str]:
    return {pair.get("name"): pair.get("value") for pair in element.iter("nvpair")} if element is not None else {}


def primitive(root: ET.Element, name: str) -> ET.Element:
    return root.find(f".//primitive[@id='{name}']")


def locations(root: ET.Element, resource: str) -> dict[str, str]:
    return {one.get("node"): one.get("score") for one in root.iter("rsc_location") if one.get("rsc") == resource}


@pytest.mark.parametrize("name", PACEMAKER)
def test_every_id_is_there_once_and_every_reference_leads_somewhere(name):
    topology = load_topology(name)
    root = cib(topology)
    ids = [element.get("id") for element in root.iter() if element.get("id") and element.tag != "node"]
    assert len(ids) == len(set(ids))
    resources = {one.get("id") for one in root.find("configuration/resources").iter()}
    for place in root.iter("rsc_location"):
        assert place.get("rsc") in resources and place.get("node") in topology.service_nodes
    for constraint in (*root.iter("rsc_order"), *root.iter("rsc_colocation")):
        assert {constraint.get(key) for key in ("first", "then", "rsc", "with-rsc")} - {None} <= resources


def test_a_header_that_pacemaker_2_1_5_takes(web):
    root = cib(web)
    assert root.get("validate-with") == "pacemaker-3.9" and root.get("crm_feature_set") == "3.16.1"
    assert [child.tag for child in root] == ["configuration", "status"]
    assert [child.tag for child in root.find("configuration")] == [
        "crm_config", "nodes", "resources", "constraints", "rsc_defaults"]
    assert [(node.get("id"), node.get("uname")) for node in root.iter("node")] == [("1", "rs-01"), ("2", "rs-02")]


def test_properties():
    found = pairs(changed(stack={"kind": "pacemaker", "dc_deadtime": "500ms", "start_failure_is_fatal": False,
                                 "quorum": {"policy": "two_node", "without_quorum": "freeze"}},
                          fencing={"action": "off", "timeout": "90s"}).find("configuration/crm_config"))
    assert {"cluster-name": "web-iscsi", "dc-deadtime": "500ms", "stonith-enabled": "true", "stonith-action": "off",
            "stonith-timeout": "90s", "no-quorum-policy": "freeze", "start-failure-is-fatal": "false"
            }.items() <= found.items()


def test_a_fencing_device_per_node_that_never_runs_on_its_own_node(web):
    root = cib(web)
    for node, address, delay in (("rs-01", "10.71.4.111", None), ("rs-02", "10.71.4.112", "4s")):
        device = primitive(root, f"fence-{node}")
        assert (device.get("class"), device.get("type")) == ("stonith", "fence_ipmilan")
        found = pairs(device.find("instance_attributes"))
        assert found["ip"] == address and found["pcmk_host_list"] == node and found["password"] == "s3<&\"cret"
        assert found["lanplus"] == "1" and found.get("pcmk_delay_base") == delay
        assert locations(root, f"fence-{node}") == {node: "-INFINITY"}
        assert device.findall("operations/op") == []


def test_a_watched_fencing_device():
    operation, = primitive(changed(fencing={"watch": "10s"}), "fence-rs-01").findall("operations/op")
    assert (operation.get("name"), operation.get("interval")) == ("monitor", "10s")


def test_without_fencing_there_is_none():
    root = changed(fencing={"method": "none"})
    assert pairs(root.find("configuration/crm_config"))["stonith-enabled"] == "false"
    assert not [one for one in root.iter("primitive") if one.get("class") == "stonith"]


def test_a_group_in_its_order(web):
    root = cib(web)
    assert [one.get("id") for one in root.find(".//group[@id='web']").findall("primitive")] == [
        "web-filesystem", "web-vip", "web-daemon"]
    disk = primitive(root, "web-filesystem")
    assert (disk.get("class"), disk.get("provider"), disk.get("type")) == ("ocf", "heartbeat", "Filesystem")
    found = pairs(disk.find("instance_attributes"))
    assert (found["device"], found["directory"], found["fstype"]) == ("/dev/fenceline/www", "/srv/www", "ext4")
    assert pairs(disk.find("operations/op[@name='monitor']")) == {"OCF_CHECK_LEVEL": "20"}
    assert pairs(primitive(root, "web-vip").find("instance_attributes")) == {
        "ip": "192.168.98.244", "cidr_netmask": "24"}
    assert {op.get("name"): op.get("interval") for op in primitive(root, "web-daemon").iter("op")} == {
        "monitor": "2s", "start": "0ms", "stop": "0ms"}


@pytest.mark.parametrize(("agent", "wanted"), [
    ("systemd:nginx", {"class": "systemd", "type": "nginx", "provider": None}),
    ("lsb:nginx", {"class": "lsb", "type": "nginx", "provider": None}),
    ("ocf:heartbeat:nginx", {"class": "ocf", "type": "nginx", "provider": "heartbeat"})])
def test_agents(agent, wanted):
    daemon = primitive(changed(services__web__group__2={"kind": "daemon", "agent": agent}), "web-daemon")
    assert {key: daemon.get(key) for key in wanted} == wanted
    assert bool(pairs(daemon.find("instance_attributes"))) is agent.startswith("ocf")


@pytest.mark.parametrize(("domain", "scores"), [
    ({"nodes": ["rs-01", "rs-02"]}, {"rs-01": "200", "rs-02": "100"}),
    ({"nodes": ["rs-02", "rs-01"]}, {"rs-02": "200", "rs-01": "100"}),
    ({"nodes": ["rs-01", "rs-02"], "ordered": False}, {"rs-01": "100", "rs-02": "100"}),
    ({"nodes": ["rs-02"], "restricted": True}, {"rs-02": "100", "rs-01": "-INFINITY"}),
    ({}, {})])
def test_a_failover_domain(domain, scores):
    assert locations(changed(services__web__domain=domain), "web") == scores


@pytest.mark.parametrize(("failback", "sticks"), [(False, True), (True, False)])
def test_fail_back_is_a_matter_of_stickiness(failback, sticks):
    root = changed(services__web__domain={"nodes": ["rs-01", "rs-02"], "failback": failback})
    stickiness = int(pairs(root.find(".//group/meta_attributes"))["resource-stickiness"])
    best = max(int(score) for score in locations(root, "web").values())
    assert (3 * stickiness > best) is sticks  # it counts for each of the group's three parts


def test_a_migration_threshold():
    assert "migration-threshold" not in pairs(changed().find("configuration/rsc_defaults"))
    root = changed(stack={"kind": "pacemaker", "quorum": {"policy": "two_node"}, "migration_threshold": 3})
    assert pairs(root.find("configuration/rsc_defaults"))["migration-threshold"] == "3"


@pytest.mark.parametrize(("mistakes", "order", "meta"), [
    ([], ["filesystem", "vip", "daemon"], {"resource-stickiness": "100000"}),
    (["vip-first"], ["vip", "filesystem", "daemon"], {"resource-stickiness": "100000"}),
    (["not-sticky"], ["filesystem", "vip", "daemon"], {"resource-stickiness": "0"}),
    (["not-together"], ["filesystem", "vip", "daemon"], {"resource-stickiness": "100000", "collocated": "false"})])
def test_planted_mistakes(mistakes, order, meta):
    group = changed(services__web__mistakes=mistakes).find(".//group")
    assert [one.get("id") for one in group.findall("primitive")] == [f"web-{kind}" for kind in order]
    assert pairs(group.find("meta_attributes")) == meta


def test_an_address_that_is_not_announced_is_one_that_ipaddr2_was_told_so_of():
    def told(**fields):
        return pairs(changed(**fields).find(".//primitive[@id='web-vip']/instance_attributes"))
    assert told()["ip"] == told(services__web__mistakes=["not-announced"])["ip"]
    assert "send_arp_opts" not in told()
    assert told(services__web__mistakes=["not-announced"])["send_arp_opts"] == "-U"


def bound(**services):
    raw_services = load_topology("services-3").model_dump(mode="json", exclude_unset=True)
    for name, fields in services.items():
        raw_services["services"][name] |= fields
    return cib(parse_topology(raw_services, "x"))


def test_services_that_depend_on_each_other():
    root = bound(app={"after": ["web"], "colocated_with": ["web"]})
    order, = root.iter("rsc_order")
    assert (order.get("first"), order.get("then"), order.get("kind")) == ("web", "app", "Mandatory")
    beside, = root.iter("rsc_colocation")
    assert (beside.get("rsc"), beside.get("with-rsc"), beside.get("score")) == ("app", "web", "INFINITY")
    apart, = bound(app={"apart_from": ["web"]}).iter("rsc_colocation")
    assert apart.get("score") == "-INFINITY"


@pytest.mark.parametrize(("recovery", "start", "monitor", "meta"), [
    ("restart", None, None, {}), ("relocate", None, None, {"migration-threshold": "1", "failure-timeout": "60s"}),
    ("restart-disable", "stop", None, {}), ("disable", "stop", "stop", {})])
def test_recovery_policies(recovery, start, monitor, meta):
    root = bound(web={"recovery": recovery})
    for part in ("web-vip", "web-daemon"):
        found = {op.get("name"): op.get("on-fail") for op in primitive(root, part).iter("op")}
        assert found == {"monitor": monitor, "start": start, "stop": None}
    group = root.find(".//group[@id='web']/meta_attributes")
    assert {name: value for name, value in pairs(group).items() if name != "resource-stickiness"} == meta


class TestActiveOnAll:
    """gfs2-iscsi: clones of the lock manager and of the group, in this order, on the same nodes."""

    @pytest.fixture
    def root(self):
        return cib(load_topology("gfs2-iscsi"))

    def test_clones_interleave(self, root):
        for name, inside in (("dlm-clone", "primitive"), ("farm-clone", "group")):
            clone = root.find(f"configuration/resources/clone[@id='{name}']")
            assert pairs(clone.find("meta_attributes")) == {"interleave": "true"}
            assert [child.tag for child in clone] == ["meta_attributes", inside]

    def test_the_group_follows_the_lock_manager(self, root):
        order, = root.iter("rsc_order")
        assert (order.get("first"), order.get("then")) == ("dlm-clone", "farm-clone")
        place, = root.iter("rsc_colocation")
        assert (place.get("rsc"), place.get("with-rsc"), place.get("score")) == ("farm-clone", "dlm-clone", "INFINITY")
        assert not [one for one in root.iter("rsc_location") if one.get("rsc").startswith("farm")]

    def test_the_parameters(self, root):
        assert {key: pairs(primitive(root, "farm-filesystem").find("instance_attributes"))[key]
                for key in ("device", "directory", "fstype")} == {
            "device": "/dev/fenceline/shared", "directory": "/srv/shared", "fstype": "gfs2"}
        assert pairs(primitive(root, "farm-daemon"))["shared"] == "1"
        assert primitive(root, "dlm").find("instance_attributes") is None

    def test_what_fails_is_fenced(self, root):
        fails = {op.get("id"): op.get("on-fail") for op in root.iter("op") if op.get("on-fail")}
        assert fails == {"farm-filesystem-monitor-5s": "fence", "dlm-monitor-10s": "fence"}

    def test_without_fencing_the_agent_must_be_told_so(self):
        made = load_topology("gfs2-iscsi").model_dump(mode="json", exclude_unset=True)
        root = cib(parse_topology(made | {"fencing": {"method": "none"}}, "x"))
        assert pairs(primitive(root, "dlm")) == {"allow_stonith_disabled": "true"}

    def test_clustered_lvm_is_between_the_lock_manager_and_the_mount(self):
        made = load_topology("gfs2-iscsi").model_dump(mode="json", exclude_unset=True)
        made["storage"]["iscsi"]["luns"][0]["clustered_lvm"] = True
        root = cib(parse_topology(made, "x"))
        managers = root.findall(".//clone[@id='dlm-clone']/group/primitive")
        assert [one.get("id") for one in managers] == ["dlm", "lvmlockd"]
        assert [one.get("id") for one in root.findall(".//clone[@id='farm-clone']/group/primitive")] == [
            "farm-volume", "farm-filesystem", "farm-daemon"]
        assert pairs(primitive(root, "farm-volume")) == {
            "vgname": "vg-shared", "lvname": "shared", "vg_access_mode": "lvmlockd", "activation_mode": "shared"}

    def test_what_is_bound_to_a_service_on_all_nodes_is_bound_to_its_clone(self):
        root = cib(load_topology("kvm-ocfs2"))
        assert {(one.get("first"), one.get("then")) for one in root.iter("rsc_order")} == {
            ("dlm-clone", "images-clone"), ("images-clone", "guest-1"), ("images-clone", "guest-2")}
        assert {(one.get("with-rsc"), one.get("rsc")) for one in root.iter("rsc_colocation")} == {
            ("dlm-clone", "images-clone"), ("images-clone", "guest-1"), ("images-clone", "guest-2")}
        assert pairs(primitive(root, "guest-1-daemon")) == {
            "root": "/srv/images/guest-1", "port": "8081", "sync": "1"}

    def test_on_a_dual_primary_the_clone_follows_both_promotions(self):
        root = cib(load_topology("gfs2-drbd"))
        order, = [one for one in root.iter("rsc_order") if one.get("first") == "drbd-shared-clone"]
        assert (order.get("then"), order.get("first-action")) == ("farm-clone", "promote")
        place, = [one for one in root.iter("rsc_colocation") if one.get("with-rsc") == "drbd-shared-clone"]
        assert (place.get("rsc"), place.get("with-rsc-role")) == ("farm-clone", "Promoted")
        assert pairs(primitive(root, "farm-filesystem"))["device"] == "/dev/drbd0"

def test_drbd_is_promoted_where_its_group_runs():
    root = cib(load_topology("ledger-drbd"))
    clone = root.find(".//clone[@id='drbd-r0-clone']")
    meta = pairs(clone.find("meta_attributes"))
    assert (meta["promotable"], meta["notify"], meta["promoted-max"], meta["clone-max"]) == ("true", "true", "1", "2")
    agent = clone.find("primitive")
    assert (agent.get("class"), agent.get("provider"), agent.get("type")) == ("ocf", "linbit", "drbd")
    assert pairs(agent.find("instance_attributes")) == {"drbd_resource": "r0"}
    monitors = {op.get("role"): op.get("interval") for op in agent.iter("op") if op.get("name") == "monitor"}
    assert set(monitors) == {"Promoted", "Unpromoted"} and len(set(monitors.values())) == 2
    together = root.find(".//rsc_colocation")
    assert (together.get("rsc"), together.get("with-rsc"), together.get("with-rsc-role"), together.get("score")) == (
        "ledger", "drbd-r0-clone", "Promoted", "INFINITY")
    order = root.find(".//rsc_order")
    assert (order.get("first"), order.get("first-action"), order.get("then")) == (
        "drbd-r0-clone", "promote", "ledger")
    assert pairs(primitive(root, "ledger-filesystem").find("instance_attributes"))["device"] == "/dev/drbd0"


def test_a_dual_primary_is_promoted_on_both_nodes():
    made = load_topology("ledger-drbd").model_dump(mode="json", exclude_unset=True)
    made["storage"]["drbd"][0]["dual_primary"] = True
    clone = cib(parse_topology(made, "x")).find(".//clone[@id='drbd-r0-clone']")
    assert pairs(clone.find("meta_attributes"))["promoted-max"] == "2"


def test_remote_nodes():
    topology = load_topology("web-remote")
    root = cib(topology)
    # one that is listed before it was ever seen would be fenced at the start
    assert [node.get("uname") for node in root.iter("node")] == ["node1", "node2"]
    connection = primitive(root, "remote1")
    assert (connection.get("class"), connection.get("provider"), connection.get("type")) == (
        "ocf", "pacemaker", "remote")
    assert pairs(connection)["server"] == "10.78.1.31"
    assert pairs(primitive(root, "fence-remote1"))["pcmk_host_list"] == "remote1"
    assert locations(root, "web")["remote1"] == "300"
