"""Who is a member, as the guest's watches read it; lines as heartbeat 3.0.6 wrote them."""

import os

import pytest

from fenceline.model.stack import STACKS
from fenceline.stacks.heartbeat import membership as heartbeat
from fenceline.stacks.heartbeat.membership import HeartbeatWatch, heartbeat_line
from fenceline.stacks.keepalived import membership as keepalived
from fenceline.stacks.keepalived.membership import KeepalivedWatch

START = "Nov 21 05:30:42 node1 heartbeat: [843]: info: Configuration validated. Starting heartbeat 3.0.6"
UP = "Nov 21 05:30:43 node1 heartbeat: [843]: info: Local status now set to: 'up'"
ACTIVE = "Nov 21 05:30:43 node1 heartbeat: [843]: info: Local status now set to: 'active'"
PEER_UP = "Nov 21 05:30:44 node1 heartbeat: [843]: info: Status update for node node2: status up"
PEER_ACTIVE = "Nov 21 05:30:44 node1 heartbeat: [843]: info: Status update for node node2: status active"
PING = "Nov 21 05:30:43 node1 heartbeat: [843]: info: Status update for node 192.168.60.9: status ping"
DEAD = "Nov 21 05:28:04 node1 heartbeat: [2090]: WARN: node node2: is dead"
END = "Nov 21 05:28:00 node1 heartbeat: [4287]: info: node1 Heartbeat shutdown complete."


@pytest.mark.parametrize(("line", "found"), [
    (START, ("", "init")), (UP, ("", "up")), (ACTIVE, ("", "active")), (PEER_ACTIVE, ("node2", "active")),
    (PING, ("192.168.60.9", "ping")), (DEAD, ("node2", "dead")), (END, ("", "gone")),
    ("Nov 21 05:28:04 node1 ipfail: [2123]: info: Status update: Node node2 now has status dead", None),
    ("Nov 21 05:28:04 node1 heartbeat: [2090]: info: Link node2:eth0 dead.", None),
])
def test_lines_of_ha_log(line, found):
    assert heartbeat_line(line) == found


@pytest.fixture
def follow(tmp_path):
    told = []
    log, pid = tmp_path / "ha-log", tmp_path / "pid"
    pid.write_text(f"      {os.getpid()}\n")
    one = HeartbeatWatch({"self": "node1", "nodes": ["node1", "node2"]}, lambda state, _: told.append(state),
                         str(log), str(pid))

    def write(*lines, end="\n"):
        with log.open("a") as file:
            file.write("\n".join(lines) + end)
        one.look()
        return told[-1]
    write.pid, write.log, write.watch, write.told = pid, log, one, told
    return write


def test_members_come_and_go(follow):
    assert follow(START, UP) == {"quorate": True, "members": ["node1"]}
    assert follow(PING, PEER_UP, PEER_ACTIVE) == {"quorate": True, "members": ["node1", "node2"]}
    assert follow(DEAD) == {"quorate": True, "members": ["node1"]}
    assert follow(END) == {"quorate": False, "members": []}
    assert follow(START) == {"quorate": False, "members": []}


def test_a_half_written_line_waits_for_its_rest(follow):
    follow(START, UP)
    assert follow(PEER_ACTIVE[:-4], end="") == {"quorate": True, "members": ["node1"]}
    assert follow(PEER_ACTIVE[-4:]) == {"quorate": True, "members": ["node1", "node2"]}


def test_a_killed_heartbeat_has_no_members_though_its_log_says_so(follow):
    follow(START, UP, PEER_ACTIVE)
    follow.pid.unlink()
    follow.watch.look()
    assert follow.told[-1] == {"quorate": False, "members": []}


def test_a_new_log_is_read_from_its_begin(follow):
    follow(START, UP, PEER_ACTIVE)
    follow.log.write_text("")
    assert follow(START, ACTIVE) == {"quorate": True, "members": ["node1"]}


def test_keepalived_counts_itself_when_every_instance_has_its_place(tmp_path):
    told = []
    pid = tmp_path / "pid"
    one = KeepalivedWatch({"self": "lb1", "nodes": ["lb1", "lb2"], "instances": ["web"]},
                          lambda state, _: told.append(state), str(tmp_path), str(pid))
    one.look()
    (tmp_path / "vrrp-web").write_text("MASTER\n")
    one.look()  # what an earlier keepalived left behind
    pid.write_text(str(os.getpid()))
    one.look()
    (tmp_path / "vrrp-web").write_text("FAULT\n")
    one.look()
    assert [state["quorate"] for state in told] == [False, False, True, False]
    assert told[2]["members"] == ["lb1"]


def test_each_stack_has_its_watch():
    config = {"self": "a", "nodes": ["a"], "instances": []}
    assert isinstance(heartbeat.watch(config, print), HeartbeatWatch)
    assert isinstance(keepalived.watch(config, print), KeepalivedWatch)
    for model in STACKS.values():
        assert model.on_corosync is (model.membership is None)
