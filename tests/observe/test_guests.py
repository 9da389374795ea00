"""What agents tell."""

from __future__ import annotations

import json
import os
import threading
import time
from types import SimpleNamespace

import pytest

from fenceline.cluster.cluster import Cluster
from fenceline.machines.protocol import FileStream
from fenceline.observe.guests import GuestObserver, parse_line

MOUNT = {"source": "/dev/sda", "mountpoint": "/srv/www", "fstype": "ext4", "mounted": True}


def line(kind, **data) -> bytes:
    return json.dumps({"kind": kind, "data": data}).encode() + b"\n"


def _own(fd):
    made = FileStream(fd)
    os.close(fd)
    return made


@pytest.fixture
def stream(log, loop):
    read, write = os.pipe()
    observer = GuestObserver("rs-01", log, loop)
    observer.attach(_own(read))
    yield observer, write
    observer.close()
    os.close(write)


def wait(log, kind, **data):
    return log.wait_for(lambda e: e.kind == kind and all(e.data[k] == v for k, v in data.items()), 2, kind)[0]


def test_lines_become_events(log, stream):
    observer, write = stream
    os.write(write, line("agent.start") + line("mount", **MOUNT)[:20])
    time.sleep(0.05)
    os.write(write, line("mount", **MOUNT)[20:] + line("listen", port=80, present=True))
    event = wait(log, "mount")
    assert (event.source, event.node, event.data, event.late_ns) == ("guest", "rs-01", MOUNT, 20_000_000)
    assert wait(log, "listen").late_ns == 120_000_000
    assert observer.current["mount", "/srv/www"] == MOUNT
    assert observer.silence() < 1


def test_a_baseline_says_it_again(log, stream, tmp_path):
    observer, write = stream
    os.write(write, line("mount", **MOUNT) + line("quorum", quorate=True, members=["rs-01", "rs-02"])
             + line("address", ip="192.168.98.244", device="", present=False)
             + line("address", ip="192.168.98.244", device="eth1", present=True)
             + line("listen", port=80, present=True))
    wait(log, "listen")
    log.switch(tmp_path / "second.jsonl")
    observer.baseline()
    assert [(event.kind, event.node) for event in log.events()] == [
        ("mount", "rs-01"), ("quorum", "rs-01"), ("address", "rs-01"), ("listen", "rs-01")]
    assert log.events()[2].data["present"] is True


def test_a_restart_and_a_power_cut_void_what_was_known(log, stream):
    observer, write = stream
    os.write(write, line("mount", **MOUNT))
    wait(log, "mount")
    log.record("machine", "rs-02", "power.off", {"why": "fence"})
    assert observer.current
    log.record("machine", "rs-01", "power.off", {"why": "fence"})
    assert not observer.current
    os.write(write, line("mount", **MOUNT) + line("agent.start") + line("tick"))
    wait(log, "tick")
    assert not observer.current


def test_who_looks_at_what_a_node_holds_sees_one_moment(log, stream):
    """A step that read it while the observers' thread wrote failed: the dictionary changed its size meanwhile."""
    observer, write = stream
    os.write(write, line("mount", **MOUNT) + line("listen", port=80, present=True))
    wait(log, "listen")
    cluster = SimpleNamespace(_guests={"rs-01": observer})

    reader = threading.current_thread()

    class Slow(dict):
        def items(self):
            for place, pair in enumerate(super().items()):
                if not place and threading.current_thread() is reader:  # in the middle of the look
                    os.write(write, line("address", ip="192.168.98.244", device="eth1", present=True) + line("tick"))
                    wait(log, "tick")
                yield pair
    observer.current = Slow(observer.current)
    assert Cluster.holdings_of(cluster, "rs-01") == ["mount /srv/www", "listen 80"]
    assert Cluster.holdings_of(cluster, "rs-01") == ["mount /srv/www", "listen 80", "address 192.168.98.244"]


def test_garbage_is_counted_and_told_once(log, stream):
    observer, write = stream
    os.write(write, b"\x00\xff{garbage\n" + b'{"kind":"nonsense","data":{}}\n' + b'{"kind":"mount","data":{}}\n'
             + b"[1]\n" + b"\n" + line("tick"))
    wait(log, "tick")
    assert observer.garbage == 4
    assert [event.kind for event in log.events()] == ["log", "tick"]
    assert not observer.current


def test_after_a_silence_the_bound_is_its_length(log, stream):
    _, write = stream
    os.write(write, line("tick"))
    wait(log, "tick")
    time.sleep(0.7)
    os.write(write, line("listen", port=80, present=False))
    assert 0.8e9 < wait(log, "listen").late_ns < 2e9


def test_a_new_stream_replaces_the_old_one(log, stream):
    observer, write = stream
    read, second = os.pipe()
    observer.attach(_own(read))
    os.write(second, line("tick"))
    wait(log, "tick")
    os.close(second)
    for _ in range(100):
        if observer._stream is None:
            break
        time.sleep(0.01)
    with pytest.raises(OSError):
        os.fstat(read)
    assert not [event for event in log.events() if event.kind == "broken"]
    assert write


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b'{"kind":"tick"}', b'{"kind":"listen","data":{"port":1}}',
                                 b'{"kind":["x"],"data":{}}', b'{"kind":"listen","data":3}'])
def test_the_parser_goes_red(raw):
    with pytest.raises(ValueError):
        parse_line(raw)
