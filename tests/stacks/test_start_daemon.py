"""A killed daemon is started again by whoever starts it at the boot."""

import pytest

from fenceline.model.load import load_topology
from fenceline.stacks.base import make_stack
from tests.fakes import FakeSession


@pytest.mark.parametrize(("name", "node", "daemon", "wanted"), [
    ("web-iscsi", "rs-01", "corosync", "systemctl start corosync.service pacemaker.service"),
    ("web-nfs-heartbeat", "node1", "ipfail", "systemctl start heartbeat.service"),
    ("lvs-keepalived", "lb1", "keepalived", "systemctl start keepalived.service"),
    ("haproxy-keepalived", "lb2", "haproxy", "[ -d /proc/$(cat /run/fenceline/haproxy-web.pid) ] || haproxy -D -f "
     "/etc/haproxy/fenceline-web.cfg -p /run/fenceline/haproxy-web.pid")])
def test_who_starts_what(name, node, daemon, wanted):
    topology = load_topology(name)
    sessions = {one: FakeSession(one) for one in topology.nodes}
    make_stack(topology, sessions, "secret", lambda one: True).start_daemon(node, daemon)
    commands = {one: [command if isinstance(command, str) else " ".join(command) for command in session.commands]
                for one, session in sessions.items()}
    assert commands.pop(node) == [wanted]
    assert not any(commands.values())
