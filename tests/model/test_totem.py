"""What Corosync bears of packet loss."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from fenceline.model.load import load_topology
from fenceline.model.totem import Totem, _more_losses

FEATURE = Path(__file__).parents[2] / "features" / "network" / "loss.feature"


def test_corosyncs_own_figures():
    """As corosync.conf(5) and corosync-cmapctl have them for a token of 1000 ms: 238, 180, 250, 500."""
    totem = Totem(1.0)
    assert [int(1000 * value) for value in (totem.retransmit, totem.hold, totem.ping_interval, totem.ping_timeout)] == [
        238, 180, 250, 500]
    assert (totem.losses_borne(room=0), totem.losses_borne(), totem.losses_borne(room=2)) == (3, 2, 0)
    assert Totem(5.0).losses_borne() == 3


def test_of_a_topology():
    assert Totem.of(load_topology("web-iscsi")) == Totem(1.0, 2, 1)
    three = Totem.of(load_topology("web-iscsi-3"))
    assert three.members == 3
    with pytest.raises(ValueError, match="keepalived has no token"):
        Totem.of(load_topology("lvs-keepalived"))


@pytest.mark.parametrize(("share", "losses", "hops"), [(0.1, 1, 2), (0.3, 2, 2), (0.5, 0, 3)])
def test_the_chance_of_a_lost_token_is_that_of_the_dice(share, losses, hops):
    chance, rounds, more = random.Random(1), 40000, 0
    for _ in range(rounds):
        lost = sum(_until_success(chance, share) for _ in range(hops))
        more += lost > losses
    assert abs(more / rounds - _more_losses(share, losses, hops)) < 0.01


def _until_success(chance: random.Random, share: float) -> int:
    lost = 0
    while chance.random() < share:
        lost += 1
    return lost


def test_more_loss_or_time_is_worse_a_second_link_or_a_longer_token_better():
    totem = Totem(1.0)
    chances = [totem.chance_apart(share, 15) for share in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 0.95)]
    assert chances == sorted(chances) and chances[0] == 0.0
    assert totem.chance_apart(0.02, 30) > totem.chance_apart(0.02, 15)
    assert Totem(1.0, links=2).chance_apart(0.02, 15) < totem.chance_apart(0.02, 15)
    assert Totem(5.0).chance_apart(0.02, 15) < totem.chance_apart(0.02, 15)


def test_ten_percent_are_not_below_what_a_cluster_tolerates_and_what_is_tolerated_is():
    """10 % fenced somebody after 12.8 s: by its own figures that cluster had to fall apart."""
    totem = Totem(1.0)
    assert totem.chance_apart(0.1, 15) > 0.5
    share = totem.tolerated(15)
    assert 0.01 <= share < 0.02 and totem.chance_apart(share, 15) <= 0.005 < totem.chance_apart(share + 0.001, 15)


def test_the_scenarios_percentages_are_on_their_sides_of_it():
    percents = [float(word) / 100 for word in re.findall(r"([0-9.]+) % of the packets", FEATURE.read_text())]
    totem = Totem.of(load_topology("web-iscsi"))
    assert percents and all(totem.chance_apart(share, 15) > 0.999 for share in percents)
    assert "as many of the packets on the heartbeat network are dropped as the cluster tolerates" in FEATURE.read_text()
