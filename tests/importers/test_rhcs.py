"""cluster.conf of cman and rgmanager (R6, R7) as a topology on Corosync and Pacemaker."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source

TEXT = (DATA / "cluster.conf").read_text()


def test_r7():
    topology, draft = imported("cluster.conf")
    assert topology.cluster_nodes == ("node1", "node2", "node3")
    assert (topology.stack.token, topology.stack.quorum.policy) == (20.0, "majority")
    assert (topology.fencing.method, topology.fencing.action, topology.fencing.delay) == ("ipmi", "off", {"node2": 5.0})
    web = topology.services["webservice"]
    # rgmanager starts siblings by type: file system, address, script
    assert [part.kind for part in web.group] == ["filesystem", "vip", "daemon"]
    assert (web.domain.nodes, web.domain.ordered, web.domain.restricted, web.domain.failback) == (
        ("node2", "node1"), True, False, False)
    ftp = topology.services["ftp"]
    assert (web.recovery, ftp.recovery) == ("relocate", "restart-disable")
    assert [part.kind for part in ftp.group] == ["vip", "filesystem"]  # a child starts after its parent
    assert (ftp.domain.nodes, ftp.domain.restricted, ftp.domain.failback) == (("node1", "node3"), True, True)
    for word in ('method name="san"', 'name="node3.example.com"', "post_fail_delay", 'name="xvm" domain', "node9",
                 'ref="nowhere"', "vsftpd", 'autostart="0"', "<vm ", "self_fence"):
        place = line_of("cluster.conf", word)
        assert any(note.startswith(f"{place}: ") for note in draft.notes), place
    assert not any("notARealSecret" in note for note in draft.notes)


def test_r6():
    topology, draft = imported("r6-cluster.conf")
    assert (topology.stack.quorum.policy, topology.stack.quorum.device) == ("qdevice", "quorum-host")
    service = topology.services["mysql"]
    assert (service.filesystem.lun, service.filesystem.mountpoint) == ("sda1", "/var/lib/mysql")
    assert (service.daemon.name, service.daemon.port, service.recovery) == ("mariadb", 3306, "relocate")
    assert topology.storage.iscsi.luns[0].size == 256 * 2**20
    assert service.domain.restricted
    assert service.domain.failback
    notes = "\n".join(draft.notes)
    for words in ("quorum disk qdisk", "heuristic ping", "fence_virt (fence_virt)"):
        assert words in notes


def test_two_nodes_without_a_quorum_disk():
    text = (DATA / "r6-cluster.conf").read_text()
    start, end = text.index("  <quorumd"), text.index("</quorumd>") + len("</quorumd>")
    topology, _ = imported(source("c", (text[:start] + text[end:]).replace(
        '<cman expected_votes="3"/>', '<cman expected_votes="1" two_node="1"/>')))
    assert topology.stack.quorum.policy == "two_node"


def test_without_fence_devices_nobody_is_fenced():
    start, end = TEXT.index("  <fencedevices>"), TEXT.index("</fencedevices>") + len("</fencedevices>")
    topology, draft = imported(source("c", TEXT[:start] + TEXT[end:]))
    assert topology.fencing.method == "none"
    assert "c: there is no fencedevice: nobody is fenced" in draft.notes


@pytest.mark.parametrize(("text", "words"), [
    ("<cluster/>", "c names no clusternode"),
    ('<cluster><clusternodes><clusternode name="a"/></clusternodes></cluster>', "c has no service in <rm>"),
    ("<cluster>\n<rm>\n", r"c:\d: .*not whole"),
    ("<!DOCTYPE x [<!ENTITY a 'b'>]>\n<cluster/>", r"c:1: a document type"),
    (TEXT.replace('token="20000"', 'token="long"'), r"c:5: 'long' is no number")])
def test_bad_files_have_one_message_with_their_place(text, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("c", text))
