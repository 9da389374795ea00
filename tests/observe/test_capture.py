"""Captures: bounded, of the right networks, and gone with the run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest

from fenceline.core.errors import HostError
from fenceline.machines.tcpdump import Tcpdump
from fenceline.observe.capture import Capture
from tests.fabrics import plugged, real_fabric
from tests.judge import logs


def test_where_the_fabric_can_capture_nothing_nothing_is_captured(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not Tcpdump.is_there()
    capture = Capture(SimpleNamespace(capture=lambda *what: None), logs.topology())
    assert not capture.start(tmp_path / "captures")
    capture.stop()


class Process:
    """``survives`` so many signals."""

    def __init__(self, survives: int) -> None:
        self.pid, self.survives = 4711 + survives, survives

    def terminate(self):
        self.survives -= 1

    kill = terminate

    def wait(self, within):
        if self.survives >= 0:
            raise subprocess.TimeoutExpired("tcpdump", within)


def test_one_that_does_not_end_is_said_and_the_others_are_ended():
    capture = Capture(None, logs.topology())
    processes = [Process(2), Process(1), Process(0)]
    for process in processes:
        made = Tcpdump.__new__(Tcpdump)
        made._process = process
        capture._running.append(made)
    with pytest.raises(HostError, match="tcpdump survives SIGKILL for 3 s: pid 4713$"):
        capture.stop()
    assert [one.survives for one in processes] == [0, -1, -1]
    capture.stop()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("tcpdump") is None, reason="needs root and tcpdump")
def test_packets_of_the_service_network(tmp_path):
    topology = logs.topology()
    # a bridge without a plugged cable has no carrier, and sends nothing once the kernel has noticed
    with real_fabric(topology, tmp_path) as fabric, plugged(fabric, topology.cluster_nodes[0], "service"):
        capture = Capture(fabric, topology)
        try:
            assert capture.start(tmp_path / "captures")
            file = tmp_path / "captures" / "service.pcap0"
            deadline = time.monotonic() + 5
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            with fabric.entered():
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                # the kernel hands over what has gathered once a second: what is younger at the end is not in the file
                while file.stat().st_size < 24 + 20 * 50 and time.monotonic() < deadline + 5:
                    sock.sendto(b"x" * 50, ("192.168.98.255", 9))
                    time.sleep(0.02)
            capture.stop()
            assert file.stat().st_size >= 24 + 20 * 50  # its header, and the packets
            assert {path.name for path in (tmp_path / "captures").iterdir()} == {"heartbeat.pcap0", "service.pcap0"}
        finally:
            capture.stop()
