"""Resources of a CIB: whether their death is noticed, what becomes of it, and whether they get their time."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.accept.advice import LOCKS, SELDOM, advised
from fenceline.accept.cibview import Primitive, points
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import Original

_KILLED = "the process of the service is killed"
_MOVED = "a clean move, and a node in standby"
_RETURN = "the lost node returns"
#: A threshold as large as that is never reached: it is none.
_NEVER = 1000
_HELPERS = ("MailTo", "anything", "Dummy", "ClusterMon", "ping", "pingd", "portblock", "sysinfo", "SysInfo")


def _resources(original: Original) -> list[Primitive]:
    return original.cib.resources if original.cib else []


@rule("no-monitor", "Pacemaker Explained, resource operations: monitor", _KILLED)
def no_monitor(original: Original, _budget: float) -> Iterator[Finding]:
    """A resource that is never looked at. What pcs makes has its agent's own monitor."""
    for one in _resources(original):
        if original.cib.by_pcs or one.type in _HELPERS:
            continue
        if not any(op.interval > 0 for op in one.ops("monitor")):
            told = one.ops("monitor")
            what = "its monitor has no interval" if told else "it has no monitor"
            yield at(told[0].place if told else one.place, text=f"{one.id}: {what}: nobody notices its death")


@rule("slow-monitor", "Pacemaker Explained, resource operations: interval", _KILLED)
def slow_monitor(original: Original, budget: float) -> Iterator[Finding]:
    """A monitor that comes later than the service may be away."""
    for one in _resources(original):
        told = [op for op in one.ops("monitor") if op.interval > 0 and one.type not in _HELPERS]
        if told and min(op.interval for op in told) > max(budget, SELDOM.get(one.agent, 0.0)):
            op = min(told, key=lambda op: op.interval)
            yield at(op.place, text=f"{one.id}: monitor every {op.interval:g} s, budget {budget:g} s: its death is "
                                    f"noticed after up to {op.interval / 60:g} minutes")


@rule("ignored-failure", "Pacemaker Explained, resource operations: on-fail", _KILLED)
def ignored(original: Original, _budget: float) -> Iterator[Finding]:
    """A failure that is noticed, and nothing is done."""
    for one in _resources(original):
        for op in one.operations:
            if op.on_fail == "ignore" and op.name in ("monitor", "start", "stop", "promote", "demote"):
                yield at(op.place, text=f"{one.id}: {op.name} with on-fail=ignore: what fails is left as it is, and "
                                        "the rest goes on beside it")
            elif op.on_fail == "block" and op.name == "monitor":
                yield at(op.place, text=f"{one.id}: monitor with on-fail=block: what died stays dead until somebody "
                                        "cleans up")


@rule("stop-blocks", "Pacemaker Explained, resource operations: on-fail of stop is fence where fencing is on", _MOVED)
def stop_blocks(original: Original, _budget: float) -> Iterator[Finding]:
    """A stop that fails is not fenced."""
    for one in _resources(original):
        for op in one.ops("stop"):
            if op.on_fail == "block" and original.cib.is_on("stonith-enabled", True):
                yield at(op.place, text=f"{one.id}: stop with on-fail=block: when it fails, the service stays half "
                                        "stopped where it is, and nobody is fenced for it")


@rule("short-timeout", "the agent's own metadata; systemd's DefaultTimeoutStopSec", _MOVED)
def short_timeout(original: Original, _budget: float) -> Iterator[Finding]:
    """Less time than the agent advises. What pcs makes has the agent's own where nothing is said."""
    for one in _resources(original):
        short = [(op, least) for op in one.operations if op.name not in ("meta-data", "validate-all")
                 and (least := advised(one.agent, op.name)) and op.timeout < least
                 and (op.says_timeout or not original.cib.by_pcs)]
        if short:
            text = ", ".join(f"{op.name} has {op.timeout:g} s{'' if op.says_timeout else ' by default'} (the advice is "
                             f"{least:g} s)" for op, least in short)
            yield at(*(op.place for op, _ in short), text=f"{one.id} ({one.agent}): {text}")


@rule("missing-timeout", "Pacemaker Explained, resource operations: timeout is 20 s by default", _MOVED)
def missing_timeout(original: Original, _budget: float) -> Iterator[Finding]:
    """No start or stop is said, and the default is less than the agent advises."""
    for one in _resources(original):
        if original.cib.by_pcs or "timeout" in original.cib.op_defaults:
            continue
        missing = [(action, least) for action in ("start", "stop") if not one.ops(action)
                   and (least := advised(one.agent, action)) and least > 20]
        if missing:
            text = " and ".join(f"{action} has Pacemaker's 20 s (the advice is {least:g} s)"
                                for action, least in missing)
            yield at(one.place, text=f"{one.id} ({one.agent}): {text}")


@rule("threshold-without-expiry", "Pacemaker Explained, meta attributes: migration-threshold, failure-timeout", _KILLED)
def threshold(original: Original, _budget: float) -> Iterator[Finding]:
    """Failures that are counted for ever: one day no node is left."""
    places: dict[str, list[str]] = {}
    for one in _resources(original):
        value, place = one.meta.get("migration-threshold", ("", ""))
        if 0 < points(value) < _NEVER and not one.meta.get("failure-timeout", ("0",))[0].strip("0smhin "):
            places.setdefault(place, []).append(one.id)
    for place, names in places.items():
        yield at(place, text=f"migration-threshold without failure-timeout ({', '.join(names)}): failures are counted "
                             "for ever; when each node has had its share, the service runs nowhere until somebody "
                             "cleans up")


@rule("clone-not-interleaved", "Pacemaker Explained, clones: interleave", _RETURN)
def interleave(original: Original, _budget: float) -> Iterator[Finding]:
    """A clone that depends on another: the return of one node restarts it everywhere."""
    cib = original.cib
    if cib is None:
        return
    for one in cib.constraints("rsc_order"):
        first, then = cib.unit_of(one.get("first")), cib.unit_of(one.get("then"))
        if first in cib.clones and then in cib.clones and first != then and one.get("kind", "Mandatory") == "Mandatory":
            meta = cib.meta_of(cib.clones[then])
            if meta.get("interleave", ("false", ""))[0].lower() not in ("true", "yes", "on", "1", "y"):
                yield at(cib.at(cib.clones[then]), text=(
                    f"the clone of {_inner(cib.clones[then])} has no interleave=true and comes after {first}: each "
                    f"instance waits for those of {first} on all nodes; when a node returns, it is stopped and started "
                    "on the others too"))


def _inner(clone: object) -> str:
    return next((one.get("id") for one in clone.children if one.get("id") and one.tag in ("group", "primitive")),
                clone.get("id"))


@rule("locks-not-fenced", "dlm_controld(8); Red Hat, Configuring GFS2: on-fail=fence", _KILLED)
def locks(original: Original, _budget: float) -> Iterator[Finding]:
    """DLM's death can't be mended but by fencing."""
    for one in _resources(original):
        if one.type in LOCKS and one.type != "lvmlockd":
            for op in one.ops("monitor"):
                if op.on_fail in ("restart", "stop"):
                    yield at(op.place, text=f"{one.id}: monitor with on-fail={op.on_fail}: the locks of a dlm that "
                                            "died are let go by fencing its node only", remark=True)


