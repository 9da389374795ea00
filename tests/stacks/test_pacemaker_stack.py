"""Pacemaker's commands, and what they are sent to."""

from __future__ import annotations

import pytest

from fenceline.core.errors import ClusterError, ClusterSilent, MachineError, Timeout
from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology
from fenceline.stacks.pacemaker.stack import PacemakerStack
from tests.fakes import FakeSession
from tests.stacks.test_crm_mon import DATA

HEALTHY = (0, (DATA / "healthy.xml").read_text())


@pytest.fixture
def sessions(web):
    made = {node: FakeSession(node) for node in web.nodes}
    for session in made.values():
        session.answer = lambda command: HEALTHY if command[0] == "crm_mon" else 0
    return made


@pytest.fixture
def off():
    return set()


@pytest.fixture
def stack(web, sessions, off):
    return PacemakerStack(web, sessions, "secret", lambda node: node not in off)


def asked(sessions):
    return [(node, command[0]) for node, session in sessions.items() for command in session.commands]


def dead(command):
    raise MachineError("no SSH")


def test_the_first_member_that_answers_tells_the_state(stack, sessions, off):
    assert stack.state().seen_by == "rs-01"
    sessions["rs-01"].answer = dead
    assert stack.state().seen_by == "rs-02"
    off.add("rs-01")
    sessions["rs-01"].commands.clear()
    assert stack.state().seen_by == "rs-02" and sessions["rs-01"].commands == []  # one that is off is not asked


def hangs(command):
    if command[0] == "crm_mon":
        raise Timeout("`crm_mon` did not end within 10 s", 10.0)
    return 0


def fails(command):
    if command[0] == "crm_mon":
        raise ClusterError("`crm_mon` gave 102", "cluster is not available on this node")
    return 0


@pytest.mark.parametrize("silence", [hangs, fails])
def test_a_cluster_whose_members_can_be_reached_and_do_not_tell_is_silent(stack, sessions, off, silence):
    sessions["rs-01"].answer = sessions["rs-02"].answer = silence
    with pytest.raises(ClusterSilent, match="no member tells the cluster's state") as caught:
        stack.state()
    assert (caught.value.nodes, caught.value.unreachable) == (("rs-01", "rs-02"), ())
    sessions["rs-01"].answer = dead
    with pytest.raises(ClusterSilent) as caught:
        stack.state()
    assert (caught.value.nodes, caught.value.unreachable) == (("rs-02",), ("rs-01",))
    sessions["rs-02"].answer = lambda command: HEALTHY if command[0] == "crm_mon" else 0
    assert stack.state().seen_by == "rs-02"  # one that tells is enough


def stuck(command):
    raise Timeout("nothing ends within 5 s", 5.0)


@pytest.mark.parametrize("trouble", [dead, stuck, lambda command: (0, "garbage")])
def test_who_can_not_be_asked_or_understood_is_no_silent_cluster(stack, sessions, trouble):
    sessions["rs-01"].answer = sessions["rs-02"].answer = trouble
    with pytest.raises(ClusterError, match="no member tells") as caught:
        stack.state()
    assert not isinstance(caught.value, ClusterSilent)


def test_when_nobody_answers(stack, sessions, off):
    off.add("rs-01")
    sessions["rs-02"].answer = lambda command: (0, "garbage")
    with pytest.raises(ClusterError, match="no member tells the cluster's state") as caught:
        stack.state()
    assert "rs-02: crm_mon gave no XML" in caught.value.detail
    off.add("rs-02")
    with pytest.raises(ClusterError, match="no member tells"):
        stack.state()


def test_the_one_that_is_asked_for_is_the_one_that_is_asked(stack, sessions):
    sessions["rs-02"].answer = dead
    with pytest.raises(ClusterError):
        stack.state("rs-02")
    assert asked(sessions) == [("rs-02", "crm_mon")]


def test_commands(stack, sessions):
    stack.move("web", "rs-02")
    stack.move("web", None)
    stack.clear_moves("web")
    stack.standby("rs-01", True)
    stack.standby("rs-01", False)
    stack.cleanup()
    assert [" ".join(c) for c in sessions["rs-01"].commands if c[0] != "crm_mon"] == [
        "crm_resource --move --resource web --node rs-02", "crm_resource --move --resource web",
        "crm_resource --clear --resource web", "crm_attribute --node rs-01 --name standby --update on",
        "crm_attribute --node rs-01 --name standby --update off", "crm_resource --cleanup"]


def test_a_command_that_fails_is_an_error(stack, sessions):
    sessions["rs-01"].answer = lambda command: HEALTHY if command[0] == "crm_mon" else (105, "no such object")
    with pytest.raises(ClusterError, match="gave 105"):
        stack.move("web", "rs-02")


def test_nobody_is_online(stack, sessions):
    for session in sessions.values():
        session.answer = lambda command: (0, HEALTHY[1].replace('online="true"', 'online="false"'))
    with pytest.raises(ClusterError, match="no member is online that could run `crm_resource --cleanup`"):
        stack.cleanup()


@pytest.mark.parametrize(("constraints", "found"), [
    ('<rsc_location id="cli-prefer-web" rsc="web"/>', True),
    ('<rsc_location id="cli-ban-web-on-rs-01" rsc="web"/>', True),
    ('<rsc_location id="cli-prefer-web2" rsc="web2"/>', False),
    ('<rsc_location id="web-on-rs-01" rsc="web"/>', False),
    ("", False)])
def test_the_constraints_of_a_move(stack, sessions, constraints, found):
    sessions["rs-01"].answer = lambda command: HEALTHY if command[0] == "crm_mon" else (0, constraints)
    assert stack.has_moves("web") is found


def test_what_a_member_gets(stack):
    seed = Seed()
    stack.seed_member("rs-01", seed)
    assert seed.files["/etc/corosync/authkey"][1] == 0o400 and len(seed.files["/etc/corosync/authkey"][0]) == 256
    assert seed.files["/etc/fenceline/cib.xml"][1] == 0o600
    assert "two_node: 1" in seed.files["/etc/corosync/corosync.conf"][0]
    assert "add_header X-Node $hostname;" in seed.files["/etc/nginx/fenceline-web.conf"][0]
    assert "listen 80;" in seed.files["/etc/nginx/fenceline-web.conf"][0]
    assert seed.late[-1] == "systemctl start pacemaker.service"
    other = Seed()
    stack.seed_member("rs-02", other)
    assert other.files["/etc/corosync/authkey"] == seed.files["/etc/corosync/authkey"]


def test_a_quorum_device_is_asked_for_and_given():
    topology = load_topology("web-iscsi-qdevice")
    stack = PacemakerStack(topology, {}, "secret", lambda node: True)
    member, device, storage = Seed(), Seed(), Seed()
    stack.seed_member("rs-01", member)
    stack.seed_helper("qnet-01", device)
    stack.seed_helper("san-01", storage)
    assert "systemctl start corosync-qdevice.service" in member.late
    assert "corosync-qnetd.service" in device.units
    assert storage.units == []
