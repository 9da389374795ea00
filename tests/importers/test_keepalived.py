"""keepalived.conf as a topology (R8)."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source


def test_one_directors_file_with_ipvs():
    topology, draft = imported("lvs.conf")
    assert topology.cluster_nodes == ("lb1", "lb2")
    service = topology.services["VI-1"]
    assert str(service.vip.address) == "10.23.8.208"
    server = service.virtual_server
    assert (server.algorithm, server.check, server.interval, server.timeout) == ("wlc", "tcp", 6.0, 3.0)
    assert server.forwarding == "nat"
    assert server.real_servers == ("rs-172-18-1-11", "rs-172-18-1-12")
    assert (service.domain.nodes, service.domain.failback) == (("lb1", "lb2"), True)
    stack = topology.stack
    assert stack.sync_groups == {"VG1": ("VI-1", "VI-2")}
    assert (stack.advert_interval, stack.transport, stack.adverts_on, stack.router_id_first) == (
        1.0, "multicast", "service", 51)
    for word in ("vrrp_strict", "authentication", "notify_master", "weight 100",
                 "persistence_timeout", "sorry_server", "12 8080", "virtual_router_id 60", "10.23.8.81"):
        place = line_of("lvs.conf", word)
        assert any(note.startswith(f"{place}: ") for note in draft.notes), place


def test_a_file_of_each_director_with_haproxy():
    topology, draft = imported("haproxy-lb2.conf", "haproxy-lb1.conf")
    assert topology.cluster_nodes == ("lb-2", "lb-1")
    service = topology.services["haproxy-vip"]
    assert service.domain.nodes == ("lb-1", "lb-2")  # by priority, not by the files' order
    assert service.daemon.name == "haproxy"
    stack = topology.stack
    assert (stack.transport, stack.check_interval, stack.router_id_first) == ("unicast", 2.0, 60)
    assert any("haproxy.cfg is not read" in note for note in draft.notes)


SYNC = """vrrp_sync_group G1 {{
group {{
V1
V2
}}
}}
vrrp_instance V1 {{
state BACKUP
priority 150
virtual_ipaddress {{
10.0.0.200
}}
}}
vrrp_instance V2 {{
state BACKUP
{}
virtual_ipaddress {{
10.0.0.201
}}
}}
"""


@pytest.mark.parametrize(("line", "groups"), [("priority 150", {"G1": ("V1", "V2")}),
                                              ("priority 150\nnopreempt", {})])
def test_what_moves_together_is_a_sync_group(line, groups):
    topology, draft = imported(source("k.conf", SYNC.format(line)))
    assert topology.stack.sync_groups == groups
    assert any("prefer different directors" in note for note in draft.notes) is not bool(groups)


@pytest.mark.parametrize(("state", "more", "first", "failback"), [
    ("MASTER", "", "lb1", True), ("BACKUP", "", "lb2", True), ("BACKUP", "nopreempt", "lb1", False),
    ("MASTER", "nopreempt", "lb1", True)])
def test_who_takes_the_address_back(state, more, first, failback):
    text = f"vrrp_instance V {{\nstate {state}\n{more}\nvirtual_ipaddress {{ 10.0.0.200 }}\n}}\n"
    topology, draft = imported(source("k.conf", text))
    domain = topology.services["V"].domain
    assert (domain.nodes[0], domain.failback) == (first, failback)
    assert any("no effect" in note for note in draft.notes) is (state == "MASTER" and bool(more))


def test_a_check_that_is_not_known_is_said():
    text = (DATA / "haproxy-lb1.conf").read_text().replace("killall -0 haproxy", "/etc/keepalived/check.sh")
    topology, draft = imported(source("k.conf", text))
    assert topology.services["haproxy-vip"].daemon is None
    assert any("/etc/keepalived/check.sh, interval 2, weight 2): not expressed" in note for note in draft.notes)


@pytest.mark.parametrize(("text", "words"), [
    ("vrrp_instance V {\npriority 1\n", r"k\.conf:1: the block `vrrp_instance V` is not closed"),
    ("global_defs {\n}\n}\n", r"k\.conf:3: a closing brace too many"),
    ("global_defs {\n{\n}\n}\n", r"k\.conf:2: a brace without a name"),
    ('vrrp_script x {\nscript "a\n}\n', r"k\.conf:2: a quotation mark is not closed"),
    ("virtual_server 10.0.0.1 80 {\n}\n", "no vrrp_instance"),
    ("vrrp_instance V {\n}\n", "no vrrp_instance has a virtual_ipaddress"),
    ("vrrp_instance V {\npriority high\nvirtual_ipaddress {\n10.0.0.200\n}\n}\n", r"k\.conf:2: 'high' is no number"),
    ("vrrp_instance V {\nvirtual_ipaddress {\n10.0.0.300\n}\n}\n", r"k\.conf:3: 10\.0\.0\.300 is no address")])
def test_bad_files_have_one_message_with_their_place(text, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("k.conf", text))
