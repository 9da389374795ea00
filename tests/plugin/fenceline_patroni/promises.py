"""A promise that only Patroni makes: a lease is waited out."""

from __future__ import annotations

from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, SECOND, History, Interval
from fenceline.judge.promise import promise
from fenceline.model.verdict import Finding, Verdict


@promise("the lease is waited out", order=310, safety=True, says="the lease was waited out",
         breaks="the address of a leader that lost its power was taken before its lease could have ended")
def lease_waited_out(history: History) -> Finding:
    """Who takes the address of a leader that was switched off does not take it before the end of the lease, which was
    renewed ``loop_wait`` ago at the most, or while PostgreSQL and etcd were asked again (``retry_timeout``)."""
    tally = Tally("the lease is waited out")
    stack = history.topology.stack
    if stack.kind != "patroni":
        return tally.finding("not judged: there is no lease")
    least_ns = round((stack.ttl - stack.loop_wait - stack.retry_timeout) * SECOND)
    taken = 0
    for _, intervals in history.held("address"):
        for before, now in zip(intervals, intervals[1:], strict=False):
            off = _switched_off(history, before)
            if now.node == before.node or off is None:
                continue
            taken += 1
            at_most = now.start.latest_ns - off.start.earliest_ns
            if at_most < least_ns:
                tally.add(Verdict.FAIL, now.start.latest_ns, f"{now.node} took the address {at_most / SECOND:.1f} s "
                          f"after {before.node} lost its power, whose lease had {least_ns / SECOND:g} s at least",
                          *now.events)
    return tally.finding(f"{taken} of a leader that was off" if taken else "no leader lost its power")


def _switched_off(history: History, held: Interval) -> Interval | None:
    """The time that the power of whoever ``held`` the address was off, if that ended it."""
    return next((one for one in history.power.get(held.node, ()) if one.value == OFF and held.end is not None
                 and held.start.earliest_ns <= one.start.earliest_ns <= held.end.latest_ns), None)
