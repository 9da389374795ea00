"""Profiles: what may be drawn, shipped ones and the user's."""

from __future__ import annotations

import pytest

from fenceline.chaos.profile import ProfileError, families, known_profiles, load_profile
from fenceline.faults import FAULTS
from fenceline.faults.samples import drawn

SHIPPED = ["admin", "everything", "fencing", "load", "network", "power", "storage", "time"]


def test_the_shipped_ones_are_there_and_draw_something():
    assert sorted(known_profiles()) == SHIPPED
    for name in SHIPPED:
        assert load_profile(name).weights() and load_profile(name).description


def test_everything_draws_every_fault_that_is_no_defect():
    assert set(load_profile("everything").weights()) == {
        name for name, cls in FAULTS.items() if drawn(cls) and cls.__module__.startswith("fenceline.faults.")}


def test_no_shipped_one_draws_a_defect():
    defects = {name for name in FAULTS if not drawn(FAULTS[name])}
    assert {"fence-device-lies", "fencing-off", "vip-stranger", "manual-fencing"} <= defects
    for name in SHIPPED:
        assert not defects & set(load_profile(name).weights())


def test_a_family_is_shared_out_and_a_fault_has_its_own_weight(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("families: {time: 3}\nfaults: {clock-step: 0, stun: 2}\nrest: [1s, 2s]\n")
    assert load_profile(str(path)).weights() == {"clock-drift": 1.0, "clock-strobe": 1.0, "stun": 2.0}
    assert load_profile("mine", [tmp_path]).rest == (1.0, 2.0)


@pytest.mark.parametrize(("text", "place"), [
    ("families: {tyme: 1}\n", "families: no family 'tyme'; the nearest: time"),
    ("faults: {stum: 1}\n", "faults: no fault 'stum'; the nearest: stun"),
    ("families: {time: -1}\n", "families: time: a weight is 0 or more"),
    ("families: {time: 0}\n", "nothing may be drawn"),
    ("families: {time: 1}\nlasts: [5s, 2s]\n", "lasts: write the least and the most"),
    ("families: {time: 1}\nground: soft\n", "ground:"),
    ("families: {time: 1}\nat_once: 0\n", "at_once:"),
    ("families: [time]\n", "families:"),
])
def test_an_error_names_its_place(tmp_path, text, place):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError) as error:
        load_profile(str(path))
    assert str(path) in error.value.message and place in error.value.message


def test_an_unknown_one_is_told_with_those_that_there_are():
    with pytest.raises(ProfileError, match=r"no profile 'netwrok': .*admin, everything.*do you mean network\?"):
        load_profile("netwrok")


def test_families_are_the_first_words_of_their_pages():
    assert {"network", "node", "storage", "fencing", "administration", "time"} <= set(families())
