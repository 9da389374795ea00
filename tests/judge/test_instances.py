"""One instance: the daemon of a group on two nodes."""

from __future__ import annotations

import pytest

from fenceline.judge.instances import exclusive_ports
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.judge import logs
from tests.judge.logs import SAN, A, B, Log

CHECK = "one instance"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("never moved", lambda log: log, PASS),
    ("a clean relocation", lambda log: log.listen(10, A, False).listen(10.5, B), PASS),
    ("on both for 8 s, as nothing else is", lambda log: log.listen(10, B).listen(18, B, False), FAIL),
    ("to the end", lambda log: log.listen(10, B), FAIL),
    ("the polls leave it open", lambda log: log.listen(10, B).listen(10.05, A, False), UNKNOWN),
    ("after the power cut", lambda log: log.off(10, A).listen(12, B), PASS),
    ("before the power cut", lambda log: log.listen(9, B).off(10, A), FAIL),
    ("a paused node runs nothing", lambda log: log.power(9, A, "paused").listen(12, B), PASS),
    ("resumed with it", lambda log: log.power(9, A, "paused").listen(12, B).power(20, A, "resumed"), FAIL),
    ("restarted in place", lambda log: log.listen(10, A, False).listen(11, A), PASS),
    ("a machine that is no member", lambda log: log.listen(10, SAN), PASS),
    ("another port", lambda log: log.add(10, "guest", B, "listen", 0.12, port=81, present=True), PASS),
    ("before the cluster was ready, too", lambda log: log.listen(0.5, B).listen(1.5, B, False), FAIL),
])
def test_a_daemon(what, build, verdict):
    finding = build(Log().baseline().ready(2)).end(60).finding(CHECK)
    assert finding.verdict is verdict, finding.reason


def test_the_reason_names_the_daemon_and_both_nodes():
    reason = Log().baseline().ready(2).listen(10, B).listen(18, B, False).end(60).finding(CHECK).reason
    for word in ("nginx of web (port 80)", A, B, "10.000 s", "18.000 s", "the end of the log"):
        assert word in reason


def test_what_runs_on_every_node_is_left_out():
    log = Log(logs.farm()).baseline().ready(2).listen(5, B).end(60)
    assert log.finding(CHECK).verdict is PASS


@pytest.mark.parametrize(("name", "ports"), [
    ("web-iscsi", {80: "nginx of web"}), ("web-iscsi-3", {80: "nginx of webservice"}),
    ("web-iscsi-qdevice", {80: "nginx of web"}), ("web-iscsi-sbd", {80: "nginx of web"}),
    ("ledger-iscsi", {80: "ledger of ledger"}), ("ledger-drbd", {80: "ledger of ledger"}),
    ("mysql-iscsi", {3306: "mariadb of mysql"}), ("mysql-drbd", {3306: "mariadb of mysql"}),
    ("mysql-drbd-heartbeat", {3306: "mariadb of mysql"}), ("web-nfs-heartbeat", {80: "nginx of web"}),
    ("ha-nfs", {2049: "nfs-server of nfs"}), ("gfs2-iscsi", {}), ("gfs2-drbd", {}),
    ("lvs-keepalived", {}), ("haproxy-keepalived", {}),
    ("services-3", {80: "nginx of web", 8080: "nginx of app"}), ("web-remote", {80: "nginx of web"}),
    ("kvm-ocfs2", {8081: "ledger of guest-1", 8082: "ledger of guest-2"}),
])
def test_the_ports_of_every_shipped_topology(name, ports):
    assert exclusive_ports(load_topology(name)) == ports
