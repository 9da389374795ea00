"""What a fault is, and the one that injects them: journal first, then inject, confirm, heal, confirm healed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from fenceline.core.errors import FaultError, FencelineError, Timeout
from fenceline.core.registry import Registry
from fenceline.faults.claims import Claim, Claims
from fenceline.faults.parameters import Node, read, types_of

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.cost import Cost
    from fenceline.model.topology import Topology


class Fault(Protocol):
    """A frozen dataclass: a fault with its parameters, what it costs, and its undo.

    ``costs`` says what is taken away while it is in force, whatever the parameters name: that there is no such node
    is said by ``inject``. The judge goes by it alone.

    ``confirm`` and ``confirm_healed`` return what was observed, independently of the command that did it, and
    raise ``FaultError`` where it is not so. ``heal`` works on a node that is hung, fenced or cut off, and may be
    repeated. ``claims(topology)`` says what it holds meanwhile (``fenceline.faults.claims``), ``needs`` what there
    must be of the topology, the host and the guests (``fenceline.faults.fitting``, ``fenceline.faults.requirements``).
    One that ends by itself says so by ``lasts``. ``says`` and ``heal_says`` are
    its sentences (``fenceline.faults.says``), ``samples`` the parameters by which it is shown what it costs
    (``fenceline.steps.fault_costs``). ``drawn`` are those by which chaos draws it, where that is not all of them:
    none, where it is a defect, under which no cluster keeps its promises.
    """

    name: ClassVar[str]

    @property
    def targets(self) -> tuple[str, ...]: ...
    def costs(self, topology: Topology) -> Cost: ...
    def inject(self, cluster: Cluster) -> None: ...
    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]: ...
    def heal(self, cluster: Cluster) -> None: ...
    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]: ...


@dataclass(frozen=True)
class OnNode:
    """What every fault of one machine has: the machine, which is what it hits."""

    node: Node

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)


class EndsByItself:
    """What a fault has that ends after its parameter ``seconds``, healed or not."""

    seconds: float

    @property
    def lasts(self) -> float:
        """After how long it ends (s)."""
        return self.seconds


class OnCluster:
    """What every fault has that hits no machine in particular."""

    @property
    def targets(self) -> tuple[str, ...]:
        return ()


def lasts(fault: Fault) -> float | None:
    """After how many seconds ``fault`` ends by itself; None: only by being healed. Its class says it as ``lasts``."""
    return getattr(fault, "lasts", None)


#: Every fault that can be injected, by its name.
FAULTS: Registry[type] = Registry("fault")


def fault(cls: type) -> type:
    """Registers a fault class under its ``name``.

    Raises:
        TypeError: it is no dataclass, its name is taken, or it does not say what it costs or what a parameter takes.
    """
    if not is_dataclass(cls):
        raise TypeError(f"{cls.__name__}: the fault {cls.name!r} is no dataclass")
    if not callable(getattr(cls, "costs", None)):
        raise TypeError(f"{cls.__name__}: the fault {cls.name!r} does not say what it costs (costs(topology) -> Cost): "
                        "what may be demanded of the cluster meanwhile would not be known")
    types_of(cls)  # or its error
    return FAULTS.register(cls.name, cls)


def family_of(cls: type) -> tuple[str, str, str]:
    """What the module of the fault class ``cls`` says of its faults as its FAMILY: title, where they are made, and what
    undoes them."""
    return getattr(sys.modules[cls.__module__], "FAMILY", (cls.__module__, "as its code says", "likewise"))


def make_fault(name: str, **parameters: Any) -> Fault:
    """The fault ``name`` with ``parameters``.

    Raises:
        FaultError: no such fault or parameter, or one out of its range.
    """
    cls = FAULTS.get(name)
    if cls is None:
        raise FaultError(FAULTS.unknown(name))
    known = [field.name for field in fields(cls)]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise FaultError(f"fault {name}: no parameter {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        return cls(**read(cls, parameters))
    except (TypeError, ValueError) as error:
        raise FaultError(f"fault {name}: {error}") from error


@dataclass
class ActiveFault:
    """A fault in force. ``evidence`` is what confirmed it."""

    id: int
    fault: Fault
    entry: int
    begun_ns: int
    evidence: dict[str, Any] | None = None
    healed: bool = False


class FaultControl:
    """Injects and heals the faults of one cluster, in the journal and in the event log."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ids = itertools.count(1)
        self.active: list[ActiveFault] = []

    def inject(self, fault: Fault, drawn: bool = False) -> ActiveFault:
        """Injects ``fault`` and waits until it is confirmed. One that was ``drawn`` is one of many: that it took no
        effect does not spoil what the others prove.

        Raises:
            FaultError: it can't be injected, is refused, or took no effect: the run is INVALID.
        """
        log = self._cluster.log
        parameters = asdict(fault)
        refusal = self.refusal(fault)
        if refusal is not None:
            # nothing was done, costs anything or is to be healed; but whoever judges must know that it was not done
            number = next(self._ids)
            log.record("fault", None, "fault.begin", {"id": number, "fault": fault.name,
                                                      "targets": list(fault.targets), "params": parameters, "cost": {}})
            log.record("fault", None, "fault.unconfirmed", {"id": number, "reason": refusal})
            raise FaultError(refusal)
        entry = self._cluster.journal.begin("fault", name=fault.name, parameters=parameters)
        number = next(self._ids)
        begun = log.record("fault", None, "fault.begin", {
            "id": number, "fault": fault.name, "targets": list(fault.targets), "params": parameters,
            "cost": fault.costs(self._cluster.topology).as_dict(), **({"drawn": True} if drawn else {}),
            **({"lasts_s": lasts(fault)} if lasts(fault) is not None else {})})
        active = ActiveFault(number, fault, entry, begun.t_ns)
        self.active.append(active)
        try:
            fault.inject(self._cluster)
            log.record("fault", None, "fault.injected", {"id": number})
            active.evidence = fault.confirm(self._cluster, begun.t_ns)
        except FencelineError as error:
            log.record("fault", None, "fault.unconfirmed", {"id": number, "reason": error.message})
            raise FaultError(f"the fault {fault.name} on {', '.join(fault.targets) or 'the cluster'} "
                             f"took no effect: {error.message}") from error
        log.record("fault", None, "fault.confirmed", {"id": number, "evidence": active.evidence})
        return active

    def refusal(self, fault: Fault) -> str | None:
        """Why ``fault`` is not for this cluster, or not now, in words; None where nothing speaks against it."""
        from fenceline.faults.fitting import misfit
        return misfit(fault, self._cluster.topology) or self._claims().conflict(fault)

    def _claims(self) -> Claims:
        return Claims(self._cluster.topology, self.active, self._cluster.log.events,
                      self._cluster.clock)

    def keeps(self, fault: Fault, claim: Claim) -> bool:
        """Whether another fault than ``fault``, which is just being healed, holds ``claim`` of it."""
        one = next((active for active in self.active if active.fault is fault), None)
        return one is not None and bool(self._claims().holders(one, claim))

    def heal(self, active: ActiveFault) -> None:
        """Heals one fault; healing twice does nothing.

        Raises:
            FencelineError: it can't be healed; said in the log. The machines are then unfit for reuse.
        """
        if active.healed:
            return
        log = self._cluster.log
        try:
            others = self._claims().left_to(active)
            if others:
                evidence = {"left_to": [f"{other.id} ({other.fault.name})" for other in others]}
            else:
                active.fault.heal(self._cluster)
                evidence = active.fault.confirm_healed(self._cluster)
        except FencelineError as error:
            log.record("fault", None, "fault.unhealed", {"id": active.id, "reason": error.message})
            raise
        active.healed = True
        self.active.remove(active)
        self._cluster.journal.done(active.entry)
        log.record("fault", None, "fault.healed", {"id": active.id, "evidence": evidence})

    def heal_all(self) -> list[str]:
        """Heals whatever is in force, newest first; returns what could not be healed, in words."""
        problems = []
        for active in list(reversed(self.active)):
            try:
                self.heal(active)
            except FencelineError as error:
                problems.append(f"{active.fault.name}: {error.message}")
        return problems

    def in_force(self, name: str) -> list[ActiveFault]:
        """The active faults called ``name``."""
        return [active for active in self.active if active.fault.name == name]


def observed(cluster: Cluster, predicate: Callable, within: float, what: str, since_ns: int) -> float:
    """Waits for an event that confirms a fault; returns the seconds waited.

    Raises:
        FaultError: it did not come within ``within`` seconds.
    """
    try:
        return cluster.log.wait_for(predicate, within, what, since_ns)[1]
    except Timeout as error:
        raise FaultError(f"not confirmed: {error.message}") from error


def is_event(kind: str, node: str | None = None, **data: Any) -> Callable:
    """A predicate: an event of ``kind`` (of ``node``) whose data has these values."""
    def predicate(event: Any) -> bool:
        return (event.kind == kind and (node is None or event.node == node)
                and all(event.data.get(key) == value for key, value in data.items()))
    return predicate
