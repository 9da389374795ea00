"""What several of the tests' packages need."""

from __future__ import annotations

import pytest

from fenceline.model.load import load_topology
from tests.fakes import FastLog, make_cluster, make_scene

#: A package from outside (see test_plugin_package.py): its sentences are known only where it is installed.
collect_ignore = ["plugin"]


@pytest.fixture
def web():
    """The topology web-iscsi: rs-01, rs-02, san-01; the service web."""
    return load_topology("web-iscsi")


@pytest.fixture
def cluster(web, tmp_path):
    """A fake cluster of ``web``; its log's deadlines are 25 times shorter than they say."""
    with make_cluster(web, tmp_path, FastLog()) as made:
        made.pace = FastLog.pace
        yield made


@pytest.fixture
def stage(web, tmp_path):
    """A scene on a fake cluster of ``web`` and a real event log."""
    with make_cluster(web, tmp_path) as made:
        yield make_scene(made, tmp_path, "web")
