"""Each fault: what it does, what confirms it, what heals it, and that it sees when any of that did not happen."""

from __future__ import annotations

import contextlib
import json

import pytest

from fenceline.core.errors import ClusterError, FaultError, MachineError
from fenceline.faults import FAULTS, make_fault
from fenceline.machines.protocol import Power
from fenceline.model.event import Event
from tests.clocks import FakeClock, now_ns
from tests.meanwhile import meanwhile

NODE = "rs-01"


@contextlib.contextmanager
def ticking(cluster, node=NODE, while_off=False):
    """The agent of ``node`` ticks, as long as its machine runs."""
    def ticks():
        return while_off or cluster.machines[node].power() is Power.ON

    def go(stop):
        while not stop.wait(0.004):
            if ticks():
                cluster.log.record("guest", node, "tick", {})
    others = cluster.log.coming
    cluster.log.coming = lambda: others() + ([Event(now_ns(), "guest", node, "tick", {})] if ticks() else [])
    try:
        with meanwhile(go):
            yield
    finally:
        cluster.log.coming = others


def inject(cluster, name, **parameters):
    """Injects without confirming; returns the fault and when."""
    fault, since = make_fault(name, **parameters), now_ns()
    fault.inject(cluster)
    return fault, since


# -- nodes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "state", "call"), [
    ("power-off", Power.OFF, "power_off power_off"), ("panic", Power.OFF, "panic"), ("hang", Power.PAUSED, "pause")])
def test_a_node_goes_and_comes_back(cluster, name, state, call):
    with ticking(cluster):
        active = cluster.faults.inject(make_fault(name, node=NODE))
        machine = cluster.machines[NODE]
        assert machine.power() is state and machine.calls == [call]
        assert active.fault.targets == (NODE,)
        cluster.faults.heal(active)
        assert machine.power() is Power.ON


@pytest.mark.parametrize("name", ["power-off", "panic", "hang"])
def test_a_node_of_which_no_end_was_seen(cluster, name):
    cluster.machines[NODE].stuck = "quiet"
    fault, since = inject(cluster, name, node=NODE)
    with pytest.raises(FaultError, match="not confirmed: waited"):
        fault.confirm(cluster, since)


@pytest.mark.parametrize("name", ["power-off", "panic", "hang"])
def test_a_node_whose_agent_goes_on(cluster, name):
    with ticking(cluster, while_off=True):
        fault, since = inject(cluster, name, node=NODE)
        with pytest.raises(FaultError, match="not confirmed: rs-01's agent still runs"):
            fault.confirm(cluster, since)


def test_the_end_of_another_node_confirms_nothing(cluster):
    fault, since = inject(cluster, "power-off", node="rs-02")
    with pytest.raises(FaultError, match="not confirmed"):
        make_fault("power-off", node=NODE).confirm(cluster, since)


def test_an_end_before_the_fault_confirms_nothing(cluster):
    fault, _ = inject(cluster, "power-off", node=NODE)
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(cluster, now_ns())


@pytest.mark.parametrize("name", ["power-off", "panic", "hang", "cpu-overload"])
def test_a_node_that_does_not_come_back(cluster, name):
    fault = make_fault(name, node=NODE)
    with pytest.raises(FaultError, match="a tick of rs-01's agent"):
        fault.confirm_healed(cluster)


def test_a_tick_of_another_node_is_no_return(cluster):
    with ticking(cluster, "rs-02"), pytest.raises(FaultError):
        make_fault("power-off", node=NODE).confirm_healed(cluster)


@pytest.mark.parametrize("name", ["power-off", "hang"])
def test_a_node_that_is_on_again_is_left_alone(cluster, name):
    """Its BMC was faster; healing may be repeated."""
    fault = make_fault(name, node=NODE)
    fault.heal(cluster)
    assert cluster.machines[NODE].calls == []


def test_a_node_that_was_fenced_in_its_sleep_is_switched_on(cluster):
    fault, _ = inject(cluster, "hang", node=NODE)
    cluster.machines[NODE].power_off("fence")
    fault.heal(cluster)
    assert cluster.machines[NODE].calls[-1] == "start"


def test_a_node_that_can_not_be_switched_on_is_not_healed(cluster):
    fault, _ = inject(cluster, "power-off", node=NODE)
    cluster.machines[NODE].stuck = "start"
    with pytest.raises(MachineError, match="rs-01 does not start"):
        fault.heal(cluster)


@pytest.mark.parametrize("name", ["power-off", "panic", "hang"])
def test_no_such_node(cluster, name):
    with pytest.raises(FaultError, match="no node 'moon' in web-iscsi; there are rs-01"):
        cluster.faults.inject(make_fault(name, node="moon"))


