"""The kinds of the cases in other spellings, at other places and several at once."""

import pytest

from fenceline.core.errors import FencelineError
from fenceline.importers.kinds import kind_of
from fenceline.importers.source import read_source
from tests.importers.files import DATA, imported, source

CF = (DATA / "r2-ha.cf").read_text()
TOTEM = "totem {\n  token: 3000\n}\n"


def _pairs(**values: str) -> str:
    return "".join(f'<nvpair id="n" name="{name}" value="{value}"/>' for name, value in values.items())


def _vip(name: str, last: int = 200, more: str = "") -> str:
    return (f'<primitive id="{name}" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i">'
            f'{_pairs(ip=f"192.168.50.{last}")}</instance_attributes>{more}</primitive>')


def _device(name: str, **values: str) -> str:
    return (f'<primitive id="{name}" class="stonith" type="fence_ipmilan"><instance_attributes id="i">'
            f'{_pairs(**values)}</instance_attributes></primitive>')


def _cib(resources: str, constraints: str = "", properties: str = "", nodes: str = ""):
    nodes = nodes or '<node id="1" uname="alpha"/><node id="2" uname="beta"/>'
    return source("cib", f'<cib><configuration><crm_config><cluster_property_set id="p">{properties}'
                  f'</cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{resources}</resources>'
                  f'<constraints>{constraints}</constraints></configuration></cib>')


def _said(draft, words: str) -> bool:
    return any(words in note for note in draft.notes)


@pytest.mark.parametrize(("devices", "delay"), [
    (_device("s", pcmk_host_list="alpha beta", pcmk_delay_base="ALPHA:5;beta:15s"), {"alpha": 5.0, "beta": 15.0}),
    (_device("s", pcmk_host_map="alpha.example.com:1;beta:2,3", pcmk_delay_base="alpha:5s beta:0"), {"alpha": 5.0}),
    (_device("s", pcmk_host_map="beta:2,3", pcmk_delay_base="PT10S"), {"beta": 10.0}),
    (_device("s", pcmk_host_list="alpha,beta", delay="15"), {}),
    (_device("s", ip="10.0.0.1", pcmk_delay_base="9s"), {}),
    (_device("s", pcmk_host_list="alpha", pcmk_delay_base="0") + _device("t", hostname="beta", delay="7"),
     {"beta": 7.0})])
def test_whose_fencing_waits(devices, delay):
    topology, draft = imported(_cib(devices + _vip("v")))
    assert topology.fencing.delay == delay
    assert _said(draft, "its delay") is not bool(delay)


@pytest.mark.parametrize(("properties", "method", "action"), [
    (_pairs(stonith_enabled="False"), "none", "reboot"), (_pairs(**{"stonith-enabled": "off"}), "none", "reboot"),
    (_pairs(**{"fencing-enabled": "TRUE", "fencing-action": "poweroff"}), "ipmi", "off")])
def test_properties_of_other_versions(properties, method, action):
    topology, _ = imported(_cib(_vip("v"), properties=properties))
    assert (topology.fencing.method, topology.fencing.action) == (method, action)


def test_only_where_a_location_lets_it_run():
    topology, draft = imported(_cib(
        _vip("v") + _vip("w", 201), '<rsc_location id="l" rsc="v" node="beta" score="100"/>',
        _pairs(**{"symmetric-cluster": "false"})))
    assert (topology.services["v"].domain.nodes, topology.services["v"].domain.restricted) == (("beta",), True)
    assert "w" not in topology.services
    assert _said(draft, "w: no node may run it, as symmetric-cluster is false")


def test_sets_refer_to_others_and_templates_give_what_is_not_there():
    resources = ('<template id="t" class="ocf" provider="heartbeat" type="IPaddr2"><meta_attributes id="shared">'
                 f'{_pairs(priority="7")}</meta_attributes><operations><op id="o" name="monitor" interval="7s"/>'
                 '</operations></template><primitive id="v" template="t"><instance_attributes id="i">'
                 f'{_pairs(ip="192.168.50.200")}</instance_attributes></primitive>'
                 + _vip("w", 201, '<meta_attributes id-ref="shared"/><meta_attributes id-ref="nowhere"/>'))
    topology, draft = imported(_cib(resources))
    assert topology.services["v"].vip.monitor == 7.0
    for words in ("v: priority=7", "w: priority=7", "id-ref=nowhere: there is none"):
        assert _said(draft, words)


