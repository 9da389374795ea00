"""Partition shapes: pure functions over node names."""

from __future__ import annotations

import pytest

from fenceline.faults import shapes

FIVE = ("a", "b", "c", "d", "e")


def hears(nodes, links, node):
    return {other for other in nodes if (other, node) not in links}


def test_groups_lose_every_link_between_them_and_none_inside():
    links = shapes.groups([("a", "b"), ("c",), ("d", "e")])
    assert hears(FIVE, links, "a") == {"a", "b"}
    assert hears(FIVE, links, "c") == {"c"}
    assert all((receiver, sender) in links for sender, receiver in links)


@pytest.mark.parametrize("parts", [[("a",)], [("a",), ()], [("a", "b"), ("b",)], []])
def test_no_partition(parts):
    with pytest.raises(ValueError, match="partition"):
        shapes.groups(parts)


@pytest.mark.parametrize("count", range(2, 8))
def test_halves_and_isolate_leave_nobody_out(count):
    nodes = [f"n{number}" for number in range(count)]
    for parts in (shapes.halves(nodes), shapes.isolate(nodes, "n1")):
        assert sorted(node for part in parts for node in part) == nodes
    small, large = shapes.halves(nodes)
    assert 0 <= len(large) - len(small) <= 1
    assert shapes.isolate(nodes, "n1")[0] == ("n1",)


def test_majority_and_minority():
    assert shapes.majority(FIVE, ["b", "e"]) == (("b", "e"), ("a", "c", "d"))
    for minority in ([], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="no minority"):
            shapes.majority(FIVE, minority)
    with pytest.raises(ValueError, match="no minority"):
        shapes.majority(FIVE[:4], ["a", "b"])


def test_one_way_loses_one_direction():
    assert shapes.one_way("a", "b") == {("a", "b")}
    with pytest.raises(ValueError, match="itself"):
        shapes.one_way("a", "a")


@pytest.mark.parametrize("count", range(3, 8))
def test_bridge_the_middle_hears_all_and_nobody_hears_across(count):
    nodes = [f"n{number}" for number in range(count)]
    links = shapes.bridge(nodes, "n1")
    assert hears(nodes, links, "n1") == set(nodes)
    others = [node for node in nodes if node != "n1"]
    for half in shapes.halves(others):
        for node in half:
            assert hears(nodes, links, node) == {*half, "n1"}
    with pytest.raises(ValueError, match="three nodes"):
        shapes.bridge(nodes[:2], nodes[0])


@pytest.mark.parametrize("count", range(4, 12))
def test_ring_everybody_hears_a_majority_and_no_two_the_same(count):
    nodes = [f"n{number:02}" for number in range(count)]
    links = shapes.ring(nodes)
    heard = [frozenset(hears(nodes, links, node)) for node in nodes]
    assert all(len(seen) == count // 2 + 1 and node in seen for node, seen in zip(nodes, heard, strict=True))
    assert len(set(heard)) == count


def test_ring_of_three_is_everybody():
    with pytest.raises(ValueError, match="four nodes"):
        shapes.ring(FIVE[:3])


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_at_random_leaves_nobody_out_and_follows_from_its_seed(count):
    nodes = [f"n{number}" for number in range(count)]
    found = {seed: shapes.at_random(nodes, seed) for seed in range(40)}
    assert found == {seed: shapes.at_random(nodes, seed) for seed in range(40)}
    for parts in found.values():
        assert sorted(node for part in parts for node in part) == sorted(nodes)
        shapes.groups(parts)
    assert len(set(found.values())) > (1 if count > 2 else 0)
    assert {len(parts) for parts in found.values()} == set(range(2, count + 1)) or count == 16


def test_at_random_needs_two():
    with pytest.raises(ValueError, match="two nodes"):
        shapes.at_random(["a"], 1)
