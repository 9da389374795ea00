"""MariaDB's own tables, out of an image and onto a disk."""

from __future__ import annotations

import os
import subprocess

import pytest

from fenceline.core.errors import HostError
from fenceline.model.load import load_topology
from fenceline.storage import database, disks
from fenceline.storage.disks import make_disk
from fenceline.storage.iscsi import target as iscsi


@pytest.fixture
def mysql():
    return load_topology("mysql-iscsi")


@pytest.fixture
def rootfs(tmp_path):
    """A small image with what matters of /var/lib/mysql."""
    tree = tmp_path / "tree" / "var" / "lib" / "mysql"
    (tree / "mysql").mkdir(parents=True)
    (tree / "ibdata1").write_bytes(b"tables")
    with (tree / "ib_logfile0").open("wb") as log:
        log.write(b"head")
        log.truncate(8 << 20)
    image = tmp_path / "rootfs.ext4"
    with image.open("wb") as raw:
        raw.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", str(tmp_path / "tree"), str(image)], check=True)
    return image


def test_only_a_database_s_disk_gets_it(mysql, web, tmp_path):
    assert database.has_database(mysql) and database.has_database(mysql, "data")
    assert not database.has_database(mysql, "other") and not database.has_database(web)
    assert set(disks.content(mysql, "data", tmp_path)) == {"index.html", "mysql"}
    assert set(disks.content(mysql, "other", tmp_path)) == {"index.html"}


def test_the_tables_travel_with_their_owner(mysql, rootfs, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    database.extract(rootfs, folder)
    log = database.data_path(folder) / "ib_logfile0"
    assert log.stat().st_size == 8 << 20 and log.stat().st_blocks < 1000
    os.chown(database.data_path(folder) / "ibdata1", 100, 101)
    disk = iscsi.make_disks(mysql, folder)[0]
    shown = subprocess.run(["debugfs", "-R", "stat /mysql/ibdata1", str(disk)], capture_output=True, text=True,
                           check=True).stdout
    assert "User:   100   Group:   101" in shown
    assert disk.stat().st_blocks * 512 < 32 << 20  # the empty log takes no room


def test_an_image_without_them(tmp_path):
    image, folder = tmp_path / "rootfs.ext4", tmp_path / "run"
    folder.mkdir()
    make_disk(image, 8 << 20, "ext4", "root", {"index.html": "x"})
    with pytest.raises(HostError, match="no MariaDB tables in /var/lib/mysql .*ibdata1.*; build it anew"):
        database.extract(image, folder)


def test_what_is_not_there_can_not_be_copied(mysql, tmp_path):
    with pytest.raises(HostError, match="the content of data can't be copied: cp: .*database/mysql"):
        iscsi.make_disks(mysql, tmp_path)
