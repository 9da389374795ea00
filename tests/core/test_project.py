"""Which project the command stands in, and what that says."""

from __future__ import annotations

import pytest

from fenceline.core.project import ProjectError, project_here


@pytest.fixture
def root(tmp_path):
    (tmp_path / "features" / "storage").mkdir(parents=True)
    return tmp_path


def test_the_nearest_folder_upwards(root):
    for start in (root, root / "features", root / "features" / "storage"):
        found = project_here(start)
        assert (found.root, found.topologies) == (root, (root / "topologies",))
        assert found.runs == root / "reports" / "runs"


def test_where_there_is_none_it_is_the_folder_itself(tmp_path):
    (tmp_path / "deep").mkdir()
    assert project_here(tmp_path / "deep").root == tmp_path / "deep"


def test_the_working_directory_is_where_one_stands(root, monkeypatch):
    monkeypatch.chdir(root / "features")
    assert project_here().root == root


@pytest.mark.parametrize(("name", "text", "wanted"), [
    ("pytest.ini", "[pytest]\nfenceline_topologies = a 'b c'\n", ("a", "b c")),
    ("pytest.ini", "[pytest]\naddopts = -q %s\n", ("topologies",)),
    ("pyproject.toml", "[tool.pytest.ini_options]\nfenceline_topologies = ['a', 'b']\n", ("a", "b")),
    ("pyproject.toml", "[tool.pytest.ini_options]\nfenceline_topologies = 'a b'\n", ("a", "b")),
    ("pyproject.toml", "[tool.pytest]\nfenceline_topologies = ['a']\n", ("a",)),
    ("pyproject.toml", "[project]\nname = 'x'\n", ("topologies",)),
])
def test_folders_are_named_as_in_pytest(root, name, text, wanted):
    (root / name).write_text(text)
    assert project_here(root / "features").topologies == tuple(root / one for one in wanted)


@pytest.mark.parametrize(("name", "text"), [("pytest.ini", "fenceline_topologies = a\n"), ("pyproject.toml", "[tool")])
def test_what_is_no_setting_is_said_with_its_file(root, name, text):
    (root / name).write_text(text)
    with pytest.raises(ProjectError, match=name) as error:
        project_here(root)
    assert "\n" not in error.value.message
