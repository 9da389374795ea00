"""What a topology's YAML file may say: the models of its parts, and what follows from them.

Every model here is frozen and forbids unknown fields. What a single field can't know (that a service names a disk which
exists, that a two-node quorum has two nodes) is checked in ``consistency.py``, of a ``Topology`` as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Union

from pydantic import Field, model_validator

from fenceline.model.declared import AgentPart, Extra, Words
from fenceline.model.fencing import Fencing
from fenceline.model.filesystems import CLUSTER_FILESYSTEMS
from fenceline.model.stack import STACKS
from fenceline.model.storage import Disk, StorageKind, kinds_in, on_a_disk, storage_kinds, storage_model
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration, Size

#: The storage of a topology: of every kind that there is.
Storage = storage_model()
#: The cluster software of a topology: one of all kinds that there are, told apart by ``kind``.
Stack = Annotated[Union[tuple(STACKS.values())], Field(discriminator="kind")]  # noqa: UP007 - not known before
NodeRole = Literal["cluster", "remote", "storage", "quorum-device", "real-server", "client"]
NetworkRole = Literal["heartbeat", "service", "storage", "management"]


class Node(Strict):
    """A machine. ``cluster`` nodes are members; ``remote`` ones run services without being members (pacemaker_remote);
    the others serve them."""

    role: NodeRole = "cluster"
    votes: int = Field(1, ge=0, le=16, description="in its cluster's quorum")
    memory: Size = Field(512 * 2**20, description="memory of the machine, for example 512M")
    rc_local: tuple[str, ...] = Field((), description="shell lines that its administrator lets run at a boot's end; "
                                                      "for planting mistakes that real clusters have")
    networks: tuple[Name, ...] | None = Field(None, description="what it is plugged into; absent: as its role needs")
    addresses: dict[Name, IPv4Address] = Field(default_factory=dict, description="its address by network, where it is "
                                               "not the one that its role and place in the file give it")


class Network(Strict):
    """A layer 2 segment: one bridge in the fabric."""

    role: NetworkRole
    subnet: IPv4Network
    device: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,14}$")] | None = Field(
        None, description="how the nodes' card in it is called in the guest; absent: eth0, eth1, ... in the file's "
                          "order")


class Vip(Strict):
    """A floating IPv4 address of a service network."""

    kind: Literal["vip"]
    address: IPv4Address
    monitor: Duration = 5.0
    extra: Extra = Extra()


class _Mounted(Strict):
    kind: Literal["filesystem"]


class Filesystem(on_a_disk(_Mounted)):
    """A file system on a disk of the topology's storage, by the word of one of its kinds, mounted where its service
    runs."""

    mountpoint: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]+$")] = "/srv/www"
    options: str = "noatime"
    monitor: Duration = 5.0
    monitor_depth: Literal[0, 10, 20] = Field(20, description="OCF_CHECK_LEVEL: 10 reads the device, 20 writes a "
                                                              "file; 0 for a cluster file system")
    extra: Extra = Extra()

    @property
    def disks(self) -> dict[str, str]:
        """What it says to be on: {the kind's word: the disk}; one of them, where all is well."""
        return {kind.disk_word: name for kind in storage_kinds()
                if (name := getattr(self, kind.disk_word)) is not None}


class Daemon(Strict):
    """A daemon that serves the clients."""

    kind: Literal["daemon"]
    name: Literal["nginx", "haproxy", "ledger", "mariadb", "nfs-server"] = "nginx"
    agent: Annotated[str, Field(pattern=r"^(ocf:[a-z0-9]+|systemd|lsb):[A-Za-z0-9_.@-]+$",
                                description="mariadb: ocf:heartbeat:mysql if absent; ledger: ocf:fenceline:ledger, or "
                                            "ocf:fenceline:container for one in document_root")] = "ocf:heartbeat:nginx"
    port: int = Field(80, ge=1, le=65535, description="mariadb: 3306 if absent, nfs-server: 2049")
    document_root: str | None = Field(None, description="absent: the mountpoint of the group's file system")
    sync: bool = Field(True, description="ledger, mariadb: what is acknowledged is on the disk; mariadb's "
                                         "innodb_flush_log_at_trx_commit=0 if not")
    real_servers: tuple[Name, ...] = Field((), description="haproxy: the machines that it hands requests to")
    grace: Duration = Field(10.0, ge=10, description="nfs-server: how long one that has just started lets only former "
                                                     "clients in; its lease time too")
    monitor: Duration = Field(2.0, description="haproxy: interval of its checks of the real servers, too")
    extra: Extra = Extra()

    @model_validator(mode="before")
    @classmethod
    def _own_defaults(cls, raw: object) -> object:
        if isinstance(raw, dict) and raw.get("name") == "mariadb":
            return {"agent": "ocf:heartbeat:mysql", "port": 3306} | raw
        if isinstance(raw, dict) and raw.get("name") == "nfs-server":
            return {"agent": "ocf:heartbeat:nfsserver", "port": 2049} | raw
        return raw

    @property
    def process_name(self) -> str:
        """How pgrep -x knows it."""
        return {"mariadb": "mariadbd", "nfs-server": "nfsd"}.get(self.name, self.name)

    @property
    def is_ledger(self) -> bool:
        """Whether clients can commit numbered records to it and read them back."""
        return self.name in ("ledger", "mariadb")


class NfsExport(Strict):
    """The group's file system, exported by its nfs-server to the service network."""

    kind: Literal["export"]
    sync: bool = Field(True, description="the server answers a write only when it is on its disk")
    fsid: int = Field(1, ge=1, description="what file handles begin with; the same wherever the service runs")
    monitor: Duration = 5.0
    extra: Extra = Extra()


class VirtualServer(Strict):
    """An IPVS service on the group's address: the kernel hands connections to real servers."""

    kind: Literal["virtual-server"]
    port: int = Field(80, ge=1, le=65535)
    real_servers: tuple[Name, ...] = Field(min_length=1)
    algorithm: Literal["rr", "wrr", "lc", "wlc", "sh", "dh"] = "rr"
    forwarding: Literal["dr", "nat", "tun"] = Field("dr", description="direct routing; nat: answers go back by way of "
                                                                      "the director; tun: IP in IP")
    check: Literal["http", "tcp"] = "http"
    interval: Duration = Field(1.0, ge=1.0, description="time between two checks of a real server")
    timeout: Duration = Field(1.0, ge=1.0, description="how long a check waits for its connection")
    retries: int = Field(1, ge=0, description="checks that must fail, one a second, after the first that did")


Resource = Annotated[Vip | Filesystem | Daemon | AgentPart | NfsExport | VirtualServer, Field(discriminator="kind")]


class FailoverDomain(Strict):
    """Where a service may run, in RHCS's terms."""

    nodes: tuple[Name, ...] = Field((), description="empty: every cluster node; else in order of preference")
    ordered: bool = Field(True, description="prefer the earlier node")
    restricted: bool = Field(False, description="never run outside of these nodes")
    failback: bool = Field(False, description="go back to a preferred node when it returns")

    def prefers(self, node: str, than: str) -> bool:
        """Within the domain is better than outside of it; where it is ordered, earlier is better than later."""
        nodes = self.nodes
        return node in nodes and (than not in nodes or (self.ordered and nodes.index(node) < nodes.index(than)))


class NfsClient(Strict):
    """A machine that mounts the service's export and keeps a ledger on it, which tells what a client sees."""

    node: Name = Field(description="a machine with the role client")
    mountpoint: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]+$")] = "/mnt/nfs"
    port: int = Field(80, ge=1, le=65535, description="where the ledger is asked")
    timeo: Duration = Field(1.0, ge=0.1, description="time until a request is repeated")
    retrans: int = Field(2, ge=0)
    hard: bool = Field(True, description="I/O waits for a server that is away; else it fails after timeo x retrans")
    sync: bool = Field(True, description="a record is on the server before it is acknowledged")


