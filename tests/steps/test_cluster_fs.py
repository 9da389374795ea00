"""The steps of cluster file systems, green and red."""

from __future__ import annotations

import threading

import pytest

from fenceline.core.errors import ClusterError, FaultError
from fenceline.steps import cluster_fs
from tests.clocks import now_ns
from tests.fakes import make_cluster, make_scene
from tests.judge import logs
from tests.judge.logs import A, B
from tests.steps.test_then import green, red

FIRST = "the first node"
BOTH = [[1, A, 1], [2, B, 1]]


@pytest.fixture
def farm(tmp_path):
    """A scene on two nodes that write to one ledger, both well; its ``read`` is what is read through each."""
    class Client:
        services = ("web",)

        def read_back(self, service):
            for node, records in scene.read.items():
                scene.run.log.record("client", node, "ledger.read", {
                    "service": service, "sent_ns": now_ns(), "from": node, "to": node, "records": records})

    with make_cluster(logs.farm(), tmp_path) as cluster:
        scene = make_scene(cluster, tmp_path, "web")
        scene.read = {A: BOTH, B: BOTH}
        cluster.ledger = Client()
        for node in (A, B):
            said(scene, node, "quorum", 9, quorate=True, members=[A, B])
            said(scene, node, "mount", 9, source="/dev/sda", mountpoint=logs.MOUNT, fstype="gfs2", mounted=True)
        yield scene


def said(scene, node, kind, seconds_ago=0.0, **data):
    return scene.run.log.record("guest", node, kind, data, t_ns=now_ns() - int(seconds_ago * 1e9))


def write(scene, node, ok=True, seconds_ago=0.0):
    now = now_ns() - int(seconds_ago * 1e9)
    scene.run.log.record("client", node if ok else None, "append", {
        "service": "web", "id": now, "ok": ok, "sent_ns": now, "from": node if ok else None, "to": node,
        "error": None if ok else "no answer within 2 s"}, t_ns=now)


def answer(scene, node):
    scene.run.log.record("client", node, "reply", {"service": "web", "ok": True, "sent_ns": now_ns(), "from": node,
                                                   "to": node, "status": 200, "error": None})


def lose(scene, seconds_ago=0.0):
    said(scene, A, "quorum", seconds_ago, quorate=True, members=[A])


def soon(action, *arguments, after=0.1):
    timer = threading.Timer(after, action, arguments)
    timer.start()
    return timer


def test_nobody_is_the_active_one(farm):
    assert [farm.node(words) for words in (FIRST, "the second node", "the storage host")] == [A, B, logs.SAN]
    with pytest.raises(ClusterError, match="is no node here"):
        farm.node("the active node")


def test_acknowledged_everywhere(farm):
    write(farm, A)
    write(farm, A)
    with pytest.raises(FaultError, match=f"2 records of web acknowledged by {B}"):
        cluster_fs.acknowledged_everywhere(farm, "2", "web", "0.1")
    write(farm, B)
    write(farm, B)
    green(cluster_fs.acknowledged_everywhere, farm, "2", "web", "0.1")


def test_written_again(farm):
    write(farm, A)
    red(cluster_fs.written_again, farm, "web", FIRST, "0.1", match="rs-01 to lose another node: not within")
    lose(farm)
    red(cluster_fs.written_again, farm, "web", FIRST, "0.2", match="web written through rs-01: not within")
    write(farm, B)
    write(farm, A, ok=False)
    red(cluster_fs.written_again, farm, "web", FIRST, "0.2", match="not within")
    write(farm, A)
    green(cluster_fs.written_again, farm, "web", FIRST, "5")


def test_written_again_after_a_fault_was_healed(farm):
    """The loss was before that; what was written before the healing is no going on."""
    lose(farm, 3)
    farm.last_fault_ns = now_ns()
    red(cluster_fs.written_again, farm, "web", FIRST, "0.2", match="web written through rs-01: not within")
    write(farm, A)
    green(cluster_fs.written_again, farm, "web", FIRST, "5")
    farm.last_fault_ns = now_ns()
    farm.run.log.record("fault", None, "fault.begin", {"id": 1, "fault": "x", "targets": [], "params": {}})
    write(farm, A)
    red(cluster_fs.written_again, farm, "web", FIRST, "0.2", match="rs-01 to lose another node: not within")


def test_what_is_written_again_after_fencing_by_hand(farm):
    lose(farm, 2)
    farm.last_fault_ns = now_ns()
    farm.run.log.record("fault", None, "fault.begin", {"id": 2, "fault": "manual-fencing", "targets": [B],
                                                       "params": {}})
    red(cluster_fs.written_again, farm, "web", FIRST, "0.2", match="web written through rs-01: not within")
    write(farm, A)
    green(cluster_fs.written_again, farm, "web", FIRST, "5")


def test_frozen(farm):
    tried = soon(write, farm, A, False, after=0.05)
    answers = [soon(answer, farm, A, after=0.2 + step / 10) for step in range(5)]
    green(cluster_fs.frozen, farm, "web", FIRST, "0.2")
    for timer in (tried, *answers):
        timer.join()


def test_what_is_written_is_not_frozen(farm):
    timer = soon(write, farm, A)
    red(cluster_fs.frozen, farm, "web", FIRST, "5", match="web is not frozen on rs-01: record .* was acknowledged")
    timer.join()


def test_what_nobody_tried_to_write_has_not_frozen(farm):
    write(farm, B, ok=False)
    red(cluster_fs.frozen, farm, "web", FIRST, "0.1", match="no record was given to rs-01")


def test_a_node_that_does_not_answer_is_dead_and_not_frozen(farm, monkeypatch):
    monkeypatch.setattr(farm, "expect_reply_now", lambda service, node: (_ for _ in ()).throw(AssertionError("dead")))
    timer = soon(write, farm, A, False, after=0.05)
    red(cluster_fs.frozen, farm, "web", FIRST, "0.2", match="dead")
    timer.join()


def test_froze(farm):
    red(cluster_fs.froze, farm, match="nothing had to freeze")
    lose(farm, 3)
    write(farm, B, ok=False)
    red(cluster_fs.froze, farm, match="rs-01 was given no record of web after it lost rs-02")
    write(farm, A, ok=False)
    green(cluster_fs.froze, farm)
    write(farm, A)
    red(cluster_fs.froze, farm, match="cluster file system freezes: rs-01 acknowledged 1 records")


def test_reads_the_same(farm):
    green(cluster_fs.reads_the_same, farm, "web")
    farm.read = {A: BOTH}
    red(cluster_fs.reads_the_same, farm, "web", match="could not be read through rs-02")
    farm.read = {A: BOTH, B: BOTH[:1]}
    red(cluster_fs.reads_the_same, farm, "web", match="same on every node: the ledger of web differs")


def test_reads_differ(farm):
    red(cluster_fs.reads_differ, farm, "web", match="same on every node: web, read 2 times")
    farm.read = {A: BOTH, B: BOTH[::-1]}
    green(cluster_fs.reads_differ, farm, "web")
