"""What every kind of cluster software is to the harness: a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from harness.errors import ClusterError
from harness.guest.seed import Seed
from harness.guest.ssh import Session
from harness.model.topology import Topology
from harness.stacks.state import ClusterState


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


def member_command(stack: Stack, sessions: Mapping[str, Session], is_reachable: Callable[[str], bool],
                   arguments: list[str], node: str | None, within: float) -> str:
    """What ``arguments`` print on ``node``, or on the first member that is online and can be reached.

    Raises:
        ClusterError: they failed, or there is no such member.
    """
    name = node or next((name for name in stack.state().online() if is_reachable(name)), None)
    if name is None:
        raise ClusterError(f"no member is online that could run `{' '.join(arguments)}`")
    return sessions[name].run(arguments, within=within).out


def make_stack(topology: Topology, sessions: Mapping[str, Session], bmc_password: str,
               is_reachable: Callable[[str], bool], slowdown: float = 1.0) -> Stack:
    """The stack that ``topology`` asks for; ``is_reachable`` says whether a node's CPUs execute, ``slowdown`` how much
    slower than real ones its machines are."""
    if topology.stack.kind == "heartbeat":
        from harness.stacks.heartbeat.stack import HeartbeatStack
        return HeartbeatStack(topology, sessions, bmc_password, is_reachable, slowdown)
    if topology.stack.kind == "keepalived":
        from harness.stacks.keepalived.stack import KeepalivedStack
        return KeepalivedStack(topology, sessions, is_reachable, slowdown)
    from harness.stacks.pacemaker.stack import PacemakerStack
    return PacemakerStack(topology, sessions, bmc_password, is_reachable, slowdown)
