"""Faults of packets by netem: delayed, duplicated, reordered, corrupted, lost in bursts, held back.

netem works in the fabric where the host's kernel has it, on what a node receives; else in the guest's own kernel, on
what it sends. Which, is in the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, HostError
from fenceline.faults.base import fault
from fenceline.faults.node import wait_running
from fenceline.faults.parameters import Number, Percent, Seconds
from fenceline.faults.says import Says
from fenceline.faults.traffic import NodeTraffic
from fenceline.guest.ping import Ping, parse_ping, ping_command
from fenceline.model import damage
from fenceline.model.addressing import address, device
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Network, packets, by netem", "outside: in the fabric; inside, where the host has no netem",
    "the queueing discipline is deleted")

_PINGS, _INTERVAL = 200, 0.005  # s
_SIGMAS = 4.0
_OVERTAKEN = 0.02  # s by which those that are overtaken are late


@dataclass(frozen=True)
class _Netem(NodeTraffic):
    """netem on the node's card, or on the switch's port."""

    needs: ClassVar[tuple[str, ...]] = ("program tc", "netem")

    def _options(self) -> list[str]:
        """netem's words."""
        raise NotImplementedError

    @property
    def _pings(self) -> tuple[int, float]:
        """How many pings tell, and how many seconds lie between two."""
        return _PINGS, _INTERVAL

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        """What of ``ping`` proves the effect; None: it does not."""
        raise NotImplementedError

    def inject(self, cluster: Cluster) -> None:
        self._check_plugged(cluster)
        try:
            cluster.fabric.run(["tc", "qdisc", "add", "dev", cluster.fabric.tap(self.node, self.network), "root",
                                "netem", *self._options()])
            return
        except HostError as error:
            if "unknown" not in error.message.lower():
                raise
        if cluster.topology.networks[self.network].role == "management":
            raise FaultError(f"this host has no netem, and in {self.node} it would be in the way of its own heal: "
                             f"{self.network}")
        card = device(cluster.topology, self.node, self.network)
        cluster.session(self.node).run(f"modprobe sch_netem && tc qdisc add dev {card} root netem "
                                       f"{' '.join(self._options())}", within=20)

    def _peer(self, cluster: Cluster) -> str:
        topology = cluster.topology
        for name in topology.nodes:
            if name != self.node and self.network in topology.networks_of(name) and cluster.is_running(name):
                return name
        raise FaultError(f"not confirmed: nobody else runs on {self.network} that could be asked")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        peer = self._peer(cluster)
        count, interval = self._pings
        command = ping_command(str(address(cluster.topology, peer, self.network)), count, interval)
        try:
            within = 30 + 2 * count * interval
            ping = parse_ping(cluster.session(self.node).run(command, within=within, check=False).out)
        except ValueError as error:
            raise FaultError(f"not confirmed: {error}") from error
        shown = self._shows(ping)
        if shown is None:
            raise FaultError(f"not confirmed: {self.node} pinged {peer}: {ping}")
        on_host = "netem" in self._on_tap(cluster)
        return {**shown, "pings": ping.sent, "netem": "of the host, on what the node receives" if on_host
                else "of the guest, on what it sends"}

    def heal(self, cluster: Cluster) -> None:
        self._free_tap(cluster, "netem")
        # a machine that is off, hangs or was rebooted has lost it, or is switched on without it
        if wait_running(cluster, self.node):
            card = device(cluster.topology, self.node, self.network)
            cluster.session(self.node).run(f"tc qdisc show dev {card} root | grep -qw netem || exit 0; "
                                           f"tc qdisc del dev {card} root", within=20)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if "netem" in self._on_tap(cluster):
            raise FaultError(f"netem is still on the port of {self.node} in {self.network}")
        if not wait_running(cluster, self.node):
            return {"netem": "gone with the machine"}
        card = device(cluster.topology, self.node, self.network)
        if "netem" in cluster.session(self.node).run(["tc", "qdisc", "show", "dev", card], within=20).out:
            raise FaultError(f"netem is still on {card} of {self.node}")
        return {"netem": "gone"}


