"""What every kind of cluster software is to the harness: a stack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from fenceline.core.errors import ClusterError, ClusterSilent, FencelineError, MachineError, Unreadable
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import Session
from fenceline.model.topology import Topology
from fenceline.stacks.offers import daemons
from fenceline.stacks.state import ClusterState

#: By when (s; longer where machines are emulated) a guest that can be reached has run the smallest command.
_HEARD_WITHIN = 5.0


class Stack(Protocol):
    """The cluster software of one topology, on all of its machines.

    ``daemons`` are what a fault may kill, and how ``pgrep -x`` knows them; ``logs`` the files that tell what it did.
    What a stack does not offer (see ``offers``) raises ``ClusterError`` naming the stack.
    """

    name: str
    topology: Topology
    daemons: Mapping[str, str]
    logs: tuple[str, ...]

    def seed_member(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed`` a member that starts its cluster software at every boot."""

    def seed_helper(self, node: str, seed: Seed) -> None:
        """Makes the node of ``seed``, which is no member, what its role says."""

    def members_seen_by(self, node: str) -> frozenset[str]:
        """Whom ``node`` itself must see to be a whole cluster's member."""

    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """The cluster as ``node`` sees it, or the first member that answers.

        Raises:
            ClusterError: no member answers within ``within`` seconds each.
            ClusterSilent: likewise, though they can be reached.
        """

    def command(self, arguments: list[str], node: str | None = None, within: float = 60.0) -> str:
        """What one of the cluster's own commands prints, on ``node`` or the first online member.

        Raises:
            ClusterError: it failed, or no member is online.
        """

    def move(self, service: str, target: str | None) -> None:
        """Begins a clean relocation of ``service`` to ``target``, or away from where it is."""

    def clear_moves(self, service: str) -> None:
        """Takes away what a move leaves in force."""

    def has_moves(self, service: str) -> bool:
        """Whether the cluster itself shows that ``service`` was moved and the move not yet cleared."""

    def standby(self, node: str, on: bool) -> None:
        """Puts ``node`` into standby, or back."""

    def start_daemon(self, node: str, daemon: str) -> None:
        """Starts one of ``daemons`` on ``node`` again, if nobody else has."""

    def cleanup(self) -> None:
        """Forgets failures, so that the next scenario sees its own only."""


class _Told(Protocol):
    """What a member told of itself: at least whether its cluster software runs."""

    running: bool


_T = TypeVar("_T", bound=_Told)


class SessionStack(ABC):
    """What the stacks share: they work through ``sessions``, one per node. ``is_reachable`` says whether a node's CPUs
    execute, ``slowdown`` how much slower than real ones its machines are."""

    def __init__(self, topology: Topology, sessions: Mapping[str, Session], is_reachable: Callable[[str], bool],
                 slowdown: float) -> None:
        self.topology = topology
        self.daemons = daemons(topology)
        self._sessions = sessions
        self._is_reachable = is_reachable
        self._slowdown = slowdown

    @abstractmethod
    def state(self, node: str | None = None, within: float = 10.0) -> ClusterState:
        """See ``Stack``."""

    def members_seen_by(self, node: str) -> frozenset[str]:
        """Every node sees every node."""
        return frozenset(self.topology.cluster_nodes)

    def command(self, arguments: list[str], node: str | None = None, within: float = 60.0) -> str:
        """What ``arguments`` print on ``node``, or on the first member that is online and can be reached.

        Raises:
            ClusterError: they failed, or there is no such member.
        """
        name = node or next((name for name in self.state().online() if self._is_reachable(name)), None)
        if name is None:
            raise ClusterError(f"no member is online that could run `{' '.join(arguments)}`")
        return self._sessions[name].run(arguments, within=within * self._slowdown).out

    def _ask_members(self, ask: Callable[[str], _T], node: str | None, nobody: str) -> tuple[dict[str, _T], str]:
        """What each member that can be reached tells, and whose view counts: that of ``node``, or of the first whose
        software runs, or of the first that answers.

        Raises:
            ClusterError: ``nobody``, as that member does not answer.
            ClusterSilent: likewise, though it can be reached.
        """
        told, failed = {}, {}
        for name in self.topology.cluster_nodes:
            if self._is_reachable(name):
                try:
                    told[name] = ask(name)
                except FencelineError as error:
                    failed[name] = error
        seer = node or next((name for name, one in told.items() if one.running), next(iter(told), None))
        if seer not in told:
            raise self._silence(nobody, failed)
        return told, seer

    def _silence(self, nobody: str, failed: Mapping[str, FencelineError]) -> ClusterError:
        """What it is that nobody told: the cluster's silence, where those who were asked can be reached. What was told
        and can't be read is our own trouble."""
        deaf = [name for name, error in failed.items() if not self._is_heard(name, error)]
        heard = () if any(isinstance(error, Unreadable) for error in failed.values()) else tuple(
            name for name in failed if name not in deaf)
        detail = "\n".join(error.message for error in failed.values())
        return ClusterSilent(nobody, detail, heard, tuple(deaf)) if heard else ClusterError(nobody, detail)

    def _is_heard(self, node: str, error: FencelineError) -> bool:
        """Whether ``error`` is the cluster software's own: SSH works, and something else does run on ``node``."""
        if isinstance(error, (MachineError, Unreadable)):
            return False
        try:
            self._sessions[node].run("true", within=_HEARD_WITHIN * self._slowdown)
        except FencelineError:
            return False
        return True


def make_stack(topology: Topology, sessions: Mapping[str, Session], bmc_password: str,
               is_reachable: Callable[[str], bool], slowdown: float = 1.0) -> Stack:
    """The stack that ``topology`` asks for; ``is_reachable`` says whether a node's CPUs execute, ``slowdown`` how much
    slower than real ones its machines are."""
    return topology.stack.make(topology, sessions, bmc_password, is_reachable, slowdown)
