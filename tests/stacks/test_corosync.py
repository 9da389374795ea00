"""corosync.conf, parsed back."""

from __future__ import annotations

import pytest

from fenceline.model.load import load_topology, parse_topology
from fenceline.stacks.pacemaker.corosync import corosync_conf
from tests.model.sample import raw


def parsed(text: str) -> dict:
    """Sections as mappings; those that may repeat (node, interface) as lists."""
    stack = [{}]
    for line in text.splitlines():
        word = line.strip()
        if word.endswith("{"):
            name, section = word[:-1].strip(), {}
            if name in ("node", "interface"):
                stack[-1].setdefault(name, []).append(section)
            else:
                assert name not in stack[-1], f"{name} is there twice"
                stack[-1][name] = section
            stack.append(section)
        elif word == "}":
            stack.pop()
        else:
            key, _, value = word.partition(": ")
            assert key not in stack[-1], f"{key} is there twice"
            stack[-1][key] = value
    assert len(stack) == 1, "braces do not match"
    return stack[0]


def conf(**stack) -> dict:
    settings = {"kind": "pacemaker", "quorum": {"policy": "two_node"}, **stack}
    return parsed(corosync_conf(parse_topology(raw(stack=settings), "x")))


def test_two_nodes(web):
    found = parsed(corosync_conf(web))
    assert found["totem"] == {
        "version": "2", "cluster_name": "web-iscsi", "transport": "knet", "token": "1000", "token_coefficient": "0",
        "crypto_cipher": "aes256", "crypto_hash": "sha256", "interface": [{"linknumber": "0"}]}
    assert found["nodelist"]["node"] == [
        {"name": "rs-01", "nodeid": "1", "ring0_addr": "10.71.1.11"},
        {"name": "rs-02", "nodeid": "2", "ring0_addr": "10.71.1.12"}]
    assert found["quorum"] == {"provider": "corosync_votequorum", "two_node": "1", "wait_for_all": "1"}


def test_majority_and_two_links():
    found = parsed(corosync_conf(load_topology("web-iscsi-3")))
    assert found["totem"]["link_mode"] == "passive"
    assert [one["linknumber"] for one in found["totem"]["interface"]] == ["0", "1"]
    assert found["nodelist"]["node"][2] == {
        "name": "node3", "nodeid": "3", "ring0_addr": "10.72.1.13", "ring1_addr": "10.72.2.13"}
    assert found["quorum"] == {"provider": "corosync_votequorum", "wait_for_all": "1"}


def test_a_quorum_device():
    found = parsed(corosync_conf(load_topology("web-iscsi-qdevice")))["quorum"]
    assert "two_node" not in found and "wait_for_all" not in found  # corosync-qdevice(8) excludes both
    assert found["device"]["model"] == "net" and found["device"]["votes"] == "1"
    assert found["device"]["net"]["host"] == "10.73.4.51"
    assert found["device"]["net"]["algorithm"] == "ffsplit"


def test_last_man_standing_has_the_votes_of_all_but_one():
    topology = parse_topology(raw(
        nodes={"a": {}, "b": {}, "c": {}, "san-01": {"role": "storage"}, "q": {"role": "quorum-device"}}, fencing={},
        services={}, stack={"kind": "pacemaker", "quorum": {"policy": "qdevice", "device": "q", "algorithm": "lms"}}),
        "x")
    assert parsed(corosync_conf(topology))["quorum"]["device"]["votes"] == "2"


@pytest.mark.parametrize(("wanted", "said"), [(True, "1"), (False, "0")])
def test_wait_for_all_is_said_in_both_directions(wanted, said):
    assert conf(quorum={"policy": "two_node", "wait_for_all": wanted})["quorum"]["wait_for_all"] == said


def test_timing_and_secrecy():
    found = conf(token="1500ms", consensus="2s", secauth=False)["totem"]
    assert (found["token"], found["consensus"]) == ("1500", "2000")
    assert not {"crypto_cipher", "crypto_hash"} & set(found)
    assert "consensus" not in conf()["totem"]
