"""What a service acknowledged is there afterwards: once, in order, and nothing from beyond the grave."""

from __future__ import annotations

from collections import Counter, defaultdict

from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, SECOND, History
from fenceline.judge.promise import promise
from fenceline.judge.replicas import allowance
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: What was given to a machine's card before it stopped may still be answered by what it did before: none, but stamps of
#: two threads differ by so much (ns).
SLACK_NS = SECOND // 10


@promise("no lost acknowledgement", order=80, safety=True,
         breaks="a record that the ledger service or the database acknowledged was not there afterwards, exactly "
                "once and in order")
def no_lost_acknowledgement(history: History) -> Finding:
    """Every record that was acknowledged before the ledger was read is in it exactly once and in order, no record is in
    it twice or was never written, and none that a node wrote is younger than that node's fencing.

    An append without an answer may be there or not. Acknowledgements that nobody read back leave it open. On a replica
    that is not synchronous the last ones before a power cut may be lost, as the topology's protocol has it
    (``replicas.allowance``): that is counted, and no break of the promise.
    """
    tally = Tally("no lost acknowledgement")
    appends: dict[str, list[Event]] = defaultdict(list)
    for event in history.kinds("append"):
        appends[str(event.data.get("service"))].append(event)
    notes = []
    for service, events in appends.items():
        reads = [event for event in history.kinds("ledger.read") if event.data.get("service") == service]
        acknowledged = [event for event in events if event.data.get("ok")]
        for read in reads:
            _judge_read(history, tally, service, events, read)
        last_ns = max((event.data["sent_ns"] for event in reads), default=None)
        if acknowledged and (last_ns is None or all(event.t_ns > last_ns for event in acknowledged)):
            why = next((f": {event.data.get('error')}" for event in reversed(history.kinds("ledger.unread"))
                        if event.data.get("service") == service), "")
            # while a scenario still runs, this is asked of a log that is not over
            tally.add(Verdict.UNKNOWN, history.end_ns, f"{len(acknowledged)} records of {service} were acknowledged "
                      f"and never read back{why}")
        checked = sum(event.t_ns <= (last_ns or 0) for event in acknowledged)
        note = f"{service}: {checked} acknowledged records are there, once and in order"
        lost = lost_records(history, service)
        if lost:
            excuse = allowance(history, service, lost, acknowledged)
            note = (f"{service}: {len(lost)} of {checked} acknowledged records are lost ({_span(lost)}), which the "
                    f"topology allows: {excuse.why if excuse else ''}")
        notes.append(note)
    return tally.finding("; ".join(notes) or "not judged: no client wrote to a ledger")


def _judge_read(history: History, tally: Tally, service: str, appends: list[Event], read: Event) -> None:
    sent = {event.data["id"]: event for event in appends}
    first, newest = min(sent), max(sent) + 1  # one may be under way, without its event yet
    records = read.data.get("records") or []
    at = history.at(read.t_ns)
    for number, text, _ in records:
        if number is None:
            tally.add(Verdict.FAIL, read.t_ns, f"the ledger of {service}, read at {at}, has a line that nobody wrote: "
                      f"{text!r}", without_records(read))
    ours = [(number, node) for number, node, _ in records if number is not None and number >= first]
    for number, count in Counter(number for number, _ in ours).items():
        if count > 1:
            tally.add(Verdict.FAIL, read.t_ns, f"record {number} of {service} is there {count} times, read at {at}",
                      sent.get(number), without_records(read))
        if number > newest:
            tally.add(Verdict.FAIL, read.t_ns, f"record {number} of {service} is there, and nobody wrote it",
                      without_records(read))
    owed = _owed(appends, read)
    lost = _missing(owed, read)
    excuse = allowance(history, service, lost, owed)
    if lost and not (excuse and excuse.allowed):
        by = ", ".join(sorted({str(event.data.get("from")) for event in lost}))
        tally.add(Verdict.FAIL, lost[0].t_ns, f"{len(lost)} acknowledged records of {service} are lost "
                  f"({_span(lost)}), acknowledged by {by} from {history.at(lost[0].t_ns)} to "
                  f"{history.at(lost[-1].t_ns)}, missing at {at}{'; ' + excuse.why if excuse else ''}", *lost[:5],
                  without_records(read))
    _judge_order(history, tally, service, [sent[number] for number, _ in ours if number in sent],
                 {event.data["id"] for event in owed}, read)
    for number, node in ours:
        if number in sent:
            _judge_author(history, tally, service, sent[number], node, read)


def _judge_order(history: History, tally: Tally, service: str, stand: list[Event], acknowledged: set[int],
                 read: Event) -> None:
    """What was acknowledged before another record was even sent stands before it. ``stand``: as they were read."""
    newest: Event | None = None
    for append in stand:
        if newest is not None and append.data["id"] in acknowledged and append.t_ns < newest.data["sent_ns"]:
            tally.add(Verdict.FAIL, read.t_ns, f"record {append.data['id']} of {service} stands after record "
                      f"{newest.data['id']}, read at {history.at(read.t_ns)}", append, newest, without_records(read))
            return
        if newest is None or append.data["sent_ns"] > newest.data["sent_ns"]:
            newest = append


def _owed(appends: list[Event], read: Event) -> list[Event]:
    """What was acknowledged before ``read`` was asked for."""
    return [event for event in appends if event.data.get("ok") and event.t_ns < read.data["sent_ns"]]


def _missing(owed: list[Event], read: Event) -> list[Event]:
    there = {number for number, _, _ in read.data.get("records") or ()}
    return [event for event in owed if event.data["id"] not in there]


def _span(lost: list[Event]) -> str:
    return f"{lost[0].data['id']}" + (f" to {lost[-1].data['id']}" if len(lost) > 1 else "")


def lost_records(history: History, service: str) -> list[Event]:
    """The acknowledged appends that were not there when the ledger of ``service`` was last read."""
    reads = [event for event in history.kinds("ledger.read") if event.data.get("service") == service]
    appends = [event for event in history.kinds("append") if event.data.get("service") == service]
    return _missing(_owed(appends, reads[-1]), reads[-1]) if reads else []


def _judge_author(history: History, tally: Tally, service: str, append: Event, node: str, read: Event) -> None:
    """Who was off when a record was sent did not write it."""
    sent_ns = append.data["sent_ns"]
    for interval in history.power.get(node, ()):
        if interval.value != OFF or interval.start.event is None:
            continue
        if interval.start.latest_ns + SLACK_NS < sent_ns and (
                interval.end is None or append.t_ns < interval.end.earliest_ns):
            tally.add(Verdict.FAIL, append.t_ns, f"record {append.data['id']} of {service}, sent at "
                      f"{history.at(sent_ns)}, bears the name of {node}, which was off since "
                      f"{history.at(interval.start.latest_ns)}", interval.start.event, append, without_records(read))


def without_records(read: Event) -> Event:
    """The reading without its records: they would fill a verdict."""
    data = {key: value for key, value in read.data.items() if key != "records"}
    return Event(read.t_ns, read.source, read.node, read.kind, data | {"records": len(read.data.get("records") or ())},
                 read.late_ns)
