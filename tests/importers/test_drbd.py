"""DRBD's files: with the cluster that uses them, and alone."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source

TEXT = (DATA / "dual-primary.res").read_text()


def test_r5_as_a_whole():
    topology, draft = imported("r5-ha.cf", "r5-haresources", "r5-authkeys", "r5-drbd.conf")
    mirror, = topology.storage.drbd
    assert (mirror.name, mirror.protocol, mirror.filesystem, mirror.shared_secret) == ("r", "C", "ext3", True)
    assert (mirror.resync_rate, mirror.dual_primary, mirror.fencing) == (10 * 2**20, False, "dont-care")
    service = topology.services["service"]
    assert [part.kind for part in service.group] == ["filesystem", "vip", "daemon"]
    assert (service.filesystem.drbd, service.filesystem.mountpoint, service.daemon.name) == ("r", "/data", "mariadb")
    assert mirror.size == 256 * 2**20
    assert topology.storage.iscsi is None
    notes = "\n".join(draft.notes)
    for word in ("wfc-timeout", "degr-wfc-timeout", "on-io-error", "split-brain"):
        assert f"{line_of('r5-drbd.conf', word)}: " in notes
    assert "notARealSecret" not in notes


def test_a_resource_alone():
    topology, draft = imported("single-primary.res")
    assert topology.cluster_nodes == ("guest1", "guest2")
    mirror, = topology.storage.drbd
    assert (mirror.after_sb_0pri, mirror.after_sb_1pri, mirror.after_sb_2pri) == (
        "discard-zero-changes", "discard-secondary", "disconnect")
    assert (mirror.resync_rate, mirror.shared_secret) == (33 * 2**20, False)
    assert topology.services["webdata"].filesystem.drbd == "webdata"
    for word in ("rr-conflict", "verify-alg", "handlers"):
        assert any(note.startswith(f"{line_of('single-primary.res', word)}: ") for note in draft.notes), word


def test_two_primaries_and_fencing():
    topology, draft = imported("dual-primary.res")
    mirror, = topology.storage.drbd
    assert (mirror.dual_primary, mirror.fencing, mirror.resync_rate) == (True, "resource-and-stonith", 40 * 2**20)
    notes = "\n".join(draft.notes)
    assert "crm-fence-peer" not in notes  # the topology's own
    assert f"{line_of('dual-primary.res', 'c-max-rate')}: disk: c-max-rate 100M: not expressed" in notes


def test_fencing_that_the_cluster_has_not():
    text = (DATA / "r5-drbd.conf").read_text().replace("disk { resync", "disk { fencing resource-only; resync")
    topology, draft = imported("r5-ha.cf", "r5-haresources", source("d.conf", text))
    assert topology.storage.drbd[0].fencing == "dont-care"
    assert any("dont-care, as heartbeat" in note for note in draft.notes)


def test_common_is_overruled_and_volumes_are_resources():
    text = '''common { protocol A; }
resource x { net { protocol B; timeout 5; ping-int 300; }
  on a { volume 0 { device /dev/drbd_x0 minor 5; } volume 1 { device minor 6; } address 10.0.0.1:1; }
  on b { address 10.0.0.2:1; }
  volume 0 { disk /dev/sda; } volume 1 { disk /dev/sdb; } }
'''
    topology, draft = imported(source("x.res", text))
    assert [(one.name, one.protocol, one.timeout, one.ping_int) for one in topology.storage.drbd] == [
        ("x-0", "B", 0.5, 120.0), ("x-1", "B", 0.5, 120.0)]
    assert any("x has 2 volumes" in note for note in draft.notes)
    assert draft.drbd_devices["/dev/drbd5"] == draft.drbd_devices["/dev/drbd_x0"] == "x-0"
    assert draft.drbd_devices["/dev/drbd6"] == "x-1"


CIB = '''<cib><configuration><crm_config/><nodes><node uname="guest1"/><node uname="guest2"/></nodes><resources>
<master id="ms"><primitive id="d" class="ocf" provider="linbit" type="drbd"><instance_attributes id="i">
<nvpair id="n" name="drbd_resource" value="webdata"/></instance_attributes></primitive></master>
<group id="g"><primitive id="f" class="ocf" provider="heartbeat" type="Filesystem"><instance_attributes id="j">
<nvpair id="n1" name="device" value="/dev/drbd0"/><nvpair id="n2" name="directory" value="/srv/x"/>
<nvpair id="n3" name="fstype" value="ext4"/></instance_attributes></primitive></group></resources>
<constraints><rsc_colocation id="c" rsc="g" with-rsc="ms" with-rsc-role="Master" score="INFINITY"/>
<rsc_order id="o" first="ms" first-action="promote" then="g" then-action="start"/></constraints></configuration></cib>
'''


@pytest.mark.parametrize("more", [(), ("single-primary.res",)])
def test_a_cib_with_a_promoted_mirror(more):
    topology, draft = imported(source("cib", CIB), *more)
    assert topology.services["g"].filesystem.drbd == "webdata"
    assert not any("not expressed" in note and note.startswith("cib") for note in draft.notes)
    assert any("give drbd.conf along" in note for note in draft.notes) is not bool(more)


@pytest.mark.parametrize(("text", "words"), [
    ("global { usage-count no; }\n", r"x\.res has no resource"),
    ("resource r {\n  protocol D;\n}\n", r"x\.res:2: protocol D"),
    ("resource r {\n  net { timeout soon; }\n}\n", r"x\.res:2: 'soon' is no number"),
    ("resource r {\n  syncer { rate fast; }\n}\n", r"x\.res:2: rate fast"),
    ("resource r {\n  protocol C\n}\n", r"x\.res:3: `protocol C` has no semicolon"),
    (TEXT[:300], r"x\.res:\d+: ")])
def test_bad_files_have_one_message_with_their_place(text, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("x.res", text))