def test_a_rule_makes_an_attribute_conditional_and_the_highest_set_counts():
    more = (f'<meta_attributes id="a" score="1">{_pairs(**{"resource-stickiness": "5"})}</meta_attributes>'
            f'<meta_attributes id="b" score="9">{_pairs(**{"resource-stickiness": "500"})}</meta_attributes>'
            f'<meta_attributes id="c"><rule id="r"/>{_pairs(priority="3")}</meta_attributes>')
    topology, draft = imported(_cib(_vip("v", more=more), '<rsc_location id="l" rsc="v" node="beta" score="100"/>'))
    assert not topology.services["v"].domain.failback
    assert _said(draft, "priority=3: by a rule")


DRBD = ('<clone id="c"><meta_attributes id="m">' + _pairs(promotable="true", **{"promoted-max": "2"})
        + '</meta_attributes><primitive id="d" class="ocf" provider="linbit" type="drbd"><instance_attributes id="x">'
        + _pairs(drbd_resource="r0") + "</instance_attributes></primitive></clone>")


def test_promoted_by_another_name_and_in_a_set():
    topology, _ = imported(_cib(
        DRBD + _vip("v") + _vip("w", 201),
        '<rsc_colocation id="a" score="INFINITY"><resource_set id="s"><resource_ref id="v"/><resource_ref id="w"/>'
        '</resource_set><resource_set id="t" role="Promoted"><resource_ref id="c"/></resource_set></rsc_colocation>'))
    assert topology.storage.drbd[0].dual_primary
    assert topology.services["w"].colocated_with == ("v",)


@pytest.mark.parametrize(("constraint", "words"), [
    ('<rsc_colocation id="a" rsc="v" with-rsc="c"/>', "with any replica"),
    ('<rsc_order id="o" first="c" first-action="promote" then="v" then-action="start"/>',
     "after the promotion of c: not"),
    ('<rsc_location id="l" rsc="c" role="Promoted" node="alpha" score="9"/>', "it is about c"),
    ('<rsc_order id="o" first="v" then="c"/>', "rsc_order o (v, c): not expressed")])
def test_what_else_is_said_of_a_mirror_is_a_note(constraint, words):
    _, draft = imported(_cib(DRBD + _vip("v"), constraint))
    assert _said(draft, words)


def test_sets_that_are_apart_and_in_no_order():
    topology, draft = imported(_cib(
        _vip("a") + _vip("b", 201) + _vip("c", 202),
        '<rsc_colocation id="k" score="-INFINITY"><resource_set id="s"><resource_ref id="a"/><resource_ref id="b"/>'
        '<resource_ref id="c"/></resource_set></rsc_colocation><rsc_order id="o"><resource_set id="1" '
        'sequential="false" require-all="false"><resource_ref id="a"/><resource_ref id="b"/></resource_set>'
        '<resource_set id="2"><resource_ref id="c"/></resource_set></rsc_order>'))
    assert topology.services["a"].apart_from == ("b", "c")
    assert topology.services["c"].after == ("a", "b")
    assert _said(draft, "require-all=false")


def _corosync(nodes: str, rest: str = ""):
    quorum = f"quorum {{\n  provider: corosync_votequorum\n{rest}}}\n"
    return source("corosync.conf", f"{TOTEM}nodelist {{\n{nodes}}}\n{quorum}")


@pytest.mark.parametrize(("nodes", "cib_nodes"), [
    ("node {\n ring0_addr: alpha.example.com\n}\nnode {\n ring0_addr: beta.example.com\n}\n", ""),
    ("node {\n name: Alpha\n ring0_addr: 10.0.0.1\n}\nnode {\n ring0_addr: beta-hb\n nodeid: 2\n}\n", ""),
    ("node {\n ring0_addr: 10.0.0.1\n}\nnode {\n ring0_addr: 10.0.0.2\n}\n",
     '<node id="167772161" uname="alpha"/><node id="167772162" uname="beta"/>'),
    ("node {\n ring0_addr: alpha\n}\nnode {\n ring0_addr: 10.0.0.2\n}\n", "")])
def test_a_node_has_one_name(nodes, cib_nodes):
    topology, draft = imported(_cib(_vip("v"), nodes=cib_nodes), _corosync(nodes))
    assert topology.cluster_nodes == ("alpha", "beta")
    assert not _said(draft, "no node of the CIB")


def test_a_node_that_is_none_of_the_cib_is_said():
    nodes = "".join(f"node {{\n ring0_addr: 10.9.9.{number}\n nodeid: {number}\n}}\n" for number in (2, 3, 4))
    topology, draft = imported(_cib(_vip("v")), _corosync(nodes))
    assert topology.cluster_nodes == ("alpha", "beta")
    assert _said(draft, "10.9.9.3 is no node of the CIB")


