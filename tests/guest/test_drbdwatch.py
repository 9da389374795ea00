"""What DRBD 8.4.11 says, recorded in a guest (drbd-utils 9.22): its event stream and /proc/drbd."""

from __future__ import annotations

import sys

import pytest

from fenceline.storage.drbd.watch import ABSENT, DrbdState, DrbdWatch, parse_event, parse_out_of_sync

FIRST = """\
exists resource name:r0 role:Secondary suspended:no write-ordering:flush
exists connection name:r0 peer-node-id:0 conn-name:peer connection:Connected role:Secondary congested:no
exists device name:r0 volume:0 minor:0 disk:UpToDate size:65496 read:0 written:0 al-writes:8 bm-writes:0 \
upper-pending:0 lower-pending:0 al-suspended:no blocked:no
exists peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:UpToDate \
resync-suspended:no received:0 sent:0 out-of-sync:65496 pending:0 unacked:0
exists -
"""
LOST = """\
change connection name:r0 peer-node-id:0 conn-name:peer connection:TearDown role:Unknown
change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown received:400 sent:0
change connection name:r0 peer-node-id:0 conn-name:peer
change connection name:r0 peer-node-id:0 conn-name:peer connection:Connecting
"""
HELPER = "call helper name:r0 peer-node-id:0 conn-name:peer volume:0 minor:0 helper:before-resync-source"
PROC = """\
version: 8.4.11 (api:1/proto:86-101)
srcversion: DA6B55A41DED5E58CDBAB30 

 1: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:220 nr:0 dw:800 dr:220 al:9 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:65276
	[>...................] sync'ed:  6.3% (65276/65496)K
	finish: 0:02:43 speed: 220 (220) K/sec
"""  # noqa: W291 as the kernel writes it


def fed(text: str, state: DrbdState | None = None):
    state = state or DrbdState({"r0": 0})
    return [change for line in text.splitlines() for change in state.feed(line)]


def test_what_is_there_at_first():
    assert fed(FIRST) == [
        ("drbd.role", {"resource": "r0", "role": "Secondary"}),
        ("drbd.connection", {"resource": "r0", "connection": "Connected", "peer_role": "Secondary"}),
        ("drbd.disk", {"resource": "r0", "disk": "UpToDate", "peer_disk": "DUnknown", "replication": "Off"}),
        ("drbd.disk", {"resource": "r0", "disk": "UpToDate", "peer_disk": "UpToDate", "replication": "Established"})]


def test_a_change_is_told_once():
    state = DrbdState({"r0": 0})
    fed(FIRST, state)
    assert fed("change resource name:r0 role:Primary", state) == [("drbd.role", {"resource": "r0", "role": "Primary"})]
    assert fed("change resource name:r0 role:Primary", state) == []
    assert [data.get("connection") or data["peer_disk"] for _, data in fed(LOST, state)] == [
        "TearDown", "DUnknown", "Connecting"]


def test_a_resource_that_is_taken_down():
    state = DrbdState({"r0": 0})
    fed(FIRST, state)
    gone = fed("destroy resource name:r0", state)
    assert gone == [("drbd.role", {"resource": "r0", "role": "Unconfigured"})]


def test_helpers_are_told_when_called_and_when_they_have_ended():
    told = {"resource": "r0", "helper": "before-resync-source"}
    assert fed(HELPER) == [("drbd.helper", {**told, "status": None})]
    assert fed(HELPER.replace("call", "response") + " status:0") == [("drbd.helper", {**told, "status": 0})]
    # crm-fence-peer.sh gave 4: the cluster keeps the peer from being promoted
    assert fed("response helper name:r0 peer-node-id:0 conn-name:peer helper:fence-peer status:1024") == [
        ("drbd.helper", {"resource": "r0", "helper": "fence-peer", "status": 4})]


def test_other_resources_are_nobodys_business():
    assert fed("change resource name:r7 role:Primary") == []


def test_the_end_of_the_stream_voids_all():
    state = DrbdState({"r0": 0})
    fed(FIRST, state)
    state.lost()
    assert state.snapshot() == [(kind, {"resource": "r0", **data}) for kind, data in ABSENT.items()]


@pytest.mark.parametrize("line", ["", "no resources defined!", "exists"])
def test_what_is_no_event(line):
    with pytest.raises(ValueError, match="not a line of events2"):
        parse_event(line)


def test_blocks_out_of_sync():
    assert parse_out_of_sync(PROC) == {1: 65276}
    assert parse_out_of_sync("version: 8.4.11 (api:1/proto:86-101)\n 0: cs:Unconfigured\n") == {}
    state = DrbdState({"r0": 0, "r1": 1})
    assert state.look(PROC) == [("drbd.oos", {"resource": "r1", "kib": 65276})]
    assert state.look(PROC) == []
    assert ("drbd.oos", {"resource": "r1", "kib": 65276}) in state.snapshot()


def test_the_stream_is_followed_and_its_end_told():
    import threading
    told, ended = [], threading.Event()

    def tell(line):
        told.append(line)
        if line is None:
            ended.set()
    DrbdWatch(tell, (sys.executable, "-c", "print('exists -')")).start()
    assert ended.wait(10)
    assert told[:2] == ["exists -\n", None]
