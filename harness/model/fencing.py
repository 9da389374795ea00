"""How a topology makes a node safe: its devices, the order in which they are tried, and who waits for whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fenceline.model.declared import Words
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration

#: The devices that have no name of their own; all others are PDUs.
IPMI, SBD = "ipmi", "sbd"


class Sbd(Strict):
    """Poison pills over shared disks, and a watchdog that resets a node which can't read them."""

    luns: tuple[Name, ...] = Field((), description="LUNs of storage.iscsi without a file system that carry the pills, "
                                                   "one or three; none: the watchdog alone, for clusters with a quorum "
                                                   "that is more than two_node's")
    watchdog_timeout: Duration = Field(5.0, ge=1, le=60, description="a node that was not well for so long is reset by "
                                                                     "its watchdog; whole seconds")
    msgwait: Duration | None = Field(None, description="how long a pill is taken to need; absent: 2 x watchdog_timeout")

    @property
    def message_wait(self) -> float:
        """``msgwait``, or its default (s)."""
        return 2 * self.watchdog_timeout if self.msgwait is None else self.msgwait


class Pdu(Strict):
    """A power distribution unit with switched outlets, at an address of its own in the management network."""

    outlets: dict[Annotated[int, Field(ge=1, le=48)], Name] = Field(
        min_length=1, description="which node is plugged into which outlet; a node with two power supplies is there "
                                  "twice, here or at another unit, and is off when all of its outlets are")


class Fencing(Strict):
    """How a node is made safe."""

    method: Literal["ipmi", "sbd", "levels", "none"] = "ipmi"
    levels: tuple[tuple[Name, ...], ...] = Field(
        (), description="for the method levels: what is tried, one level after the other; of one level all must do it. "
                        "ipmi, sbd, or the name of one of pdus")
    pdus: dict[Name, Pdu] = Field(default_factory=dict, description="power distribution units, asked by fence_apc_snmp")
    bmc_supply: Literal["own", "node"] = Field("own", description="node: a BMC has no power while its node has none")
    sbd: Sbd | None = Field(None, description="for sbd")
    action: Literal["reboot", "off"] = "reboot"
    delay: dict[Name, Duration] = Field(
        default_factory=dict,
        description="pcmk_delay_base per node: fencing this node waits so long; in a split of two the node with "
                    "the longer delay survives")
    delay_max: Duration = Field(0.0, description="pcmk_delay_max: each fencing waits for a random time up to this, 0: "
                                                 "for none")
    priority_delay: Duration = Field(0.0, description="priority-fencing-delay: fencing the node that runs what has "
                                                      "the higher priority waits so long, 0: not at all")
    timeout: Duration = Field(60.0, description="Pacemaker's stonith-timeout")
    watch: Duration = Field(0.0, description="monitor interval of the fencing devices, 0: none")
    extra: dict[Name, Words] = Field(default_factory=dict, description="parameters of the fencing agents, passed "
                                                                       "through as they are: by device (ipmi, sbd, or "
                                                                       "a PDU)")

    @property
    def in_order(self) -> tuple[tuple[str, ...], ...]:
        """The levels as they are tried; one of one device where nothing is said of levels, none without fencing."""
        return self.levels if self.method == "levels" else () if self.method == "none" else ((self.method,),)

    @property
    def devices(self) -> frozenset[str]:
        """All that is used: ipmi, sbd, names of PDUs."""
        return frozenset(device for level in self.in_order for device in level)

    @property
    def needs_network(self) -> bool:
        """Whether every level asks a device over the management network: a node without that can fence nobody."""
        return bool(self.in_order) and all(set(level) - {SBD} for level in self.in_order)

    def is_in_every_level(self, device: str) -> bool:
        """Whether nobody is fenced without ``device``."""
        return bool(self.in_order) and all(device in level for level in self.in_order)

    def outlets_of(self, node: str) -> tuple[tuple[str, int], ...]:
        """(unit, outlet) of each power supply of ``node``; none where it has its power from elsewhere."""
        return tuple((name, outlet) for name, pdu in self.pdus.items() for outlet, plugged in pdu.outlets.items()
                     if plugged == node)

    def levels_of(self, node: str) -> tuple[tuple[str, ...], ...]:
        """The levels of ``node``: of the PDUs those that it is plugged into; empty ones are left out."""
        own = {IPMI, SBD, *(name for name, _ in self.outlets_of(node))}
        found = (tuple(device for device in level if device in own) for level in self.in_order)
        return tuple(level for level in found if level)

    @property
    def waits_s(self) -> float:
        """For how long (s) the fencing of a node may be put off on purpose."""
        return max(self.delay.values(), default=0.0) + self.delay_max + self.priority_delay
