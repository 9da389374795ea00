"""What can go wrong outside of the cluster under test. None of these is an AssertionError: Allure shows them as
broken, never as failed."""

from __future__ import annotations

from typing import ClassVar


class FencelineError(Exception):
    """One clear message: what, where, and the way out. ``detail`` may hold more (a console's tail). ``status`` is the
    exit status of the command that it ends: 1, or 2 where what the user gave is wrong."""

    status: ClassVar[int] = 1

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message if not detail else f"{message}\n{detail}")
        self.message = message
        self.detail = detail


class HostError(FencelineError):
    """The host lacks something: a package, a permission, memory, disk space. The verdict is BROKEN."""


class MachineError(FencelineError):
    """A machine did not do what it was told: never booted, did not stop. The verdict is BROKEN."""


class ClusterError(FencelineError):
    """The cluster never formed, or a command of its software failed. The verdict is BROKEN."""


class ClusterSilent(ClusterError):
    """The guests can be reached, and none of those that were asked told the cluster's state: ``nodes`` were reached and
    did not tell, ``unreachable`` ones could not be asked. How long it may be silent is the judge's to say; the harness
    is not broken."""

    def __init__(self, message: str, detail: str = "", nodes: tuple[str, ...] = (),
                 unreachable: tuple[str, ...] = ()) -> None:
        super().__init__(message, detail)
        self.nodes, self.unreachable = nodes, unreachable


class Unreadable(ClusterError):
    """The cluster's software told something that the harness does not understand. The verdict is BROKEN."""


class FaultError(FencelineError):
    """A fault is unknown, has bad parameters, or did not take effect. The verdict is INVALID."""


class Undecided(FencelineError):
    """What a step demands could only be looked at too late to tell. The verdict is UNKNOWN."""


class Timeout(FencelineError):
    """A deadline passed; ``waited`` is the time spent (s)."""

    def __init__(self, message: str, waited: float, detail: str = "") -> None:
        super().__init__(message, detail)
        self.waited = waited
