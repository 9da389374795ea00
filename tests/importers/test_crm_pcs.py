"""crm shell text and pcs commands, by the same way in as a CIB."""

import pytest

from fenceline.core.errors import FencelineError
from tests.importers.files import DATA, imported, line_of, source

CRM = (DATA / "crm.txt").read_text()
PCS = (DATA / "pcs.sh").read_text()


@pytest.mark.parametrize("name", ["crm.txt", "pcs.sh"])
def test_the_same_cluster_in_both(name):
    topology, draft = imported(name)
    assert topology.cluster_nodes == ("alpha", "beta")
    service, = topology.services.values()
    assert [part.kind for part in service.group] == ["filesystem", "vip", "daemon"]
    assert [part.monitor for part in service.group] == [20.0, 10.0, 15.0]
    assert (service.filesystem.drbd, service.filesystem.monitor_depth) == ("data", 20)
    # 200 points are less than three parts that stick with 100 each
    assert (service.domain.nodes, service.domain.ordered, service.domain.failback) == (("alpha", "beta"), True, False)
    fencing = topology.fencing
    assert (fencing.method, fencing.timeout, fencing.delay) == ("ipmi", 90.0, {"alpha": 10.0})
    assert topology.stack.quorum.without_quorum == "ignore"
    notes = "\n".join(draft.notes)
    assert "notARealSecret" not in notes
    for words in ("monitor on-fail=standby", "web: migration-threshold=2", "where fencing devices run"):
        assert words in notes
    assert "no order" not in notes
    assert "no colocation" not in notes


def test_what_crm_says_beyond_that_is_a_note_with_its_line():
    _, draft = imported("crm.txt")
    for word in ("fencing-topology", "alerts"):
        assert any(f"<{word}>" in note for note in draft.notes), word


def test_pcs_cluster_setup_says_votes_timing_and_links():
    topology, draft = imported("pcs.sh")
    assert (topology.stack.token, topology.stack.quorum.policy, topology.stack.quorum.wait_for_all) == (
        5.0, "two_node", True)
    assert len(topology.networks_with("heartbeat")) == 2
    assert any(note.startswith(f"{line_of('pcs.sh', 'resource create more')}: ") for note in draft.notes)
    assert any(note.startswith(f"{line_of('pcs.sh', 'stonith level')}: ") for note in draft.notes)


NODES = "node a\nnode b\n"
ADDRESSES = "".join(f"primitive {name} IPaddr2 params ip=192.168.50.20{index}\n" for index, name in enumerate("xyz"))


@pytest.mark.parametrize(("text", "after", "together", "notes"), [
    ("order o inf: x y z", {"y": ("x",), "z": ("y",)}, {}, ()),
    ("order o Mandatory: ( x y ) z", {"z": ("x", "y")}, {}, ()),
    ("order o Mandatory: [ x y ] z", {"z": ("x", "y")}, {}, ("require-all=false",)),
    ("order o 0: x y", {}, {}, ("rsc_order o: optional",)),
    ("order o Optional: x y", {}, {}, ("rsc_order o: optional",)),
    ("order o Serialize: x y", {}, {}, ("rsc_order o: serialize",)),
    ("order o x y symmetrical=false", {"y": ("x",)}, {}, ("nothing is said about stopping",)),
    ("colocation c inf: y x", {}, {"y": ("x",)}, ()),
    ("colocation c 100: y x", {}, {}, ("score 100",)),
    ("colocation c inf: y x node-attribute=rack", {}, {}, ("node-attribute rack",)),
    ("rsc_ticket t T: x", {}, {}, ("rsc_ticket t: not expressed",)),
    ("tag some x y", {}, {}, ("tag some: not expressed",))])
def test_constraints_of_crm(text, after, together, notes):
    topology, draft = imported(source("crm", f"{NODES}{ADDRESSES}{text}\n"))
    assert {name: one.after for name, one in topology.services.items() if one.after} == after
    assert {name: one.colocated_with for name, one in topology.services.items() if one.colocated_with} == together
    for words in notes:
        assert any(note.startswith("crm:6: ") and words in note for note in draft.notes), draft.notes


def test_who_is_together_by_a_circle_is_so_once():
    text = f"{NODES}{ADDRESSES}colocation c inf: y x\ncolocation d inf: z y\ncolocation e inf: x z\n"
    topology, _ = imported(source("crm", text))
    assert {name: one.colocated_with for name, one in topology.services.items()} == {"x": (), "y": ("x",), "z": ("y",)}


