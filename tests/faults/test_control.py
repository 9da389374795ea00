"""The one that injects and heals: what is on disk, and in the log, in which order."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Annotated, ClassVar

import pytest

from fenceline.core.errors import ClusterError, FaultError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.base import OnCluster, OnNode, fault
from fenceline.faults.parameters import Text
from fenceline.journal.journal import open_entries
from fenceline.model.cost import Cost


@dataclass(frozen=True)
class Trouble:
    """Goes wrong where ``bad`` says, and writes down what it saw."""

    bad: Annotated[str, Text("which part goes wrong")] = ""
    name: ClassVar[str] = "trouble"
    seen: ClassVar[list] = []

    @property
    def targets(self):
        return ("rs-01",)

    def costs(self, topology):
        return Cost(disturbed=frozenset({"web"}))

    def _at(self, word, cluster):
        self.seen.append((word, [entry.undo["name"] for entry in open_entries(cluster.journal.path)]))
        if self.bad == word:
            raise ClusterError(f"{word} went wrong")

    def inject(self, cluster):
        self._at("inject", cluster)

    def confirm(self, cluster, since_ns):
        self._at("confirm", cluster)
        return {"since": since_ns}

    def heal(self, cluster):
        self._at("heal", cluster)

    def confirm_healed(self, cluster):
        self._at("confirm_healed", cluster)
        return {"healed": True}


@pytest.fixture(autouse=True)
def nothing_seen():
    Trouble.seen.clear()


def told(cluster):
    return [(event.kind, event.data) for event in cluster.log.events() if event.source == "fault"]


def kinds(cluster):
    return [kind.removeprefix("fault.") for kind, _ in told(cluster)]


def test_a_fault_from_its_begin_to_its_end(cluster):
    active = cluster.faults.inject(Trouble())
    assert cluster.faults.active == [active] == cluster.faults.in_force("trouble")
    assert active.evidence == {"since": active.begun_ns}
    cluster.faults.heal(active)
    assert kinds(cluster) == ["begin", "injected", "confirmed", "healed"]
    assert [data["id"] for _, data in told(cluster)] == [active.id] * 4
    assert told(cluster)[0][1] == {"id": active.id, "fault": "trouble", "targets": ["rs-01"], "params": {"bad": ""},
                                 "cost": {"disturbed": ["web"]}}
    assert told(cluster)[2][1]["evidence"] == active.evidence
    assert cluster.faults.active == [] and active.healed
    assert open_entries(cluster.journal.path) == []


def test_what_undoes_it_is_on_disk_before_it_is_done_and_until_it_is_undone(cluster):
    cluster.faults.heal(cluster.faults.inject(Trouble()))
    assert Trouble.seen == [(word, ["trouble"]) for word in ("inject", "confirm", "heal", "confirm_healed")]


def test_the_journal_tells_what_was_injected(cluster):
    cluster.faults.inject(make_fault("network-cut", node="rs-01", networks="storage,heartbeat"))
    entry, = open_entries(cluster.journal.path)
    assert entry.kind == "fault"
    assert entry.undo == {"name": "network-cut",
                          "parameters": {"node": "rs-01", "networks": ["storage", "heartbeat"]}}


@pytest.mark.parametrize(("bad", "wanted"), [
    ("inject", ["begin", "unconfirmed"]), ("confirm", ["begin", "injected", "unconfirmed"])])
def test_without_effect_it_is_an_error_and_stays_in_force_until_it_is_healed(cluster, bad, wanted):
    with pytest.raises(FaultError, match=f"the fault trouble on rs-01 took no effect: {bad} went wrong"):
        cluster.faults.inject(Trouble(bad))
    assert kinds(cluster) == wanted
    assert told(cluster)[-1][1]["reason"] == f"{bad} went wrong"
    assert len(cluster.faults.active) == len(open_entries(cluster.journal.path)) == 1
    assert cluster.faults.heal_all() == []
    assert kinds(cluster) == [*wanted, "healed"]
    assert cluster.faults.active == [] and open_entries(cluster.journal.path) == []


@pytest.mark.parametrize("bad", ["heal", "confirm_healed"])
def test_what_can_not_be_healed_is_said_and_stays_in_the_journal(cluster, bad):
    active = cluster.faults.inject(Trouble(bad))
    with pytest.raises(ClusterError, match=f"{bad} went wrong"):
        cluster.faults.heal(active)
    assert kinds(cluster) == ["begin", "injected", "confirmed", "unhealed"]
    assert told(cluster)[-1][1] == {"id": active.id, "reason": f"{bad} went wrong"}
    assert cluster.faults.active == [active] and not active.healed
    assert [entry.id for entry in open_entries(cluster.journal.path)] == [active.entry]


def test_healing_twice_does_nothing(cluster):
    active = cluster.faults.inject(Trouble())
    cluster.faults.heal(active)
    cluster.faults.heal(active)
    assert kinds(cluster).count("healed") == 1
    assert [word for word, _ in Trouble.seen].count("heal") == 1


def test_all_are_healed_newest_first_and_one_that_fails_does_not_stop_the_others(cluster):
    first, bad, last = (cluster.faults.inject(Trouble(word)) for word in ("", "heal", "nothing"))
    assert cluster.faults.heal_all() == ["trouble: heal went wrong"]
    ends = [(kind, data["id"]) for kind, data in told(cluster) if "healed" in kind]
    assert ends == [("fault.healed", last.id), ("fault.unhealed", bad.id), ("fault.healed", first.id)]
    assert cluster.faults.active == [bad]
    assert cluster.faults.heal_all() == ["trouble: heal went wrong"]


def test_a_bug_in_a_fault_is_no_effect_that_was_missing(cluster, monkeypatch):
    """It is raised as it is; the fault stays in force, so that it is healed."""
    monkeypatch.setattr(Trouble, "inject", lambda self, cluster: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cluster.faults.inject(Trouble())
    assert len(cluster.faults.active) == 1
    assert cluster.faults.heal_all() == []


# -- faults as values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters", "wanted"), [
    ("power-of", {"node": "a"}, "no fault 'power-of'; the nearest: .*power-off"),
    ("power-off", {"nod": "a"}, "fault power-off: no parameter nod; there are node"),
    ("power-off", {}, "fault power-off: .*node"),
    ("packet-drop", {"network": "a", "percent": 0}, "fault packet-drop: percent: 0.* not above 0 and at most 100"),
    ("packet-drop", {"network": "a", "percent": 100.5}, "percent: 100.5"),
    ("packet-drop", {"network": "a", "percent": "nan"}, "percent: nan"),
    ("packet-drop", {"network": "a", "percent": "much"}, "fault packet-drop: .*much"),
    ("cpu-overload", {"node": "a", "seconds": 0}, "fault cpu-overload: seconds: 0"),
    ("cpu-overload", {"node": "a", "seconds": 601}, "seconds: 601"),
    ("cpu-overload", {"node": "a", "seconds": "long"}, "'long' is not a duration"),
    ("network-cut", {"node": "a", "networks": ()}, "fault network-cut: networks: name at least one"),
])
def test_what_is_no_fault(name, parameters, wanted):
    with pytest.raises(FaultError, match=wanted):
        make_fault(name, **parameters)


def test_words_of_a_command_line_are_understood():
    assert make_fault("network-cut", node="a", networks="x,y").networks == ("x", "y")
    assert make_fault("packet-drop", network="a", percent="12.5").percent == 12.5
    assert make_fault("cpu-overload", node="a", seconds="1min").seconds == 60.0


def test_a_fault_can_not_be_changed():
    with pytest.raises(FrozenInstanceError):
        make_fault("power-off", node="a").node = "b"


def test_a_name_is_taken_once():
    @dataclass(frozen=True)
    class Another:
        name: ClassVar[str] = "power-off"

        def costs(self, topology): ...
    FAULTS.load()
    with pytest.raises(TypeError, match="'power-off' is there twice"):
        fault(Another)

    class Plain:
        name = "plain"
    with pytest.raises(TypeError, match="is no dataclass"):
        fault(Plain)
    assert "plain" not in FAULTS


def test_every_fault_has_a_name_a_description_and_its_four_parts():
    for name, cls in FAULTS.items():
        assert cls.name == name and cls.__doc__
        for part in ("inject", "confirm", "heal", "confirm_healed", "targets"):
            assert hasattr(cls, part), f"{name}: {part}"


def test_a_fault_that_does_not_say_what_it_costs_is_none():
    class Silent(OnNode):
        name = "silent"
    with pytest.raises(TypeError, match="does not say what it costs"):
        fault(dataclass(frozen=True)(Silent))
    assert "silent" not in FAULTS and not hasattr(OnCluster, "costs")
