"""Votes and pings: what corosync-quorumtool and ping say, and what of it confirms a fault."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.quorum import parse_device_votes, parse_expected
from fenceline.model.load import load_topology
from tests.fakes import FastLog, make_cluster

# as rs-01 of web-iscsi-qdevice said it
WITH_DEVICE = """\
Quorum information
------------------
Date:             Sat Nov 21 07:43:27 2026
Quorum provider:  corosync_votequorum
Nodes:            2
Node ID:          1
Ring ID:          1.9
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      3
Quorum:           2  
Flags:            Quorate Qdevice 

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1    A,V,NMW rs-01 (local)
         2          1    A,V,NMW rs-02
         0          1            Qdevice
"""  # noqa: W291
WITHOUT = WITH_DEVICE.replace("         0          1            Qdevice\n",
                              "         0          0            Qdevice (votes 1)\n")
PING = "4 packets transmitted, {} received, 0% packet loss, time 609ms\n"


@pytest.fixture
def device(tmp_path):
    with make_cluster(load_topology("web-iscsi-qdevice"), tmp_path, FastLog()) as made:
        made.pace = 0.005
        yield made


def says(cluster, text, *nodes):
    for node in nodes or cluster.topology.cluster_nodes:
        cluster.sessions[node].answer = lambda command: (0, text)


def test_what_the_tool_says():
    assert parse_expected(WITH_DEVICE) == 3 and parse_device_votes(WITH_DEVICE) == 1
    assert parse_device_votes(WITHOUT) == 0
    assert parse_expected("Cannot initialize CMAP service") is None and parse_device_votes("") is None


def test_the_device_is_missed_by_everybody(device):
    fault = make_fault("quorum-device-stop")
    fault.inject(device)
    assert device.sessions["qnet-01"].commands[-1] == ["systemctl", "stop", "corosync-qnetd.service"]
    says(device, WITH_DEVICE)
    says(device, WITHOUT, "rs-01")
    with pytest.raises(FaultError, match="to miss the quorum device's vote; they tell .*'rs-02': 1"):
        fault.confirm(device, 0)
    says(device, WITHOUT)
    assert fault.confirm(device, 0) == {"device_votes": {"rs-01": 0, "rs-02": 0}}
    fault.heal(device)
    assert device.sessions["qnet-01"].commands[-1] == ["systemctl", "start", "corosync-qnetd.service"]
    with pytest.raises(FaultError, match="to have the quorum device's vote again"):
        fault.confirm_healed(device)
    says(device, WITH_DEVICE)
    assert fault.confirm_healed(device)


def test_a_tool_that_says_nothing_confirms_nothing(device):
    says(device, "")
    for name, parameters in (("quorum-device-stop", {}), ("expected-votes", {"votes": 5})):
        fault = make_fault(name, **parameters)
        for check in (lambda fault=fault: fault.confirm(device, 0), lambda fault=fault: fault.confirm_healed(device)):
            with pytest.raises(FaultError, match="they tell"):
                check()


def test_no_device(cluster):
    with pytest.raises(FaultError, match="web-iscsi has no quorum device"):
        make_fault("quorum-device-stop").inject(cluster)


def test_votes_that_everybody_expects(device):
    fault = make_fault("expected-votes", votes="7")
    fault.inject(device)
    assert device.sessions["rs-01"].commands[-1] == ["corosync-quorumtool", "-e", "7"]
    says(device, WITH_DEVICE.replace("Expected votes:   3", "Expected votes:   7"), "rs-01")
    says(device, WITH_DEVICE, "rs-02")
    with pytest.raises(FaultError, match="every member to expect 7 votes"):
        fault.confirm(device, 0)
    says(device, WITH_DEVICE.replace("Expected votes:   3", "Expected votes:   7"))
    assert fault.confirm(device, 0)
    with pytest.raises(FaultError, match="every member to expect 3 votes again"):
        fault.confirm_healed(device)
    fault.heal(device)
    assert device.sessions["rs-01"].commands[-1] == ["corosync-quorumtool", "-e", "3"]
    says(device, WITH_DEVICE)
    assert fault.confirm_healed(device)


@pytest.mark.parametrize("votes", [0, 65, "many"])
def test_votes_out_of_range(votes):
    with pytest.raises(FaultError, match="votes: "):
        make_fault("expected-votes", votes=votes)


@pytest.fixture
def pinged(tmp_path):
    with make_cluster(load_topology("web-nfs-heartbeat"), tmp_path, FastLog()) as made:
        made.tables = ""
        made.fabric.answer = lambda arguments: made.tables
        yield made


def test_a_ping_node_that_answers_nobody(pinged):
    fault = make_fault("ping-lost", pinged="client")
    fault.inject(pinged)
    (_, rules), = pinged.fabric.commands
    assert "ip daddr 192.168.60.9 icmp type echo-request drop" in rules
    says(pinged, PING.format(0))
    assert fault.confirm(pinged, 0) == {"answers_to_4_pings": {"node1": 0, "node2": 0}}
    says(pinged, PING.format(1), "node2")
    with pytest.raises(FaultError, match="client still answers pings: .*'node2': 1"):
        fault.confirm(pinged, 0)
    says(pinged, "ping: command not found")
    with pytest.raises(FaultError, match="node1 can't ping"):
        fault.confirm(pinged, 0)


def test_a_ping_node_that_answers_again(pinged):
    fault = make_fault("ping-lost", pinged="client")
    pinged.tables = "table bridge fl_ping_client\n"
    with pytest.raises(FaultError, match="still there"):
        fault.confirm_healed(pinged)
    fault.heal(pinged)
    assert pinged.fabric.commands[-1][0] == ("nft", "delete", "table", "bridge", "fl_ping_client")
    pinged.tables = ""
    says(pinged, PING.format(4))
    assert fault.confirm_healed(pinged)
    says(pinged, PING.format(0), "node1")
    with pytest.raises(FaultError, match="client does not answer pings"):
        fault.confirm_healed(pinged)


def test_no_such_ping_node(pinged):
    with pytest.raises(FaultError, match="'moon' is in no network of all members; there are client, node1"):
        make_fault("ping-lost", pinged="moon").inject(pinged)
