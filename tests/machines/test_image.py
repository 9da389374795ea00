"""The guest image: recipe, cache, errors. Nothing here builds one; a finished one is looked into if it is there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from fenceline.machines import image, rootfs
from fenceline.machines.image import ImageError, find_image, recipe_key
from fenceline.machines.rootfs import read_packages
from fenceline.machines.uml import kernel as uml_kernel
from fenceline.machines.uml.kernel import UmlKernelError, debian_source, parse_sources

ONE_LINE = "# main\ndeb [arch=amd64 signed-by=/k.gpg] http://m.test/debian bookworm main contrib # x\ndeb-src x y z\n"
DEB822 = """Types: deb
# a comment inside
URIs: http://m.test/security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://m.test/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
Enabled: no
"""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def finished(cache: Path, key: str) -> Path:
    folder = cache / "images" / key
    folder.mkdir(parents=True)
    facts = {"key": key, "uml_kernel_version": "7.2.7", "uml_is_seccomp": True}
    (folder / "image.json").write_text(json.dumps(facts))
    return folder


def test_cache_dir_prefers_its_own_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FENCELINE_CACHE", raising=False)
    assert image.cache_dir() == tmp_path / "xdg" / "fenceline"
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "own"))
    assert image.cache_dir() == tmp_path / "own"


def test_key_follows_the_recipe(monkeypatch, tmp_path):
    copy = tmp_path / "recipe"
    shutil.copytree(image.RECIPE, copy)
    before = recipe_key()
    monkeypatch.setattr(image, "RECIPE", copy)
    assert recipe_key() == before
    with (copy / "packages.txt").open("a") as out:
        out.write("# one more line\n")
    assert recipe_key() != before


def test_packages_are_parsed():
    got = read_packages("# c\n\ncorosync  # why\nextract linux-image-amd64\n")
    assert got.install == ("corosync",)
    assert got.extract == ("linux-image-amd64",)


def test_a_bad_package_line_is_named():
    with pytest.raises(ImageError, match=r"packages.txt:2: .*two words"):
        read_packages("corosync\ntwo words\n")


def test_recipe_lists_each_package_once():
    got = read_packages((image.RECIPE / "packages.txt").read_text())
    names = got.install + got.extract
    assert len(set(names)) == len(names)
    assert {"pacemaker", "heartbeat", "open-iscsi"} <= set(got.install)


def test_no_mirror_is_written_into_the_recipe():
    texts = [p.read_text() for p in image.RECIPE.rglob("*") if p.is_file()]
    assert not [t for t in texts if "http://" in t or "https://" in t]


def test_a_finished_image_is_found_at_once(cache):
    assert find_image() is None
    folder = finished(cache, recipe_key())
    begun = time.monotonic()
    got = image.ensure_image(progress=pytest.fail)
    assert time.monotonic() - begun < 0.05
    assert got.rootfs == folder / "rootfs.ext4"
    assert got.uml_is_seccomp


def test_a_half_made_image_is_not_found(cache):
    folder = finished(cache, recipe_key())
    (folder / "image.json").write_text('{"key": ')
    assert find_image() is None


def test_a_build_removes_what_an_interrupted_one_left(cache, monkeypatch):
    left = cache / "images" / "build-old"
    left.mkdir(parents=True)
    monkeypatch.setattr(image, "_check_host", lambda store: None)
    monkeypatch.setattr(image, "_build", lambda key, packages, store, progress: "built")
    said: list[str] = []
    assert image.ensure_image(said.append) == "built"
    assert not left.exists()
    assert "build-old" in said[0]


def test_what_is_mounted_in_a_stale_folder_is_never_removed(cache, monkeypatch):
    left = cache / "images" / "build-old"
    precious = left / "root/dev/shm/precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    monkeypatch.setattr(image, "_mounts_below", lambda folder: [precious.parent])
    with pytest.raises(ImageError, match="umount .*dev/shm"):
        image._remove_stale(cache / "images", lambda _: None)
    assert precious.exists()


def test_mounts_are_found_only_below_the_folder(monkeypatch, tmp_path):
    lines = [f"1 0 0:1 / {path} rw - tmpfs t rw" for path in
             ("/", f"{tmp_path}/b/x", f"{tmp_path}/b/x/deep", f"{tmp_path}/b\\040c", f"{tmp_path}/bb")]
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: "\n".join(lines)
                        if str(self) == "/proc/self/mountinfo" else real(self, *a, **k))
    assert image._mounts_below(tmp_path / "b") == [tmp_path / "b/x/deep", tmp_path / "b/x"]
    assert image._mounts_below(tmp_path / "b c") == [tmp_path / "b c"]


def test_the_second_builder_waits_and_takes_the_first_ones_image(cache, monkeypatch):
    store = cache / "images"
    store.mkdir(parents=True)
    monkeypatch.setattr(image, "_build", lambda *_: pytest.fail("built twice"))
    said: list[str] = []
    with (store / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        got: list = []
        second = threading.Thread(target=lambda: got.append(image.ensure_image(said.append)))
        second.start()
        deadline = time.monotonic() + 5
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        finished(cache, recipe_key())
    second.join(5)
    assert "waiting" in said[0]
    assert got[0].key == recipe_key()


def test_too_little_space_is_one_clear_message(cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(image.shutil, "disk_usage", lambda p: usage(10, 9, 2**30))
    monkeypatch.setattr(image.shutil, "which", lambda *a, **k: "/bin/true")
    with pytest.raises(ImageError, match=r"1\.0 GiB free .* 6 GiB needed") as raised:
        image.ensure_image(lambda _: None)
    assert "\n" not in str(raised.value)


def test_a_missing_tool_is_named_with_its_package(cache, monkeypatch):
    monkeypatch.setattr(image.shutil, "which", lambda tool, **_: None if tool == "mmdebstrap" else "/bin/x")
    with pytest.raises(ImageError, match="apt-get install mmdebstrap"):
        image.ensure_image(lambda _: None)


def test_an_unusable_cache_is_one_clear_message(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FENCELINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ImageError, match="FENCELINE_CACHE"):
        image.ensure_image(lambda _: None)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("E: Failed to fetch x  Could not connect", "mirror"),
        ("cp: No space left on device", "disk is full"),
        ("E: Unable to locate package nosuch", "nosuch"),
    ],
)
def test_a_failed_build_is_explained(tmp_path, log, message):
    path = tmp_path / "log"
    path.write_text(log)
    assert message in rootfs._explain(1, log, path)


def test_progress_says_stages_and_remembers_the_first_error():
    said: list[str] = []
    watch = rootfs._Stages(said.append)
    for line in ("I: extracting archives...", "Unpacking x", "E: broken", "E: setup failed"):
        watch.line(line)
    watch.tick()
    assert [s.split(" s ", 1)[1] for s in said] == ["extracting archives", "still extracting archives"]
    assert watch.last_error == "E: broken"


def test_an_interrupted_build_ends_its_children(tmp_path):
    class Stop(Exception):
        pass

    def stop(_: str) -> None:
        raise Stop

    watch = rootfs._Stages(stop)
    pidfile = tmp_path / "pid"
    script = f"echo $$ >{pidfile}; echo 'I: begun...'; sleep 60"
    with pytest.raises(Stop):
        rootfs._run_logged(["sh", "-c", script], dict(os.environ), tmp_path / "log", watch)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pidfile.read_text()), 0)


def test_apt_sources_in_both_forms():
    (one,) = parse_sources(ONE_LINE)
    assert (one.uri, one.suites, one.components) == ("http://m.test/debian", ("bookworm",), ("main", "contrib"))
    assert one.signed_by == "/k.gpg"
    both = parse_sources(DEB822)
    assert [s.uri for s in both] == ["http://m.test/security", "http://m.test/debian"]
    assert both[1].suites == ("bookworm", "bookworm-updates")
    assert debian_source(both).uri == "http://m.test/debian"


def test_no_debian_source_is_said():
    with pytest.raises(UmlKernelError, match="apt sources"):
        debian_source([])


def test_no_kernel_at_all_is_one_clear_message(tmp_path, monkeypatch):
    def unreachable(*_):
        raise UmlKernelError("mirror down")

    monkeypatch.setattr(uml_kernel, "_fetch", unreachable)
    monkeypatch.setattr(uml_kernel, "HOST_BINARY", tmp_path / "none")
    said: list[str] = []
    with pytest.raises(UmlKernelError, match="mirror down.*install it"):
        uml_kernel.fetch_uml_kernel(tmp_path / "out", tmp_path / "out", tmp_path / "log", said.append)
    assert "trying the host's own" in said[0]


@pytest.fixture
def built() -> image.GuestImage:
    found = find_image()
    if found is None:
        pytest.skip("no image of this recipe in the cache")
    return found


def inside(found: image.GuestImage, request: str) -> str:
    """Ask debugfs about the image's file system, without mounting it."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    tool = shutil.which("debugfs", path=path)
    if not tool:
        pytest.skip("no debugfs")
    return subprocess.run([tool, "-R", request, str(found.rootfs)], capture_output=True, text=True, check=True).stdout