# -- networks ------------------------------------------------------------------------------------------------------


def test_cables_are_pulled_and_plugged_in_again(cluster):
    active = cluster.faults.inject(make_fault("network-cut", node=NODE, networks=("storage", "heartbeat")))
    assert cluster.machines[NODE].cut == {"storage", "heartbeat"}
    cluster.faults.heal(active)
    assert cluster.machines[NODE].cut == set()


def test_a_cable_that_still_carries(cluster):
    fault, since = inject(cluster, "network-cut", node=NODE, networks=("storage", "heartbeat"))
    cluster.fabric.arp = {(NODE, "heartbeat"), ("rs-02", "storage")}
    with pytest.raises(FaultError, match="rs-01 still answers ARP on heartbeat$"):
        fault.confirm(cluster, since)


def test_a_cable_that_stays_out(cluster):
    fault, _ = inject(cluster, "network-cut", node=NODE, networks=("storage",))
    cluster.machines[NODE].stuck = "link"
    fault.heal(cluster)
    with pytest.raises(FaultError, match="the cables of rs-01 in storage are still out"):
        fault.confirm_healed(cluster)


def test_a_cable_that_is_in_and_carries_nothing(cluster):
    fault, _ = inject(cluster, "network-cut", node=NODE, networks=("storage", "heartbeat"))
    fault.heal(cluster)
    cluster.fabric.arp = {(NODE, "heartbeat")}
    with pytest.raises(FaultError, match="rs-01 does not answer ARP on storage$"):
        fault.confirm_healed(cluster)


def test_the_cables_of_a_node_that_is_off_are_judged_by_themselves(cluster):
    fault, _ = inject(cluster, "network-cut", node=NODE, networks=("storage",))
    cluster.machines[NODE].power_off("fence")
    fault.heal(cluster)
    assert fault.confirm_healed(cluster) == {"links": "up", "arp": "rs-01 does not run"}


def test_a_network_that_the_node_is_not_in(cluster):
    with pytest.raises(FaultError, match="san-01 is not plugged into 'service'; it is into storage, management"):
        cluster.faults.inject(make_fault("network-cut", node="san-01", networks=("storage", "service")))
    assert cluster.machines["san-01"].cut == set()


@pytest.mark.parametrize(("node", "networks"), [("san-01", ("storage", "service")), ("moon", ("storage",))])
def test_a_cut_that_was_refused_is_healed_by_doing_nothing(cluster, node, networks):
    with pytest.raises(FaultError):
        cluster.faults.inject(make_fault("network-cut", node=node, networks=networks))
    assert cluster.faults.heal_all() == []


def test_cables_one_by_one_and_back_the_last_one_first(cluster):
    order = []
    for name in (NODE, "rs-02"):
        link = cluster.machines[name].link("heartbeat")

        class Told(type(link)):
            def down(self):
                super().down()
                order.append(f"{self.machine.name} down")

            def up(self):
                super().up()
                order.append(f"{self.machine.name} up")
        cluster.machines[name].link = lambda network, name=name, told=Told: told(cluster.machines[name], network)
    active = cluster.faults.inject(make_fault("cut-one-by-one", nodes="rs-01,rs-02", networks="heartbeat",
                                              interval=0.1))
    assert active.evidence["rs-01"] == active.evidence["rs-02"] == "no answer for 300 ms"
    cluster.faults.heal(active)
    assert order == ["rs-01 down", "rs-02 down", "rs-02 up", "rs-01 up"]


def test_one_cable_of_several_that_still_carries(cluster):
    fault, since = inject(cluster, "cut-one-by-one", nodes="rs-01,rs-02", networks="heartbeat", interval=0.1)
    cluster.fabric.arp = {("rs-02", "heartbeat")}
    with pytest.raises(FaultError, match="rs-02 still answers ARP"):
        fault.confirm(cluster, since)


def test_no_cable_is_cut_where_one_is_not_there(cluster):
    with pytest.raises(FaultError, match="san-01 is not plugged into 'service'"):
        cluster.faults.inject(make_fault("cut-one-by-one", nodes="rs-01,san-01", networks="service"))
    assert cluster.machines["rs-01"].cut == set()


def counters(seen, dropped):
    return json.dumps({"nftables": [{"metainfo": {}}] + [
        {"counter": {"family": "bridge", "name": name, "packets": packets, "bytes": 0}}
        for name, packets in (("seen", seen), ("all", seen), ("dropped", dropped))]})


