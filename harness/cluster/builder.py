"""What a cluster is made of before any machine runs: its secrets, its folder, the sessions and the machines' seeds and
disks."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fenceline.daemons import nfs_server
from fenceline.daemons.nginx import seed_real_server
from fenceline.guest.base import base_seed
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import KeyPair, make_key, write_private_key
from fenceline.journal.journal import Journal
from fenceline.machines.image import GuestImage
from fenceline.machines.protocol import Driver, MachineSpec, Nic
from fenceline.model.addressing import management_address
from fenceline.model.load import dump_topology
from fenceline.model.storage import kinds_in
from fenceline.model.topology import Topology
from fenceline.storage import database


@dataclass(frozen=True)
class Secrets:
    """What only one cluster knows: the key to its guests, theirs, and the passwords of its devices and disks."""

    key: KeyPair = field(default_factory=make_key)
    host_key: KeyPair = field(default_factory=make_key)
    bmc_password: str = field(default_factory=lambda: secrets.token_hex(8))
    storage: str = field(default_factory=lambda: secrets.token_hex(16))


def make_folder(topology: Topology, identity: str, journal: Journal, known: Secrets, undo: ExitStack) -> Path:
    """The cluster's folder, with what OpenSSH's own client needs to reach its guests; ``undo`` removes it."""
    # short, for the sockets in it (108 bytes); on the disk of the system's temporary files
    folder = Path(tempfile.gettempdir()) / f"fl-{identity}"
    entry = journal.begin("folder", path=str(folder))

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        journal.done(entry)

    folder.mkdir(mode=0o700)
    undo.callback(remove)
    write_private_key(known.key, folder / "id_ed25519")
    (folder / "known_hosts").write_text("".join(
        f"{management_address(topology, node)} {known.host_key.public}\n" for node in topology.nodes))
    (folder / "topology.yaml").write_text(dump_topology(topology))
    return folder


def ssh_connector(topology: Topology, fabric: Any, node: str) -> Callable[[float], socket.socket]:
    """How a connection to ``node``'s SSH server is made, within so many seconds."""
    address = (str(management_address(topology, node)), 22)

    def connect(timeout: float) -> socket.socket:
        sock = fabric.tcp_socket()
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
    return connect


@dataclass(frozen=True)
class Plan:
    """How the machines of ``topology`` are made: disks and seeds in ``folder``, consoles in ``consoles``."""

    topology: Topology
    known: Secrets
    image: GuestImage
    fabric: Any
    stack: Any
    driver: Driver
    folder: Path
    consoles: Path

    def specs(self) -> Iterator[MachineSpec]:
        """Every machine, in the file's order.

        Raises:
            HostError: a disk can't be made.
        """
        if database.has_database(self.topology):
            database.extract(self.image.rootfs, self.folder)
        for node in self.topology.nodes:
            yield self._spec(node)

    def _spec(self, node: str) -> MachineSpec:
        topology, settings = self.topology, self.topology.nodes[node]
        disks = tuple(path for kind in kinds_in(topology) for path in kind.make_disks(topology, node, self.folder))
        path = self.folder / f"{node}.seed"
        self._seed(node).write(path)
        nics = tuple(Nic(network, self.fabric.mac(node, network), self.fabric.bridge(network),
                         self.fabric.tap(node, network)) for network in topology.networks_of(node))
        return MachineSpec(node, settings.memory, nics, path, self.folder / node, self.consoles / f"{node}.log", disks,
                           topology.boot_time)

    def _seed(self, node: str) -> Seed:
        topology, settings, kinds = self.topology, self.topology.nodes[node], kinds_in(self.topology)
        watched = {name: value for kind in kinds for name, value in kind.watched(topology, node).items()}
        seed = base_seed(topology, node, self.known.key, self.known.host_key, watched)
        if settings.role == "real-server":
            seed_real_server(topology, node, seed)
        for kind in kinds:
            kind.seed(topology, node, seed, self.known.storage)
        if settings.role == "cluster":
            self.stack.seed_member(node, seed)
        else:
            self.stack.seed_helper(node, seed)
        if settings.role == "client":
            nfs_server.seed_client(topology, node, seed)
        seed.late += settings.rc_local
        self.driver.seed(seed)
        return seed
