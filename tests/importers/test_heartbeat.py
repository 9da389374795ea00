"""ha.cf and haresources as people published them (R2 and R5), as topologies."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source

R2_CF = (DATA / "r2-ha.cf").read_text()
R2_RESOURCES = (DATA / "r2-haresources").read_text()


def _r2(more_cf: str = "", more_resources: str = ""):
    return imported(source("ha.cf", R2_CF + more_cf), source("haresources", R2_RESOURCES + more_resources))


def test_r2():
    topology, draft = imported("r2-ha.cf", "r2-haresources")
    stack = topology.stack
    assert (stack.keepalive, stack.warntime, stack.deadtime) == (1.5, 3.0, 6.0)
    assert (stack.media, str(stack.mcast_group), stack.udpport) == ("mcast", "225.0.0.1", 694)
    assert stack.ping == ("client",)
    assert stack.ipfail
    service = topology.services["service"]
    assert service.domain.nodes == ("node1", "node2")
    assert service.domain.failback
    assert [part.kind for part in service.group] == ["vip", "filesystem", "daemon"]
    assert str(service.vip.address) == "192.168.60.200"
    assert (service.filesystem.export, service.filesystem.mountpoint) == ("htdoc", "/var/www/html")
    assert topology.fencing.method == "none"
    assert [note.partition(": ")[0] for note in draft.notes] == [
        "r2-ha.cf", line_of("r2-ha.cf", "ping "), "r2-haresources:2", "r2-haresources:2"]


def test_r5_says_what_it_can_not_express():
    topology, draft = imported("r5-ha.cf", "r5-haresources", "r5-authkeys")
    assert (topology.stack.initdead, topology.stack.media, topology.stack.auth) == (60.0, "ucast", "sha1")
    assert topology.stack.ping_group == {"gateways": ("client",)}
    assert not topology.services["service"].domain.failback
    notes = "\n".join(draft.notes)
    for words in (f"{line_of('r5-ha.cf', 'watchdog')}: watchdog /dev/watchdog: not expressed",
                  "10.0.0.20 becomes 10.0.0.148", "10.0.0.1 10.0.0.2", "r has DRBD's own defaults"):
        assert words in notes
    assert topology.services["service"].filesystem.drbd == "r"


def test_the_order_of_the_files_does_not_matter():
    assert imported("r2-haresources", "r2-ha.cf")[0].services == imported("r2-ha.cf", "r2-haresources")[0].services


def test_stonith_of_another_kind_is_a_bmc():
    topology, draft = _r2("stonith_host * baytech 10.0.0.3 mylogin notARealSecret\n")
    assert topology.fencing.method == "ipmi"
    assert any("STONITH by baytech" in note for note in draft.notes)
    assert not any("notARealSecret" in note for note in draft.notes)


def test_crm_and_a_second_medium_are_said():
    _, draft = _r2("crm yes\nbcast eth1\nserial /dev/ttyS0\n")
    assert sum("crm" in note or "bcast" in note or "serial" in note for note in draft.notes) == 3


def test_a_line_for_a_stranger_is_left_out():
    topology, draft = _r2("", "node3 httpd\n")
    assert list(topology.services) == ["service-1"]
    assert any("node3 is no node" in note for note in draft.notes)


@pytest.mark.parametrize(("ha_cf", "resources", "words"), [
    ("keepalive 1\n", R2_RESOURCES, "names no node"),
    (R2_CF, "node1 10.0.0.1.2 MailTo::x\n", "nothing of its services"),
    (R2_CF + "deadtime soon\n", R2_RESOURCES, r"ha\.cf:14: 'soon' is not a duration"),
    (R2_CF + "udpport high\n", R2_RESOURCES, r"ha\.cf:14: 'high' is no number"),
    ("mcast eth0\n" + R2_CF.replace("mcast eth0", "#"), R2_RESOURCES, r"ha\.cf:1: mcast has no group")])
def test_what_is_no_cluster_is_refused(ha_cf, resources, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("ha.cf", ha_cf), source("haresources", resources))


def test_authkeys_must_choose_a_method():
    with pytest.raises(FencelineError, match=r"keys:2: auth 1 chooses rot13"):
        imported("r2-ha.cf", "r2-haresources", source("keys", "auth 1\n1 rot13 x\n"))
