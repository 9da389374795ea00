"""What was found is said in the project's own sentences, and they mean the same."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from fenceline.chaos.draw import Repertoire
from fenceline.chaos.feature import Found, feature_text, said
from fenceline.chaos.profile import load_profile
from fenceline.chaos.schedule import SERVES_NOW, parse_schedule, resolved
from fenceline.chaos.sentence import Speaker
from fenceline.faults import make_fault
from fenceline.model.load import load_topology
from fenceline.scenario.roles import roles
from fenceline.steps.reference import load_steps
from fenceline.steps.when_anchored import step_for

TOPOLOGIES = ("web-iscsi", "web-iscsi-3", "ledger-drbd", "lvs-keepalived", "web-nfs-heartbeat", "gfs2-iscsi",
              "services-3", "ha-nfs")


@pytest.fixture(scope="module", autouse=True)
def _steps():
    load_steps()


class Echo:
    """A scene that says what a sentence would have injected while ``serving`` serves."""

    def __init__(self, topology, service: str, serving: str) -> None:
        self.cluster = SimpleNamespace(topology=topology, serving=lambda name: serving)
        self._known = roles(topology, service, topology.preferred_nodes(service)[0]) | {SERVES_NOW: serving}
        self.injected: list = []

    def node(self, words: str) -> str:
        return self._known.get(words, words.removeprefix("node "))

    def inject(self, name: str, **parameters) -> None:
        self.injected.append(make_fault(name, **parameters))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_what_is_said_means_what_was_drawn(topology):
    about = load_topology(topology)
    service = next(iter(about.services))
    speaker = Speaker(about, service)
    repertoire = Repertoire(about, load_profile("everything"))
    own, count = 0, 0
    for seed in range(12):
        for action in repertoire.draw(seed, 90).actions:
            for serving in about.preferred_nodes(service)[:2]:
                echo = Echo(about, service, serving)
                sentence = said(action, speaker)
                step_for(echo, sentence)()
                wanted = make_fault(action.fault, **resolved(action.fault, action.parameters, echo.node))
                assert [asdict(one) for one in echo.injected] == [asdict(wanted)], sentence
            own += speaker.says(action) is not None
            count += 1
    assert own > 0.9 * count  # the few others are said as on the command line


def test_a_feature_says_it_all(web):
    schedule = parse_schedule({"topology": "web-iscsi", "service": "web", "length": 60,
                               "changes": {"services": {"web": {"failover_budget": "20s"}}}, "actions": [
        {"fault": "network-cut", "with": {"node": "rs-01", "networks": "heartbeat"}, "at": 2, "for": 10},
        {"fault": "stun", "with": {"node": "rs-02", "seconds": 5}, "at": 4.5},
        {"fault": "power-off", "with": {"node": SERVES_NOW}, "after": "node rs-02 starts to mount", "delay": 0.2,
         "for": 5},
        {"fault": "reset", "with": {"node": "rs-01"}, "at": 20, "for": 3}]}, "x")
    assert feature_text(Found(schedule, "single mount", "3 of 5 (23 to 88 %)"), web, ["night of 1 May"]) == f'''\
# night of 1 May
# breaks in 3 of 5 (23 to 88 %) runs; schedule {schedule.key}
Feature: Found by chaos on web-iscsi

  Scenario: network-cut and stun and power-off and reset: single mount breaks
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      services:
        web:
          failover_budget: 20s
      """
    When 200 ms after the standby starts to mount: the power of the node that serves now is cut
    And 5200 ms after the standby starts to mount: the fault "power-off" is healed
    And 2 seconds pass
    And the heartbeat network of the active node is cut
    And 2.5 seconds pass
    And the standby hangs for 5 seconds
    And 7.5 seconds pass
    And the networks of the active node are mended
    And 8 seconds pass
    And the active node is reset
    And 3 seconds pass
    And the active node is switched on
    And all that was to come has come within 60 seconds
    Then the file system was never mounted on two nodes
'''


def test_every_line_of_a_feature_is_a_step(web):
    repertoire = Repertoire(web, load_profile("everything"))
    for seed in range(5):
        text = feature_text(Found(repertoire.draw(seed, 60), "liveness at the end", "1 of 1"), web)
        for line in text.splitlines():
            word, _, sentence = line.strip().partition(" ")
            if word in ("When", "And"):
                step_for(None, sentence)
            if word == "Then":
                assert sentence == "the cluster is whole again within 300 seconds"


def test_where_nobody_is_at_home_nodes_are_said_by_name():
    about = load_topology("web-iscsi")
    web = about.services["web"]
    loose = about.model_copy(update={"services": {"web": web.model_copy(update={
        "domain": web.domain.model_copy(update={"ordered": False})})}})
    assert Speaker(about, "web").node("rs-01") == "the active node"
    assert Speaker(loose, "web").node("rs-01") == "node rs-01"