@fault
@dataclass(frozen=True)
class PacketDelay(_Netem):
    """Packets of ``node`` in ``network`` are ``delay`` late, give or take ``jitter``."""

    delay: Annotated[float, Seconds(0.001, 10)] = 0.1
    jitter: Annotated[float, Seconds(0, 10), "more or less, at most the delay"] = 0.0
    name: ClassVar[str] = "packet-delay"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} network={heartbeat-net} delay=50ms",
        "node={active} network={heartbeat-net} delay=300ms",
        "node={active} network={heartbeat-net} delay=2s",
        "node={active} network={service-net} delay=100ms",
        "node={active} network={service-net} delay=2s",
        "node={active} network={storage-net} delay=100ms",
        "node={active} network={management-net} delay=100ms",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the packets of <node> on the <network> are <delay:ms> late"),
        Says("the packets of <node> on the <network> are <delay:ms> late, give or take <jitter:ms>"),
    )

    def __post_init__(self) -> None:
        if self.jitter > self.delay:
            raise ValueError(f"jitter: {self.jitter:g} s is more than the delay, {self.delay:g} s")

    def costs(self, topology: Topology) -> Cost:
        return damage.packets_late(topology, self.network, self.node, self.delay + 2 * self.jitter)

    def _options(self) -> list[str]:
        return ["limit", "10000", "delay", f"{self.delay * 1e6:.0f}us",
                *([f"{self.jitter * 1e6:.0f}us", "distribution", "normal"] if self.jitter else [])]

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        if ping.mean_ms is None or ping.mean_ms < 700 * self.delay:
            return None
        if self.jitter and ping.deviation_ms < 300 * self.jitter:
            return None
        return {"round_trip_ms": ping.mean_ms, "deviation_ms": ping.deviation_ms}


@dataclass(frozen=True)
class _NetemShare(_Netem):
    percent: Annotated[float, Percent(), "of the packets"] = 10.0

    def _is_share(self, seen: int, of: int) -> bool:
        """Whether ``seen`` of ``of`` packets may well be ``percent``."""
        share = self.percent / 100
        sigma = (max(of, 1) * share * (1 - share)) ** 0.5
        return seen > 0 and abs(seen - of * share) <= _SIGMAS * sigma + 1


@fault
@dataclass(frozen=True)
class PacketDuplicate(_NetemShare):
    """``percent`` of the packets of ``node`` in ``network`` come twice."""

    name: ClassVar[str] = "packet-duplicate"
    says: ClassVar[tuple[Says, ...]] = (Says("<percent> % of the packets of <node> on the <network> are duplicated"),)

    def costs(self, topology: Topology) -> Cost:
        return Cost()

    def _options(self) -> list[str]:
        return ["duplicate", f"{self.percent:g}%"]

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        return {"duplicates": ping.duplicates} if self._is_share(ping.duplicates, ping.sent) else None


@fault
@dataclass(frozen=True)
class PacketReorder(_NetemShare):
    """``percent`` of the packets of ``node`` in ``network`` overtake the others, which are 20 ms late."""

    percent: Annotated[float, Percent(high=99), "of the packets"] = 10.0
    name: ClassVar[str] = "packet-reorder"
    says: ClassVar[tuple[Says, ...]] = (Says("<percent> % of the packets of <node> on the <network> are reordered"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.packets_late(topology, self.network, self.node, _OVERTAKEN)

    def _options(self) -> list[str]:
        return ["limit", "10000", "delay", f"{_OVERTAKEN * 1000:g}ms", "reorder", f"{self.percent:g}%"]

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        return {"reordered": ping.reordered} if ping.reordered else None


@fault
@dataclass(frozen=True)
class PacketCorrupt(_NetemShare):
    """``percent`` of the packets of ``node`` in ``network`` have a bit flipped."""

    name: ClassVar[str] = "packet-corrupt"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} network={heartbeat-net} percent=1",
        "node={active} network={heartbeat-net} percent=20",
    )
    says: ClassVar[tuple[Says, ...]] = (Says("<percent> % of the packets of <node> on the <network> are corrupted"),)

    def costs(self, topology: Topology) -> Cost:
        # what is corrupt is dropped by whoever checks it
        return damage.packets_lost(topology, self.network, self.percent, self.node)

    def _options(self) -> list[str]:
        return ["corrupt", f"{self.percent:g}%"]

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        # what is corrupt is dropped by whoever checks it
        lost = ping.sent - ping.received
        return {"lost_percent": round(ping.lost_percent, 2)} if self._is_share(lost, ping.sent) else None


