"""A CIB, alone and with its corosync.conf, as a topology."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source

TEXT = (DATA / "cib.xml").read_text()


def test_colocated_primitives_are_one_service_in_their_order():
    topology, draft = imported("cib.xml")
    assert topology.cluster_nodes == ("pcmk-1", "pcmk-2")
    service = topology.services["ClusterIP"]
    assert [part.kind for part in service.group] == ["vip", "filesystem", "daemon"]
    assert [part.monitor for part in service.group] == [30.0, 20.0, 60.0]
    assert service.filesystem.monitor_depth == 20
    # 50 points for pcmk-1 are less than three parts that stick with 100 each
    assert (service.domain.nodes, service.domain.ordered, service.domain.failback) == (
        ("pcmk-1", "pcmk-2"), True, False)
    tools = topology.services["tools"]
    assert (tools.daemon.agent, tools.vip.monitor) == ("systemd:nginx", 0)
    assert (tools.domain.nodes, tools.domain.restricted) == (("pcmk-2",), True)
    assert (tools.after, tools.apart_from, tools.daemon.port) == (("ClusterIP",), ("ClusterIP",), 8080)
    assert topology.stack.migration_threshold == 5
    assert topology.stack.quorum.without_quorum == "freeze"
    assert (topology.fencing.method, topology.fencing.timeout, topology.fencing.delay) == (
        "ipmi", 120.0, {"pcmk-1": 15.0})
    for word in ("standby", "batch-limit", "ping-clone", '"apc"', "cli-ban", 'id="l2"', 'id="ClusterIP"',
                 'id="WebSite"', "on-fail", 'id="tools-ip"', "target-role", "failure-timeout", "<fencing-topology"):
        place = line_of("cib.xml", word)
        assert any(note.startswith(f"{place}: ") for note in draft.notes), place


def test_corosync_conf_says_votes_timing_and_links():
    topology, draft = imported("cib.xml", "corosync.conf")
    stack = topology.stack
    assert (stack.token, stack.secauth, stack.quorum.policy) == (3.0, False, "qdevice")
    assert len(topology.networks_with("heartbeat")) == 2
    assert any(note.startswith(f"{line_of('corosync.conf', 'max_messages')}: ") for note in draft.notes)
    assert not any("says nothing of votes" in note for note in draft.notes)


def test_two_addresses_that_must_be_together_are_two_services():
    text = TEXT.replace('with-rsc="WebSite" score="-INFINITY"', 'with-rsc="WebSite" score="INFINITY"')
    topology, _ = imported(source("c", text))
    assert topology.services["tools"].colocated_with == ("ClusterIP",)


def test_a_preference_stronger_than_stickiness_fails_back():
    topology, _ = imported(source("c", TEXT.replace('score="50"', 'score="500"')))
    assert topology.services["ClusterIP"].domain.failback


def test_without_stonith():
    topology, draft = imported(source("c", TEXT.replace(
        'name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"')))
    assert topology.fencing.method == "none"
    assert any("nobody is fenced" in note for note in draft.notes)


@pytest.mark.parametrize(("text", "words"), [
    ("<cib/>", "has no <configuration>"),
    ("<cib><configuration/></cib>", "names no node"),
    ('<cib><configuration><nodes><node uname="a"/></nodes></configuration></cib>', "no primitive and no group"),
    ("<pacemaker-result/>", "neither a CIB"),
    (TEXT[:2000], r"c:\d+: .*not whole"),
    (TEXT.replace('score="50"', 'score="high"'), r"c:\d+: 'high' is no number")])
def test_bad_files_have_one_message_with_their_place(text, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("c", text))
