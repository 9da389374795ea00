"""The page of a run: complete, self-contained, safe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fenceline.model.load import dump_topology
from fenceline.reports.html import write_run_page
from tests.reports import sample
from tests.reports.sample import event


def save(folder: Path, events: list) -> Path:
    (folder / "consoles").mkdir()
    (folder / "consoles" / "rs-01 <x>.log").write_text("boot\n")
    (folder / "events.jsonl").write_text("".join(entry.to_json() + "\n" for entry in events))
    (folder / "topology.yaml").write_text(dump_topology(sample.web_iscsi()))
    return folder


def test_the_page_has_everything(tmp_path):
    page = write_run_page(save(tmp_path, sample.heartbeat_cut())).read_text()
    assert "<h1>Heartbeat cut triggers fence then relocate</h1>" in page
    for part in ("<svg", "Failover phases", "single mount", "<td>heartbeat cut</td><td>rs-01</td><td>34.00</td>"
                 "<td>63.00</td>", "<td>fault.healed</td><td>1</td>"):
        assert part in page
    assert 'href="consoles/rs-01%20%3Cx%3E.log">consoles/rs-01 &lt;x&gt;.log' in page
    assert re.search(r'class="verdict"[^>]*><b>(PASS|FAIL|UNKNOWN|INVALID|BROKEN)</b>', page)


def test_the_page_loads_nothing_from_elsewhere(tmp_path):
    page = write_run_page(save(tmp_path, sample.heartbeat_cut())).read_text()
    assert "<script" not in page and "<link" not in page and "@import" not in page
    assert set(re.findall(r'https?://[^"\'< ]+', page)) <= {"http://www.w3.org/2000/svg"}


def test_hostile_names_are_escaped(tmp_path):
    page = write_run_page(save(tmp_path, [event(0, "scenario.begin", name="<script>x</script>", feature="f"),
                                          event(1, "fault.injected", id="<b>")])).read_text()
    assert "<script>" not in page and "<b>&" not in page and "&lt;script&gt;" in page


def test_it_is_written_beside_the_run_and_does_not_list_itself(tmp_path):
    path = write_run_page(save(tmp_path, []))
    assert path == tmp_path / "report.html" and "<svg" in path.read_text()
    assert "report.html" not in write_run_page(tmp_path).read_text()


def test_a_folder_without_a_log_is_an_error(tmp_path):
    with pytest.raises(Exception, match="topology"):
        write_run_page(tmp_path)