@pytest.mark.parametrize(("rest", "policy", "wait"), [
    ("", "majority", False), ("  two_node: 1\n", "two_node", True),
    ("  two_node: 1\n  wait_for_all: 0\n", "two_node", False), ("  wait_for_all: 1\n", "majority", True)])
def test_votequorums_defaults(rest, policy, wait):
    topology, _ = imported(_cib(_vip("v")), _corosync("node {\n name: alpha\n}\nnode {\n name: beta\n}\n", rest))
    assert (topology.stack.quorum.policy, topology.stack.quorum.wait_for_all) == (policy, wait)


@pytest.mark.parametrize(("more", "links"), [
    ("", 1), ("ucast eth0 10.0.0.1\nucast eth0 10.0.0.2\n", 1), ("bcast eth1 eth2 eth3\n", 4),
    ("mcast eth1 225.0.0.1 694 1 0\nucast eth2 10.0.0.1\n", 3)])
def test_the_links_of_heartbeat_are_its_devices(more, links):
    topology, _ = imported(source("ha.cf", CF + more), "r2-haresources")
    assert len(topology.networks_with("heartbeat")) == links


def _keepalived(*lines: str, name: str = "k.conf"):
    text = "\n".join(("vrrp_instance V {", *lines, "virtual_ipaddress {", "10.0.0.200", "}", "}"))
    return source(name, text + "\n")


def test_directors_without_priorities_are_equal():
    topology, draft = imported(_keepalived("state MASTER", name="a"), _keepalived("state BACKUP", name="b"))
    assert not topology.services["V"].domain.failback
    assert _said(draft, "the same priority 100")


def test_what_only_one_director_has_is_said():
    _, draft = imported(_keepalived("priority 150", name="a"),
                        _keepalived("nopreempt", "garp_master_delay 3", name="b"))
    assert _said(draft, "b:3: garp_master_delay 3: only lb2 has it")
    assert _said(draft, "nopreempt of lb2: without effect")


@pytest.mark.parametrize(("devices", "action"), [
    ('<device name="x" option="off"/><device name="y" option="off"/><device name="x" option="on"/>', "reboot"),
    ('<device name="x" action="OFF"/><device name="y" action="off"/>', "off"), ('<device name="z"/>', "off"),
    ('<device name="x"/>', "reboot")])
def test_what_the_fencing_of_rhcs_comes_to(devices, action):
    nodes = "".join(f'<clusternode name="{name}"><fence><method name="1">{devices}</method></fence></clusternode>'
                    for name in ("a", "b"))
    topology, _ = imported(source("c", (
        f'<cluster><clusternodes>{nodes}</clusternodes><fencedevices><fencedevice name="x" agent="fence_apc"/>'
        '<fencedevice name="y" agent="fence_apc"/><fencedevice name="z" agent="fence_apc" option="off"/></fencedevices>'
        '<rm><service name="s"><ip address="192.168.50.200" monitor_link="1"/></service></rm></cluster>')))
    assert topology.fencing.action == action


@pytest.mark.parametrize(("name", "content", "words"), [
    ("ha.cf.j2", b"node a\n", r"is a template \(\.j2\)"), ("corosync.conf.ERB", b"", "is a template"),
    ("ha.cf", b"keepalive {{ keepalive }}\n", r"ha\.cf:1: \{\{ keepalive \}\}: it is a template"),
    ("ha.cf", b"# {{ comment }}\nkeepalive 1\n{% if x %}\n", r"ha\.cf:3: \{% if x %\}: it is a template"),
    ("ha.cf", b"node stra\xdfe\n", r"ha\.cf:1: byte 9 is no UTF-8"), ("ha.cf", b" \n", "is empty"),
    ("cib.xml", b"<cib a='\xdf'/>", r"cib\.xml:1: byte 8 is no UTF-8"), ("ha.cf", b"node a\0\n", r"ha\.cf:1: a NUL"),
    ("cib.xml", b"<?xml version='1.0' encoding='klingon'?><cib/>", "unknown encoding")])
def test_what_is_no_text_of_a_configuration_is_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FencelineError, match=words):
        kind_of(read_source(str(path)))


@pytest.mark.parametrize("content", [b"<!-- Stra\xdfe -->\n<cib/>",
                                     b"<?xml version='1.0' encoding='ISO-8859-1'?><cib a='\xdf'/>",
                                     b"node a # Stra\xdfe\n", b"\xef\xbb\xbfnode a\n"])
def test_a_comment_may_have_any_bytes(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert kind_of(read_source(str(path))).name in ("cib", "ha.cf")
