"""Votes, timing and links of Corosync and of cman."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import File, Original, Told, nodes_of

_WHOLE = "all nodes lose their power, and one starts alone"
_SPLIT = "all heartbeat links are cut"


def _number(told: Told | None) -> int | None:
    return int(told.value) if told is not None and told.value.strip().isdigit() else None


def _votes(corosync: File) -> int:
    found = 0
    for node in nodes_of(corosync):
        told = node.last("quorum_votes", "quorum_votes:")
        found += int(told.value) if told is not None and told.value.isdigit() else 1
    return found


@rule("wait-for-all", "votequorum(5), wait_for_all", _SPLIT)
def wait_for_all(original: Original, _budget: float) -> Iterator[Finding]:
    """A node that boots alone has quorum, and shoots the other."""
    corosync = original.corosync
    told = corosync.last("quorum", "wait_for_all") if corosync else None
    if told is not None and told.value == "0" and _number(corosync.last("quorum", "two_node")) == 1:
        yield at(told.place, text="wait_for_all is off with two_node: a node that boots and does not see the other has "
                                  "quorum at once and shoots it; with dead heartbeat links the two shoot each other at "
                                  "every boot")


@rule("two-node", "votequorum(5), two_node", "the active node loses its power")
def two_node(original: Original, _budget: float) -> Iterator[Finding]:
    """two_node where it does not belong, or missing."""
    corosync = original.corosync
    nodes = nodes_of(corosync) if corosync else []
    if not nodes:
        return
    told = corosync.last("quorum", "two_node")
    if _number(told) == 1 and (len(nodes) != 2 or original.has_device):
        why = "a quorum device" if original.has_device else f"{len(nodes)} nodes"
        yield at(told.place, text=f"two_node with {why}: it is for two nodes that nobody decides between")
    elif _number(told) != 1 and len(nodes) == 2 and not original.has_device and not any(
            corosync.last("quorum", word) for word in ("auto_tie_breaker", "last_man_standing")) and _votes(
            corosync) == 2 and corosync.last("quorum", "provider"):
        block = next(corosync.root.all("quorum"))
        yield at(corosync.at(block), text="two nodes without two_node and without a quorum device: when one is lost, "
                                          "the other has no quorum, and stops its services")


@rule("expected-votes", "votequorum(5), cman(5): expected_votes", "any node loses its power")
def expected_votes(original: Original, _budget: float) -> Iterator[Finding]:
    """More votes are waited for than there are."""
    corosync = original.corosync
    nodes = nodes_of(corosync) if corosync else []
    told = corosync.last("quorum", "expected_votes") if corosync else None
    expected = _number(told)
    if expected is not None and nodes and not original.has_device and expected != _votes(corosync):
        yield at(told.place, text=_expected(expected, _votes(corosync)))
    if original.cluster_conf is not None:
        source, root = original.cluster_conf
        members = [one for one in root.walk() if one.tag == "clusternode"]
        votes = sum(int(one.get("votes", "1")) if one.get("votes", "1").isdigit() else 1 for one in members)
        disk = next((one for one in root.walk() if one.tag == "quorumd"), None)
        if disk is not None:
            votes += int(disk.get("votes", "1")) if disk.get("votes", "1").isdigit() else max(1, len(members) - 1)
        for one in root.all("cman"):
            text = one.get("expected_votes")
            if text.isdigit() and int(text) != votes and one.get("two_node") != "1":
                yield at(source.at(one.line), text=_expected(int(text), votes))


def _expected(expected: int, votes: int) -> str:
    quorum = expected // 2 + 1
    left = votes - quorum
    what = f"quorum is {quorum}: " + (
        "no partition ever has it" if left < 0 else "the loss of one node stops all services" if left == 0 else
        f"{left} of {votes} may be lost" if expected > votes else "two partitions may both have it")
    return f"expected_votes is {expected}, and there are {votes} votes: {what}"


@rule("cman-two-node", "cman(5), two_node", "the active node loses its power")
def cman_two_node(original: Original, _budget: float) -> Iterator[Finding]:
    """two_node of cman where it does not belong, or missing."""
    if original.cluster_conf is None:
        return
    source, root = original.cluster_conf
    members = [one for one in root.walk() if one.tag == "clusternode"]
    cman = next(root.all("cman"), None)
    has = cman is not None and cman.get("two_node") == "1"
    if len(members) == 2 and not has and not any(one.tag == "quorumd" for one in root.walk()):
        yield at(source.at((cman or root).line), text="two nodes without two_node=\"1\" and without a quorum disk: "
                                                      "when one is lost, the other has no quorum")
    elif len(members) > 2 and has:
        yield at(source.at(cman.line), text=f"two_node with {len(members)} nodes: any one node alone has quorum")


@rule("no-quorum-policy", "Pacemaker Explained, cluster options: no-quorum-policy", _SPLIT)
def policy(original: Original, _budget: float) -> Iterator[Finding]:
    """``ignore`` where there is a majority; ``stop`` where locks can't be let go."""
    told = original.option("no-quorum-policy")
    if original.cib is None:
        return
    value = told.value.lower() if told else "stop"
    if value == "ignore" and (len(original.members) > 2 or original.has_device):
        yield at(told.place, text=f"no-quorum-policy=ignore with {len(original.members)} nodes: a node that is cut off "
                                  "goes on as if it had quorum, shoots the others and starts their services")
    locks = [one for one in original.cib.resources if one.type in ("controld", "o2cb")]
    if value in ("stop", "suicide", "fence") and value != "freeze" and locks:
        place = told.place if told else locks[0].place
        yield at(place, text=f"no-quorum-policy={value} with a cluster file system: a node without quorum can't "
                             "unmount what its locks wait for, its stops time out, and it is shot as soon as there is "
                             "quorum; freeze is what dlm needs")


@rule("one-link", "corosync.conf(5), nodelist: ring1_addr", "a heartbeat link is cut")
def one_link(original: Original, _budget: float) -> Iterator[Finding]:
    """One cable or switch is a split."""
    corosync = original.corosync
    nodes = nodes_of(corosync) if corosync else []
    if len(nodes) > 1 and not any(one.name.startswith("ring1_addr") for node in nodes for one in node.body or ()):
        yield at(*(corosync.at(one) for one in nodes), remark=True,
                 text="one link only: unless it is a bond, one cable or switch is a split")


@rule("corosync-differs", "corosync.conf(5): the same on all nodes", _WHOLE)
def differs(original: Original, _budget: float) -> Iterator[Finding]:
    """Nodes with different configurations."""
    for other in original.other_corosync:
        first = original.corosync.source.text.splitlines()
        lines = other.source.text.splitlines()
        number = next((index for index, (one, two) in enumerate(zip(first, lines, strict=False), 1) if one != two),
                      min(len(first), len(lines)) + 1)
        yield at(other.source.at(min(number, max(1, len(lines)))), original.corosync.source.at(min(number, len(first))),
                 text=f"{other.source.name} and {original.corosync.source.name} differ")


@rule("consensus", "corosync.conf(5): token, consensus", _SPLIT)
def consensus(original: Original, _budget: float) -> Iterator[Finding]:
    """consensus shorter than 1.2 x token."""
    corosync = original.corosync
    told = corosync.last("totem", "consensus") if corosync else None
    token = _number(corosync.last("totem", "token")) if corosync else None
    value = _number(told)
    if value is not None and value < 1.2 * (token or 3000):
        yield at(told.place, text=f"consensus {value} ms is less than 1.2 x token ({token or 3000} ms): memberships "
                                  "may never settle")
