"""What Corosync bears of packet loss, from its own figures.

Two things part members that lose packets at random. Sources: corosync 3.1, exec/totemconfig.c (the defaults and what
follows from the token) and corosync.conf(5); kronosnet 1.25, libknet/threads_heartbeat.c and threads_rx.c (pings).

- The token. Who has sent it on repeats it every ``retransmit`` until it sees that the next has it; who has not got it
  back within ``token`` forms a new membership. Idle, the first member holds it for ``hold`` in each rotation, which is
  gone from that time.
- knet's link. A link on which no answer to a ping came for ``ping_timeout`` is down, and nothing is sent on it until
  ``pong_count`` answers in a row have come and one more: half a token at best. So a link that is down costs no member
  only if no ping is lost in that time.

Measured (two members, token 1 s, 10 % lost for 50 s, on a busy host): 11 links down and 5 memberships lost; this says
14 and 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fenceline.model.topology import Topology

#: corosync's defaults: TOKEN_RETRANSMITS_BEFORE_LOSS_CONST, KNET_PONG_COUNT.
RETRANSMITS, PONG_COUNT = 4, 2
#: So much of a token's time (s) is left to a host that is slow for a moment: the guest that has the token waits for a
#: CPU. Another loss has to fit into what remains.
ROOM = 0.3


@dataclass(frozen=True, slots=True)
class Totem:
    """Corosync's figures (s) for a ``token`` (s), ``members``, and ``links`` between each two of them."""

    token: float
    members: int = 2
    links: int = 1

    @staticmethod
    def of(topology: Topology) -> Totem:
        """Those of ``topology``.

        Raises:
            ValueError: its stack is not on Corosync.
        """
        if not topology.stack.on_corosync:
            raise ValueError(f"{topology.name}: the stack {topology.stack.kind} has no token")
        return Totem(topology.stack.token, len(topology.cluster_nodes), len(topology.networks_with("heartbeat")))

    @property
    def retransmit(self) -> float:
        """Between two repetitions of the token: 0.238 s for 1 s."""
        return self.token / (RETRANSMITS + 0.2)

    @property
    def hold(self) -> float:
        """For how long the first member holds an idle token: 0.180 s for 1 s."""
        return self.retransmit * 0.8 - 0.010

    @property
    def ping_interval(self) -> float:
        """Between two pings of a link: 0.25 s for 1 s."""
        return self.token / (PONG_COUNT * 2)

    @property
    def ping_timeout(self) -> float:
        """Without an answer for so long a link is down: 0.5 s for 1 s."""
        return self.token / PONG_COUNT

    def losses_borne(self, room: float = ROOM) -> int:
        """How many losses one rotation of the token bears, with ``room`` (s) for a slow host: one more, and the token
        is lost."""
        return max(0, math.floor((self.token - self.hold - room) / self.retransmit))

    def chance_apart(self, share: float, seconds: float, room: float = ROOM) -> float:
        """The chance that members lose each other within ``seconds`` where each packet is lost with the chance
        ``share``."""
        rotations = seconds / self.hold
        token = rotations * _more_losses(share, self.losses_borne(room), self.members)
        unanswered = 1 - (1 - share) ** 2  # the ping or its answer
        pings = seconds / self.ping_interval * self.members * (self.members - 1)
        down = unanswered ** math.ceil(self.ping_timeout / self.ping_interval)
        stays_down = 1 - (1 - unanswered) ** (PONG_COUNT + 1)
        # all links of a pair at once; each is as likely
        link = pings * (down * stays_down) ** self.links
        return 1 - math.exp(-(token + link))

    def tolerated(self, seconds: float, chance: float = 0.005) -> float:
        """The largest share of packets (in steps of 0.1 %) that may be lost for ``seconds`` with no more than
        ``chance`` that members lose each other: below what the cluster tolerates."""
        steps = next(step for step in range(1, 1001) if self.chance_apart(step / 1000, seconds) > chance) - 1
        return steps / 1000


def _more_losses(share: float, losses: int, hops: int) -> float:
    """The chance of more than ``losses`` losses before the ``hops``-th success."""
    borne = sum(math.comb(hops - 1 + k, k) * share ** k * (1 - share) ** hops for k in range(losses + 1))
    return max(0.0, 1 - borne)
