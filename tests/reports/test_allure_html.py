"""Allure's own report: what is run, and what is said where it can't be. Node and npm are scripts of this test."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from fenceline.cli import main
from fenceline.reports import allure_html as module
from fenceline.reports.allure_html import VERSION, NoAllure, allure_html, results_folder
from tests.reports.test_history import make_run

NPM = """#!/bin/sh
echo "npm $*" >> "$CALLS"
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/allure" && touch "$2/node_modules/allure/cli.js"
"""
NODE = """#!/bin/sh
echo "node $*" >> "$CALLS"
[ -z "$LOOK" ] || cat "$3"/* > "$LOOK"
[ -z "$BROKEN" ] || { echo "first" >&2; echo "Error: no" >&2; exit 3; }
[ -n "$SILENT" ] || { mkdir -p report && echo "<html>" > report/index.html; }
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Node and npm; the calls that they got."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("npm", NPM), ("node", NODE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for name in ("sh", "mkdir", "touch", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "cache"))
    results = tmp_path / "allure-results"
    results.mkdir()
    (results / "1-result.json").write_text("{}")
    return folder


def calls(tmp_path):
    return (tmp_path / "calls").read_text().splitlines()


def test_it_is_installed_once_in_one_version_and_made(tools, tmp_path):
    for _ in range(2):
        target = allure_html(tmp_path / "allure-results", tmp_path / "allure.html")
        assert target.read_text() == "<html>\n"
    npm, *node = calls(tmp_path)
    assert npm.startswith("npm install") and npm.endswith(f"allure@{VERSION}") and "--ignore-scripts" in npm
    assert len(node) == 2 and "awesome" in node[0] and "--single-file" in node[0]
    assert f"--history-path {tmp_path}/allure.history.jsonl" in node[0]
    assert os.listdir(tmp_path / "cache") == [f"allure-{VERSION}"]


@pytest.mark.parametrize(("gone", "words"), [("node", "Node is not installed"), ("npm", "npm is not installed")])
def test_without_node_or_npm(tools, tmp_path, gone, words):
    (tools / gone).unlink()
    with pytest.raises(NoAllure, match=words):
        allure_html(tmp_path / "allure-results", tmp_path / "allure.html")


@pytest.mark.parametrize(("how", "words"), [("BROKEN", "node failed: Error: no"), ("SILENT", "wrote no index.html")])
def test_an_allure_that_fails_is_told_in_one_line(tools, tmp_path, monkeypatch, how, words):
    monkeypatch.setenv(how, "1")
    with pytest.raises(NoAllure, match=words) as caught:
        allure_html(tmp_path / "allure-results", tmp_path / "allure.html")
    assert "\n" not in caught.value.message and not (tmp_path / "allure.html").exists()


def test_an_allure_that_hangs(tools, tmp_path, monkeypatch):
    (tools / "sleep").symlink_to("/bin/sleep")
    (tools / "node").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(module, "MAKE_WITHIN", 0.3)
    with pytest.raises(NoAllure, match="timed out"):
        allure_html(tmp_path / "allure-results", tmp_path / "allure.html")


def test_links_to_run_folders_can_be_moved_with_the_page(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("LOOK", str(tmp_path / "look"))
    run, results = tmp_path / "reports" / "runs" / "a run", tmp_path / "allure-results"
    run.mkdir(parents=True)
    (results / "1-result.json").write_text(json.dumps({"links": [
        {"url": run.as_uri(), "name": "run"}, {"url": "https://example.org/x", "name": "issue"}]}))
    (results / "2-attachment.txt").write_text("ATTACHED")  # copied: Allure reads no symbolic links
    (results / "3-result.json").write_text("broken")
    allure_html(results, tmp_path / "reports" / "allure.html")
    told = (tmp_path / "look").read_text()
    assert '"url": "runs/a%20run"' in told and '"url": "https://example.org/x"' in told
    assert "ATTACHED" in told and "broken" in told
    assert run.as_uri() in (results / "1-result.json").read_text()  # the results stay as they were


def test_the_page_asks_nobody_on_the_net(tools, tmp_path):
    (tools / "node").write_text("""#!/bin/sh
mkdir -p report && echo '<p><script async src="https://www.googletagmanager.com/gtag/js?id=G-X"></script><p>' \\
  > report/index.html
""")
    assert allure_html(tmp_path / "allure-results", tmp_path / "allure.html").read_text() == "<p><p>\n"


def test_where_the_results_are(tools, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert results_folder(None, tmp_path / "reports") == tmp_path / "allure-results"
    (tmp_path / "allure-results" / "1-result.json").unlink()
    with pytest.raises(NoAllure, match="pytest --alluredir allure-results"):
        results_folder(None, tmp_path / "reports")
    with pytest.raises(NoAllure, match="no Allure results in elsewhere"):
        results_folder("elsewhere", tmp_path)


def test_the_command_goes_on_without_unless_it_was_asked_for(tools, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", 1)
    page = ["report", "--runs-dir", str(tmp_path / "runs"), "-o", str(tmp_path / "page.html")]
    assert main(page) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "page.html"), str(tmp_path / "allure.html")]
    (tools / "node").unlink()
    assert main(page) == 0
    assert "no Allure report: Node is not installed" in capsys.readouterr().err
    assert main([*page, "--allure", "allure-results"]) == 1
