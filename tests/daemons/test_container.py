"""The resource agents of the container and the ledger, and who gets them."""

from __future__ import annotations

import socket
import subprocess
from xml.etree import ElementTree as ET

import pytest

from fenceline.daemons import container, ledger
from fenceline.daemons.seeding import agent_parameters, seed_daemon
from fenceline.guest.seed import Seed
from fenceline.model.load import load_topology

OCFS2, GFS2 = load_topology("kvm-ocfs2"), load_topology("gfs2-iscsi")


def seeded(service):
    seed = Seed()
    seed_daemon(seed, "x", service)
    return seed.files


def test_who_gets_it():
    files = seeded(OCFS2.services["guest-1"])
    assert {"/usr/lib/ocf/resource.d/fenceline/container", "/usr/lib/fenceline/container.sh",
            "/usr/lib/fenceline/ledger.py"} <= set(files)
    other = seeded(GFS2.services["farm"])
    assert "/usr/lib/fenceline/container.sh" not in other and "/usr/lib/fenceline/ledger.py" in other
    assert not container.is_container(OCFS2.services["images"])
    assert agent_parameters("guest-2", OCFS2.services["guest-2"]) == {
        "root": "/srv/images/guest-2", "port": "8082", "sync": "1"}


AGENTS = {name: seeded(service)[f"/usr/lib/ocf/resource.d/fenceline/{name}"][0]
          for name, service in (("container", OCFS2.services["guest-1"]), ("ledger", GFS2.services["farm"]))}


@pytest.mark.parametrize("text", [
    AGENTS["container"], seeded(OCFS2.services["guest-1"])["/usr/lib/fenceline/container.sh"][0], AGENTS["ledger"]])
def test_the_shell_takes_it(text):
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize(("action", "code"), [("meta-data", 0), ("monitor", 7), ("stop", 0), ("nonsense", 3)])
def test_what_the_agent_answers_where_nothing_runs(name, action, code):
    done = subprocess.run(["sh", "-s", action], input=AGENTS[name], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "OCF_RESOURCE_INSTANCE": "fenceline-test-of-nothing"})
    assert done.returncode == code
    if action == "meta-data":
        assert ET.fromstring(done.stdout).get("name") == name
    else:
        assert done.stdout == ""


def test_the_ledger_s_agent_starts_and_stops_it(tmp_path):
    text = AGENTS["ledger"].replace("/run/", f"{tmp_path}/").replace("/var/log/", f"{tmp_path}/") \
        .replace(ledger.PROGRAM, str(ledger.DAEMON))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(action):
        return subprocess.run(["sh", "-s", action], input=text, text=True, check=False, timeout=30, env={
            "PATH": "/usr/bin:/bin", "OCF_RESKEY_file": str(tmp_path / "file"), "OCF_RESKEY_port": str(port),
            "OCF_RESKEY_sync": "0"}).returncode

    try:
        assert [run("start"), run("monitor"), run("start")] == [0, 0, 0]
        socket.create_connection(("127.0.0.1", port), 2).close()
    finally:
        assert run("stop") == 0
    assert run("monitor") == 7
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)
