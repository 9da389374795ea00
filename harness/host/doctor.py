"""``fenceline doctor``: the checks of the host, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from fenceline.host.checks import (
    BUILD,
    LIBVIRT,
    PROGRAMS,
    RUN,
    SPACES,
    UML,
    Check,
    State,
    cores,
    image,
    journals,
    kvm,
    memory,
    netem,
    packages,
    root,
    shared_memory,
    tun,
    without_root,
)
from fenceline.host.info import Host

CHECKS: tuple[Callable[[Host], Check], ...] = (
    root,
    tun,
    *PROGRAMS,
    kvm,
    netem,
    image,
    *SPACES,
    shared_memory,
    memory,
    cores,
    packages,
    journals,
    without_root,
)


@dataclass(frozen=True, slots=True)
class Examination:
    """All checks; the ``drivers`` that work ("uml", "libvirt (kvm)", ...); ``is_ready`` for a run."""

    checks: tuple[Check, ...]
    drivers: tuple[str, ...]
    is_ready: bool


def examine(host: Host, checks: Iterable[Callable[[Host], Check]] = CHECKS) -> Examination:
    """Runs ``checks``. An image that is there needs no tools to build it."""
    done = [check(host) for check in checks]
    if host.image() is not None:
        done = [replace(check, needed_by=()) if check.needed_by == (BUILD,) else check for check in done]
    lacking = {part for check in done if check.state is State.MISSING for part in check.needed_by}
    accelerated = any(check.name == "KVM" and check.state is State.OK for check in done)
    drivers = []
    if not lacking & {RUN, BUILD}:
        drivers += ["uml"] if UML not in lacking else []
        drivers += [f"libvirt ({'kvm' if accelerated else 'tcg'})"] if LIBVIRT not in lacking else []
    return Examination(tuple(done), tuple(drivers), bool(drivers))


def report(found: Examination) -> str:
    """The examination as text: a line a check, and what it comes to."""
    width = max(len(check.name) for check in found.checks)
    lines = []
    for check in found.checks:
        lines.append(f"{check.state:<8} {check.name:<{width}}  {check.text}")
        if check.fix:
            only = {
                (UML,): " (only for --driver=uml)",
                (LIBVIRT,): " (only for --driver=libvirt)",
                (): " (not needed now)",
            }.get(check.needed_by, "")
            lines.append(f"{'':<8} {'':<{width}}  -> {check.fix}{only}")
    lines.append("")
    lines.append(f"drivers that work: {', '.join(found.drivers) or 'none'}")
    if not found.is_ready:
        lines.append("not ready: see what is missing above; the lines with -> say what to do about it")
    return "\n".join(lines)
