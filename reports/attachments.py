"""What of a run goes into the Allure report. Nothing here may fail a test: a file that can't be had is said in the
report's place for it, and a missing one is left out.

The report is one HTML file with all scenarios in it, so that each may take up only so much (``BUDGET``): the picture
once, of the event log what tells, of logs the end. The whole of it stays in the run folder, to which there is a link.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import allure
import allure_commons
from allure_commons.types import AttachmentType

from fenceline.model.event import Event
from fenceline.model.verdict import Judgement, Verdict
from fenceline.reports.pages import findings_html, phases_html

LOGGER = logging.getLogger("fenceline.allure")
#: Bytes of one run's attachments, all together. In the page they are base64, a third more: 240 runs take less than
#: 50 MB.
BUDGET = 150 * 2**10
#: A picture that is larger (bytes) is left in the run folder: a run of many minutes.
LARGEST_PICTURE = 90 * 2**10
#: So much (bytes) of the event log, its end.
LARGEST_EVENTS = 32 * 2**10
#: What is longer (bytes) is cut: a ledger that was read back is all its records.
LONGEST_EVENT = 2000
#: Less than this (bytes) of a log is of no use to anyone.
LEAST_LOG = 2 * 2**10
_RUN_FILES = (("verdict.json", AttachmentType.JSON), ("topology.yaml", AttachmentType.YAML),
              ("run.json", AttachmentType.JSON))


def is_active() -> bool:
    """Whether anyone takes attachments: only if --alluredir was given."""
    return bool(allure_commons.plugin_manager.hook.attach_data.get_hookimpls())


def attach_run_files(folder: Path, judgement: Judgement) -> None:
    """Attaches the run in ``folder`` to the current test, the best for the eye first; on anything but a pass also
    the ends of the consoles and of the guests' logs. Together they take up no more than ``BUDGET``."""
    run = _Run(folder)
    _guarded(_link, folder)
    _guarded(_attach_tables, run, judgement)
    _guarded(_attach_picture, run, judgement)
    for name, kind in _RUN_FILES:
        _guarded(_attach_file, run, folder / name, name, kind)
    _guarded(_attach_events, run)
    if judgement.verdict is not Verdict.PASS:
        logs = list(_log_files(folder))
        for number, path in enumerate(logs):
            # what one leaves of its share is there for the others
            share = run.left // (len(logs) - number)
            _guarded(_attach_file, run, path, str(path.relative_to(folder)), AttachmentType.TEXT, share)


class _Run:
    """The folder of a run, and how much (bytes) of its attachments there is still room for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left = BUDGET

    def attach(self, body: str | bytes, name: str, kind: AttachmentType) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.left = max(0, self.left - len(body))
        allure.attach(body, name, kind)


def _guarded(attach: object, *arguments: object) -> None:
    try:
        attach(*arguments)  # type: ignore[operator]
    except Exception as error:
        # the verdict stands whether or not its picture can be drawn; but whoever misses it must learn why
        LOGGER.warning("%s%r: %s: %s", attach.__name__, arguments[1:2], type(error).__name__, error)
        allure.attach(f"{type(error).__name__}: {error}", "attachment missing", AttachmentType.TEXT)


def _link(folder: Path) -> None:
    page = folder / "report.html"
    allure.dynamic.link((page if page.is_file() else folder).resolve().as_uri(), name=f"run folder {folder.name}")


def _attach_tables(run: _Run, judgement: Judgement) -> None:
    run.attach(findings_html(judgement), "verdict and checks", AttachmentType.HTML)
    run.attach(phases_html(judgement), "failover phases", AttachmentType.HTML)


def _attach_picture(run: _Run, judgement: Judgement) -> None:
    from fenceline.judge import load_run
    from fenceline.reports.timeline import PNG_FILE, SVG_FILE, timeline_svg, write_timeline
    if not (run.folder / "events.jsonl").is_file():
        return  # the cluster never came up: there is nothing to draw
    picture = run.folder / SVG_FILE
    if not picture.is_file():
        write_timeline(run.folder, timeline_svg(*load_run(run.folder), judgement))
    size = picture.stat().st_size
    if size <= LARGEST_PICTURE:
        run.attach(picture.read_bytes(), "timeline", AttachmentType.SVG)
    else:
        run.attach(f"{size} bytes: see {picture}, or {PNG_FILE} beside it\n", "timeline (in the run folder)",
                   AttachmentType.TEXT)


def _attach_events(run: _Run) -> None:
    """What tells of the event log: no ticks, and of answers and records only where they became others."""
    path = run.folder / "events.jsonl"
    if not path.is_file():
        return
    told: list[bytes] = []
    last: dict[tuple[object, ...], object] = {}
    count = 0
    with path.open("rb") as file:
        for line in file:
            count += 1
            try:
                event = Event.from_json(line.decode())
            except ValueError:
                told.append(line)  # a last line that was not finished, or no event: whoever looks wants to see it
                continue
            if not _is_routine(event, last):
                told.append(line if len(line) <= LONGEST_EVENT else line[:LONGEST_EVENT] + b"...\n")
    tail, size = [], 0
    for line in reversed(told):
        size += len(line)
        if size > min(LARGEST_EVENTS, run.left):
            break
        tail.append(line)
    note = (f"(the last {len(tail)} of {len(told)} events that tell something, of {count}: ticks, and answers like the "
            f"one before, are left out; all of it: {path})\n")
    run.attach(note.encode() + b"".join(reversed(tail)), "events", AttachmentType.TEXT)


def _is_routine(event: Event, last: dict[tuple[object, ...], object]) -> bool:
    """Whether ``event`` tells nothing that those before it (``last``: what they told) did not."""
    if event.kind == "tick":
        return True
    if event.kind in ("reply", "append", "write"):
        data = event.data
        who = (event.kind, data.get("service"), data.get("to"), data.get("lun"))
        what = (data.get("ok"), event.node)
        was, last[who] = last.get(who), what
        return was == what
    return False


def _attach_file(run: _Run, path: Path, name: str, kind: AttachmentType, most: int | None = None) -> None:
    """The file ``path``; of one that is longer than ``most`` bytes (by default: than there is room for) the end."""
    if not path.is_file():
        return
    size, most = path.stat().st_size, run.left if most is None else most
    if size <= most:
        run.attach(path.read_bytes(), name, kind)
        return
    if most < LEAST_LOG:
        return  # the link leads to it
    with path.open("rb") as file:
        file.seek(size - most)
        tail = file.read(most).partition(b"\n")[2]
    note = f"(the last {len(tail)} of {size} bytes; all of it: {path})\n"
    run.attach(note.encode() + tail, f"{name} (end)", AttachmentType.TEXT)


def _log_files(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "consoles").glob("*.log"))
    yield from sorted(path for path in (folder / "logs").rglob("*") if path.is_file())