@fault
@dataclass(frozen=True)
class PacketLossBursts(_NetemShare):
    """``percent`` of the packets of ``node`` in ``network`` are lost, ``burst`` in a row on average: a bad line loses
    much at once, and then nothing."""

    percent: Annotated[float, Percent(high=80), "of the packets"] = 10.0
    burst: Annotated[float, Number(1, 20, "packets"), "lost in a row, on average"] = 5.0
    name: ClassVar[str] = "packet-loss-bursts"
    samples: ClassVar[tuple[str, ...]] = ("node={active} network={heartbeat-net} percent=2 burst=5",)
    says: ClassVar[tuple[Says, ...]] = (
        Says("<percent> % of the packets of <node> on the <network> are lost, <burst> in a row"),
    )

    def costs(self, topology: Topology) -> Cost:
        return damage.packets_lost(topology, self.network, self.percent, self.node, self.burst)

    def _chances(self) -> tuple[float, float]:
        """Gilbert's model: the chance that a good line goes bad, and that a bad one becomes good, per packet."""
        recovers = 1 / self.burst
        return recovers * self.percent / (100 - self.percent), recovers

    def _options(self) -> list[str]:
        fails, recovers = self._chances()
        return ["loss", "gemodel", f"{100 * min(fails, 1):.3f}%", f"{100 * recovers:.3f}%"]

    @property
    def _pings(self) -> tuple[int, float]:
        return 1000, _INTERVAL

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        lost = ping.sent - ping.received
        if not ping.gaps:
            return None
        fails, recovers = self._chances()
        share = self.percent / 100
        # neighbours are alike: n of them tell less than n that know nothing of each other
        alike = 1 - fails - recovers
        sigma = (ping.sent * share * (1 - share) * (1 + alike) / (1 - alike)) ** 0.5
        row, row_sigma = lost / ping.gaps, self.burst * (max(0.1, 1 - recovers) / ping.gaps) ** 0.5
        if abs(lost - ping.sent * share) > _SIGMAS * sigma + 1 or abs(row - self.burst) > _SIGMAS * row_sigma + 0.2:
            return None
        return {"lost_percent": round(ping.lost_percent, 2), "lost_in_a_row": round(row, 2)}


@fault
@dataclass(frozen=True)
class PacketHold(_Netem):
    """The packets of ``node`` in ``network`` are queued, and all delivered together every ``period``."""

    period: Annotated[float, Seconds(0.05, 5), "from one delivery to the next"] = 0.5
    name: ClassVar[str] = "packet-hold"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} network={heartbeat-net} period=50ms",
        "node={active} network={heartbeat-net} period=500ms",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the packets of <node> on the <network> are held, and delivered every <period:ms>"),
    )

    def costs(self, topology: Topology) -> Cost:
        return damage.packets_late(topology, self.network, self.node, self.period)

    def _options(self) -> list[str]:
        return ["limit", "10000", "slot", f"{self.period * 1e6:.0f}us"]

    @property
    def _pings(self) -> tuple[int, float]:
        return 100, max(0.005, self.period / 25)  # four deliveries

    def _shows(self, ping: Ping) -> dict[str, Any] | None:
        # who comes just too late waits for a whole period, who comes just in time not at all
        if ping.mean_ms is None or ping.mean_ms < 300 * self.period or ping.deviation_ms < 150 * self.period:
            return None
        return {"round_trip_ms": ping.mean_ms, "deviation_ms": ping.deviation_ms}