def test_the_image_has_both_kernels_modules(built):
    listed = inside(built, "ls -p /usr/lib/modules")
    assert f"/{built.uml_kernel_version}/" in listed
    assert "amd64" in listed


def test_the_image_has_the_cluster_packages(built):
    names = {line.split("=")[0] for line in built.packages.read_text().splitlines()}
    wanted = {"pacemaker", "pacemaker-remote", "corosync", "heartbeat", "keepalived", "drbd-utils", "sbd"}
    assert wanted <= names


def test_nothing_but_ssh_starts_by_itself(built):
    wants = inside(built, "ls -p /etc/systemd/system/fenceline.target.wants")
    names = [line.split("/")[5] for line in wants.splitlines() if line.count("/") > 5]
    assert [n for n in names if n not in (".", "..")] == ["ssh.service"]
    assert "multi-user.target.wants" not in inside(built, "ls -p /etc/systemd/system")


def test_the_image_has_room_and_no_keys(built):
    free = next(line for line in inside(built, "stats -h").splitlines() if line.startswith("Free blocks"))
    assert int(free.split(":")[1]) * 4096 > 2**30
    assert "ssh_host" not in inside(built, "ls -p /etc/ssh")


def test_the_kernel_runs(built):
    asked = subprocess.run([built.uml_kernel, "--version"], capture_output=True, text=True, timeout=20)
    assert asked.stdout.strip() == built.uml_kernel_version


def test_recipe_programs_are_valid():
    for name in ("overlay/usr/lib/fenceline/init", "customize.sh"):
        subprocess.run(["sh", "-n", image.RECIPE / name], check=True)
    for name in ("prune-modules", "make-initrd"):
        text = (image.RECIPE / name).read_text()
        compile(text, name, "exec", dont_inherit=True)
    assert sys.version_info >= (3, 11)


def test_packages_beside_make_an_image_of_their_own_and_none_the_same():
    assert image.recipe_key(()) == image.recipe_key()
    assert image.recipe_key({"apache2", "redis"}) == image.recipe_key(["redis", "apache2"])
    assert len({image.recipe_key(), image.recipe_key({"apache2"}), image.recipe_key({"redis"})}) == 3
