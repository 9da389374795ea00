"""What all stacks share: who runs the cluster's own commands, and for how long; and what heartbeat's nodes get."""

from __future__ import annotations

import pytest

from fenceline.core.errors import ClusterError
from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology
from fenceline.stacks.base import SessionStack, make_stack
from fenceline.stacks.state import ClusterState, MemberState
from tests.fakes import FakeSession
from tests.stacks.test_stack_states import HB_ACTIVE, HB_STOPPED, MASTER


def online(*names):
    return ClusterState("n1", True, None, tuple(MemberState(name, True) for name in names), ())


@pytest.fixture
def sessions():
    return {name: FakeSession(name) for name in ("n1", "n2", "rs-01", "rs-02", "node1", "node2", "lb1", "lb2")}


class OnlineStack(SessionStack):
    def __init__(self, sessions, *names):
        super().__init__(load_topology("web-iscsi"), sessions, lambda name: name != "n1", 1.0)
        self.names = names

    def state(self, node=None, within=10.0):
        return online(*self.names)


def test_the_first_member_that_can_be_reached_runs_it(sessions):
    def run(*names, node=None):
        OnlineStack(sessions, *names).command(["do", "it"], node, 5)
        return [name for name, session in sessions.items() if session.commands]
    assert run("n1", "n2") == ["n2"]
    with pytest.raises(ClusterError, match="no member is online that could run `do it`"):
        run("n1")
    with pytest.raises(ClusterError, match="no member is online"):
        run()
    assert run("n2", node="n1") == ["n1", "n2"]  # who is named is asked


@pytest.mark.parametrize(("topology", "running", "stopped", "nobody"), [
    ("web-nfs-heartbeat", HB_ACTIVE, HB_STOPPED, "no member tells the cluster's state"),
    ("lvs-keepalived", MASTER, MASTER.replace("running\n", "stopped\n"), "no director tells its state")])
def test_whose_view_counts(topology, running, stopped, nobody, sessions):
    loaded, off = load_topology(topology), set()
    stack = make_stack(loaded, sessions, "pw", lambda name: name not in off)
    first, second = loaded.cluster_nodes

    def tell(one, other):
        sessions[first].answer = lambda command: (0, one)
        sessions[second].answer = lambda command: (0, other)

    tell(running, running)
    assert (stack.state().seen_by, stack.state(second).seen_by) == (first, second)
    tell(stopped, running)
    # the first that runs, or who is named
    assert (stack.state().seen_by, stack.state(first).seen_by) == (second, first)
    tell(stopped, stopped)
    assert stack.state().seen_by == first  # else the first that answers
    tell("garbage", running)
    assert stack.state().seen_by == second
    with pytest.raises(ClusterError, match=nobody) as caught:
        stack.state(first)
    assert f"{first}: no status of" in caught.value.detail
    off.add(second)  # one that is off is not asked
    sessions[second].commands.clear()
    with pytest.raises(ClusterError, match=nobody):
        stack.state()
    assert sessions[second].commands == []


@pytest.mark.parametrize(("topology", "node"), [
    ("web-iscsi", "rs-02"), ("web-nfs-heartbeat", "node2"), ("lvs-keepalived", "lb2")])
def test_every_stack_gives_slow_machines_more_time(topology, node, sessions, monkeypatch):
    given = []

    def run(command, within=None, check=True):
        given.append(within)
        return Result()

    monkeypatch.setattr(sessions[node], "run", run)
    stack = make_stack(load_topology(topology), sessions, "pw", lambda name: True, 5.0)
    assert stack.command(["uptime"], node, within=10) == "said"
    assert given == [50]


class Result:
    out = "said"


def test_heartbeat_s_unit_outlives_a_restart_of_its_own():
    topology = load_topology("mysql-drbd-heartbeat")
    seed = Seed()
    make_stack(topology, {}, "pw", lambda name: True).seed_member("vm01", seed)
    assert seed.files["/etc/systemd/system/heartbeat.service.d/fenceline.conf"][0] == "[Service]\nRemainAfterExit=yes\n"
    assert seed.files["/etc/ha.d/haresources"][0] == (
        "vm01 drbddisk::r Filesystem::/dev/drbd0::/data::ext3::noatime IPaddr2::192.168.63.150/24 mariadb\n")
    assert "/etc/mysql/my.cnf" in seed.files
    assert not [path for path in seed.files if path.startswith("/etc/ha.d/conf/OCF")]  # an init script takes none
