"""Whether the log can carry a verdict at all."""

from __future__ import annotations

from fenceline.judge.faultlog import ends_ns, fault_records, serves_clients, was_off
from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, ON, SECOND, History
from fenceline.judge.requests import requests_of, stalls
from fenceline.model.event import left_by_itself
from fenceline.model.verdict import Finding, Verdict

#: For so long (ns) the client may have been kept from asking.
STALL_NS = SECOND
#: So long (ns) a client waits for an answer.
PATIENCE_NS = SECOND
#: A log whose last questions are older than this (ns) does not say how it ended.
TAIL_NS = 10 * SECOND
#: A guest that is heard so long (ns) after its power was cut was not off: its pipe is drained in an instant.
AFTERLIFE_NS = SECOND
#: An agent that was silent for so long (ns) at the end has left what its node held unknown.
SILENCE_NS = 10 * SECOND


def evidence(history: History) -> Finding:
    """The log is usable: nothing of the harness broke, the cluster was ready, every fault took effect (of those that
    chaos drew, at least one), clients asked without a pause and every member's agent was heard."""
    tally = Tally("evidence")
    for event in history.kinds("broken"):
        tally.add(Verdict.BROKEN, event.t_ns, f"{event.data.get('reason', 'no reason given')} "
                  f"(at {history.at(event.t_ns)})", event)
    if not history.by_kind.get("scenario.end"):
        tally.add(Verdict.BROKEN, history.log_end_ns, "the log has no end: whoever wrote it was killed, or could not "
                  "write any more")
    if history.ready_ns() is None:
        tally.add(Verdict.INVALID, history.start_ns, "the cluster was never ready")
    _judge_faults(history, tally)
    _judge_chaos(history, tally)
    _judge_clients(history, tally)
    _judge_guests(history, tally)
    count = len(history.by_kind.get("reply", ()))
    return tally.finding(f"{len(history.events)} events, {count} of them answers to clients")


def _judge_faults(history: History, tally: Tally) -> None:
    for record in fault_records(history):
        if record.confirmed_ns is not None and record.unconfirmed is None:
            end_ns = ends_ns(record)
            if end_ns is not None and record.healed_ns is None and end_ns > history.end_ns and not was_off(
                    history, record):
                tally.add(Verdict.UNKNOWN, history.end_ns, f"the log ends while {record.title} is in force, which "
                          f"lasts to {history.at(end_ns)}", record.begin)
            continue
        if record.begin.data.get("drawn"):
            continue  # its cost excuses as if it were in force: what it may have done is owed by nobody
        why = f": {record.unconfirmed}" if record.unconfirmed else ""
        tally.add(Verdict.INVALID, record.begin.t_ns, f"the fault {record.title}, begun at "
                  f"{history.at(record.begin.t_ns)}, was never confirmed{why}", record.begin)


def _judge_chaos(history: History, tally: Tally) -> None:
    """Of many faults some may find nothing to do; where none took effect, nothing was tried."""
    for event in history.kinds("chaos"):
        drawn = [record for record in fault_records(history) if record.begin.data.get("drawn")]
        if not any(record.confirmed_ns is not None for record in drawn):
            tally.add(Verdict.INVALID, event.t_ns, f"of the {event.data.get('actions', 0)} actions of the chaos that "
                      f"began at {history.at(event.t_ns)} none was confirmed to take effect", event)


def _judge_clients(history: History, tally: Tally) -> None:
    for event in history.kinds("observer.stall"):
        length_ns = float(event.data.get("seconds", 0)) * SECOND
        if length_ns > STALL_NS and event.t_ns <= history.end_ns:
            tally.add(Verdict.BROKEN, event.t_ns, f"the observer was stalled for {length_ns / SECOND:.1f} s until "
                      f"{history.at(event.t_ns)}", event)
    ready_ns = history.ready_ns() or history.start_ns
    for name, service in history.topology.services.items():
        if not serves_clients(service):
            continue
        requests = requests_of(history, name)
        if not requests:
            tally.add(Verdict.INVALID, history.start_ns, f"no client asked {name}: without load nothing is proven")
            continue
        for begin_ns, length_ns in stalls(requests, STALL_NS):
            # what was asked last may still wait for its answer, and is not in the log
            length_ns = min(length_ns, history.log_end_ns - PATIENCE_NS - begin_ns)
            if length_ns > STALL_NS and begin_ns + length_ns > ready_ns:
                tally.add(Verdict.BROKEN, begin_ns, f"the observer was stalled for {length_ns / SECOND:.1f} s from "
                          f"{history.at(begin_ns)}: it did not ask {name}")
        last_ns = max(request.t_ns for request in requests)
        if history.end_ns - last_ns > TAIL_NS:
            tally.add(Verdict.BROKEN, last_ns, f"the observer was stalled for {(history.end_ns - last_ns) / SECOND:.1f}"
                      f" s at the end: it asked {name} for the last time at {history.at(last_ns)}")
        first_ns = min(request.sent_ns for request in requests)
        fault_ns = history.first_fault_ns()
        if fault_ns is not None and first_ns > fault_ns:
            tally.add(Verdict.INVALID, fault_ns, f"no client asked {name} before the first fault, at "
                      f"{history.at(fault_ns)}")


def _judge_guests(history: History, tally: Tally) -> None:
    heard: dict[str, int] = {}
    for event in history.events:
        if event.source == "guest" and event.node is not None and event.t_ns <= history.end_ns:
            heard[event.node] = event.t_ns
    for node in history.power:
        _judge_power(history, tally, node)
    for node in history.topology.cluster_nodes:
        if node not in heard:
            tally.add(Verdict.INVALID, history.start_ns, f"nothing was heard from the agent of {node}: what it held "
                      "is not known")
            continue
        running = next((interval for interval in history.power.get(node, ())
                        if interval.value == ON and interval.covers(history.end_ns)), None)
        # one that has not spoken since it was switched on is still booting, and holds nothing
        if running is not None and heard[node] >= running.start.latest_ns:
            silent_ns = history.end_ns - heard[node]
            if silent_ns > SILENCE_NS and history.by_kind.get("tick"):
                tally.add(Verdict.UNKNOWN, heard[node], f"the agent of {node} was silent for the last "
                          f"{silent_ns / SECOND:.1f} s, while its machine executed: what it held is not known")


def _judge_power(history: History, tally: Tally, node: str) -> None:
    """A machine that is off says nothing, and none dies before anybody did anything to it. One that was told to reboot
    or shut down from inside did not die; unless it was to come up."""
    fault_ns, ready_ns = history.first_fault_ns(), history.ready_ns()
    for interval in history.power[node]:
        event = interval.start.event
        if interval.value != OFF or event is None:
            continue
        why = event.data.get("why")
        if (why == "crash" or (left_by_itself(event) and (ready_ns is None or event.t_ns < ready_ns))) and (
                event.t_ns <= history.end_ns and (fault_ns is None or event.t_ns < fault_ns)):
            tally.add(Verdict.BROKEN, event.t_ns, f"the machine {node} stopped by itself at "
                      f"{history.at(event.t_ns)}, before any fault", event)
        until_ns = history.log_end_ns if interval.end is None else interval.end.earliest_ns - 1
        spoke = next((other for other in history.between(event.t_ns + AFTERLIFE_NS + 1, until_ns)
                      if other.node == node and other.source == "guest"), None)
        if spoke is not None:
            tally.add(Verdict.BROKEN, spoke.t_ns, f"{node} was said to be off since {history.at(event.t_ns)}, but its "
                      f"agent spoke at {history.at(spoke.t_ns)}", event, spoke)
