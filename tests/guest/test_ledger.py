"""The ledger's daemon and its client, over a real socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace as Thing

import pytest

from fenceline.guest.ledger import Ledger, answer
from fenceline.observe.ledger import LedgerClient
from fenceline.observe.ledger_http import parse_record
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from tests.judge import logs

DAEMON = Path(__file__).parents[2] / "harness" / "guest" / "ledger.py"


class _Host:
    entered = staticmethod(contextlib.nullcontext)
    tcp_socket = staticmethod(socket.socket)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_what_it_answers(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger.txt"), True)
    assert answer(ledger, b"GET", b"/", b"") == (200, b"")
    assert answer(ledger, b"POST", b"/append", b"7")[0] == 200
    assert answer(ledger, b"POST", b"/append", b"seven")[0] == 400
    assert answer(ledger, b"DELETE", b"/", b"")[0] == 404
    assert answer(ledger, b"GET", b"/ledger", b"")[1].split() == [b"7", socket.gethostname().encode(), b"1"]


def test_a_disk_that_refuses_is_no_acknowledgement(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger.txt"), True)
    ledger._fd = -1
    assert answer(ledger, b"POST", b"/append", b"7")[0] == 500


def test_a_shared_ledger_puts_each_record_aside_first_and_clears_up(tmp_path, monkeypatch):
    """The file of its own is what needs the cluster's lock manager; what a dead node left of them goes at the start."""
    left = tmp_path / f"ledger.txt.{socket.gethostname()}.9"
    left.write_text("x")
    other = tmp_path / "ledger.txt.another-node.9"
    other.write_text("x")
    made = []
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: made.append(str(path)) or opened(path, *rest))
    ledger = Ledger(str(tmp_path / "ledger.txt"), True, True)
    assert not left.exists() and other.exists()
    assert answer(ledger, b"POST", b"/append", b"7")[0] == 200
    assert made[-1] == str(tmp_path / f"ledger.txt.{socket.gethostname()}.1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.txt", other.name]


def test_no_record_without_its_file_aside(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger.txt"), True, True)
    ledger._aside = str(tmp_path / "no-such-folder" / "x")
    assert answer(ledger, b"POST", b"/append", b"7")[0] == 500
    assert answer(ledger, b"GET", b"/ledger", b"") == (200, b"")


@pytest.mark.parametrize("shared", [True, False])
def test_who_appends_to_a_shared_ledger_has_locked_it(tmp_path, shared):
    """Two nodes that append at the same moment would overwrite each other's records on GFS2."""
    path = tmp_path / "ledger.txt"
    ledger, answers = Ledger(str(path), True, shared), []
    append = threading.Thread(target=lambda: answers.append(answer(ledger, b"POST", b"/append", b"7")))
    with path.open("rb") as other_node:
        fcntl.flock(other_node, fcntl.LOCK_EX)
        append.start()
        append.join(0.3 if shared else 10)
        assert (path.read_bytes() == b"") == shared == (answers == [])
    append.join(10)
    assert answers == [(200, b"")] and path.read_bytes().startswith(b"7 ")
    with path.open("rb") as other_node:  # it has let go of it
        fcntl.flock(other_node, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_no_record_without_the_lock_and_none_is_kept_by_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "ledger.txt"
    ledger = Ledger(str(path), True, True)
    monkeypatch.setattr(os, "write", lambda fd, data: 0 if fd == ledger._fd else len(data))
    assert answer(ledger, b"POST", b"/append", b"7") == (500, b"a part of the record was written")
    with path.open("rb") as other_node:
        fcntl.flock(other_node, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def refuse(*_):
        raise OSError("no locks available")
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert answer(ledger, b"POST", b"/append", b"8") == (500, b"no locks available")
    assert path.read_bytes() == b""


def test_records_are_acknowledged_and_read_back(tmp_path, port):
    daemon = subprocess.Popen([sys.executable, "-S", str(DAEMON), str(tmp_path / "ledger.txt"), str(port),
                               str(tmp_path / "pid"), "1", "0"])
    log = EventLog()
    loop = ObserverLoop(log)
    assert LedgerClient(_Host(), logs.topology(), log, loop).services == ()  # nginx is none
    daemon_settings = Thing(port=port, is_ledger=True)
    service = Thing(vip=Thing(address="127.0.0.1"), daemon=daemon_settings, protocol="http", question=None,
                    asked_every=None, port=port,
                    active="one", client=None, is_ledger=True)
    client = LedgerClient(_Host(), Thing(services={"web": service}, nodes={"rs-01": 1}), log, loop)
    try:
        for _ in range(100):
            if (tmp_path / "pid").exists():
                break
            time.sleep(0.05)
        assert Path(f"/proc/{daemon.pid}/comm").read_text() == "ledger\n"  # the name by which a fault finds it
        client.start()
        log.wait_for(lambda event: event.kind == "append" and event.data["ok"] and event.data["id"] >= 3, 5, "records")
        assert client.read_back("web")
        read = next(event for event in log.events() if event.kind == "ledger.read")
        assert [record[0] for record in read.data["records"]][:3] == [1, 2, 3]
        daemon.kill()
        daemon.wait(5)
        log.wait_for(lambda event: event.kind == "append" and not event.data["ok"], 5, "a failure")
        assert not client.read_back("web")
    finally:
        daemon.kill()
        daemon.wait(5)
        client.stop()
        loop.stop()
    assert log.events()[-1].kind in ("ledger.unread", "append")
    assert not [event for event in log.events() if event.kind == "broken"]


def test_lines_of_a_ledger():
    assert parse_record("5 rs-01 7") == [5, "rs-01", 7]
    assert parse_record("\x00\x00") == [None, "\x00\x00", None]
