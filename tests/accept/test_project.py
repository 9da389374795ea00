"""What `adopt` makes: a project whose topology is good, whose feature can be run, and that tells no secret."""

import re
import tarfile
from xml.etree import ElementTree as ET

import pytest
import yaml

from fenceline.accept.handed import hand_over, of_sources
from fenceline.accept.project import make_project
from fenceline.core.errors import FencelineError
from fenceline.importers.source import Source
from fenceline.model.load import load_topology
from fenceline.scenario.features import problems
from tests.accept.clusters import CASES, CLEAN

NAMES = [path.name for path in sorted(CASES.iterdir()) if not path.name.startswith("12")]
SECRETS = ("Wq7-chair", "tin-drum-88", "b7Kq0paper", "maple44", "velvet-91-hook", "n0t-in-the-wiki", "sm1-fence",
           "Ocelot_77!", "Zs8-ftp-pair-0117", "k0rnblum-5", "Kelp-3030", "apc-Kelp", "Reed+Pond7")

#: An operation with a setting that is none.
ODD = CLEAN["pacemaker"]["crm.txt"].replace("interval=10s timeout", "{interval=10s timeout")


def adopted(name, **options):
    files = [str(path) for path in sorted((CASES / name).rglob("*")) if path.is_file() and path.name != "expected.yaml"]
    return make_project(hand_over(files), **options)


def of(cluster, **options):
    return make_project(of_sources([Source(name, text) for name, text in CLEAN[cluster].items()]), **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_becomes_a_project_that_can_be_collected(name, tmp_path, monkeypatch):
    from pytest_bdd.feature import get_feature
    project = adopted(name)
    project.write(tmp_path)
    for path in (CASES / name).rglob("*"):
        if path.is_file() and path.name != "expected.yaml":
            assert (tmp_path / "config" / path.relative_to(CASES / name)).read_bytes() == path.read_bytes()
    topology = load_topology(str(tmp_path / "topologies" / f"{project.topology.name}.yaml"))
    if project.original.cib is not None:
        assert topology.stack.config == str(tmp_path / "adopted")
        ET.fromstring((tmp_path / "adopted" / "cib.xml").read_text())
    path = tmp_path / "features" / "acceptance.feature"
    feature = get_feature(str(path.parent), path.name)
    assert list(problems(path, feature, [tmp_path / "topologies"])) == []
    assert len(feature.scenarios) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_anywhere_but_in_the_originals(name):
    for path, (text, _) in adopted(name).files.items():
        if not path.startswith("config/"):
            assert [secret for secret in SECRETS if secret in text] == [], path


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_original_can_be_looked_up(name):
    project = adopted(name)
    text = project.files["adoption.md"][0]
    for file in project.original.files:
        part = text.partition(f"### {file.name}\n")[2].partition("```\n\n")[0]
        for number, line in enumerate(file.source.text.splitlines(), 1):
            assert not line.strip() or re.search(rf"^ *{number}  \S", part, re.MULTILINE), (file.name, number)


def test_the_configuration_that_is_run_is_the_original():
    project = adopted("01-web-iscsi-lvm")
    root = ET.fromstring(project.files["adopted/cib.xml"][0])
    ids = {one.get("id") for one in root.iter() if one.tag in ("primitive", "group", "rsc_location")}
    assert {"fence-alpha", "fence-beta", "p-apache", "p-fs-www", "p-ip-www", "p-iscsi-www", "p-vg-web", "g-web",
            "cli-ban-g-web-on-beta", "l-fence-alpha", "l-fence-beta"} == ids
    apache = root.find(".//primitive[@id='p-apache']")
    assert [(op.get("name"), op.get("timeout")) for op in apache.iter("op")] == [
        ("start", "60s"), ("stop", "60s"), ("monitor", "20s")]
    device = root.find(".//primitive[@id='fence-alpha']")
    values = {pair.get("name"): pair.get("value") for pair in device.iter("nvpair")}
    assert (device.get("type"), values["ip"], values["password"], values["pcmk_delay_base"]) == (
        "fence_ipmilan", "@bmc alpha@", "@bmc-password@", "8s")
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", one.get("id")) for one in root.iter()
               if one.get("id") and one.tag != "node")
    corosync = project.files["adopted/corosync.conf"][0]
    assert "wait_for_all: 0" in corosync and "ring1_addr: 10.20.2.12" in corosync and "token: 3000" in corosync


