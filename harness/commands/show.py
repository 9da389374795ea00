"""How statuses, verdicts and faults look on a terminal. Pure functions from plain data to text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as they need to be; the last one is not padded."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def status_text(status: dict[str, Any]) -> str:
    """A cluster's status for a person."""
    lines = [
        f"{status['name']}: topology {status['topology']} on {status['driver']}, id {status['id']}, "
        f"up since {status['since']}",
        f"run folder: {status['run']}",
        "",
    ]
    if status["problem"]:
        lines.append(f"the cluster does not tell its state: {status['problem']}")
    else:
        lines.append(
            f"quorum: {'yes' if status['quorate'] else 'NO'}; DC: {status['coordinator'] or 'none'} "
            f"(as {status['seen_by']} sees it)"
        )
    lines += [
        "",
        *table(
            ("NODE", "POWER", "CLUSTER", "ITS OWN QUORUM", "ADDRESS"),
            [
                (node["name"], node["power"], _membership(node), _own_quorum(node), node["address"])
                for node in status["nodes"]
            ],
        ),
    ]
    if status["services"]:
        lines += [
            "",
            *table(
                ("SERVICE", "OWNER", "VIP", "VIP HELD BY", "ANSWERS"),
                [
                    (
                        service["name"],
                        ", ".join(service["owners"]) or "none",
                        service["vip"] or "-",
                        ", ".join(service["vip_holders"]) or "nobody",
                        _yes_no(service["answers"]),
                    )
                    for service in status["services"]
                ],
            ),
        ]
    if status["resources"]:
        lines += [
            "",
            *table(
                ("RESOURCE", "ROLE", "ON", "AGENT"),
                [
                    (
                        resource["name"],
                        resource["role"] + (" (failed)" if resource["failed"] else ""),
                        ", ".join(resource["nodes"]) or "-",
                        resource["agent"],
                    )
                    for resource in status["resources"]
                ],
            ),
        ]
    lines += [f"failed action: {failure}" for failure in status["failures"]]
    lines += ["", "faults in force:" + ("" if status["faults"] else " none")]
    lines += [f"  {fault_text(fault)}" for fault in status["faults"]]
    if status["last_outage"]:
        lines.append(f"outages: {status['outages']}, the last:")
        lines += [f"  {line}" for line in outage_lines(status["last_outage"], "not over yet")]
    else:
        lines.append("outages: none")
    return "\n".join(lines)


def _membership(node: dict[str, Any]) -> str:
    if node["role"] != "cluster":
        return {"storage": "storage host", "quorum-device": "quorum device"}.get(node["role"], node["role"])
    if node["online"] is None:
        return "unknown"
    words = ["online" if node["online"] else "OFFLINE"]
    words += [word for word in ("standby", "pending", "unclean", "maintenance") if node[word]]
    return ", ".join(words + (["DC"] if node["coordinator"] else []))


def _own_quorum(node: dict[str, Any]) -> str:
    own = node["own_quorum"]
    return f"{_yes_no(own['quorate'])}: {', '.join(own['members'])}" if own else "-"


def _yes_no(value: bool | None) -> str:
    return {True: "yes", False: "NO", None: "-"}[value]


def fault_text(fault: dict[str, Any]) -> str:
    """One fault in a line."""
    parameters = " ".join(
        f"{key}={','.join(value) if isinstance(value, (list, tuple)) else value}"
        for key, value in fault["parameters"].items()
    )
    if fault["evidence"] is None:
        how = "NOT confirmed"
    else:
        how = "confirmed: " + ", ".join(f"{key} {value}" for key, value in fault["evidence"].items())
    return f"{fault['id']}: {fault['fault']} {parameters}  ({how})"


def outage_lines(outage: dict[str, Any], open_end: str = "not over at the end of the log") -> list[str]:
    """An outage and the phases that it was spent in."""
    end = f"{outage['owner_before'] or 'nobody'} -> {outage['owner_after'] or 'nobody'}"
    if outage["end_ns"] is None:
        end = open_end
    lines = [f"{outage['service']}: {_seconds(outage)}, {end}"]
    lines += [f"  {phase['name']:<12}{_seconds(phase)}" for phase in outage["phases"] if phase["seconds"] > 0]
    return lines


def _seconds(figure: dict[str, Any]) -> str:
    return f"{figure['seconds']:8.3f} s ± {figure['plus_minus']:.3f} s"


def judgement_text(judgement: dict[str, Any]) -> str:
    """A verdict (as ``judgement_to_json`` writes it), its outages and its findings."""
    lines = [f"verdict {judgement['verdict']}: {judgement['reason']}"]
    for outage in judgement["outages"]:
        lines += [
            "",
            *(
                f"outage of {line}" if not number else line
                for number, line in enumerate(outage_lines(outage))
            ),
        ]
    if judgement["findings"]:
        lines += [
            "",
            *table(
                ("FINDING", "VERDICT", "REASON"),
                [
                    (finding["check"], finding["verdict"], finding["reason"])
                    for finding in judgement["findings"]
                ],
            ),
        ]
    return "\n".join(lines)
