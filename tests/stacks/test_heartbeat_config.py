"""ha.cf, authkeys and haresources, read back as heartbeat reads them."""

import pytest

from fenceline.model.load import TopologyError, load_topology, merged, parse_topology
from fenceline.stacks.heartbeat import config


def changed(**changes):
    raw = load_topology("web-nfs-heartbeat").model_dump(mode="json", exclude_unset=True)
    return parse_topology(merged(raw, changes), "a test")


def directives(text):
    """{word: [its arguments, ...]} of ha.cf, in the order of the file."""
    found = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    return found


def test_the_times_are_those_of_the_topology_with_their_units():
    found = directives(config.ha_cf(changed(), "node1", "pw"))
    assert found["keepalive"] == ["500ms"]
    assert found["warntime"] == ["1500ms"]
    assert found["deadtime"] == ["3"]
    assert found["initdead"] == ["20"]
    assert "deadping" not in found


def test_the_original_of_r2_can_be_said():
    stack = {"keepalive": "1500ms", "warntime": "3s", "deadtime": "6s", "initdead": "30s", "deadping": "6s"}
    found = directives(config.ha_cf(changed(stack=stack), "node1", "pw"))
    assert (found["keepalive"], found["deadtime"], found["warntime"], found["deadping"]) == (
        ["1500ms"], ["6"], ["3"], ["6"])


@pytest.mark.parametrize(("media", "word", "arguments"), [
    ("mcast", "mcast", "eth0 239.0.0.1 694 1 0"),
    ("bcast", "bcast", "eth0"),
    ("ucast", "ucast", "eth0 10.74.1.12"),
])
def test_media(media, word, arguments):
    found = directives(config.ha_cf(changed(stack={"media": media}), "node1", "pw"))
    assert found[word] == [arguments]
    assert not {"mcast", "bcast", "ucast"} - {word} & set(found)


def test_the_port_comes_before_the_media_that_use_it():
    lines = config.ha_cf(changed(stack={"udpport": 1694}), "node1", "pw").splitlines()
    assert lines.index("udpport 1694") < next(i for i, line in enumerate(lines) if line.startswith("mcast "))


@pytest.mark.parametrize(("failback", "word"), [(True, "on"), (False, "off")])
def test_auto_failback_follows_the_failover_domain(failback, word):
    topology = changed(services={"web": {"domain": {"failback": failback}}})
    assert directives(config.ha_cf(topology, "node1", "pw"))["auto_failback"] == [word]


def test_ping_nodes_groups_and_ipfail():
    stack = {"ping": ["client"], "ping_group": {"both": ["client", "nfs-01"]}}
    found = directives(config.ha_cf(changed(stack=stack), "node1", "pw"))
    assert found["ping"] == ["192.168.60.9"]
    assert found["ping_group"] == ["both 192.168.60.9 10.74.3.41"]
    assert found["respawn"] == ["hacluster /usr/libexec/heartbeat/ipfail"]
    assert "respawn" not in directives(config.ha_cf(changed(stack={"ipfail": False}), "node1", "pw"))


def test_each_node_shoots_the_other_with_the_others_device():
    # heartbeat keeps one device per node, the last that it may use: with "*" it would shoot itself
    found = directives(config.ha_cf(changed(fencing={"method": "ipmi"}), "node1", "secret"))
    assert found["stonith_host"] == [
        "node1 external/ipmi node2 10.74.4.112 fenceline secret lanplus",
        "node2 external/ipmi node1 10.74.4.111 fenceline secret lanplus"]
    assert "stonith_host" not in directives(config.ha_cf(changed(), "node1", "secret"))


@pytest.mark.parametrize(("method", "line"), [("sha1", "1 sha1 abc"), ("md5", "1 md5 abc"), ("crc", "1 crc")])
def test_authkeys(method, line):
    assert config.authkeys(method, "abc").splitlines() == ["auth 1", line]


def test_haresources_has_the_group_in_its_order_on_its_preferred_node():
    node, *words = config.haresources(changed()).split()
    assert node == "node1"
    assert [word.partition("::")[0] for word in words] == ["IPaddr2", "Filesystem", "OCF"]
    assert words[0] == "IPaddr2::192.168.60.200/24"
    device, mountpoint, fstype, options = words[1].split("::")[1:]
    assert (device, mountpoint, fstype) == ("10.74.3.41:/srv/export/htdoc", "/var/www/html", "nfs")
    assert {"vers=4.2", "hard", "timeo=50", "retrans=2", "noatime"} == set(options.split(","))


def test_a_drbd_resource_is_promoted_before_its_file_system_is_mounted():
    made = changed(storage={"nfs": None, "drbd": [{"name": "r0", "filesystem": "ext3"}]}, services={"web": {"group": [
        {"kind": "filesystem", "drbd": "r0", "mountpoint": "/data"},
        {"kind": "vip", "address": "192.168.60.200"},
        {"kind": "daemon", "name": "nginx"}]}})
    words = config.haresources(made).split()
    assert words[1:3] == ["drbddisk::r0", "Filesystem::/dev/drbd0::/data::ext3::noatime"]


def test_an_init_script_is_named_as_it_is():
    group = [{"kind": "vip", "address": "192.168.60.200"},
             {"kind": "daemon", "name": "nginx", "agent": "lsb:nginx", "document_root": "/var/www"}]
    assert config.haresources(changed(services={"web": {"group": group}})).split()[-1] == "nginx"


@pytest.mark.parametrize(("changes", "path"), [
    ({"stack": {"deadtime": "1s"}}, "stack.deadtime"),
    ({"stack": {"initdead": "2s"}}, "stack.initdead"),
    ({"stack": {"ping": ["nobody"]}}, "stack.ping"),
    ({"stack": {"ping": ["node2"]}}, "stack.ping"),
    ({"stack": {"ping": [], "ipfail": True}}, "stack.ipfail"),
    ({"stack": {"media": "mcast", "mcast_group": "10.0.0.1"}}, "stack.mcast_group"),
    ({"stack": {"ping_group": {"empty": []}}}, "stack.ping_group.empty"),
    ({"nodes": {"node3": {}}}, "nodes"),
    ({"fencing": {"method": "ipmi", "action": "off"}}, "fencing.action"),
    ({"services": {"web": {"domain": {"ordered": False}}}}, "services.web.domain.ordered"),
    ({"services": {"web": {"domain": {"restricted": True, "nodes": ["node1"]}}}}, "services.web.domain.restricted"),
    ({"storage": {"nfs": {"server": "node1"}}}, "storage.nfs.server"),
    ({"nodes": {"client": {"role": "storage"}}}, "nodes.client"),
])
def test_what_heartbeat_can_not_do_is_said_with_its_path(changes, path):
    with pytest.raises(TopologyError) as caught:
        changed(**changes)
    assert any(line.strip().startswith(f"{path}: ") for line in str(caught.value).splitlines()), str(caught.value)


def test_what_is_passed_through():
    found = directives(config.ha_cf(changed(stack={"extra": {"compression": "bz2", "rtprio": 5, "hopfudge": [1, 2]}}),
                                    "node1", "pw"))
    assert (found["compression"], found["rtprio"], found["hopfudge"]) == (["bz2"], ["5"], ["1", "2"])
