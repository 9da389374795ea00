"""MariaDB as a service: its configuration, and what its agents are told."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.daemons import mariadb
from fenceline.daemons.seeding import agent_parameters, seed_daemon
from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology, merged, parse_topology
from fenceline.stacks.pacemaker.cib import cib_xml


def topology(**daemon):
    base = load_topology("mysql-iscsi").model_dump(mode="json", exclude_unset=True)
    group = [*base["services"]["mysql"]["group"][:2], {"kind": "daemon", "name": "mariadb", **daemon}]
    return parse_topology(merged(base, {"services": {"mysql": {"group": group}}}), "x")


def test_defaults_and_what_is_said_wins():
    daemon = topology().services["mysql"].daemon
    assert (daemon.agent, daemon.port, daemon.process_name) == ("ocf:heartbeat:mysql", 3306, "mariadbd")
    other = topology(agent="systemd:mariadb", port=3307).services["mysql"]
    assert (other.daemon.agent, other.port, other.protocol) == ("systemd:mariadb", 3307, "mysql")
    assert load_topology("web-iscsi").services["web"].protocol == "http"


def test_what_a_node_gets(web):
    seed = Seed()
    seed_daemon(seed, "mysql", topology().services["mysql"])
    conf = seed.files["/etc/mysql/my.cnf"][0].splitlines()
    assert {"datadir=/data/mysql", "port=3306", "innodb_flush_log_at_trx_commit=1",
            "init-file=/etc/mysql/fenceline.sql"} <= set(conf)
    assert all(line.endswith(";") for line in seed.files["/etc/mysql/fenceline.sql"][0].splitlines())
    assert "/etc/nginx/fenceline-mysql.conf" not in seed.files
    other = Seed()
    seed_daemon(other, "web", web.services["web"])
    assert "/etc/mysql/my.cnf" not in other.files and "/etc/nginx/fenceline-web.conf" in other.files


def test_unsynced_holds_back_what_it_acknowledges():
    conf = mariadb.my_cnf(topology(sync=False).services["mysql"])
    assert "innodb_flush_log_at_trx_commit=0" in conf and "innodb_flush_log_at_timeout=600" in conf
    assert "timeout=600" not in mariadb.my_cnf(topology().services["mysql"])


def test_pacemaker_starts_the_daemon_itself():
    def primitive(**daemon):
        return ET.fromstring(cib_xml(topology(**daemon), "pw")).find(".//primitive[@id='mysql-daemon']")
    found = primitive()
    assert (found.get("class"), found.get("provider"), found.get("type")) == ("ocf", "heartbeat", "mysql")
    told = {pair.get("name"): pair.get("value") for pair in found.findall("instance_attributes/nvpair")}
    assert told == agent_parameters("mysql", topology().services["mysql"])
    assert told["binary"] == "/usr/sbin/mariadbd" and told["datadir"] == "/data/mysql"
    unit = primitive(agent="systemd:mariadb")
    assert unit.get("class") == "systemd" and unit.find("instance_attributes") is None