def test_what_can_not_run_is_stood_in_for_under_its_own_name():
    project = adopted("07-git-vmware")
    agent = project.files["adopted/files/usr/sbin/fence_vmware_rest"][0]
    assert "forge-a_prod) H='@bmc forge-a@'" in agent and "sleep 19" in agent
    unit = project.files["adopted/files/etc/systemd/system/gitea.service"][0]
    assert " 3000 " in unit and "/srv/forge" in unit  # the port behind its proxy
    assert "adopted/files/usr/local/lib/ha/alert_mail.sh" in project.files
    assert "adopted/files/etc/nginx/sites-enabled/forge" in project.files
    assert 'path="/usr/local/lib/ha/alert_mail.sh"' in project.files["adopted/cib.xml"][0]
    assert any("gitea" in text for _, text in project.fates.all("stood in"))
    assert "host: @management quorum-host@" in project.files["adopted/corosync.conf"][0]


def test_outlets_are_those_of_units_of_ours_and_levels_stay():
    project = adopted("04-nfs-pair")
    fencing = project.topology.fencing
    assert fencing.levels == (("ipmi",), ("pdu-left", "pdu-right"))
    assert fencing.pdus["pdu-left"].outlets == {3: "nas1", 4: "nas2"}
    root = ET.fromstring(project.files["adopted/cib.xml"][0])
    assert [(one.get("target"), one.get("devices")) for one in root.iter("fencing-level")] == [
        ("nas1", "ipmi-nas1"), ("nas1", "pdu-left,pdu-right"), ("nas2", "ipmi-nas2"), ("nas2", "pdu-left,pdu-right")]
    values = {pair.get("name"): pair.get("value") for pair in root.find(".//primitive[@id='pdu-left']").iter("nvpair")}
    assert values["ip"] == "@pdu pdu-left@" and values["pcmk_delay_base"] == "nas1:6s;nas2:0s"


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] not in ("08", "09", "10")])
def test_every_operation_has_an_interval_and_every_element_an_id_of_its_own(name):
    root = ET.fromstring(adopted(name).files["adopted/cib.xml"][0])
    assert all(one.get("interval") and one.get("name") for one in root.iter("op"))
    ids = [one.get("id") for one in root.iter() if one.tag not in ("resource_ref", "obj_ref", "role") and one.get("id")]
    assert len(set(ids)) == len(ids)
    named = ("nvpair", "op", "rule", "expression", "resource_set")
    assert all(one.get("id") for one in root.iter() if one.tag in named)


def test_what_pcs_makes_has_its_agents_own_operations():
    root = ET.fromstring(adopted("04-nfs-pair").files["adopted/cib.xml"][0])
    told = {op.get("name"): op.get("timeout") for op in root.find(".//primitive[@id='nas_fs_home']").iter("op")}
    assert told == {"monitor": "40s", "start": "60s", "stop": "60s"}


def test_what_every_node_runs_is_a_service_of_all():
    project = adopted("05-gfs2-three")
    services = project.topology.services
    assert {name: one.active for name, one in services.items()} == {"scratch": "all", "spool": "all"}
    assert services["spool"].port == 8080
    assert "vg_scratch" not in project.files["adopted/cib.xml"][0]


def test_full_names_are_short_here_and_everywhere_the_same():
    project = adopted("03-mariadb-multipath")
    assert project.topology.cluster_nodes == ("db1", "db2")
    assert "db1.example.net" not in project.files["adopted/cib.xml"][0]
    assert "name: db1\n" in project.files["adopted/corosync.conf"][0]
    assert project.topology.stack.ids == {"grp-mariadb": "grp.mariadb"}
    assert "mariadb 3306 1 30" in project.files["adopted/files/etc/fenceline/standins"][0]