@pytest.fixture
def nft(cluster):
    """What nft says: the counters, and the tables. Time flies."""
    state = {"counters": (1000, 100), "tables": "table bridge fl_links\n"}

    def answer(arguments):
        words = " ".join(arguments)
        if "counters" in words:
            return counters(*state["counters"])
        if "list tables" in words:
            return state["tables"]
        return ""
    cluster.fabric.answer = answer
    return state


@pytest.fixture
def fast(cluster):
    """Sleeping takes no time and lets it pass."""
    cluster.clock = FakeClock()


def test_packets_are_dropped_where_they_enter_the_switch(cluster, nft):
    fault, since = inject(cluster, "packet-drop", network="heartbeat", percent=10)
    (words, rules), = cluster.fabric.commands
    assert words == ("nft", "-f", "-")
    assert "{ t0n0, t1n0 }" in rules and "t2" not in rules  # san-01 is not in it
    assert "mod 10000 < 1000 counter name dropped drop" in rules
    assert fault.confirm(cluster, since) == {"packets": 1000, "dropped": 100, "percent": 10.0}
    assert fault.targets == ()


@pytest.mark.parametrize(("percent", "seen", "dropped"), [
    (10, 1000, 0), (10, 1000, 200), (10, 1000, 50), (95, 1000, 800), (95, 1000, 1000), (1, 2000, 100)])
def test_another_share_of_packets(cluster, nft, fast, percent, seen, dropped):
    nft["counters"] = (seen, dropped)
    with pytest.raises(FaultError, match=f"not confirmed: .* of {seen} packets dropped, {percent} % wanted"):
        make_fault("packet-drop", network="heartbeat", percent=percent).confirm(cluster, 0)


@pytest.mark.parametrize(("percent", "seen", "dropped"), [(10, 59, 6), (1, 400, 4), (50, 0, 0)])
def test_too_few_packets_to_tell(cluster, nft, fast, percent, seen, dropped):
    nft["counters"] = (seen, dropped)
    with pytest.raises(FaultError, match=f"only {seen} packets on heartbeat in 20 s"):
        make_fault("packet-drop", network="heartbeat", percent=percent).confirm(cluster, 0)


@pytest.mark.parametrize(("percent", "seen", "dropped"), [
    (10, 1000, 100), (10, 1000, 120), (95, 200, 190), (100, 500, 500), (1, 600, 6)])
def test_the_share_that_was_wanted(cluster, nft, fast, percent, seen, dropped):
    nft["counters"] = (seen, dropped)
    found = make_fault("packet-drop", network="heartbeat", percent=percent).confirm(cluster, 0)
    assert found["dropped"] == dropped


def test_a_rule_that_stays(cluster, nft):
    fault = make_fault("packet-drop", network="heartbeat", percent=10)
    fault.heal(cluster)  # it is not there: nothing is deleted
    assert not any("delete" in words for words, _ in cluster.fabric.commands)
    assert fault.confirm_healed(cluster) == {"rule": "gone"}
    nft["tables"] += f"table bridge {fault._table}\n"
    fault.heal(cluster)
    assert cluster.fabric.commands[-1][0] == ("nft", "delete", "table", "bridge", fault._table)
    with pytest.raises(FaultError, match="the drop rule on heartbeat is still there"):
        fault.confirm_healed(cluster)


def test_no_such_network(cluster):
    with pytest.raises(FaultError, match="no network 'moon' in web-iscsi; there are heartbeat"):
        cluster.faults.inject(make_fault("packet-drop", network="moon", percent=10))
    assert cluster.faults.heal_all() == []


# -- inside the guest ----------------------------------------------------------------------------------------------


def test_overload_is_silence_of_a_machine_that_runs(cluster):
    fault, since = inject(cluster, "cpu-overload", node=NODE, seconds=5)
    command, = cluster.sessions[NODE].commands
    assert "chrt -f 99 stress-ng" in command and "--timeout 5s" in command
    fault.confirm(cluster, since)
    with ticking(cluster), pytest.raises(FaultError, match="agent still runs"):
        fault.confirm(cluster, since)
    cluster.machines[NODE].pause()
    with pytest.raises(FaultError, match="rs-01 is paused, not overloaded"):
        fault.confirm(cluster, since)


def test_overload_is_waited_out_or_the_node_switched_on(cluster):
    fault = make_fault("cpu-overload", node=NODE, seconds=1)
    with pytest.raises(FaultError, match="a tick of rs-01's agent"):
        fault.heal(cluster)
    with ticking(cluster):
        fault.heal(cluster)
        assert "950000" in cluster.sessions[NODE].commands[-1]
        fault.confirm_healed(cluster)
    cluster.machines[NODE].power_off("fence")
    fault.heal(cluster)
    assert cluster.machines[NODE].power() is Power.ON


