"""How long tasks waited for a CPU: as the kernel counts it, of trees of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fenceline.observe import host
from fenceline.observe.host import HostObserver, waited_ns, waited_s
from fenceline.observe.log import EventLog


def task(proc: Path, pid: int, thread: int, waited: int, children: str = "") -> None:
    folder = proc / str(pid) / "task" / str(thread)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedstat").write_text(f"123456 {waited} 99\n")
    (folder / "children").write_text(children)


def test_threads_and_children_count(tmp_path):
    task(tmp_path, 10, 10, 1000, "20 30 ")
    task(tmp_path, 10, 11, 200)
    task(tmp_path, 20, 20, 30)  # 30 has gone since
    assert waited_ns({"rs-01": [10], "rs-02": [], "gone": [99]}, str(tmp_path)) == {
        "rs-01": {10: 1000, 11: 200, 20: 30}, "rs-02": {}, "gone": {}}


def test_a_kernel_that_counts_nothing_or_tells_no_children(tmp_path):
    task(tmp_path, 10, 10, 1000)
    (tmp_path / "10/task/10/children").unlink()
    assert waited_ns({"rs-01": [10]}, str(tmp_path)) == {"rs-01": {10: 1000}}
    (tmp_path / "10/task/10/schedstat").unlink()
    assert waited_ns({"rs-01": [10]}, str(tmp_path)) == {"rs-01": {}}


def test_between_two_looks():
    before = {"rs-01": {1: 10**9, 2: 10**9}, "rs-02": {5: 7}}
    after = {"rs-01": {1: 15 * 10**8, 3: 10**9}, "rs-02": {}, "rs-03": {9: 10**8}}
    assert waited_s(before, after) == {"rs-01": 1.5, "rs-02": 0.0, "rs-03": 0.1}


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel counts no waits")
def test_tasks_that_share_a_cpu_wait_for_it(monkeypatch):
    """Two that never rest, on one CPU: each waits half of the time; one that sleeps waits for nothing."""
    monkeypatch.setattr(host, "INTERVAL", 0.3)
    cpu = min(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{cpu}])\nwhile True: pass"])
            for _ in range(2)]
    idle = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    log = EventLog()
    observer = HostObserver(lambda: {"busy": [busy[0].pid], "idle": [idle.pid]}, log)
    try:
        observer.start()
        event, _ = log.wait_for(lambda event: event.kind == "host.waited" and event.data["seconds"]["busy"] > 0.1
                                and event.data["seconds"]["idle"] < 0.05, 30, "a wait")
        assert event.data["over"] >= 0.3 and event.source == "host"
    finally:
        observer.stop()
        for one in (*busy, idle):
            one.kill()
            one.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "fenceline-host"]


def test_nothing_is_told_where_nothing_waits(monkeypatch):
    monkeypatch.setattr(host, "INTERVAL", 0.01)
    looked = threading.Event()
    looks = []

    def tasks():
        looks.append(1)
        if len(looks) > 3:
            looked.set()
        return {"off": []}
    log = EventLog()
    observer = HostObserver(tasks, log)
    observer.start()
    assert looked.wait(10)
    observer.stop()
    assert log.events() == []