class Service(Strict):
    """An ordered group: its parts start in this order and stop in reverse."""

    group: tuple[Resource, ...] = Field(min_length=1)
    active: Literal["one", "all"] = Field("one", description="all: on every cluster node at once (a Pacemaker clone); "
                                                             "each node answers on its own address")
    domain: FailoverDomain = FailoverDomain()
    failover_budget: Duration = Field(45.0, description="the longest outage that a survivable fault may cause")
    client: NfsClient | None = Field(None, description="of an nfs-server: who tells how it fares")
    mistakes: tuple[Literal["vip-first", "not-together", "not-sticky", "not-announced"], ...] = Field(
        (), description="planted into the cluster's configuration, while what is promised stays what stands here: the "
                        "VIP starts before the rest, nothing keeps the parts on one node, nothing keeps them where "
                        "they are, nobody is told who has the VIP")
    recovery: Literal["restart", "relocate", "restart-disable", "disable"] = Field(
        "restart", description="what becomes of it when one of its parts fails, as RHCS says it: restarted in place, "
                               "and relocated if that fails; relocated; restarted in place, and stopped if that "
                               "fails; stopped. A lost node's services are relocated with any of them")
    after: tuple[Name, ...] = Field((), description="services that must run before this one starts; it stops first")
    colocated_with: tuple[Name, ...] = Field((), description="services on whose node this one must be")
    apart_from: tuple[Name, ...] = Field((), description="services on whose node this one must not be")
    meta: Words = Field(default_factory=dict, description="Pacemaker: meta attributes of the group, as priority, "
                                                          "migration-threshold, failure-timeout")

    @property
    def vip(self) -> Vip | None:
        """The group's address, if it has one."""
        return next((part for part in self.group if isinstance(part, Vip)), None)

    @property
    def filesystem(self) -> Filesystem | None:
        """The group's file system, if it has one."""
        return next((part for part in self.group if isinstance(part, Filesystem)), None)

    @property
    def vips(self) -> tuple[Vip, ...]:
        """All of the group's addresses; its clients ask at the first."""
        return tuple(part for part in self.group if isinstance(part, Vip))

    @property
    def filesystems(self) -> tuple[Filesystem, ...]:
        """All of the group's file systems."""
        return tuple(part for part in self.group if isinstance(part, Filesystem))

    @property
    def daemon(self) -> Daemon | AgentPart | None:
        """The daemon that the group's clients ask, if it has one: the first with a question, or the first."""
        return next((part for part in self.daemons if isinstance(part, Daemon) or part.ask),
                    next(iter(self.daemons), None))

    @property
    def daemons(self) -> tuple[Daemon | AgentPart, ...]:
        """All of the group that listens on a port."""
        return tuple(part for part in self.group if isinstance(part, Daemon)
                     or (isinstance(part, AgentPart) and part.port is not None))

    @property
    def virtual_server(self) -> VirtualServer | None:
        """The group's IPVS service, if it has one."""
        return next((part for part in self.group if isinstance(part, VirtualServer)), None)

    @property
    def export(self) -> NfsExport | None:
        """The group's export, if it has one."""
        return next((part for part in self.group if isinstance(part, NfsExport)), None)

    @property
    def port(self) -> int | None:
        """Where clients ask; None where there is nothing that answers."""
        if self.client is not None:
            return self.client.port
        part = self.daemon or self.virtual_server
        return part.port if part else None

    @property
    def asked_at_vip(self) -> bool:
        """Whether its clients ask at its VIP: then those behind a router must hear who has that."""
        return (self.vip is not None and self.port is not None and self.active == "one" and self.client is None)

    @property
    def protocol(self) -> str:
        """What its clients speak: http, mysql, ..., a name in ``fenceline.observe.askers``."""
        if isinstance(self.daemon, AgentPart):
            return next(iter(self.daemon.ask), "tcp")
        return "mysql" if self.daemon and self.daemon.name == "mariadb" else "http"

    @property
    def question(self) -> str | None:
        """What its clients ask in their protocol; None: what is usual there."""
        return next(iter(self.daemon.ask.values()), None) if isinstance(self.daemon, AgentPart) else None

    @property
    def asked_every(self) -> float | None:
        """Time (s) between two questions of its clients; None: what is usual in their protocol."""
        return self.daemon.every if isinstance(self.daemon, AgentPart) else None

    @property
    def is_ledger(self) -> bool:
        """Whether clients can commit numbered records to it and read them back."""
        return self.client is not None or (isinstance(self.daemon, Daemon) and self.daemon.is_ledger)

    @property
    def real_servers(self) -> tuple[str, ...]:
        """The machines that answer in the end; empty where the node with the address answers itself."""
        if self.client is not None:
            return (self.client.node,)
        part = self.daemon or self.virtual_server
        return part.real_servers if isinstance(part, (Daemon, VirtualServer)) else ()


