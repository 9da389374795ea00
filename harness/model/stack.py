"""What every kind of cluster software says of itself: its timing, what it can do, what it looks like from outside.

A kind is one model in a folder of its own, ``harness/stacks/<kind>``, which is found through the registry; a topology's
``stack.kind`` chooses it. What the rest of the house must know of a kind it asks of that model: nothing outside of its
folder knows it by name.

Where a service prefers to run, and whether it goes back there, is said once, in its failover domain; what a product
calls ``auto_failback``, ``nopreempt`` or a priority follows from that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fenceline.core.registry import Registry
from fenceline.model.layout import Layout
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration


class Heuristics(Strict):
    """Commands by which a member knows whether it is well; see corosync-qdevice(8)."""

    mode: Literal["on", "sync", "off"] = Field("sync", description="on: at an interval too; sync: when the membership "
                                                                   "changes")
    interval: Duration = Field(30.0, ge=1, description="for the mode on")
    timeout: Duration = Field(5.0, ge=0.1, description="for all commands together")
    sync_timeout: Duration = Field(15.0, ge=0.1, description="likewise while the membership changes")
    commands: dict[Name, Annotated[str, Field(pattern=r"^/\S")]] = Field(
        min_length=1, description="each a command line; its exit status 0 is good")


class Quorum(Strict):
    """Who may go on after a split."""

    policy: Literal["majority", "two_node", "qdevice"] = "majority"
    device: Name | None = Field(None, description="the machine with corosync-qnetd, for policy qdevice")
    algorithm: Literal["ffsplit", "lms"] = "ffsplit"
    tie_breaker: Name = Field("lowest", description="whom the quorum device votes for where both halves are as good: "
                                                    "the part with the lowest or the highest node id (lowest, "
                                                    "highest), or with the node of this name")
    device_timeout: Duration = Field(3.0, ge=0.1, description="the quorum device's vote counts as lost after so long")
    sync_timeout: Duration = Field(6.0, ge=0.1, description="likewise while the membership changes; SBD trusts no "
                                                            "quorum that may take longer than its watchdog")
    connect_timeout: Duration = Field(2.0, ge=0.1, description="how long a connection to the quorum device may take")
    heuristics: Heuristics | None = Field(None, description="what a member looks at by itself; the quorum device votes "
                                                            "for the part whose look is good")
    auto_tie_breaker: Name | None = Field(None, description="without a quorum device: of two equal halves the one with "
                                                            "this node goes on; said likewise")
    last_man_standing: bool = Field(False, description="after each loss fewer votes are expected, so that losses one "
                                                       "after the other are survived")
    last_man_standing_window: Duration = Field(10.0, ge=0.1, description="between a loss and fewer expected votes")
    wait_for_all: bool = Field(True, description="no quorum before all nodes were seen once: else whoever boots "
                                                 "first fences the others")
    without_quorum: Literal["stop", "freeze", "ignore", "suicide"] = Field(
        "stop", description="Pacemaker's no-quorum-policy")
    stop_within: Duration = Field(20.0, description="a partition that lost quorum has stopped its services by then")


#: Of a stack that knows no quorum: every part that is left goes on.
NO_QUORUM = Quorum(without_quorum="ignore", wait_for_all=False)


class StackModel(Strict):
    """The part of a topology under ``stack``. Every kind has its own fields for its timing, and ``quorum``: a field, or
    a property that is NO_QUORUM."""

    kind: str

    #: What can be done to it (``fenceline.stacks.offers``).
    abilities: ClassVar[frozenset[str]] = frozenset()
    #: It decides itself what runs where: bonds between services, recovery, resources on all nodes, remote nodes.
    manages_resources: ClassVar[bool] = False
    #: It moves addresses and nothing else, and members know nothing of each other (``runs_everywhere`` too).
    moves_addresses_only: ClassVar[bool] = False
    #: The daemons of a service run on every member, whoever has its address: what is told apart is who has that.
    runs_everywhere: ClassVar[bool] = False
    #: Its members agree on one of them that decides for all.
    has_coordinator: ClassVar[bool] = False
    #: It is on Corosync: ``token`` and ``consensus`` (s) are its own, members have votes, the agent asks for quorum.
    on_corosync: ClassVar[bool] = False
    #: Services with the same preferred node can't be told apart: they move together.
    moves_by_preferred_node: ClassVar[bool] = False
    #: With less (kbit/s) a member does not hear all that the others say.
    heartbeat_kbit: ClassVar[int] = 20
    #: The kind of packets (``fenceline.faults.traffic``) by which the members hear each other.
    packets: ClassVar[str] = ""
    #: The daemons on a member that a fault may kill, and how ``pgrep -x`` (15 characters) knows them.
    own_daemons: ClassVar[Mapping[str, str]] = {}
    #: The units of the cluster software on a member, in the order in which they start.
    own_units: ClassVar[tuple[str, ...]] = ()
    #: The first process of the last of them, as ``pgrep -x`` knows it.
    first_process: ClassVar[str] = ""
    #: A program for the guests, standard library only: its ``watch(config, tell)`` makes the thread that tells the
    #: agent who is a member. None on Corosync, which the agent asks itself.
    membership: ClassVar[Path | None] = None
    #: Debian packages that the guest image has for it beside its own.
    packages: ClassVar[frozenset[str]] = frozenset()
    #: Its log on a member, which the agent follows.
    log_file: ClassVar[str] = ""

    @property
    def runs_own_configuration(self) -> bool:
        """Whether the cluster's own files are run as they are, with their mistakes."""
        return False

    @property
    def handover(self) -> float:
        """How long (s) two nodes may have an address while it changes hands: none."""
        return 0.0

    @property
    def quorum_device_s(self) -> float:
        """How long (s) the members wait for their quorum device while they change; 0 where there is none."""
        return 0.0

    def stopped_without(self, topology: Layout, pinged: Collection[str]) -> frozenset[str]:
        """The services that run nowhere when none of the members reaches any of ``pinged``."""
        return frozenset()

    @property
    def patience_s(self) -> float:
        """For how long (s) a member may be silent before the others take it for dead."""
        raise NotImplementedError

    @property
    def notice_s(self) -> float:
        """What passes (s) until the others have agreed that a silent member is gone, or a check that failed counts."""
        raise NotImplementedError

    @property
    def detection_s(self) -> float:
        """Likewise, of a member alone (s)."""
        return self.notice_s

    @property
    def forming_s(self) -> float | None:
        """What one new membership takes at most (s); None where there is none."""
        return None

    def heartbeat_networks(self, topology: Layout) -> tuple[str, ...]:
        """The networks over which the members hear each other."""
        return topology.networks_with("heartbeat")

    def daemons(self, topology: Layout) -> dict[str, str]:
        """Those of ``own_daemons`` that run on every member of ``topology``."""
        return dict(self.own_daemons)

    def units(self, topology: Layout) -> tuple[str, ...]:
        """The units of the cluster software on every member, in the order in which they start."""
        return self.own_units

    def moved_with(self, topology: Layout, service: str) -> tuple[str, ...]:
        """What moves together with ``service``, beyond what the services say themselves."""
        return ()

    def problems(self, topology: Layout) -> list[str]:
        """Everything in ``topology`` that the stack can't do, one line each, beginning with the path to the field."""
        raise NotImplementedError

    def make(self, topology: Layout, sessions: Mapping[str, Any], bmc_password: str,
             is_reachable: Callable[[str], bool], slowdown: float) -> Any:
        """The running stack (``fenceline.stacks.base.Stack``): see ``fenceline.stacks.base.make_stack``."""
        raise NotImplementedError


#: Every kind of cluster software: its model, by its kind.
STACKS: Registry[type[StackModel]] = Registry("stack", whole=False)


def kinds_with(trait: str) -> str:
    """The kinds whose class attribute ``trait`` is set, in words: "pacemaker"."""
    return " or ".join(name for name, model in STACKS.items() if getattr(model, trait)) or "no stack"
