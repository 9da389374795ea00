"""Whether the cluster was whole again once the faults had been healed."""

from __future__ import annotations

from fenceline.judge.faultlog import fault_records
from fenceline.judge.findings import Tally
from fenceline.judge.history import History
from fenceline.judge.promise import promise
from fenceline.model.verdict import Finding, Verdict


@promise("whole again", order=250,
         breaks="the faults were healed and the cluster did not become whole within `boot_time`, `boot_deadline` "
                "and `form_deadline` together: a member missing, a resource that does not run, a failed action, "
                "replicas that differ, a configuration that is not the same on all nodes; UNKNOWN where a fault "
                "could not be healed")
def whole_again(history: History) -> Finding:
    """At the end of a scenario, its faults healed, the cluster became whole within its time: all members, all
    resources, no failed action, replicas equal, the configuration the same on all nodes.

    Not asked for where the run had decided itself before, and of a log that was not brought to an end (one by hand).
    """
    tally = Tally("whole again")
    healing = history.kinds("healing")
    event = next(iter(history.kinds("whole")), None)
    if event is not None and event.data.get("skipped"):
        return tally.finding(f"not asked for: {event.data['skipped']}")
    if not healing:
        return tally.finding("not asked for: the log was closed before anything was healed")
    unhealed = [record for record in fault_records(history) if record.unhealed and record.healed_ns is None]
    for record in unhealed:
        tally.add(Verdict.UNKNOWN, healing[0].t_ns, f"the fault {record.title} could not be healed: {record.unhealed}",
                  record.begin)
    if event is None:
        tally.add(Verdict.UNKNOWN, healing[0].t_ns, f"the faults were healed from {history.at(healing[0].t_ns)} on; "
                  "whether the cluster became whole is not told", healing[0])
        return tally.finding("")
    problems = [str(problem) for problem in event.data.get("problems") or ()]
    # what a fault that is still in force keeps from becoming whole proves nothing
    if problems and not unhealed:
        tally.add(Verdict.FAIL, event.t_ns, f"not whole {float(event.data['seconds']):.1f} s after the faults were "
                  f"healed, {float(event.data['within']):g} s are allowed: {'; '.join(problems)}", event)
    return tally.finding(f"the cluster was whole {float(event.data['seconds']):.1f} s after the faults were healed"
                         + _by_hand(event.data))


def _by_hand(told: dict) -> str:
    """What the administrator had to do beside mending what the faults broke."""
    done = [f"{', '.join(told['switched_on'])} was left off and switched on by hand"] if told.get("switched_on") else []
    done += [f"failures were cleaned up: {', '.join(told['cleaned'])}"] if told.get("cleaned") else []
    return "; " + "; ".join(done) if done else ""
