"""A package from outside (tests/plugin): a stack, a daemon, a fault and a promise, found through its entry points.

Its scenarios run on real machines: ``script/installed patroni``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"
ROOT = PLUGIN.parents[1]
CHECK = """
import json
from fenceline.faults import FAULTS, make_fault
from fenceline.faults.fitting import misfit
from fenceline.judge.promise import PROMISES
from fenceline.model.declared import DAEMONS
from fenceline.model.load import TopologyError, load_topology, parse_topology, topology_schema
from fenceline.stacks.offers import offers
from pathlib import Path
import yaml
path = "topologies/pg-patroni.yaml"
raw = yaml.safe_load(Path(path).read_text())
topology = load_topology(path)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """As an installed package has it: modules beside the metadata that names its entry points."""
    site = tmp_path_factory.mktemp("site")
    told = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    shutil.copytree(PLUGIN / "fenceline_patroni", site / "fenceline_patroni")
    metadata = site / "fenceline_patroni-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    (metadata / "entry_points.txt").write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in told["entry-points"].items()))
    return site


@pytest.fixture
def run(site):
    """Runs Python in the plug-in's folder, which is a project of its own."""
    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, *words], cwd=PLUGIN, text=True, stdout=subprocess.PIPE, timeout=120,
                              env=os.environ | {"PYTHONPATH": f"{site}:{ROOT}",
                                                "PYTEST_ADDOPTS": "-p no:cacheprovider"},
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout
    return run


def test_all_of_it_is_found(run):
    run("-c", CHECK + """
assert "patroni-paused" in FAULTS and "the lease is waited out" in PROMISES and "patroni-postgresql" in DAEMONS
assert topology.packages == {"patroni", "etcd-server", "etcd-client", "postgresql-15"}
assert {"move", "quorum", "daemon etcd", "component patroni", "failover pg"} <= offers(topology)
assert "agent pg" not in offers(topology), "its daemons are not started by the cluster"
assert misfit(make_fault("patroni-paused"), topology) is None
assert "Patroni" in topology_schema()["$defs"]
service = topology.services["pg"]
assert (service.protocol, service.port) == ("pgsql", 5432) and "pg_is_in_recovery" in service.question
""")


def test_what_it_can_not_do_is_refused(run):
    run("-c", CHECK + """
for changes, words in (
        ({"fencing": {"method": "ipmi"}}, "fencing.method: Patroni's fencing is its watchdog"),
        ({"nodes": {"pg-01": {}, "pg-02": {}}}, "nodes: etcd needs three members"),
        ({"services": {}}, "services: one Patroni has one leader"),
        ({"services": {"pg": {"group": raw["services"]["pg"]["group"][:1]}}}, "services.pg.group: say a vip and"),
        ({"services": {"pg": raw["services"]["pg"] | {"domain": {"nodes": ["pg-01"]}}}}, "services.pg.domain: "),
        ({"stack": raw["stack"] | {"ttl": "10s"}}, "mistakes: [lease-too-short]"),
        ({"stack": raw["stack"] | {"watchdog": "off"}}, "mistakes: [no-watchdog]"),
        ({"stack": raw["stack"] | {"safety_margin": "20s"}}, "stack.safety_margin: 20 s leaves nothing")):
    try:
        parse_topology(raw | changes, "x")
    except TopologyError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
parse_topology(raw | {"stack": raw["stack"] | {"watchdog": "off"}, "mistakes": ["no-watchdog"]}, "x")
""")


def test_what_its_members_are_told(run):
    run("-c", CHECK + """
from fenceline.guest.seed import Seed
from fenceline.stacks.base import make_stack
seed = Seed()
make_stack(topology, {}, "", lambda node: True).seed_member("pg-02", seed)
told = yaml.safe_load(seed.files["/etc/patroni/config.yml"][0])
assert told["bootstrap"]["dcs"]["ttl"] == 20 and told["watchdog"]["mode"] == "required"
assert told["etcd3"]["hosts"] == ["10.95.1.11:2379", "10.95.1.12:2379", "10.95.1.13:2379"]
assert told["postgresql"]["parameters"]["fenceline.node"] == "pg-02"
assert "ETCD_NAME=pg-02\\n" in seed.files["/etc/default/etcd"][0]
assert "192.168.90.150/24 dev eth1" in seed.files["/usr/lib/fenceline/patroni-vip"][0]
""")


def test_what_its_members_tell(run):
    run("-c", CHECK + """
from fenceline.core.errors import Unreadable
from fenceline_patroni import status
from fenceline_patroni.membership import members
cluster = json.dumps({"members": [
    {"name": "pg-01", "role": "leader", "state": "running", "timeline": 1},
    {"name": "pg-02", "role": "replica", "state": "streaming", "lag": 0},
    {"name": "pg-03", "role": "replica", "state": "stopped"}]})
text = cluster + '\\n-- health\\n{"health":"true"}\\n-- addresses\\n3: eth1    inet 192.168.90.150/24 scope global\\n'
state = status.cluster_state(topology, {"pg-01": status.parse("pg-01", text)}, "pg-01")
assert state.owner("pg") == "pg-01" and state.online() == ("pg-01", "pg-02") and state.quorate
assert members(cluster) == ["pg-01", "pg-02"]
dead = status.parse("pg-02", "\\n-- health\\n\\n-- addresses\\n")
assert not dead.running and not dead.quorate and dead.leader is None
for noise in ("what?", "{,\\n-- health\\n-- addresses\\n"):
    try:
        status.parse("pg-02", noise)
    except Unreadable:
        continue
    raise AssertionError(noise)
""")


def test_its_promise(run):
    run("-c", CHECK + """
from fenceline.judge.verdict import judge
from tests.judge.logs import Log
for seconds, wanted in ((3, "FAIL"), (25, "PASS")):
    log = Log(topology).add(1, "guest", "pg-01", "address", ip="192.168.90.150", present=True)
    log.add(10, "machine", "pg-01", "power.off", why="power_off")
    log.add(10 + seconds, "guest", "pg-02", "address", ip="192.168.90.150", present=True)
    finding, = (one for one in judge(log.events, topology).findings if one.check == "the lease is waited out")
    assert finding.verdict == wanted, finding
""")


def test_its_scenarios_are_collected(run):
    assert "3 tests collected" in run("-m", "pytest", "--collect-only", "-q", "features")
