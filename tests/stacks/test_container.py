"""The container's scripts, and who gets them."""

from __future__ import annotations

import subprocess

import pytest

from harness.guest.seed import Seed
from harness.model.load import load_topology
from harness.stacks import container
from harness.stacks.daemons import agent_parameters, seed_daemon

OCFS2 = load_topology("kvm-ocfs2")


def seeded(service):
    seed = Seed()
    seed_daemon(seed, "x", service)
    return seed.files


def test_who_gets_it():
    files = seeded(OCFS2.services["guest-1"])
    assert {"/usr/lib/ocf/resource.d/fenceline/container", "/usr/lib/fenceline/container.sh",
            "/usr/lib/fenceline/ledger.py"} <= set(files)
    other = seeded(load_topology("gfs2-iscsi").services["farm"])
    assert "/usr/lib/fenceline/container.sh" not in other and "/usr/lib/fenceline/ledger.py" in other
    assert not container.is_container(OCFS2.services["images"])
    assert agent_parameters("guest-2", OCFS2.services["guest-2"]) == {
        "root": "/srv/images/guest-2", "port": "8082", "sync": "1"}


@pytest.mark.parametrize("name", ["/usr/lib/ocf/resource.d/fenceline/container", "/usr/lib/fenceline/container.sh"])
def test_the_shell_takes_it(name):
    text = seeded(OCFS2.services["guest-1"])[name][0]
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("action", "code"), [("meta-data", 0), ("monitor", 7), ("stop", 0), ("nonsense", 3)])
def test_what_the_agent_answers_where_nothing_runs(action, code, tmp_path):
    script = tmp_path / "container"
    script.write_text(seeded(OCFS2.services["guest-1"])["/usr/lib/ocf/resource.d/fenceline/container"][0])
    done = subprocess.run(["sh", str(script), action], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "OCF_RESOURCE_INSTANCE": "fenceline-test-of-nothing"})
    assert done.returncode == code
    assert ("<resource-agent" in done.stdout) is (action == "meta-data")