def test_a_daemon_that_is_killed(cluster):
    cluster.sessions[NODE].answer = lambda command: (1, "") if str(command).startswith("ps ") else (0, "gone 123\n")
    with ticking(cluster):
        active = cluster.faults.inject(make_fault("daemon-kill", node=NODE, daemon="pacemaker-controld"))
        # 15 characters, as the kernel has it
        assert "pgrep -o -x pacemaker-contr" in cluster.sessions[NODE].commands[0]
        cluster.faults.heal(active)
        assert cluster.stack.calls == [f"start_daemon {NODE} pacemaker-controld"]
        cluster.sessions[NODE].answer = lambda command: 1
        with pytest.raises(FaultError, match=f"pacemaker-controld to run on {NODE}"):
            active.fault.confirm_healed(cluster)
        cluster.machines[NODE].power_off("fence")
        active.fault.heal(cluster)
        assert cluster.machines[NODE].power() is Power.ON


@pytest.mark.parametrize(("status", "wanted"), [
    (3, "corosync does not run on rs-01"), (4, r"corosync on rs-01 survives SIGKILL \(4\)"),
    (5, r"corosync on rs-01 survives SIGKILL \(5\)"), (127, r"survives SIGKILL \(127\)")])
def test_a_daemon_that_was_not_killed(cluster, status, wanted):
    cluster.sessions[NODE].answer = lambda command: status
    with pytest.raises(FaultError, match=wanted):
        cluster.faults.inject(make_fault("daemon-kill", node=NODE, daemon="corosync"))


def test_a_daemon_that_is_older_than_its_death(cluster):
    cluster.sessions[NODE].answer = lambda command: (0, "5000\n") if command.startswith("ps ") else (0, "gone 123\n")
    with pytest.raises(FaultError, match="not confirmed: .* every corosync on rs-01 that is older than"):
        cluster.faults.inject(make_fault("daemon-kill", node=NODE, daemon="corosync"))


def test_a_daemon_that_is_killed_with_its_children(cluster):
    cluster.sessions[NODE].answer = lambda command: (1, "") if command.startswith("ps ") else (0, "gone 1 2 3\n")
    cluster.faults.inject(make_fault("daemon-kill", node=NODE, daemon="corosync", processes="all"))
    assert "pgrep -x corosync" in cluster.sessions[NODE].commands[0]
    with pytest.raises(FaultError, match="processes: 'some' is not one of main, all"):
        make_fault("daemon-kill", node=NODE, daemon="corosync", processes="some")


def test_a_daemon_that_nobody_knows(cluster):
    with pytest.raises(FaultError, match="no daemon 'ntpd' in web-iscsi; there are corosync, pacemaker"):
        cluster.faults.inject(make_fault("daemon-kill", node=NODE, daemon="ntpd"))
    assert cluster.sessions[NODE].commands == []


def test_a_daemon_whose_node_does_not_come_back(cluster):
    with pytest.raises(FaultError, match="a tick"):
        make_fault("daemon-kill", node=NODE, daemon="corosync").confirm_healed(cluster)


def test_a_service_that_is_killed(cluster):
    fault, since = inject(cluster, "service-kill", node=NODE, service="web")
    assert cluster.sessions[NODE].commands == [["python3", "-S", "-", "nginx", "80", "SIGSTOP", "SIGKILL"]]
    cluster.log.record("guest", "rs-02", "listen", {"port": 80, "present": False})
    cluster.log.record("guest", NODE, "listen", {"port": 81, "present": False})
    cluster.log.record("guest", NODE, "listen", {"port": 80, "present": True})
    with pytest.raises(FaultError, match=r"port 80 of rs-01 to close.*\(restarted faster than it can be seen\?\)"):
        fault.confirm(cluster, since)
    cluster.log.record("guest", NODE, "listen", {"port": 80, "present": False})
    assert fault.confirm(cluster, since)["port"] == 80
    fault.heal(cluster)
    assert fault.confirm_healed(cluster) == {"healed_by": "the cluster"}


def test_a_service_that_does_not_run(cluster):
    cluster.sessions[NODE].answer = lambda command: 1
    with pytest.raises(FaultError, match="nginx does not run on rs-01"):
        cluster.faults.inject(make_fault("service-kill", node=NODE, service="web"))
    with pytest.raises(FaultError, match="no service 'mail' in web-iscsi; there are web"):
        cluster.faults.inject(make_fault("service-kill", node=NODE, service="mail"))


