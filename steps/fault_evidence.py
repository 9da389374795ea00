"""What confirmed each fault on real machines, gathered from run folders for the reference page:
``python -m fenceline.steps.fault_evidence reports/runs [MORE...]`` brings docs/fault-evidence.json up to date.

Of each fault and driver one example is kept: that of the latest run in which it was confirmed. (What is healed only
after a scenario has ended is not in its log.) What is there already stays, where the folders have nothing newer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "docs" / "fault-evidence.json"


def load() -> dict[str, dict[str, Any]]:
    """What is known, by "fault driver"."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def of_run(folder: Path) -> dict[str, dict[str, Any]]:
    """What the run in ``folder`` shows; nothing where no machines were made, or it can't be read."""
    try:
        info = json.loads((folder / "run.json").read_text())
        lines = (folder / "events.jsonl").read_text().splitlines()
    except (OSError, ValueError):
        return {}
    versions = info.get("versions") or {}
    driver = info.get("driver_used")
    if not driver:
        return {}
    begun: dict[Any, dict] = {}
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if '"fault.' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        data = event["data"]
        if event["kind"] == "fault.begin":
            begun[data["id"]] = data
        elif event["kind"] == "fault.confirmed":
            name = begun[data["id"]]["fault"]
            found[f"{name} {driver}"] = {
                "params": begun[data["id"]]["params"], "evidence": data["evidence"],
                "kernel": versions.get("kernel", ""), "begun": info["begun"], "scenario": info["scenario"]}
    return found


def gather(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """The latest of what is known and what ``folders`` (of run folders) show."""
    known = load()
    for base in folders:
        for folder in sorted(base.iterdir()):
            for key, seen in of_run(folder).items():
                if key not in known or known[key]["begun"] <= seen["begun"]:
                    known[key] = seen
    return dict(sorted(known.items()))


def words(evidence: Any) -> str:
    """Evidence in one line: ``waited_s 0.4, sessions FAILED``."""
    if isinstance(evidence, dict):
        return ", ".join(f"{key} {words(value)}" for key, value in evidence.items())
    if isinstance(evidence, list):
        return "/".join(words(value) for value in evidence) or "none"
    return " ".join(str(evidence).split())[:120]


def main() -> int:
    """Adds what the folders show to what is known."""
    text = json.dumps(gather(Path(folder) for folder in sys.argv[1:]), indent=1, ensure_ascii=False)
    FILE.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
