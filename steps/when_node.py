"""When: the faults of a whole node, its processes, its resources, its clock, its disk, and the service's address."""

from __future__ import annotations

from fenceline.scenario.needs import needs
from fenceline.scenario.scene import Scene
from fenceline.steps.words import NUMBER, phrase, when


@when(phrase(r"<node> is reset"))
def reset(scene: Scene, node: str) -> None:
    scene.inject("reset", node=scene.node(node))


@when(phrase(r"<node> is reset, and takes <seconds> longer to boot"))
def slow_boot(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("slow-boot", node=scene.node(node), seconds=float(seconds))


@when("the power of all cluster nodes is cut at once")
def all_off(scene: Scene) -> None:
    scene.inject("power-off-several", nodes=scene.cluster.topology.cluster_nodes)


@when(phrase(r"the power of the cluster nodes is cut one by one, <seconds> apart"))
def off_one_by_one(scene: Scene, seconds: str) -> None:
    scene.inject("power-off-several", nodes=scene.cluster.topology.cluster_nodes, interval=float(seconds))


@when("the cluster nodes are switched on")
def all_on(scene: Scene) -> None:
    scene.heal("power-off-several")


@when(phrase(r"<node> is shut down"))
def shut_down(scene: Scene, node: str) -> None:
    scene.inject("shutdown", node=scene.node(node))


@when(phrase(r"<node> is rebooted"))
def rebooted(scene: Scene, node: str) -> None:
    scene.inject("reboot", node=scene.node(node))


@when(phrase(r"the daemon <daemon> hangs on <node>"))
def daemon_hangs(scene: Scene, daemon: str, node: str) -> None:
    scene.inject("daemon-stop", node=scene.node(node), daemon=daemon)


@when(phrase(r"the daemon <daemon> goes on on <node>"))
def daemon_goes_on(scene: Scene, daemon: str, node: str) -> None:
    scene.heal("daemon-stop", node=scene.node(node), daemon=daemon)


@when(phrase(r"the daemon <daemon> dies again and again on <node>"))
@needs("daemon {daemon}")
def daemon_respawns(scene: Scene, daemon: str, node: str) -> None:
    scene.inject("daemon-respawn-loop", node=scene.node(node), daemon=daemon)


@when(phrase(r"the daemon <daemon> is left alone on <node>"))
def daemon_left_alone(scene: Scene, daemon: str, node: str) -> None:
    scene.heal("daemon-respawn-loop", node=scene.node(node), daemon=daemon)


@when(phrase(r"the process of <service> hangs"))
@needs("process {service}")
def service_hangs(scene: Scene, service: str) -> None:
    scene.inject("service-stop", node=scene.cluster.serving(service), service=service)


@when(phrase(rf"(?P<percent>{NUMBER}) % of the memory of <node> is taken for <seconds>"))
def memory_taken(scene: Scene, percent: str, node: str, seconds: str) -> None:
    scene.inject("memory-pressure", node=scene.node(node), percent=float(percent), seconds=float(seconds))


@when(phrase(r"the disk of <node> is kept busy for <seconds>"))
def disk_busy(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("io-load", node=scene.node(node), seconds=float(seconds))


@when(phrase(r"the (?P<disk>log|service) disk of <node> is full"))
def disk_full(scene: Scene, disk: str, node: str) -> None:
    scene.inject("disk-full", node=scene.node(node), disk={"log": "logs"}.get(disk, disk))


@when(phrase(r"no process can be started on <node> for <seconds>"))
def no_process(scene: Scene, node: str, seconds: str) -> None:
    scene.inject("process-exhaustion", node=scene.node(node), seconds=float(seconds))


@when(phrase(r"no file can be opened on <node>"))
def no_file(scene: Scene, node: str) -> None:
    scene.inject("file-exhaustion", node=scene.node(node))


@when(phrase(r"the clock of <node> jumps (?P<way>forward|back) by <seconds>"))
def clock_jumps(scene: Scene, node: str, way: str, seconds: str) -> None:
    scene.inject("clock-step", node=scene.node(node), seconds=float(seconds) * (1 if way == "forward" else -1))


@when(phrase(rf"the clock of <node> runs (?P<percent>{NUMBER}) % too (?P<way>fast|slow)"))
def clock_drifts(scene: Scene, node: str, percent: str, way: str) -> None:
    scene.inject("clock-drift", node=scene.node(node), percent=float(percent) * (1 if way == "fast" else -1))


@when(phrase(rf"the clock of <node> jumps ahead by <seconds> and back, every (?P<period>{NUMBER}) seconds?"))
def clock_strobes(scene: Scene, node: str, seconds: str, period: str) -> None:
    scene.inject("clock-strobe", node=scene.node(node), seconds=float(seconds), period=float(period))


@when(phrase(r"no name server answers <node>"))
def dns_gone(scene: Scene, node: str) -> None:
    scene.inject("dns-gone", node=scene.node(node))


@when(phrase(r"the iSCSI target stops"))
def target_stops(scene: Scene) -> None:
    scene.inject("target-stop")


@when(phrase(r"the iSCSI target is started again"))
def target_starts(scene: Scene) -> None:
    scene.heal("target-stop")


@when(phrase(r"the iSCSI session of <node> is ended"))
def session_ended(scene: Scene, node: str) -> None:
    scene.inject("session-logout", node=scene.node(node))


@when(phrase(r"the NFS server is restarted"))
@needs("nfs")
def nfs_restarted(scene: Scene) -> None:
    scene.inject("nfs-restart")


@when(phrase(r"the NFS server is away for <seconds>"))
@needs("nfs")
def nfs_away(scene: Scene, seconds: str) -> None:
    scene.inject("nfs-restart", seconds=float(seconds))


@when(phrase(r"the NFS server hangs"))
@needs("nfs")
def nfs_hangs(scene: Scene) -> None:
    scene.inject("nfs-hang")


@when(phrase(r"the NFS server goes on"))
@needs("nfs")
def nfs_goes_on(scene: Scene) -> None:
    scene.heal("nfs-hang")


@when(phrase(r"the file handles of the NFS server's clients are stale"))
@needs("nfs")
def nfs_stale(scene: Scene) -> None:
    scene.inject("nfs-stale")


@when(phrase(r"the NFS server has its old exports again"))
@needs("nfs")
def nfs_old_exports(scene: Scene) -> None:
    scene.heal("nfs-stale")


@when(phrase(r"the iSCSI session of <node> breaks, and begins again"))
def session_reset(scene: Scene, node: str) -> None:
    scene.inject("session-reset", node=scene.node(node))


@when(phrase(r"a stranger answers for the VIP of <service>"))
def stranger(scene: Scene, service: str) -> None:
    scene.inject("vip-stranger", service=service)


@when(phrase(r"nobody hears who announces the VIP of <service>"))
def announcements_dropped(scene: Scene, service: str) -> None:
    scene.inject("garp-drop", service=service)


@when("the cluster is put into maintenance mode")
def maintenance(scene: Scene) -> None:
    scene.inject("maintenance")


@when("the cluster is taken out of maintenance mode")
def out_of_maintenance(scene: Scene) -> None:
    scene.heal("maintenance")


@when("fencing is switched off in the cluster's configuration")
def fencing_off(scene: Scene) -> None:
    scene.inject("fencing-off")


@when(phrase(r"<service> is forbidden to run on <node>"))
@needs("ban")
def banned(scene: Scene, service: str, node: str) -> None:
    scene.inject("ban", service=service, node=scene.node(node))


@when(phrase(r"<service> is allowed to run on <node> again"))
@needs("ban")
def not_banned(scene: Scene, service: str, node: str) -> None:
    scene.heal("ban", service=service, node=scene.node(node))


@when(phrase(r'the property "(?P<key>[a-z-]+)" of the cluster is changed to "(?P<value>[^"]+)"'))
@needs("configuration")
def property_changed(scene: Scene, key: str, value: str) -> None:
    scene.inject("config-change", key=key, value=value)


@when("the quorum device stops")
@needs("quorum")
def quorum_device_stops(scene: Scene) -> None:
    scene.inject("quorum-device-stop")


@when("the quorum device is started again")
@needs("quorum")
def quorum_device_starts(scene: Scene) -> None:
    scene.heal("quorum-device-stop")


@when(phrase(r"the cluster is told to expect (?P<votes>\d+) votes"))
@needs("quorum")
def expected_votes(scene: Scene, votes: str) -> None:
    scene.inject("expected-votes", votes=int(votes))


@when("the cluster is told the right number of votes")
@needs("quorum")
def right_votes(scene: Scene) -> None:
    scene.heal("expected-votes")


@when(phrase(r"the ping node (?P<pinged>[a-z][A-Za-z0-9-]*) answers no ping"))
def ping_lost(scene: Scene, pinged: str) -> None:
    scene.inject("ping-lost", pinged=pinged)