def test_machines_keep_their_addresses_and_cards_their_names():
    topology = adopted("01-web-iscsi-lvm").topology
    assert topology.networks["service"].device == "eno1"
    assert str(topology.services["g-web"].vip.address) == "10.20.4.80"
    assert {str(told) for told in topology.nodes["beta"].addresses.values()} == {"10.20.1.12", "10.20.2.12"}


def test_a_ban_that_was_left_is_no_promise():
    topology = adopted("01-web-iscsi-lvm").topology
    assert topology.preferred_nodes("g-web") == ("alpha", "beta")


def test_a_resource_is_stood_in_for_at_ones_wish():
    project = adopted("01-web-iscsi-lvm", stood_in=frozenset({"p-apache"}))
    assert "adopted/files/usr/lib/ocf/resource.d/heartbeat/apache" in project.files
    assert not project.topology.packages
    with pytest.raises(FencelineError, match="--stand-in apche: no such resource; there are"):
        adopted("01-web-iscsi-lvm", stood_in=frozenset({"apche"}))


def test_nothing_is_written_over(tmp_path):
    project = of("pacemaker")
    (tmp_path / "adoption.md").write_text("mine")
    with pytest.raises(FencelineError, match="in the way"):
        project.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["adoption.md"]


def test_folders_and_archives_are_read(tmp_path):
    for name, text in CLEAN["pacemaker"].items():
        (tmp_path / name).write_text(text)
    assert make_project(hand_over([str(tmp_path)])).topology.name == "pair"
    with tarfile.open(tmp_path / "report.tar.bz2", "w:bz2") as tar:
        for node in ("one", "two"):
            tar.add(tmp_path / "corosync.conf", f"report/{node}/corosync.conf")
        tar.add(CASES / "03-mariadb-multipath" / "cib.xml", "report/one/cib.xml")
        tar.add(tmp_path / "crm.txt", "report/one/analysis.txt")
    files = hand_over([str(tmp_path / "report.tar.bz2")])
    assert [one.kind for one in files] == ["corosync.conf", "cib"]


@pytest.mark.parametrize(("files", "words"), [
    ({"x.txt": "hello\n"}, "not recognised"),
    ({"x.txt": ""}, "empty"),
    ({"crm.txt": "node 1: {{ name }}\n"}, "template"),
    ({"cib.xml": "<cib><configuration>"}, "not whole"),
    ({"cib.xml": "<html/>"}, "neither"),
    ({"cib.xml": "<cib/>"}, "no <configuration>"),
    ({"cib.xml": "<cib><configuration><resources/></configuration></cib>"}, "no resources"),
    ({"ha.cf": "node a b\n"}, "haresources together"),
    ({"drbd.conf": "resource r { on a { address 1.1.1.1:1; } }\n"}, "what the cluster runs"),
    ({**CLEAN["pacemaker"], "crm.txt": ODD}, "crm.txt:14: '{interval' is no attribute"),
    ({"crm.txt": CLEAN["pacemaker"]["crm.txt"], "ha.cf": "node a b\n"}, "two clusters"),
    ({"crm.txt": CLEAN["pacemaker"]["crm.txt"], "b.txt": CLEAN["pacemaker"]["crm.txt"] + "\n"}, "hand over one"),
])
def test_what_is_no_cluster_is_refused_with_one_message(files, words):
    with pytest.raises(FencelineError, match=words):
        make_project(of_sources([Source(name, text) for name, text in files.items()]))


def test_the_budget_is_in_the_topology_with_its_sum():
    project = of("pacemaker", given="33s")
    text = project.files["topologies/pair.yaml"][0]
    assert yaml.safe_load(text)["services"]["g"]["failover_budget"] == "33s"
    assert "33 s are given" in text