@pytest.mark.parametrize(("text", "nodes", "restricted", "failback"), [
    ("location l x 50: b", ("b", "a"), False, True), ("location l x -inf: a", ("b",), True, False),
    ("location l x rule -inf: #uname ne b", ("b",), True, False),
    ("location l x rule 50: #uname eq b", ("b", "a"), False, True),
    ("property symmetric-cluster=false\nlocation l x 0: b", ("b",), True, False)])
def test_locations_of_crm(text, nodes, restricted, failback):
    topology, _ = imported(source("crm", f"{NODES}{ADDRESSES.splitlines()[0]}\n{text}\n"))
    domain = topology.services["x"].domain
    assert (domain.nodes, domain.restricted, domain.failback) == (nodes, restricted, failback)


def test_what_is_promoted_beside_is_said_by_a_chain():
    text = CRM.replace("group g fs ip web\n", "").replace("location prefer-alpha g", "location prefer-alpha fs")
    text = text.replace("colocation g-with-data inf: g ms-data:Master", "colocation c inf: web ip fs ms-data:Master")
    text = text.replace("ms-data:promote g:start", "ms-data:promote fs:start ip:start web:start")
    topology, draft = imported(source("crm", text))
    assert [part.kind for part in topology.services["fs"].group] == ["filesystem", "vip", "daemon"]
    assert not any("no colocation" in note or "no order" in note for note in draft.notes)


def test_nobody_runs_what_no_node_may():
    text = f"{NODES}{ADDRESSES}location l x -inf: a\nlocation m x -inf: b\n"
    topology, draft = imported(source("crm", text))
    assert "x" not in topology.services
    assert any("x: no node may run it" in note for note in draft.notes)


SETUP = "pcs cluster setup c a b\n" + "".join(
    f"pcs resource create {name} IPaddr2 ip=192.168.50.20{index}\n" for index, name in enumerate("xyz"))


@pytest.mark.parametrize(("text", "after", "notes"), [
    ("pcs constraint order start x then start y", {"y": ("x",)}, ()),
    ("pcs constraint order x then y kind=Optional", {}, ("optional",)),
    ("pcs constraint order set x y sequential=false set z", {"z": ("x", "y")}, ()),
    ("pcs node standby a", {}, ("standby=on of the node a: not expressed: nothing is run there",)),
    ("pcs resource disable x", {}, ("x is stopped (target-role)",)),
    ("pcs constraint order $FIRST then y", {}, ("a variable that is not known",)),
    ("pcs stonith sbd enable", {}, ("pcs stonith sbd enable: not expressed",)),
    ("pcs quorum device add model net host=q algorithm=lms tie_breaker=highest", {}, ("tie_breaker",))])
def test_commands_of_pcs(text, after, notes):
    topology, draft = imported(source("pcs", f"{SETUP}{text}\n"))
    assert {name: one.after for name, one in topology.services.items() if one.after} == after
    for words in notes:
        assert any(note.startswith("pcs:5: ") and words in note for note in draft.notes), draft.notes


def test_the_setup_of_pcs_0_9():
    text = SETUP.replace("setup c a b", "setup --name c a,a-2 b,b-2 --token 3000 --wait_for_all=0 --start")
    topology, _ = imported(source("pcs", text))
    assert (topology.cluster_nodes, topology.stack.token) == (("a", "b"), 3.0)
    assert not topology.stack.quorum.wait_for_all
    assert len(topology.networks_with("heartbeat")) == 2


@pytest.mark.parametrize(("text", "words"), [
    (NODES + "primitive x\nprimitive y IPaddr2\n", r"x:3: primitive: it needs a name and an agent"),
    (CRM.replace("group g fs", "group g nothing"), r"x:22: group: nothing ip web: one of them is no resource"),
    (CRM.replace('device="', "device='"), r"x:9: No closing quotation"),
    (CRM.replace("prefer-alpha g 200:", "prefer-alpha g"), r"x:25: location: alpha.example.com: it must be a score"),
    (ADDRESSES, "names no node"),
    (SETUP + "pcs resource create lonely\n", r"x:5: pcs: resource create lonely: it needs a name and an agent"),
    (SETUP + 'pcs property set a="b\n', r"x:5: pcs: No closing quotation"),
    (SETUP + "pcs constraint order x y then z\n", r"x:5: pcs: x y where a resource of an order should be")])
def test_bad_texts_have_one_message_with_their_place(text, words):
    with pytest.raises(FencelineError, match=words):
        imported(source("x", text))
