"""Faults of an NFS server: what confirms them, and what does not."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace

import pytest

from fenceline.core.clock import HostClock
from fenceline.core.errors import FaultError
from fenceline.faults import make_fault, nfs
from fenceline.judge import build_history
from fenceline.judge.faultlog import impairments
from fenceline.model.load import load_topology, parse_topology
from fenceline.storage.nfs.model import Nfs
from fenceline.storage.nfs.server import PORT
from tests.faults.test_guest_effects import Guest
from tests.judge import logs

TOPOLOGY = load_topology("web-nfs-heartbeat")
STALE = "touch: setting times of '/var/www/html/.fenceline-1': Stale file handle"


@pytest.fixture
def cluster(monkeypatch):
    """R2 with scripted guests; node1 has the export mounted."""
    def poll(condition, within, what, error):
        if not condition():
            raise error(f"waited {within:g} s for {what}")
        return 0.0
    guests = {node: Guest(None, node) for node in TOPOLOGY.nodes}
    monkeypatch.setattr(nfs, "answers", lambda cluster, address: cluster.is_answering)
    return SimpleNamespace(
        topology=TOPOLOGY, clock=HostClock(), guests=guests, session=guests.__getitem__, poll=poll,
        is_running=lambda node: True, boot_deadline=1.0,
        holdings_of=lambda node: ["mount /var/www/html"] if node == "node1" else [], is_answering=True)


def test_a_restart_is_confirmed_by_the_age_of_the_threads(cluster):
    fault, server = make_fault("nfs-restart"), cluster.guests["nfs-01"]
    fault.inject(cluster)
    assert server.asked[-1].startswith("rpc.nfsd 0 || exit 1; (sleep 0; rpc.nfsd -N 3 8) </dev/null")
    server.says("etimes", "99999999\n" * 8)
    with pytest.raises(FaultError, match="older than the fault"):
        fault.confirm(cluster, 0)
    server.says("etimes", "0\n" * 8)
    assert fault.confirm(cluster, 0) == {"nfsd_threads": 8}


def test_a_server_that_is_to_be_away_is_not_there(cluster):
    fault, server = make_fault("nfs-restart", seconds="5s"), cluster.guests["nfs-01"]
    server.says("etimes", "0\n")
    with pytest.raises(FaultError, match="is there already"):
        fault.confirm(cluster, 0)
    server.says("etimes", "")
    assert fault.confirm(cluster, 0) == {"nfsd_threads": 0}
    with pytest.raises(FaultError, match="301 s is not from"):
        make_fault("nfs-restart", seconds=301)


@pytest.mark.parametrize("name", ["nfs-restart", "nfs-hang"])
def test_healed_is_who_answers(cluster, name):
    fault = make_fault(name)
    assert fault.confirm_healed(cluster)["null_call"] == "answered"
    cluster.is_answering = False
    with pytest.raises(FaultError, match="nfs-01 to answer as an NFS server"):
        fault.confirm_healed(cluster)


def test_stale_is_what_a_client_is_told(cluster):
    fault, client = make_fault("nfs-stale"), cluster.guests["node1"]
    fault.inject(cluster)
    assert "fsid=1001 10.74.3.0/24:/srv/export/htdoc" in cluster.guests["nfs-01"].asked[-1]
    with pytest.raises(FaultError, match="whoever has it mounted"):
        fault.confirm(cluster, 0)
    client.says("touch", status=1, err="touch: Permission denied")
    with pytest.raises(FaultError):
        fault.confirm(cluster, 0)
    client.says("touch", status=1, err=STALE)
    assert fault.confirm(cluster, 0) == {"clients": {"node1": "stale"}}
    with pytest.raises(FaultError, match="no client to have a stale file handle"):
        fault.confirm_healed(cluster)
    fault.heal(cluster)
    assert "fsid=1 10.74.3.0/24" in cluster.guests["nfs-01"].asked[-1]
    client.says("touch")
    assert fault.confirm_healed(cluster) == {"clients": {"node1": "there"}}


def test_where_nobody_has_it_mounted_nothing_is_stale(cluster):
    cluster.holdings_of = lambda node: []
    with pytest.raises(FaultError, match="whoever has it mounted"):
        make_fault("nfs-stale").confirm(cluster, 0)


@pytest.mark.parametrize("name", ["nfs-restart", "nfs-hang", "nfs-stale"])
def test_a_cluster_without_nfs_has_none_of_it(name):
    with pytest.raises(FaultError, match="web-iscsi has no NFS storage"):
        make_fault(name).inject(SimpleNamespace(topology=load_topology("web-iscsi")))


def test_a_hang_drops_what_is_sent_to_the_server_and_no_more(net):  # noqa: F811 - the fixture
    storage = net.cluster.topology.storage.model_copy(update={
        "iscsi": None, "nfs": Nfs(server="san-01", exports=[{"name": "www"}])})
    cluster = SimpleNamespace(topology=net.cluster.topology.model_copy(update={"storage": storage}),
                              fabric=net.cluster.fabric)
    fault = make_fault("nfs-hang")
    fault.inject(cluster)
    try:
        assert "fl_nfs_hang" in cluster.fabric.run(["nft", "list", "tables", "bridge"])
        assert fault.confirm(cluster, 0)["arp"] == "answers"
    finally:
        fault.heal(cluster)
    assert "fl_nfs_hang" not in cluster.fabric.run(["nft", "list", "tables", "bridge"])
    fault.heal(cluster)


def test_who_answers_is_no_hanging_server_and_neither_is_who_is_gone(cluster):
    cluster.fabric = SimpleNamespace(answers_arp=lambda *arguments: False)
    with pytest.raises(FaultError, match="nfs-01 still answers a NULL call"):
        make_fault("nfs-hang").confirm(cluster, 0)
    cluster.is_answering = False
    with pytest.raises(FaultError, match="it is gone, and does not hang"):
        make_fault("nfs-hang").confirm(cluster, 0)


@pytest.mark.parametrize(("answer", "wanted"), [
    # of Debian 12's server, to xid 0xFE9CE: accepted, success
    (bytes.fromhex("80000018000fe9ce0000000100000000000000000000000000000000"), True),
    (b"HTTP/1.0 400 Bad Request\r\n\r\n", False), (b"", False)])
def test_an_answer_to_a_null_call(monkeypatch, answer, wanted):
    server = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("fenceline.storage.nfs.server.PORT", server.getsockname()[1])

    def serve():
        peer = server.accept()[0]
        with peer:
            asked = peer.recv(64)
            assert len(asked) == 44
            peer.sendall(answer)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    cluster = SimpleNamespace(clock=HostClock(), fabric=SimpleNamespace(tcp_socket=socket.socket))
    assert nfs.answers(cluster, "127.0.0.1") is wanted
    thread.join(2)
    server.close()
    assert nfs.answers(cluster, "127.0.0.1") is False


def test_the_port_is_that_of_the_packets_and_of_exports_options():
    from fenceline.faults.traffic import KINDS
    from fenceline.storage.nfs.server import export_options, fsids
    assert str(PORT) in KINDS["nfs"]
    topology = parse_topology(TOPOLOGY.model_dump(mode="json"), "a test")
    assert fsids(topology.storage.nfs) == {1: "htdoc"}
    assert export_options(topology, "htdoc", 1).endswith("(rw,sync,no_subtree_check,no_root_squash,fsid=1)")


@pytest.mark.parametrize("name", ["nfs-restart", "nfs-hang", "nfs-stale"])
def test_it_hits_what_is_on_the_server_and_no_node(name):
    log = logs.Log(TOPOLOGY).fault(5, name, cost=make_fault(name).costs(TOPOLOGY), healed=9).end(12)
    costs = [one.cost for _, one in impairments(build_history(log.events, TOPOLOGY))]
    assert [one.stopped | one.disturbed for one in costs] == [frozenset(), {"web"}, frozenset()]
    assert not costs[1].lost and not costs[1].unfit
