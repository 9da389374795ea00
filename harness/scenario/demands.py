"""What a step demands, counted from one moment: that something happens in time, or does not happen.

The moment is fixed when the step begins to wait: what is injected meanwhile, in another thread, moves no deadline.
Where the host took so much of the time as decides, nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fenceline.core.errors import ClusterError, FencelineError, Timeout, Undecided
from fenceline.judge.host import LITTLE, host_took
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict
from fenceline.observe.log import EventLog

if TYPE_CHECKING:
    from fenceline.cluster.cluster import Cluster


class NotInTime(AssertionError):
    """A promise about time was broken."""


class Demands:
    """Demands on what ``log`` shows of ``cluster``, whose seconds are counted from ``begin_ns``, the last fault."""

    def __init__(self, log: EventLog, cluster: Cluster, begin_ns: int) -> None:
        self._log, self._cluster, self.begin_ns = log, cluster, begin_ns

    def event(self, predicate: Callable[[Event], bool], within: float, what: str) -> Event:
        """Demands an event since then; returns it.

        Raises:
            AssertionError: it did not come within ``within`` seconds, or came too late: which.
        """
        try:
            event, _ = self._log.wait_for(predicate, max(0.0, within - self._gone()), what, self.begin_ns)
        except Timeout:
            raise self._late(f"{what}: not within {within:g} s of the fault", within,
                             self._comes(predicate, what)) from None
        took = (event.t_ns - self.begin_ns) / 1e9
        if took > within:
            message = f"{what}: too late, after {took:.1f} s; {within:g} s were allowed"
            raise self._verdict(message, within, event.t_ns)
        self._cluster.progress(f"{what}: {took:.2f} s after the fault")
        return event

    def none(self, predicate: Callable[[Event], bool], seconds: float, what: str) -> None:
        """Demands that no such event came since the last fault, nor comes in the next ``seconds``.

        Raises:
            AssertionError: it did.
        """
        try:
            event, _ = self._log.wait_for(predicate, seconds, what, self.begin_ns)
        except Timeout:
            return
        took = (event.t_ns - self.begin_ns) / 1e9
        raise AssertionError(f"{what}, {took:.1f} s after the fault: {event.node or ''} {event.kind} {event.data}")

    def becomes(self, condition: Callable[[], bool], within: float, what: str) -> float:
        """Demands what no event announces; returns the seconds that it took.

        Raises:
            AssertionError: it was not so in time.
            Undecided: it is so, but was not looked at in time.
        """
        def quietly() -> bool:
            try:
                return condition()
            except FencelineError:
                return False  # a cluster in the middle of a failover may not tell its state
        begun = self._gone()
        try:
            self._cluster.poll(quietly, max(0.0, within - begun), what, NotInTime)
        except NotInTime as error:
            raise self._late(str(error), within, self._becomes(quietly, what)) from None
        return self._in_time(begun, within, what)

    def broken(self, promise: str, within: float, look: Callable[[], Finding]) -> None:
        """Demands that the log shows ``promise`` to have been broken at a moment before ``within`` seconds after the
        last fault were over; ``look`` finds out.

        Raises:
            AssertionError: it was not, or later.
            Undecided: neither, but the host took so much of that time as decides.
        """
        found: list[Finding] = []

        def is_broken() -> bool:
            found[:] = [look()]
            return found[0].verdict is Verdict.FAIL
        what = f"the promise {promise!r} to break"
        try:
            self._cluster.poll(is_broken, max(0.0, within - self._gone()), what, NotInTime)
        except NotInTime as error:
            raise self._late(str(error), within, self._becomes(is_broken, what)) from None
        took = max(0.0, (found[0].at_ns - self.begin_ns) / 1e9)  # an outage begins with what was answered before
        if took > within:
            raise self._verdict(f"waited for {what}: it did too late, after {took:.1f} s; {within:g} s were allowed",
                                within, found[0].at_ns)
        self._cluster.progress(f"{promise}: broken {took:.2f} s after the fault")

    def no_more(self, predicate: Callable[[int], Callable[[Event], bool]], within: float, quiet: float,
                what: str) -> float:
        """Demands a time of ``quiet`` seconds without an event that satisfies ``predicate(since its begin)``, which
        begins within ``within`` seconds of the last fault. Returns the seconds from the fault to its begin.

        Raises:
            AssertionError: the events went on.
        """
        begin = self.begin_ns
        while (begin - self.begin_ns) / 1e9 <= within:
            try:
                left = max(0.0, quiet - (self._log.clock.now_ns() - begin) / 1e9)
                event, _ = self._log.wait_for(predicate(begin), left, what, begin)
            except Timeout:
                return (begin - self.begin_ns) / 1e9
            begin = max(event.t_ns, event.data.get("sent_ns", 0) + 1)
        raise AssertionError(f"{what}: not within {within:g} s of the fault")

    def whole(self, within: float) -> float:
        """Demands a whole cluster: all members, all resources, all answering; counted from the last fault or heal.

        Raises:
            AssertionError: it was not whole in time.
            Undecided: it is whole, but was not looked at in time.
        """
        begun = self._gone()
        try:
            self._cluster.wait_whole(max(0.0, within - begun))
        except ClusterError as error:
            raise self._late(error.message, within, self._becomes(
                lambda: not self._cluster.problems(), "the cluster whole")) from error
        return self._in_time(begun, within, "the cluster whole")

    def comes(self, predicate: Callable[[Event], bool], within: float, what: str) -> None:
        """Demands an event within ``within`` seconds of now, where that is the moment.

        Raises:
            AssertionError: it did not come.
            Undecided: neither, but the host took so much of that time as decides.
        """
        try:
            self._log.wait_for(predicate, within, what, self.begin_ns)
        except Timeout as error:
            raise self._late(error.message, within, self._comes(predicate, what)) from None

    def comes_not(self, predicate: Callable[[int], Callable[[Event], bool]], seconds: float, what: str) -> None:
        """Demands that no event satisfies ``predicate(the moment)`` in the next ``seconds``.

        Raises:
            AssertionError: one did.
        """
        since = self.begin_ns
        try:
            event, waited = self._log.wait_for(predicate(since), seconds, what, since)
        except Timeout:
            return
        raise AssertionError(f"{what}, {waited:.1f} s after this step began: {event.data}")

    def _gone(self) -> float:
        """The seconds since the moment."""
        return (self._log.clock.now_ns() - self.begin_ns) / 1e9

    def _in_time(self, begun: float, within: float, what: str) -> float:
        """The seconds from the last fault to now, when ``what`` was found to be so, if they are not more than
        ``within``; the first look was at ``begun``."""
        took = self._gone()
        if begun > within:
            raise Undecided(f"{what}: it is so {took:.1f} s after the fault; whether it was so within {within:g} s "
                            "can't be told, as the steps before this one took longer than that: put it earlier")
        if took > within:
            raise self._verdict(f"{what}: seen only after {took:.1f} s; {within:g} s were allowed", within,
                                self._log.clock.now_ns())
        self._cluster.progress(f"{what}: {took:.2f} s after the fault")
        return took

    def _verdict(self, message: str, within: float, end_ns: int) -> FencelineError | AssertionError:
        """What to raise where ``message`` says that something took until ``end_ns``, which is longer than ``within``
        seconds: the cluster's failure, unless the host took so much of it as decides."""
        took, host = (end_ns - self.begin_ns) / 1e9, host_took(self._log.events(), self.begin_ns, end_ns)
        if took - host <= within:
            return Undecided(f"{message}; but for {host:.1f} s of {took:.1f} s machines that had something to do "
                             "waited for a CPU of the host")
        return NotInTime(f"{message} (the host took {host:.1f} s of {took:.1f} s)" if host >= LITTLE else message)

    def _late(self, message: str, within: float, is_so: Callable[[float], bool]) -> FencelineError | AssertionError:
        """As ``_verdict``, where it has not happened yet. While the host may be all that kept it from that, it is
        waited for (``is_so``, for so many seconds), but no longer than as long again: on a host that runs the machines
        it never is."""
        while True:
            found = self._verdict(message, within, self._log.clock.now_ns())
            if isinstance(found, AssertionError) or self._gone() > 2 * within or is_so(0.5):
                return found

    def _comes(self, predicate: Callable[[Event], bool], what: str) -> Callable[[float], bool]:
        def is_so(seconds: float) -> bool:
            try:
                self._log.wait_for(predicate, seconds, what, self.begin_ns)
            except Timeout:
                return False
            return True
        return is_so

    def _becomes(self, condition: Callable[[], bool], what: str) -> Callable[[float], bool]:
        def is_so(seconds: float) -> bool:
            try:
                self._cluster.poll(condition, seconds, what, NotInTime)
            except NotInTime:
                return False
            return True
        return is_so
