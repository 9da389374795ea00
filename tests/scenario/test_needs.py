"""A scenario that asks more of its stack than that offers is refused when it is collected."""

import pytest

from fenceline.model.load import load_topology
from fenceline.stacks.offers import lacking, offers, packets

FEATURE = '''Feature: f
  Scenario: s
    Given the topology "{topology}" is up and "web" is answering{with_changes}
    When {when}
    Then {then}
'''
CUT = 'the power of the active node is cut'
BACK = '"web" relocates to the standby within 30 seconds'


@pytest.fixture
def problems(tmp_path):
    def collect(topology, when=CUT, then=BACK, changes=""):
        from pytest_bdd.feature import get_feature

        from fenceline.scenario.features import known_contexts
        from fenceline.scenario.needs import ability_problems
        path = tmp_path / f"f{abs(hash((topology, when, then, changes)))}.feature"
        extra = f', with\n      """\n      {changes}\n      """' if changes else ""
        path.write_text(FEATURE.format(topology=topology, when=when, then=then, with_changes=extra))
        return list(ability_problems(path, get_feature(str(tmp_path), path.name), known_contexts()))
    return collect


def test_what_is_offered_is_no_problem(problems):
    for topology in ("web-iscsi", "web-nfs-heartbeat", "lvs-keepalived"):
        assert problems(topology) == []


@pytest.mark.parametrize(("topology", "when", "then", "word"), [
    ("web-nfs-heartbeat", CUT, "the surviving partition has quorum", "quorum"),
    ("web-nfs-heartbeat", CUT, "no service ran without quorum", "quorum"),
    ("web-nfs-heartbeat", CUT, "the active node is fenced within 20 seconds", "fencing"),
    ("web-nfs-heartbeat", 'the daemon "corosync" is killed on the active node', BACK, "daemon corosync"),
    ("web-iscsi", 'the daemon "heartbeat" is killed on the active node', BACK, "daemon heartbeat"),
    ("lvs-keepalived", "the active node is put into standby", BACK, "standby"),
    ("lvs-keepalived", "50 ms after the VIP moves: the active node is put into standby", BACK, "standby"),
    ("web-iscsi", "the vrrp packets on the heartbeat network are dropped", BACK, "packets vrrp"),
    ("lvs-keepalived", "the heartbeat packets on the heartbeat network are dropped", BACK, "packets heartbeat"),
    ("web-nfs-heartbeat", "the totem packets on the heartbeat network are dropped", BACK, "packets totem"),
    ("web-nfs-heartbeat", "the cluster is put into maintenance mode", BACK, "maintenance"),
    ("lvs-keepalived", "the cluster is put into maintenance mode", BACK, "maintenance"),
    ("lvs-keepalived", "fencing is switched off in the cluster's configuration", BACK, "fencing"),
    ("web-nfs-heartbeat", "50 ms after the VIP moves: the cluster is put into maintenance mode", BACK, "maintenance"),
    ("web-nfs-heartbeat", CUT, '"web" is restarted in place on the active node within 5 seconds', "restart"),
])
def test_what_is_not_offered_is_said_with_the_stack(problems, topology, when, then, word):
    found = problems(topology, when, then)
    assert len(found) == 1
    assert f"the {load_topology(topology).stack.kind} stack" in found[0]
    assert f"offers no {word}" in found[0]
    assert ".feature:" in found[0]


def test_the_scenario_s_own_changes_count(problems):
    then = "the active node is fenced within 20 seconds"
    assert problems("web-nfs-heartbeat", then=then, changes="fencing: {method: ipmi}") == []
    assert problems("web-iscsi", then=then, changes="fencing: {method: none}")


def test_a_topology_that_is_none_is_said_too(problems):
    assert "no topology 'web-floppy'" in problems("web-floppy")[0]
    assert "deadtime" in problems("web-nfs-heartbeat", changes="stack: {deadtime: 1ms}")[0]


def test_packets_are_those_that_are_sent():
    assert packets(load_topology("web-nfs-heartbeat")) == {"arp", "http", "heartbeat", "nfs"}
    assert packets(load_topology("web-iscsi")) == {"arp", "http", "totem", "iscsi", "ipmi"}
    assert packets(load_topology("lvs-keepalived")) == {"arp", "http", "vrrp"}


FARM = """  Scenario Outline: s
    Given the topology "<topology>" is up and "<service>" is answering
    When the process of "<service>" is killed
    Then "<service>" relocates to the standby within 5 seconds

    Examples:
      | topology       | service |
      | web-iscsi      | web     |
      | lvs-keepalived | web     |
      | gfs2-iscsi     | farm    |
      | ledger-iscsi   | web     |
"""


def test_a_row_that_can_not_be_had_is_refused_and_not_skipped(tmp_path):
    from pytest_bdd.feature import get_feature

    from fenceline.model.load import load_topology
    from fenceline.scenario.features import known_contexts
    from fenceline.scenario.needs import ability_problems
    farm = next(iter(load_topology("gfs2-iscsi").services))
    path = tmp_path / "farm.feature"
    path.write_text("Feature: f\n" + FARM.replace("farm", farm))
    found = list(ability_problems(path, get_feature(str(tmp_path), path.name), known_contexts()))
    assert [word for line in found for word in ("process web", f"failover {farm}", "has no service 'web'")
            if word in line] == ["process web", f"failover {farm}", "has no service 'web'"]
    assert not any("web-iscsi" in line for line in found)


def test_the_daemons_are_those_that_run():
    assert "daemon haproxy" in offers(load_topology("haproxy-keepalived"))
    assert "daemon haproxy" not in offers(load_topology("lvs-keepalived"))
    # mysqld_safe, which the init script starts, restarts the database
    assert "restart" in offers(load_topology("mysql-drbd-heartbeat"))
    assert "restart" not in offers(load_topology("web-nfs-heartbeat"))
    assert lacking(load_topology("web-iscsi"), ["quorum", "move"]) is None


def test_drbd_is_offered_where_it_is():
    ledger = load_topology("ledger-drbd")
    assert {"DRBD", "DRBD resource r0"} <= offers(ledger) and "DRBD fencing" not in offers(ledger)
    assert "no DRBD resource r7" in lacking(ledger, ["DRBD resource r7"])
    assert "no DRBD" in lacking(load_topology("web-iscsi"), ["DRBD"])
