"""Daemons that YAML declares, and what is passed through: what is taken, and what is refused with which words."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml

from fenceline.core.errors import FencelineError
from fenceline.judge.history import part_key
from fenceline.judge.instances import exclusive_ports
from fenceline.model.declared import declare
from fenceline.model.load import TOPOLOGY_DIR, TopologyError, dump_topology, load_topology, parse_topology
from fenceline.observe.askers import ASKERS
from tests.model.sample import raw

REDIS = {"kind": "resource", "agent": "systemd:redis-server", "port": 6379, "ask": {"redis": "PING"},
         "packages": ["redis-server"]}


def with_redis(part=None, **changes):
    return parse_topology(raw(services__web__group__2={**REDIS, **(part or {})}, **changes), "x")


def test_a_daemon_in_a_topology_needs_no_python():
    topology = with_redis()
    service = topology.services["web"]
    assert (service.port, service.protocol, service.question) == (6379, "redis", "PING")
    assert service.daemon.process_name == "redis-server" and topology.packages == {"redis-server"}
    assert part_key(service.daemon) == ("listen", 6379)
    assert exclusive_ports(topology) == {6379: "systemd:redis-server of web"}
    assert parse_topology(yaml.safe_load(dump_topology(topology)), "x") == topology


def test_every_way_of_asking_has_an_asker():
    ways = {"http": "/", "tcp": "", "mysql": "select 1", "pgsql": "select 1", "redis": "PING",
            "command": "true"}
    assert set(ways) == set(ASKERS)
    for way, question in ways.items():
        assert with_redis({"ask": {way: question}}).services["web"].protocol == way
    with pytest.raises(TopologyError, match="ask"):
        with_redis({"ask": {"gopher": "/"}})


def test_a_shipped_one_is_taken_by_its_name_and_may_be_changed():
    service = load_topology("pgsql-iscsi").services["pgsql"]
    assert (service.daemon.agent, service.port, service.protocol) == ("ocf:heartbeat:pgsql", 5432, "pgsql")
    changed = with_redis({"daemon": "postgresql", "agent": "ocf:heartbeat:pgsql", "port": 5433,
                          "parameters": {"monitor_user": "fenceline"}}).services["web"].daemon
    assert changed.port == 5433 and changed.parameters["monitor_user"] == "fenceline"
    assert changed.parameters["pgdata"] == "@mountpoint@/pgsql"
    with pytest.raises(TopologyError, match="no daemon 'postgresq'; the nearest: postgresql"):
        parse_topology(raw(services__web__group__2={"kind": "resource", "daemon": "postgresq"}), "x")


def test_a_projects_own_is_beside_its_topologies(tmp_path):
    for folder in ("topologies", "daemons"):
        (tmp_path / folder).mkdir()
    own = {key: value for key, value in REDIS.items() if key != "kind"}
    (tmp_path / "daemons" / "own-cache.yaml").write_text(yaml.safe_dump(own))
    path = tmp_path / "topologies" / "mine.yaml"
    path.write_text(yaml.safe_dump(raw(services__web__group__2={"kind": "resource", "daemon": "own-cache"})))
    for _ in range(2):
        assert load_topology(str(path)).services["web"].port == 6379
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "topologies", elsewhere / "topologies")
    (elsewhere / "daemons").mkdir()
    (elsewhere / "daemons" / "apache.yaml").write_text(yaml.safe_dump(own))
    with pytest.raises(TopologyError, match="'apache' is there twice.*give the file another name"):
        load_topology(str(elsewhere / "topologies" / "mine.yaml"))


@pytest.mark.parametrize("text", ["[", "just words", "port: 80"])
def test_a_file_that_declares_nothing(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(FencelineError, match="x.yaml"):
        declare(tmp_path / "x.yaml")


@pytest.mark.parametrize(("part", "words"), [
    ({"port": None}, "group.2.port: needed, as clients ask it"),
    ({"parameters": {"a": "b"}}, "group.2.parameters: only an OCF agent has some; systemd:redis-server reads"),
    ({"setup": ["mkdir @folder@"]}, "group.2: there is no @folder@; there are @address@"),
    ({"extra": {"parameters": {"a": "b"}}}, "group.2.extra.parameters: only an OCF agent has some"),
    ({"extra": {"operations": {"monitor": {"interval": "3s"}}}}, "monitor.interval: is said by monitor"),
    ({"extra": {"operations": {"dance": {}}}}, "dance"),
    ({"process": "a-name-of-sixteen"}, "process"), ({"agent": "redis"}, "agent"),
    ({"packages": ["redis; rm"]}, "packages")])
def test_what_is_refused_of_a_part(part, words):
    with pytest.raises(TopologyError, match=re.escape(words)):
        with_redis(part)


@pytest.mark.parametrize(("changes", "words"), [
    ({"stack__properties": {"stonith-enabled": False}}, "stack.properties.stonith-enabled: is said by fencing.method"),
    ({"stack__properties": {"priority-fencing-delay": "9s"}}, "is said by fencing.priority_delay"),
    ({"services__web__group__0__extra": {"parameters": {"device": "/dev/sda"}}},
     "group.0.extra.parameters.device: is said by lun, export or drbd"),
    ({"services__web__group__3": {"kind": "daemon"}}, "services.web.group: more than one daemon"),
    ({"services__web__group__3": REDIS | {"port": 80}}, "services.web.group: port 80 is there twice")])
def test_what_is_refused_of_a_topology(changes, words):
    with pytest.raises(TopologyError, match=re.escape(words)):
        parse_topology(raw(**changes), "x")


def test_a_file_system_is_mounted_before_what_speaks_of_it():
    group = yaml.safe_load((TOPOLOGY_DIR / "pgsql-iscsi.yaml").read_text())
    parts = group["services"]["pgsql"]["group"]
    with pytest.raises(TopologyError, match="starts after the file system"):
        parse_topology({**group, "services": {"pgsql": {"group": parts[::-1]}}}, "x")
    with pytest.raises(TopologyError, match="speaks of @mountpoint@, and there is none"):
        parse_topology({**group, "services": {"pgsql": {"group": parts[1:]}}}, "x")


@pytest.mark.parametrize(("name", "words"), [
    ("haproxy-keepalived", "keepalived moves addresses, no resource"),
    ("mysql-drbd-heartbeat", "heartbeat has no class systemd")])
def test_stacks_that_can_not(name, words):
    made = yaml.safe_load((TOPOLOGY_DIR / f"{name}.yaml").read_text())
    service, = made["services"].values()
    service["group"] = [part for part in service["group"] if part["kind"] != "daemon"] + [dict(REDIS)]
    with pytest.raises(TopologyError, match=words):
        parse_topology(made, "x")
    service["group"][-1] = dict(REDIS, extra={"meta": {"priority": 1}})
    service["meta"] = {"priority": 1}
    with pytest.raises(TopologyError, match="knows no meta attributes"):
        parse_topology(made, "x")


def test_a_daemon_says_how_often_it_is_asked():
    assert with_redis({"every": "1s"}).services["web"].asked_every == 1.0
    assert with_redis().services["web"].asked_every is load_topology("web-iscsi").services["web"].asked_every is None
