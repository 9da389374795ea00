"""How long a service may be away when its node is lost, by the cluster's own figures: the sum, with its parts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from fenceline.accept.advice import usual_start
from fenceline.accept.cibview import seconds
from fenceline.accept.fencetimes import delays, usual_fencing
from fenceline.accept.original import Original, nodes_of
from fenceline.core.errors import FencelineError
from fenceline.model.units import parse_duration

#: What real machines take beside the sum: a quarter, and no less than so much (s).
_ROOM = 1.25
_LEAST = 10.0
#: Corosync 3.1's own token, and what it adds for each node beyond two (s).
_TOKEN = 3.0
_COEFFICIENT = 0.65


@dataclass(frozen=True, slots=True)
class Part:
    """``seconds`` of the sum, and where they come from."""

    what: str
    seconds: float
    place: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """``total`` (s) is what the service may be away; ``given`` by the user, or the sum of ``parts`` with room."""

    parts: tuple[Part, ...]
    total: float
    given: bool = False

    @property
    def sum(self) -> float:
        """Of the parts alone (s)."""
        return sum(part.seconds for part in self.parts)

    def shown(self) -> str:
        """The sum in one line: "token 3 s + consensus 3.6 s + ... = 38.6 s, with a quarter's room 50 s"."""
        text = " + ".join(f"{part.what} {part.seconds:g} s" for part in self.parts if part.seconds)
        end = f"{self.total:g} s are given" if self.given else f"with a quarter for the machines {self.total:g} s"
        return f"{text or 'nothing'} = {self.sum:g} s; {end}"


def budget(original: Original, given: str | None = None) -> Budget:
    """The failover budget of the slowest service of ``original``; ``given`` ("45s") overrides it.

    Raises:
        FencelineError: ``given`` is no time, or 0.
    """
    parts = tuple(_parts(original))
    total = max(_LEAST, math.ceil(sum(part.seconds for part in parts) * _ROOM / 5) * 5)
    if given is None:
        return Budget(parts, float(total))
    try:
        wanted = parse_duration(given)
    except ValueError as error:
        raise FencelineError(f"--budget {given}: {error}") from error
    if wanted <= 0:
        raise FencelineError(f"--budget {given}: a service that may never be away can't be judged")
    return Budget(parts, wanted, given=True)


def _parts(original: Original) -> list[Part]:
    if original.keepalived:
        return _vrrp(original)
    if original.ha_cf:
        return _heartbeat(original)
    if original.cluster_conf is not None:
        return _cman(original)
    return _pacemaker(original)


def _pacemaker(original: Original) -> list[Part]:
    parts = _totem(original)
    longest = max(delays(original).values(), default=0.0)
    priority = original.option("priority-fencing-delay")
    if original.cib.is_on("stonith-enabled", True) and original.cib.primitives:
        fencing, how = usual_fencing(original)
        parts.append(Part(f"fencing ({how})", fencing))
        parts.append(Part("the longest fencing delay", longest))
        if priority is not None:
            parts.append(Part("priority-fencing-delay", seconds(priority.value) or 0.0, priority.place))
    name, start = _slowest(original)
    if start:
        parts.append(Part(f"starts of {name} (assumed)", start))
    grace = _grace(original)
    if grace:
        parts.append(Part("the NFS server's grace time", grace))
    return parts


def _totem(original: Original) -> list[Part]:
    corosync = original.corosync
    told = corosync.last("totem", "token") if corosync else None
    token = int(told.value) / 1000 if told and re.fullmatch(r"\d{1,9}", told.value) else _TOKEN
    beyond = max(0, len(nodes_of(corosync)) - 2) if corosync else 0
    whole = token + _COEFFICIENT * beyond
    waits = corosync.last("totem", "consensus") if corosync else None
    is_told = waits is not None and re.fullmatch(r"\d{1,9}", waits.value)
    return [Part("token" if not beyond else f"token with {_COEFFICIENT:g} s for each node beyond two", round(whole, 2),
                 told.place if told else ""),
            Part("consensus", int(waits.value) / 1000 if is_told else round(1.2 * whole, 2),
                 waits.place if is_told else "")]


def _slowest(original: Original) -> tuple[str, float]:
    """(the unit whose parts take longest to start, with what is promoted before it; s)."""
    cib, sums = original.cib, {}
    for one in cib.resources:
        sums[one.unit] = sums.get(one.unit, 0.0) + usual_start(one.agent)
    # what must run before is already there on the other node where it is a clone, unless it is to be promoted
    units = {name: time for name, time in sums.items() if name not in cib.clones} or sums
    for one in cib.constraints("rsc_order", "rsc_colocation"):
        unit, other = ((cib.unit_of(one.get("then")), cib.unit_of(one.get("first"))) if one.tag == "rsc_order" else
                       (cib.unit_of(one.get("rsc")), cib.unit_of(one.get("with-rsc"))))
        if unit in units and other in sums and cib.is_promotable(other) and sums[other]:
            units[unit] += sums[other]
            sums[other] = 0.0
    return max(units.items(), key=lambda one: one[1], default=("", 0.0))


def _grace(original: Original) -> float:
    if not original.cib or not any(one.type == "nfsserver" for one in original.cib.resources):
        return 0.0
    for one in original.own:
        match = re.search(r"^\s*grace-time\s*=\s*(\d{1,4})", one.source.text, re.MULTILINE)
        if match:
            return float(match[1])
    return 90.0


def _heartbeat(original: Original) -> list[Part]:
    def time(word: str, otherwise: float) -> Part:
        told = original.ha_cf[0].all(word)
        value = seconds(told[-1][1][0]) if told and told[-1][1] else None
        return Part(word, otherwise if value is None else value, original.ha_cf[0].at(told[-1][0]) if told else "")
    fences = original.ha_cf[0].all("stonith") or original.ha_cf[0].all("stonith_host")
    starts = max((2.0 * (len(words) - 1) for _, words in original.haresources[0].lines), default=0.0)
    return [time("deadtime", 30.0), Part("STONITH, and a server that goes off and on", 10.0 if fences else 0.0),
            Part("starts of the resources (assumed)", starts)]


def _vrrp(original: Original) -> list[Part]:
    blocks = [block for one in original.keepalived for block in one.root.all("vrrp_instance") if block.body]
    adverts = [seconds(told.value) or 1.0 for block in blocks if (told := block.last("advert_int"))] or [1.0]
    checks = [(seconds(told.value) or 1.0) * (int(fall.value) if (fall := script.last("fall")) and fall.value.isdigit()
                                              else 1)
              for one in original.keepalived for script in one.root.all("vrrp_script")
              if (told := script.last("interval"))]
    return [Part("three adverts", 3 * max(adverts)), Part("skew", 0.6),
            Part("the slowest check, as often as it must fail", max(checks, default=0.0))]


def _cman(original: Original) -> list[Part]:
    root = original.cluster_conf[1]
    totem = next(root.all("totem"), None)

    def milliseconds(word: str, otherwise: float) -> float:
        text = totem.get(word) if totem else ""
        return int(text) / 1000 if re.fullmatch(r"\d{1,9}", text) else otherwise
    token = milliseconds("token", 10.0)
    services = [one for one in root.walk() if one.tag == "service"]
    starts = max((5.0 * sum(1 for _ in one.walk()) - 5 for one in services), default=0.0)
    return [Part("token", token), Part("consensus", milliseconds("consensus", 1.2 * token)),
            Part("fencing", 15.0), Part("starts of the slowest service (assumed)", starts)]
