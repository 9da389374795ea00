"""Services that don't do what they are told, parts of the cluster software that are missing, a node in maintenance:
what is seen of it, and what is not. Where it can, the shell that is meant for a guest is run here."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import agents, make_fault
from fenceline.machines.protocol import Power
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology
from tests.faults.test_faults import NODE, inject, ticking

FAILS = ("agent-fails", {"service": "web"})
SLOW = ("agent-slow", {"service": "web", "seconds": 10})


def probe(cluster, status, seconds):
    cluster.sessions[NODE].answer = lambda command: (0, f"{status} {int(seconds * 1e9)}\n") if "fenceline" in str(
        command) and "timeout" in str(command) else 0


@pytest.mark.parametrize(("name", "parameters", "seen"), [
    (*FAILS, (42, 0.1)), (*SLOW, (124, 2.0)), ("agent-slow", {"service": "web", "seconds": 0.5}, (42, 0.6)),
    ("agent-fails", {"service": "web", "action": "start"}, (42, 0.1))])
def test_an_agent_is_another_until_it_is_healed(cluster, name, parameters, seen):
    probe(cluster, *seen)
    active = cluster.faults.inject(make_fault(name, node=NODE, **parameters))
    assert "mount --bind /run/fenceline-agent-web/program /usr/lib/ocf/resource.d/heartbeat/nginx" in str(
        cluster.sessions[NODE].commands[0])
    with pytest.raises(FaultError, match="still not its own"):
        active.fault._gone(cluster)
    probe(cluster, 3, 0.05)
    cluster.log.pace = 1.0
    with ticking(cluster):
        cluster.faults.heal(active)
    assert "umount -l /usr/lib/ocf/resource.d/heartbeat/nginx" in " ".join(map(str, cluster.sessions[NODE].commands))
    assert "cleanup" in cluster.stack.calls


@pytest.mark.parametrize(("name", "parameters", "seen"), [
    (*FAILS, (3, 0.1)), (*FAILS, (1, 0.1)), (*FAILS, (124, 2.0)), (*SLOW, (3, 0.1)), (*SLOW, (42, 0.1)),
    (*SLOW, (3, 2.5))])
def test_an_agent_that_is_its_own_confirms_nothing(cluster, name, parameters, seen):
    probe(cluster, *seen)
    with pytest.raises(FaultError, match="not confirmed"):
        cluster.faults.inject(make_fault(name, node=NODE, **parameters))


@pytest.mark.parametrize(("status", "words"), [(3, "has such a fault already"), (1, "can't be replaced")])
def test_one_that_can_not_be_replaced(cluster, status, words):
    cluster.sessions[NODE].answer = lambda command: status if "mount --bind" in str(command) else 0
    with pytest.raises(FaultError, match=words):
        cluster.faults.inject(make_fault(FAILS[0], node=NODE, **FAILS[1]))


def own_agent(tmp_path, fault, topology=None):
    """The program of ``fault`` in front of an agent that says what it was told."""
    agent = tmp_path / "nginx"
    agent.write_text("#!/bin/sh\necho \"the real one: $1\"\n[ $1 != fenceline ] || exit 3\n")
    agent.chmod(0o755)
    program = tmp_path / "program"
    text = fault._program("/x/nginx", topology or load_topology("web-iscsi"))
    program.write_text(text.replace("/run/fenceline-agent-web/", f"{tmp_path}/"))
    program.chmod(0o755)

    def run(action, instance="web-daemon"):
        done = subprocess.run([program, action], env={"OCF_RESOURCE_INSTANCE": instance} if instance else {},
                              capture_output=True, text=True, check=False, timeout=20)
        return done.returncode, done.stdout.strip()
    return run


@pytest.mark.parametrize("action", ["start", "stop"])
def test_only_its_action_and_its_service_fail(tmp_path, action):
    run = own_agent(tmp_path, make_fault("agent-fails", node=NODE, service="web", action=action))
    other = {"start": "stop", "stop": "start"}[action]
    assert run(action) == (1, "") and run(action, "web-daemon:0") == (1, "") and run(action, None) == (1, "")
    assert run("fenceline") == (42, "")
    for one in (other, "monitor", "meta-data"):
        assert run(one) == (0, f"the real one: {one}")
    assert run(action, "mail-daemon") == (0, f"the real one: {action}")


def test_a_declared_daemon_and_one_of_a_clusters_own_configuration_fail_too(tmp_path):
    fault = make_fault("agent-fails", node=NODE, service="web", action="start")
    assert own_agent(tmp_path, fault)("start", "web-resource-2") == (1, "")
    web = load_topology("web-iscsi")
    own = web.model_copy(update={"stack": web.stack.model_copy(update={"config": "/x"})})
    run = own_agent(tmp_path, fault, own)
    assert run("start", "p-apache") == (1, "") and run("stop", "p-apache") == (0, "the real one: stop")


def test_a_slow_one_does_it_in_the_end(tmp_path):
    run = own_agent(tmp_path, make_fault("agent-slow", node=NODE, service="web", seconds=0.5))
    assert run("stop") == (0, "the real one: stop") and run("fenceline") == (42, "")


@pytest.mark.parametrize(("topology", "service"), [("web-iscsi", "mail"), ("haproxy-keepalived", "web")])
def test_services_without_an_agent(cluster, topology, service):
    cluster.topology = load_topology(topology)
    with pytest.raises(FaultError, match=f"no service {service!r} with an agent"):
        make_fault("agent-fails", node=NODE, service=service).inject(cluster)


def test_what_agents_cost(web):
    def cost(name, **parameters):
        return make_fault(name, node=NODE, service="web", **parameters).costs(web)
    fenced = {"victims": frozenset({NODE}), "disturbed": frozenset({"web"})}
    assert cost("agent-fails") == Cost(**fenced)
    unable = frozenset({("web", NODE)})
    assert cost("agent-fails", action="start") == Cost(unfit_for=unable)
    assert cost("agent-slow", seconds=10) == Cost(slower_s=10)
    assert cost("agent-slow", seconds=60) == Cost(slower_s=40, **fenced)
    assert cost("agent-slow", action="start", seconds=60) == Cost(unfit_for=unable, slower_s=40)
    assert cost("mount-busy") == Cost(slower_s=5)
    assert cost("mount-busy", by="kernel") == Cost(slower_s=40, **fenced)


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("agent-fails", {"action": "monitor"}, "not one of start, stop"), ("agent-slow", {"seconds": 0.1}, "from 0.5"),
    ("mount-busy", {"by": "magic"}, "not one of process, kernel"), ("component-stop", {"how": "burn"}, "stop, kill")])
def test_out_of_range(name, parameters, message):
    service = {} if name == "component-stop" else {"service": "web"}
    with pytest.raises(FaultError, match=message):
        make_fault(name, node=NODE, **service, **parameters)


# -- a mount that is kept busy -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "out", "is_seen"), [
    ("process", "16\n 123  77\n77\n", True), ("kernel", "16\n 123\n77\n", True), ("kernel", "16\n\n77\n", True),
    ("process", "16\n 123\n77\n", False), ("kernel", "16\n 77\n77\n", False), ("kernel", "11\n\n77\n", False),
    ("process", "16\n\n", False), ("kernel", "16\n\n", False), ("kernel", "", False)])
def test_a_busy_mount_is_one_that_can_not_be_taken_away(cluster, by, out, is_seen):
    cluster.sessions[NODE].answer = lambda command: (0, out) if "fuser" in str(command) else 0
    fault = make_fault("mount-busy", node=NODE, service="web", by=by)
    if is_seen:
        assert cluster.faults.inject(fault).evidence["umount"] == "EBUSY"
    else:
        with pytest.raises(FaultError, match="not confirmed"):
            cluster.faults.inject(fault)


@pytest.mark.parametrize(("status", "words"), [(3, "already"), (4, "/srv/www is not mounted on rs-01"), (5, "started")])
def test_a_mount_that_can_not_be_kept_busy(cluster, status, words):
    cluster.sessions[NODE].answer = lambda command: status
    with pytest.raises(FaultError, match=words):
        make_fault("mount-busy", node=NODE, service="web").inject(cluster)


def test_what_keeps_it_busy_is_killed(cluster):
    cluster.log.pace = 1.0
    fault = make_fault("mount-busy", node=NODE, service="web")
    cluster.sessions[NODE].answer = lambda command: 1 if str(command).startswith("[ ! -e") else 0
    with ticking(cluster), pytest.raises(FaultError, match="is still there"):
        fault.confirm_healed(cluster)
    cluster.sessions[NODE].answer = lambda command: 0
    with ticking(cluster):
        fault.heal(cluster)
        assert fault.confirm_healed(cluster)["process"] == "gone"
    assert any("kill -KILL" in str(command) for command in cluster.sessions[NODE].commands)


def test_an_open_file_that_nobody_has(tmp_path):
    """The kernel holds it; no look at /proc says who."""
    pid_file = tmp_path / "pid"
    holder = subprocess.Popen(["python3", "-S", "-c", agents._HIDDEN, str(tmp_path), str(pid_file)])
    try:
        for _ in range(500):
            if pid_file.exists() and pid_file.read_text():
                break
            subprocess.run(["sleep", "0.02"], check=True)
        links = subprocess.run(["sh", "-c", f"ls -l /proc/{holder.pid}/fd /proc/{holder.pid}/cwd"], capture_output=True,
                               text=True, check=False).stdout
        assert pid_file.read_text() == str(holder.pid) and str(tmp_path) not in links
    finally:
        holder.kill()
        holder.wait()


def test_asking_whether_a_mount_is_busy_is_python():
    compile(agents._IS_BUSY, "busy", "exec")
    done = subprocess.run(["python3", "-S", "-c", agents._IS_BUSY, "/nonexistent"], capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() in ("1", "2")  # EPERM or ENOENT: it did ask
    assert shlex.quote(agents._IS_BUSY)


# -- one part of the cluster software ------------------------------------------------------------------------------


@pytest.mark.parametrize(("component", "how", "line"), [
    ("pacemaker", "stop", "systemctl --no-block stop pacemaker"),
    ("corosync", "stop", "systemctl kill --kill-who=main --signal=TERM corosync"),
    ("pacemaker", "kill", "systemctl mask --runtime --quiet pacemaker.service; systemctl kill --kill-who=all "
                          "--signal=KILL pacemaker")])
def test_a_component_goes_and_comes_back(cluster, component, how, line):
    cluster.sessions[NODE].answer = lambda command: 1 if "pgrep" in str(command) else 0
    active = cluster.faults.inject(make_fault("component-stop", node=NODE, component=component, how=how))
    assert cluster.sessions[NODE].commands[0] == line and active.evidence == {"component": "gone"}
    cluster.faults.heal(active)
    commands = " ".join(map(str, cluster.sessions[NODE].commands))
    assert "start" in commands and ("unmask" in commands) is (how == "kill")


def test_a_component_that_runs_on(cluster):
    fault, since = inject(cluster, "component-stop", node=NODE, component="corosync")
    with pytest.raises(FaultError, match="corosync of rs-01 to end"):
        fault.confirm(cluster, since)
    cluster.machines[NODE].power_off("fence")
    assert fault.confirm(cluster, since) == {"node": "was fenced for it"}
    fault.heal(cluster)
    assert cluster.machines[NODE].power() is Power.ON


@pytest.mark.parametrize(("topology", "component", "words"), [
    ("web-iscsi", "heartbeat", "there are corosync, pacemaker"),
    ("web-nfs-heartbeat", "heartbeat", "there is only one")])
def test_a_component_that_there_is_not(cluster, topology, component, words):
    cluster.topology = load_topology(topology)
    with pytest.raises(FaultError, match=words):
        make_fault("component-stop", node=NODE, component=component).inject(cluster)


def test_what_a_component_costs(web):
    def cost(component, how):
        return make_fault("component-stop", node=NODE, component=component, how=how).costs(web)
    assert cost("pacemaker", "stop") == Cost(unfit=frozenset({NODE}))
    assert cost("pacemaker", "kill") == cost("corosync", "stop") == Cost(lost=frozenset({NODE}))


# -- a node in maintenance -----------------------------------------------------------------------------------------


def test_a_node_is_left_alone_and_taken_up_again(cluster):
    active = cluster.faults.inject(make_fault("node-maintenance", node=NODE, services=("web",)))
    assert cluster.stack.maintained == {NODE} and active.evidence == {"maintenance": True}
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="rs-01 to be out of maintenance"):
        cluster.faults.heal(active)
    cluster.stack.deaf = False
    cluster.faults.heal(active)
    assert cluster.stack.maintained == set()


def test_a_cluster_that_does_not_hear(cluster):
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="rs-01 to be in maintenance"):
        cluster.faults.inject(make_fault("node-maintenance", node=NODE))


def test_what_is_left_alone_must_be_there(cluster):
    with pytest.raises(FaultError, match="no service 'mail' in web-iscsi; there are web"):
        cluster.faults.inject(make_fault("node-maintenance", node=NODE, services="mail"))


def test_what_maintenance_costs(web):
    def cost(**parameters):
        return make_fault("node-maintenance", node=NODE, **parameters).costs(web)
    assert cost() == cost(services="web") == Cost(unfit=frozenset({NODE}), unmanaged_on=frozenset({("web", NODE)}))
    assert cost(services=()) == Cost(unfit=frozenset({NODE}))