class Shape(Strict):
    """A whole cluster: what its file says, and what follows. Whether that is consistent, ``Topology`` checks."""

    name: Name
    description: str = ""
    mistakes: tuple[Name, ...] = Field((), description="wrong values that are meant, as people have them: each is "
                                                       "refused unless it is named here, and the message says its name")
    nodes: dict[Name, Node] = Field(min_length=1)
    networks: dict[Name, Network] = Field(min_length=1)
    storage: Storage = Storage()
    stack: Stack = STACKS["pacemaker"]()
    fencing: Fencing = Fencing()
    services: dict[Name, Service] = Field(default_factory=dict)
    survivor: Literal["any", "serving"] = Field("any", description="who survives a split that either side may survive; "
                                                                   "serving: the side that has the services")
    boot_time: Duration = Field(0.0, le=3600, description="how long a machine takes from its power-on until its guest "
                                                          "executes, as a server needs minutes for it; each time but "
                                                          "the first")
    boot_deadline: Duration = Field(120.0, description="a machine answers by then, once its guest executes (x 5 where "
                                                       "it is emulated)")
    form_deadline: Duration = Field(120.0, description="the cluster is healthy and answers by then (x 5 likewise)")

    def nodes_with(self, role: NodeRole) -> tuple[str, ...]:
        """Names of the machines with ``role``, in the file's order."""
        return tuple(name for name, node in self.nodes.items() if node.role == role)

    @property
    def packages(self) -> frozenset[str]:
        """What its guests need beside what every guest image has."""
        found = {package for service in self.services.values() for part in service.group
                 if isinstance(part, AgentPart) for package in part.packages}
        return frozenset(found | ({"snmp"} if self.fencing.pdus else set()) | set(self.stack.packages))

    @property
    def cluster_nodes(self) -> tuple[str, ...]:
        """The members."""
        return self.nodes_with("cluster")

    def votes_of(self, nodes: Iterable[str]) -> int:
        """How many votes ``nodes`` have together, the quorum device's not counted."""
        return sum(self.nodes[node].votes for node in nodes)

    @property
    def device_votes(self) -> int:
        """The votes of the quorum device: one, or so many that one member is enough with it (lms); 0 without one."""
        quorum = self.stack.quorum
        if quorum.policy != "qdevice":
            return 0
        return len(self.cluster_nodes) - 1 if quorum.algorithm == "lms" else 1

    @property
    def expected_votes(self) -> int:
        """All votes that there are."""
        return self.votes_of(self.cluster_nodes) + self.device_votes

    @property
    def service_nodes(self) -> tuple[str, ...]:
        """Where services can run: the members, and remote nodes. Each has a fencing device."""
        return self.cluster_nodes + self.nodes_with("remote")

    def networks_with(self, role: NetworkRole) -> tuple[str, ...]:
        """Names of the networks with ``role``, in the file's order."""
        return tuple(name for name, network in self.networks.items() if network.role == role)

    def networks_of(self, node: str) -> tuple[str, ...]:
        """The networks that ``node`` is plugged into, in the file's order."""
        wanted = self.nodes[node].networks
        if wanted is not None:
            return tuple(name for name in self.networks if name in wanted)
        if self.nodes[node].role in ("cluster", "remote"):
            return tuple(self.networks)
        # a storage or quorum host has no business on the heartbeat or the clients' network
        roles = {"storage": {"management", "storage"}, "real-server": {"management", "service"},
                 "client": {"management", "service"}}.get(self.nodes[node].role, {"management"})
        return tuple(name for name, network in self.networks.items() if network.role in roles)

    def filesystem_type(self, part: Filesystem) -> str | None:
        """What ``part`` is a file system of: ext4, nfs, gfs2, ...; None where its disk has none."""
        found = self.disk_of(part)
        return found[0].fstype(found[1]) if found else None

    def disk_of(self, part: Filesystem) -> tuple[StorageKind, Disk] | None:
        """The disk that ``part`` is on, and its kind; None where there is none of that name."""
        return next(((kind, disk) for kind in storage_kinds() if (name := getattr(part, kind.disk_word)) is not None
                     for disk in kind.disks(self) if disk.name == name), None)

    @property
    def cluster_mountpoints(self) -> frozenset[str]:
        """Where cluster file systems are mounted: on every node at once, by design."""
        return frozenset(part.mountpoint for service in self.services.values() for part in service.group
                         if isinstance(part, Filesystem) and self.filesystem_type(part) in CLUSTER_FILESYSTEMS)

    def storage_host(self, service: str) -> str | None:
        """The machine that ``service``'s file system is on; None where it has none, or it is on the nodes' own."""
        part = self.services[service].filesystem
        found = self.disk_of(part) if part is not None else None
        return found[0].host(self) if found else None

    @property
    def has_storage(self) -> bool:
        """Whether it has any."""
        return bool(kinds_in(self))

    def preferred_nodes(self, service: str) -> tuple[str, ...]:
        """Where ``service`` may run, best first."""
        domain = self.services[service].domain
        rest = () if domain.restricted and domain.nodes else tuple(
            node for node in self.service_nodes if node not in domain.nodes)
        return domain.nodes + rest