# -- the administrator ---------------------------------------------------------------------------------------------


def test_a_move(cluster):
    active = cluster.faults.inject(make_fault("move", service="web", node="rs-02"))
    assert cluster.stack.calls == ["move web rs-02"] and active.fault.targets == ("rs-02",)
    cluster.faults.heal(active)
    assert cluster.stack.moves == {}


def test_a_move_that_the_cluster_did_not_take_up(cluster):
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="took no effect: .*web"):
        cluster.faults.inject(make_fault("move", service="web", node="rs-02"))


def test_a_move_that_stays(cluster):
    active = cluster.faults.inject(make_fault("move", service="web", node="rs-02"))
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="the constraint from moving web is still there"):
        cluster.faults.heal(active)


def test_standby(cluster):
    active = cluster.faults.inject(make_fault("standby", node=NODE))
    assert active.evidence == {"standby": True}
    cluster.faults.heal(active)
    assert cluster.stack.calls == ["standby rs-01 True", "standby rs-01 False"]


def test_standby_that_did_not_come_or_stays(cluster):
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="for rs-01 to be in standby"):
        cluster.faults.inject(make_fault("standby", node=NODE))
    cluster.faults.active.clear()
    cluster.stack.deaf = False
    active = cluster.faults.inject(make_fault("standby", node=NODE))
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match="for rs-01 to be out of standby"):
        cluster.faults.heal(active)


def test_standby_of_a_node_that_the_cluster_does_not_list(cluster):
    cluster.stack.changes = {"members": ()}
    for part in ("confirm_healed", "confirm"):
        with pytest.raises(FaultError):
            getattr(make_fault("standby", node=NODE), part)(*((cluster, 0) if part == "confirm" else (cluster,)))


@pytest.mark.parametrize(("name", "key", "value", "undone"), [
    ("maintenance", "maintenance-mode", "true", "false"), ("fencing-off", "stonith-enabled", "false", "true")])
def test_a_property_of_the_cluster(cluster, name, key, value, undone):
    active = cluster.faults.inject(make_fault(name))
    assert cluster.stack.properties == {key: value} and active.fault.targets == ()
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match=f"{key} is still {value}"):
        cluster.faults.heal(active)
    cluster.stack.deaf = False
    cluster.faults.heal(active)
    assert cluster.stack.properties == {key: undone}
    cluster.stack.properties.clear()
    cluster.stack.deaf = True
    with pytest.raises(FaultError, match=f"{key} is not set, not {value}"):
        cluster.faults.inject(make_fault(name))


def test_a_cluster_that_refuses_a_command(cluster, monkeypatch):
    def refuse(*_, **__):
        raise ClusterError("crm_resource: Permission denied")
    monkeypatch.setattr(cluster.stack, "move", refuse)
    with pytest.raises(FaultError, match="took no effect: crm_resource: Permission denied"):
        cluster.faults.inject(make_fault("move", service="web", node="rs-02"))


def test_these_faults_are_there():
    assert {"power-off", "panic", "hang", "network-cut", "packet-drop", "cpu-overload", "daemon-kill", "service-kill",
            "move", "standby", "fence-device-dead"} <= set(FAULTS)


def test_fencing_by_hand(cluster):
    cluster.sessions[NODE].answer = lambda command: (0, "1543\n")
    active = cluster.faults.inject(make_fault("manual-fencing", node="rs-02", by=NODE))
    assert "; exec stonith_admin --confirm rs-02 on rs-01" in cluster.stack.calls[0]
    assert active.evidence == {"history": "rs-02 fenced by a human"} and active.fault.targets == ("rs-02",)
    cluster.faults.heal(active)


def test_fencing_by_hand_that_the_cluster_did_not_take_up(cluster):
    cluster.stack.deaf = True
    cluster.stack.changes["fencing"] = ({"action": "off", "target": "rs-02", "status": "success", "delegate": "rs-01"},)
    with pytest.raises(FaultError, match="to say that a human fenced rs-02"):
        cluster.faults.inject(make_fault("manual-fencing", node="rs-02", by=NODE))


def test_an_old_fencing_by_hand_does_not_confirm_another(cluster):
    fault = make_fault("manual-fencing", node="rs-02", by=NODE)
    cluster.sessions[NODE].answer = lambda command: (0, "1543\n")
    cluster.faults.heal(cluster.faults.inject(fault))
    cluster.stack.deaf = True
    cluster.sessions[NODE].answer = lambda command: (0, "1602\n")
    with pytest.raises(FaultError, match="to say that a human fenced rs-02"):
        cluster.faults.inject(fault)
