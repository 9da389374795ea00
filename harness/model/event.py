"""What happened, when, as one line of the event log.

Every event carries a stamp of the *host's* ``CLOCK_MONOTONIC`` in nanoseconds, taken when the
observation reached the harness. ``late_ns`` bounds how much earlier than the stamp the thing itself may
have happened: the truth lies in ``[t_ns - late_ns, t_ns]``. Guests' own clocks never appear.

The kinds that the judge understands (``node`` is the cluster node concerned, or None):

=================  ========  ===============================================================================
kind               source    data
=================  ========  ===============================================================================
power.on           machine   {}: the machine began executing
power.off          machine   {why}: it stopped executing for good: power_off, reset, crash, panic, fence, restore;
                             or it ended by itself: watchdog, sysrq (told so, by SBD's pill), reboot, poweroff
power.paused       machine   {}: its CPUs stopped; it may go on later
power.resumed      machine   {}
link.down          fabric    {network}: the node's cable in this network was cut
link.up            fabric    {network}
arp                wire      {ip, mac, how: gratuitous | reply}: node is the one that owns the MAC, or None
arp.sent           wire      {ip, mac}: node announced on its own cable that it has the address, whether or not the
                             switch passed it on
wire.watch         wire      {addresses: [ip, ...]}: from here on announcements are watched for on every cable
reply              client    {service, ok, sent_ns, from: node name or None, status, error, to: the node that was
                             asked, where each has an address of its own}
reply.routed       client    likewise, of the client behind a router, which is not asked again but told of a new owner
append             client    {service, id, ok, sent_ns, from, error, to}: record id was acknowledged, or got no answer
ledger.read        client    {service, sent_ns, from, to, records: [[id, node, sequence], ...]}: all that is there
ledger.unread      client    {service, error, to}: the ledger could not be read
write              storage   {lun, count}: write commands of node to a shared disk, the last at t_ns
mount              guest     {source, mountpoint, fstype, mounted: bool}
address            guest     {ip, device, present: bool}
listen             guest     {port, present: bool}
quorum             guest     {quorate: bool, members: [node, ...], ring}; corosync's number of the membership
drbd.role          guest     {resource, role: Primary | Secondary | Unconfigured}
drbd.connection    guest     {resource, connection: Connected | Connecting | StandAlone | ..., peer_role}
drbd.disk          guest     {resource, disk: UpToDate | Outdated | Inconsistent | ..., peer_disk, replication}
drbd.oos           guest     {resource, kib}: so much of the disk differs from the peer's, as DRBD counts it
drbd.helper        guest     {resource, helper: split-brain | fence-peer | ..., status}: DRBD's kernel called it
                             (status None), or it has ended
tick               guest     {}: the guest agent was scheduled (4 a second)
log                guest     {file, line}
agent.start        guest     {}: the agent (re)started: what was known of this guest is void
bmc.request        bmc       {action: on | off | cycle | reset | status, from: ip}
bmc.done           bmc       {action, ok: bool, error}; {mode} too where the BMC misbehaves, {device} of a PDU
outlet             bmc       {device, outlet: int, on: bool}: a PDU switched one of the node's power supplies
observer.stall     client    {seconds}: nobody looked for so long (also from source bmc)
host.waited        host      {over, seconds: {machine: s}}: in the ``over`` seconds before it the machine had something
                             to do, and waited so long for a CPU of the host
state              stack     ClusterState.as_dict(): a normalised snapshot
state.unknown      stack     {asked_ns, nodes, unreachable, error}: nodes were reached and none could tell it
fault.begin        fault     {id, fault, targets: [node, ...], params}; {lasts_s} too where it ends by itself
                             {drawn: true} where chaos drew it: it need not take effect
fault.injected     fault     {id}
fault.confirmed    fault     {id, evidence: {...}}
fault.unconfirmed  fault     {id, reason}
fault.healed       fault     {id}
fault.unhealed     fault     {id, reason}
scenario.begin     scenario  {name, feature, tags, seed}
ready              scenario  {service, roles, slowdown}: the cluster was formed, healthy and answering: the precondition
step               scenario  {text, status: begin | passed | failed | undecided | error, error, seconds}
expect             scenario  {break: invariant name} or {outage: service, why}
settled            scenario  {seconds, waited_for: [...], after: steps | healing}: nothing was open any more
healing            scenario  {faults: [...]}: from here on the faults that are left are healed
whole              scenario  {seconds, within, problems: [...], switched_on: [node, ...], cleaned: [...]}: whether the
                             cluster was whole, or what was missing; or {skipped: why it was not asked for}
chaos              scenario  {schedule, seed, profile, ground, actions: how many}: what is drawn begins to be done
chaos.hit          scenario  {number, fault, when, state, doing, roles: {node: role}, in_force: [fault, ...]}: in what
                             state the action ``number`` hits, just before it is injected
chaos.skipped      scenario  {number, fault, reason}: it was not injected: there was nothing for it to do
chaos.end          scenario  {course: [state, ...]}: what is drawn has been done and healed
scenario.end       scenario  {}
broken             scenario  {reason}: the harness or its host failed
=================  ========  ===============================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

#: Why a machine that was made safe stopped: its fencing device cut its power, its watchdog fired, it swallowed a pill.
FENCED = frozenset({"fence", "watchdog", "sysrq"})


@dataclass(frozen=True, slots=True)
class Event:
    """One observation. ``t_ns`` and ``late_ns`` in nanoseconds of the host's CLOCK_MONOTONIC."""

    t_ns: int
    source: str
    node: str | None
    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    late_ns: int = 0

    def to_json(self) -> str:
        """The event as one JSON line, without the newline."""
        return json.dumps(
            {"t_ns": self.t_ns, "late_ns": self.late_ns, "source": self.source, "node": self.node,
             "kind": self.kind, "data": self.data},
            separators=(",", ":"), sort_keys=False)

    @staticmethod
    def from_json(line: str) -> Event:
        """The event that ``line`` holds.

        Raises:
            ValueError: the line is not an event.
        """
        try:
            raw = json.loads(line)
            return Event(int(raw["t_ns"]), raw["source"], raw["node"], raw["kind"], raw["data"],
                         int(raw.get("late_ns", 0)))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an event: {line[:120]!r} ({error!r})") from error


def is_fencing(event: Event) -> bool:
    """Whether ``event`` is the end of a machine that was made safe."""
    return event.kind == "power.off" and event.data.get("why") in FENCED


def left_by_itself(event: Event) -> bool:
    """Whether ``event`` is the end of a machine that was rebooted or shut down from inside."""
    return event.kind == "power.off" and event.data.get("why") in ("reboot", "poweroff")
