"""What of a run goes into the Allure report. Nothing here may fail a test: a file that can't be had is said in the
report's place for it, and a missing one is left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import allure
import allure_commons
from allure_commons.types import AttachmentType

from harness.model.verdict import Judgement, Verdict
from reports.tables import findings_table_html, phases_table_html

LOGGER = logging.getLogger("fenceline.allure")
WHOLE_FILE_LIMIT = 16 * 2**20  # bytes; of a longer file only the end goes into the report
TAIL = 2 * 2**20               # bytes
# Allure knows no media type for JSON lines; as text it shows them, as "application/jsonl" it would only offer them
_RUN_FILES = (("verdict.json", AttachmentType.JSON), ("topology.yaml", AttachmentType.YAML),
              ("run.json", AttachmentType.JSON), ("events.jsonl", AttachmentType.TEXT))


def is_active() -> bool:
    """Whether anyone takes attachments: only if --alluredir was given."""
    return bool(allure_commons.plugin_manager.hook.attach_data.get_hookimpls())


def attach_run_files(folder: Path, judgement: Judgement) -> None:
    """Attaches the run in ``folder`` to the current test, the best for the eye first; on anything but a pass also
    the consoles and the guests' logs."""
    _guarded(_attach_tables, judgement)
    _guarded(_attach_picture, folder, judgement)
    for name, kind in _RUN_FILES:
        _guarded(_attach_file, folder / name, name, kind)
    if judgement.verdict is not Verdict.PASS:
        for path in _log_files(folder):
            _guarded(_attach_file, path, str(path.relative_to(folder)), AttachmentType.TEXT)


def _guarded(attach: object, *arguments: object) -> None:
    try:
        attach(*arguments)  # type: ignore[operator]
    except Exception as error:
        # the verdict stands whether or not its picture can be drawn; but whoever misses it must learn why
        LOGGER.warning("%s%r: %s: %s", attach.__name__, arguments[:1], type(error).__name__, error)
        allure.attach(f"{type(error).__name__}: {error}", "attachment missing", AttachmentType.TEXT)


def _attach_tables(judgement: Judgement) -> None:
    allure.attach(findings_table_html(judgement), "verdict and checks", AttachmentType.HTML)
    allure.attach(phases_table_html(judgement), "failover phases", AttachmentType.HTML)


def _attach_picture(folder: Path, judgement: Judgement) -> None:
    from harness.judge import load_run
    from reports.timeline import PNG_FILE, SVG_FILE, timeline_svg, write_timeline
    if not (folder / "events.jsonl").is_file():
        return  # the cluster never came up: there is nothing to draw
    if not (folder / SVG_FILE).is_file():
        write_timeline(folder, timeline_svg(*load_run(folder), judgement))
    allure.attach.file(str(folder / SVG_FILE), "timeline", AttachmentType.SVG)
    if (folder / PNG_FILE).is_file():
        allure.attach.file(str(folder / PNG_FILE), "timeline (PNG)", AttachmentType.PNG)


def _attach_file(path: Path, name: str, kind: AttachmentType) -> None:
    if not path.is_file():
        return
    size = path.stat().st_size
    if size <= WHOLE_FILE_LIMIT:
        allure.attach.file(str(path), name, kind)
        return
    with path.open("rb") as file:
        file.seek(size - TAIL)
        tail = file.read(TAIL).partition(b"\n")[2]
    note = f"(the last {len(tail)} of {size} bytes; all of it: {path})\n"
    allure.attach(note.encode() + tail, f"{name} (end)", AttachmentType.TEXT)


def _log_files(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "consoles").glob("*.log"))
    yield from sorted(path for path in (folder / "logs").rglob("*") if path.is_file())
