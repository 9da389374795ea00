"""A fault is one class: its sentences, what they need, its line on the pages and its words on the command line come
from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest
from pytest_bdd import parsers

from fenceline.commands.faults import describe
from fenceline.core.errors import ClusterError, FaultError
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.base import OnNode, fault
from fenceline.faults.fitting import misfit
from fenceline.faults.parameters import Choice, Daemon, Network, Seconds
from fenceline.faults.says import Says, who_serves
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology
from fenceline.steps.fault_reference import families
from fenceline.steps.faults import own, steps


def _what_it_does(stage, words) -> str:
    return words["how"].upper()


@dataclass(frozen=True)
class Coffee(OnNode):
    """Somebody spills coffee over ``node``."""

    seconds: Annotated[float, Seconds(1, 60), "that it takes to dry"] = 5.0
    network: Annotated[Network, "whose card gets wet"] = ""
    daemon: Annotated[Daemon, ", which hates coffee"] = "corosync"
    kind: Annotated[str, Choice(("black", "WHITE", "COLD"))] = "black"
    name: ClassVar[str] = "coffee"
    says: ClassVar[tuple[Says, ...]] = (
        Says("coffee is spilled over <node> for <seconds>", given="coffee was spilled over <node>, for <seconds:s>"),
        Says("<kind:black|milky=WHITE> coffee makes <daemon> of <node> wet in the <network>"),
        Says("coffee that is <how:cold|white> is spilled over who serves <service:quoted>", node=who_serves,
             kind=_what_it_does),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> is dry again"),)
    needs: ClassVar[tuple[str, ...]] = ("daemon {daemon}",)

    def costs(self, topology) -> Cost:
        return Cost()

    def inject(self, cluster: Any) -> None: ...
    def confirm(self, cluster: Any, since_ns: int) -> dict[str, Any]: ...
    def heal(self, cluster: Any) -> None: ...
    def confirm_healed(self, cluster: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Tea(Coffee):
    """Somebody spills tea over ``node``."""

    name: ClassVar[str] = "tea"


@dataclass(frozen=True)
class Soup(OnNode):
    """Somebody spills soup over ``node``."""

    name: ClassVar[str] = "soup"
    says: ClassVar[tuple[Says, ...]] = (Says("soup is spilled over <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = Coffee.heal_says
    costs = Coffee.costs


class Stage:
    """Writes down what is injected and healed."""

    def __init__(self) -> None:
        self.cluster = self
        self.topology = load_topology("web-iscsi")
        self.done: list[Any] = []

    def node(self, words: str) -> str:
        return {"the active node": "rs-01"}.get(words, "rs-02")

    def serving(self, service: str) -> str:
        return f"server of {service}"

    def inject(self, name: str, **given: Any) -> None:
        self.done.append((name, given))

    def heal_any(self, wanted: Any) -> None:
        self.done.append(wanted)


@pytest.fixture
def stage(monkeypatch):
    """A stage in a house where Coffee, Tea and Soup are faults."""
    FAULTS.load()
    there = dict(FAULTS._there)
    monkeypatch.setattr(FAULTS, "_there", there)
    for cls in (Coffee, Tea, Soup):
        fault(cls)
    return Stage()


def say(stage: Stage, sentence: str, kind: str = "when") -> list[Any]:
    """What is done for ``sentence``."""
    taken = [(parsers.re(pattern), function) for of, pattern, function in steps() if of == kind]
    (parser, function), = [one for one in taken if one[0].is_matching(sentence)]
    stage.done.clear()
    function(stage, **(parser.parse_arguments(sentence) or {}))
    return stage.done


def test_a_sentence_injects_the_fault_with_what_it_names(stage):
    assert say(stage, "coffee is spilled over the active node for 2.5 seconds") == [
        ("coffee", {"node": "rs-01", "seconds": 2.5})]
    assert say(stage, "coffee was spilled over the standby, for 1 second", "given") == [
        ("coffee", {"node": "rs-02", "seconds": 1.0})]


def test_a_role_of_several_networks_injects_it_into_each_and_words_stand_for_values(stage):
    assert say(stage, 'milky coffee makes "corosync" of node rs-02 wet in the heartbeat network') == [
        ("coffee", {"kind": "WHITE", "daemon": "corosync", "node": "rs-02", "network": "heartbeat"})]
    with pytest.raises(FaultError, match='has no network "backbone"'):
        say(stage, 'black coffee makes "corosync" of node rs-02 wet in the network "backbone"')


def test_values_are_found_out_from_who_plays_and_the_words(stage):
    assert say(stage, 'coffee that is cold is spilled over who serves "web"') == [
        ("coffee", {"node": "server of web", "kind": "COLD"})]


def test_a_sentence_that_several_faults_share_heals_whichever_is_in_force(stage):
    assert say(stage, "the standby is dry again") == [[("coffee", {"node": "rs-02"}), ("soup", {"node": "rs-02"})]]


def test_a_fault_made_from_another_has_not_its_sentences(stage):
    assert own(Tea, "says") == own(Tea, "heal_says") == ()


def test_what_it_needs_is_known_from_the_sentence_alone(stage):
    needed = {function.reads: function.needs_of for of, _, function in steps() if function.faults == ("coffee",)}
    known = needed['KIND coffee makes "DAEMON" of NODE wet in the NETWORK']
    assert known({"kind": "black", "daemon": "sbd", "node": "the standby", "network": "heartbeat network"}) == {
        "daemon sbd"}
    assert needed["coffee is spilled over NODE for N seconds"]({"node": "the standby", "seconds": "2"}) == set()


def test_it_is_on_the_page_and_on_the_command_line_and_its_names_are_checked(stage):
    assert any(Coffee in members for members in families().values())
    assert any("that it takes to dry" in line for line in describe(Coffee))
    with pytest.raises(FaultError, match="99 s is not from 1 to 60"):
        make_fault("coffee", node="rs-01", seconds="99s")
    assert "no daemon 'java'" in misfit(make_fault("coffee", node="rs-01", network="heartbeat", daemon="java"),
                                        stage.topology)


def test_a_word_that_is_nothing_is_refused(stage):
    wrong = Says("<cup> is spilled over <node>")

    class Spilled(Soup):
        says: ClassVar = (wrong,)
        name: ClassVar[str] = "spilled"
    fault(dataclass(frozen=True)(Spilled))
    with pytest.raises(TypeError, match="in a sentence of the fault 'spilled', <cup> is no parameter"):
        list(steps())


def test_nothing_in_force_is_said(tmp_path):
    from tests.fakes import make_cluster, make_scene
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        scene = make_scene(cluster, tmp_path, "web")
        with pytest.raises(ClusterError, match="no fault power-off or hang is in force that could be healed"):
            scene.heal_any([("power-off", {"node": "rs-01"}), ("hang", {"node": "rs-01"})])
