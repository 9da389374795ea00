"""The recipe and the cache of the virtual machines' kernel; nothing here compiles one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fenceline.commands import host
from fenceline.core.errors import HostError
from fenceline.machines.uml.kernel import UmlKernelError
from fenceline.machines.virtual import build
from fenceline.machines.virtual.build import KernelBuildError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/kernels"


def put(cache, source="7.2.13-1", recipe=None):
    folder = cache / f"{source}-{recipe or build.recipe_key()}"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"source": source, "recipe": recipe or build.recipe_key()}))
    return folder


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe of one patch and one option."""
    folder = tmp_path / "recipe"
    (folder / "patches").mkdir(parents=True)
    (folder / "patches/0001-x.patch").write_text("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n")
    (folder / "guest.config").write_text("CONFIG_A=y\n# CONFIG_B is not set\n")
    monkeypatch.setattr(build, "RECIPE", folder)
    return folder


def test_every_patch_says_its_licence_and_its_reason():
    patches = [path for path in build.recipe_files() if path.suffix == ".patch"]
    assert patches
    for path in patches:
        head = path.read_text().split("diff --git")[0]
        assert head.startswith("SPDX-License-Identifier: GPL-2.0\n"), path
        assert "um: time-travel:" in head and len(head.splitlines()) > 5, path


def test_the_key_goes_by_patches_and_configuration(recipe):
    first = build.recipe_key()
    (recipe / "guest.config").write_text("CONFIG_A=y\n")
    second = build.recipe_key()
    (recipe / "patches/0002-y.patch").write_text("")
    assert len({first, second, build.recipe_key()}) == 3


def test_a_kernel_of_another_recipe_is_not_found(cache):
    put(cache, recipe="0123456789abcdef")
    assert build.find_kernel() is None
    folder = put(cache)
    assert build.find_kernel().binary == folder / "linux"
    assert build.ensure_kernel(print).source == "7.2.13-1"


def test_a_broken_record_is_no_kernel(cache):
    (put(cache) / "kernel.json").write_text("{")
    assert build.find_kernel() is None


def test_a_missing_compiler_is_named(monkeypatch, cache):
    monkeypatch.setattr(build.shutil, "which", lambda tool: None if tool in ("gcc", "flex") else "/bin/x")
    with pytest.raises(KernelBuildError, match="not installed: flex, gcc; try: apt-get install flex gcc"):
        build.ensure_kernel(print)
    assert not list(cache.glob("building-*"))


def test_too_little_room_is_said(monkeypatch):
    monkeypatch.setattr(build, "SPACE_NEEDED", 2**60)
    monkeypatch.setattr(build.shutil, "which", lambda tool: "/bin/x")
    with pytest.raises(KernelBuildError, match="GiB needed; make room, or set FENCELINE_CACHE"):
        build.ensure_kernel(print)


def test_sources_that_debian_has_not_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "private_apt", lambda work, log: [])
    monkeypatch.setattr(build, "find_image", lambda: type("Image", (), {"uml_kernel_version": "7.1.4"}))
    monkeypatch.setattr(build, "_candidate", lambda options, package: "")
    with pytest.raises(KernelBuildError, match="Debian has no package linux-source-7.1"):
        build.fetch_source(tmp_path, tmp_path / "log", print)


def test_an_archive_out_of_reach_leaves_nothing_behind(monkeypatch, cache):
    def away(work, log):
        raise UmlKernelError("reading the list failed; see the log")

    monkeypatch.setattr(build, "private_apt", away)
    monkeypatch.setattr(build.shutil, "which", lambda tool: "/bin/x")
    with pytest.raises(KernelBuildError, match="can't build the virtual machines' kernel: reading the list failed"):
        build.ensure_kernel(print)
    assert not list(cache.glob("building-*"))


def test_a_patch_is_applied_and_one_that_does_not_apply_is_named(recipe, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/f").write_text("old\n")
    build.apply_patches(tmp_path / "tree", tmp_path / "log")
    assert (tmp_path / "tree/f").read_text() == "new\n"
    with pytest.raises(KernelBuildError, match=r"0001-x\.patch does not apply to these sources; see .*log"):
        build.apply_patches(tmp_path / "tree", tmp_path / "log")


def test_an_option_that_came_out_otherwise_is_named(recipe, tmp_path, monkeypatch):
    defaults = tmp_path / "tree" / build.DEFAULTS
    defaults.parent.mkdir(parents=True)
    defaults.write_text("CONFIG_B=y\n")

    def make(argv, log, what, cwd):
        (cwd / ".config").write_text("CONFIG_B=y\n# CONFIG_A is not set\n")

    monkeypatch.setattr(build, "run_logged", make)
    with pytest.raises(KernelBuildError, match="CONFIG_B=y, not n, CONFIG_A=n, not y; adapt"):
        build.configure(tmp_path / "tree", tmp_path / "log")
    assert build.differences("CONFIG_A=y\n# CONFIG_B is not set\n", "CONFIG_A=y\n") == []


@pytest.mark.parametrize(("version", "series"), [("7.2.13", "7.2"), ("7.2um1", "7.2"), ("6.16-rc1", "6.16")])
def test_the_series_of_a_version(version, series):
    assert build._series(version) == series


def test_no_version_no_series():
    with pytest.raises(KernelBuildError, match="fenceline image build"):
        build._series("")


def test_path_without_a_kernel_says_how_to_have_one():
    with pytest.raises(HostError, match="fenceline kernel build"):
        host.kernel_path(None)


def test_the_command_prints_the_key():
    told = subprocess.run([sys.executable, "-m", "fenceline.cli", "kernel", "key"], capture_output=True, text=True)
    assert told.stdout.strip() == build.recipe_key(), told.stderr
