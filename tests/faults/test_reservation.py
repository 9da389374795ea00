"""Reservations of a LUN: what sg_persist says, and what of it confirms that one is made or lost."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.reservation import parse_holder, parse_keys

HEAD = "  LIO-ORG   IBLOCK            4.0 \n  Peripheral device type: disk\n"
NO_KEYS = HEAD + "  PR generation=0x4, there are NO registered reservation keys\n"
TWO_KEYS = HEAD + "  PR generation=0x2, 2 registered reservation keys follow:\n    0x1\n    0x2\n"
ONE_KEY = HEAD + "  PR generation=0x1, 1 registered reservation key follows:\n    0x1\n"
FREE = HEAD + "  PR generation=0x4, there is NO reservation held\n"
HELD = HEAD + ("  PR generation=0x2, Reservation follows:\n    Key=0x1\n"
               "    scope: LU_SCOPE,  type: Write Exclusive, registrants only\n")


def test_what_the_tool_says():
    assert parse_keys(NO_KEYS) == frozenset() and parse_keys(ONE_KEY) == {1} and parse_keys(TWO_KEYS) == {1, 2}
    assert parse_holder(FREE) is None and parse_holder(HELD) == 1
    for parse in (parse_keys, parse_holder):
        with pytest.raises(ValueError, match="not an answer of sg_persist"):
            parse("PR in: aborted command")


class Target:
    """What the target has, and tells whoever asks."""

    def __init__(self, cluster):
        self.keys, self.holder = NO_KEYS, FREE
        self.asked = []
        self.refusals = []
        for node, session in cluster.sessions.items():
            session.answer = lambda command, node=node: self.answer(node, command)
            session.wait = lambda within: 0.0

    def answer(self, node, command):
        self.asked.append(f"{node} {command}")
        if self.refusals:
            return self.refusals.pop(0)
        if "--read-keys" in command:
            return 0, self.keys
        if "--read-reservation" in command:
            return 0, self.holder
        if "--clear" in command:
            self.keys, self.holder = NO_KEYS, FREE
        if "--reserve" in command:
            self.keys, self.holder = TWO_KEYS, HELD
        return 0


@pytest.fixture
def target(cluster):
    return Target(cluster)


def test_made_lost_made_again_and_given_up(cluster, target):
    made = cluster.faults.inject(make_fault("lun-reserved", lun="www"))
    assert made.evidence == {"registered": [1, 2], "holder": 1}
    lost = cluster.faults.inject(make_fault("reservation-lost", lun="www"))
    assert lost.evidence == {"registered": [], "holder": None}
    cluster.faults.heal(lost)
    assert target.holder == HELD
    cluster.faults.heal(made)
    assert target.keys == NO_KEYS
    assert any("rs-01 sg_persist --out --reserve --param-rk=0x1 --prout-type=5 /dev/fenceline/www" in line
               for line in target.asked)


@pytest.mark.parametrize(("keys", "holder"), [(ONE_KEY, HELD), (TWO_KEYS, FREE), (NO_KEYS, FREE)])
def test_half_a_reservation_is_none(cluster, target, keys, holder):
    target.keys, target.holder = keys, holder
    fault = make_fault("lun-reserved", lun="www")
    with pytest.raises(FaultError, match="www is not reserved for all members"):
        fault.confirm(cluster, 0)


@pytest.mark.parametrize(("keys", "holder"), [(TWO_KEYS, HELD), (ONE_KEY, FREE), (NO_KEYS, HELD)])
def test_a_reservation_that_is_still_there(cluster, target, keys, holder):
    target.keys, target.holder = keys, holder
    with pytest.raises(FaultError, match="www is still reserved"):
        make_fault("reservation-lost", lun="www").confirm(cluster, 0)
    with pytest.raises(FaultError, match="www is still reserved"):
        make_fault("lun-reserved", lun="www").confirm_healed(cluster)


def test_what_is_not_reserved_can_not_be_lost_and_is_not_reserved_by_healing(cluster, target):
    with pytest.raises(FaultError, match="there is nothing to lose"):
        cluster.faults.inject(make_fault("reservation-lost", lun="www"))
    assert cluster.faults.heal_all() == [] and target.keys == NO_KEYS


def test_no_such_lun(cluster, target):
    with pytest.raises(FaultError, match="no LUN 'moon' in web-iscsi; there are www"):
        make_fault("lun-reserved", lun="moon").inject(cluster)


# as LIO said it when another node had changed something, and when it had just registered a key
ATTENTION = (6, HEAD + "Persistent reservation in:\nFixed format, current; Sense key: Unit Attention\n"
             "Additional sense: Reservations preempted\nPR in (Read reservation): Unit attention\n"
             "sg_persist failed: Unit attention\n")
NOT_READY = (2, HEAD + "PR out (Register): Device not ready\nsg_persist failed: Device not ready\n")


def test_a_target_that_has_something_to_say_first_is_asked_again(cluster, target):
    target.keys, target.holder, target.refusals = TWO_KEYS, HELD, [ATTENTION, ATTENTION]
    assert make_fault("lun-reserved", lun="www").confirm(cluster, 0)
    assert len(target.asked) == 4


def test_a_key_that_is_registered_all_the_same(cluster, target):
    target.refusals = [NOT_READY]
    assert cluster.faults.inject(make_fault("lun-reserved", lun="www")).evidence["registered"] == [1, 2]


@pytest.mark.parametrize("refusal", [(24, HEAD + "sg_persist failed: Reservation conflict\n"), (127, "not found")])
def test_what_the_target_refuses(cluster, target, refusal):
    target.refusals = [refusal]
    with pytest.raises(FaultError, match="rs-01: sg_persist --out --register-ignore"):
        make_fault("lun-reserved", lun="www").inject(cluster)


def test_a_target_that_is_never_done_telling(cluster, target):
    target.refusals = [ATTENTION] * 9
    with pytest.raises(FaultError, match="Unit attention"):
        make_fault("reservation-lost", lun="www").confirm(cluster, 0)
