"""The question to a database, on what MariaDB 10.11.19 really sent, whole and in pieces; and the client that commits
rows, against a server that speaks as that one does."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from types import SimpleNamespace as Thing

import pytest

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import Timeout
from fenceline.daemons.mariadb import TABLE
from fenceline.observe.client import ClientObserver
from fenceline.observe.dialogue import Answer
from fenceline.observe.ledger import LedgerClient
from fenceline.observe.ledger_sql import SqlWriter
from fenceline.observe.mysql import SqlDialogue, packet

# recorded on node1 of mysql-iscsi
GREETING = bytes.fromhex(
    "640000000a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100a1000000277d6151507c447900fef7080200ff"
    "81150000000000001d000000582c7175787c274a7c536a3b006d7973716c5f6e61746976655f70617373776f726400")
OK = bytes.fromhex("0700000200000002000000")
HOSTNAME = bytes.fromhex(
    "010000010120000002036465660000000a4040686f73746e616d65000c2d0014000000fd000027000005000003fe0000020006000004056e6f"
    "64653105000005fe00000200")
DENIED = bytes.fromhex(
    "49000002ff15042332383030304163636573732064656e69656420666f72207573657220276e6f626f64792740273132372e302e302e312720"
    "287573696e672070617373776f72643a204e4f29")
BAD_SQL = bytes.fromhex(
    "2d000001ff1e04233432533232556e6b6e6f776e20636f6c756d6e20276e6f7468696e672720696e202753454c45435427")
TOO_MANY = bytes.fromhex("17000000ff1004546f6f206d616e7920636f6e6e656374696f6e73")


def hold(dialogue, raw, step):
    """What the dialogue says to ``raw`` that comes in pieces of ``step`` bytes: all that it sends, and its answer."""
    sent = b""
    for place in range(0, len(raw), step):
        said = dialogue.feed(raw[place:place + step])
        if isinstance(said, Answer):
            return sent, said
        sent += said
    return sent, None


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_whole_dialogue(step):
    dialogue = SqlDialogue("mysql")
    login, answer = hold(dialogue, GREETING, step)
    assert answer is None and login[:4] == struct.pack("<I", len(login) - 4 | 1 << 24) and b"fenceline\0\0" in login
    assert hold(dialogue, OK, step) == (packet(0, b"\x03SELECT @@hostname"), None)
    assert hold(dialogue, HOSTNAME, step) == (b"", Answer(True, "node1"))


@pytest.mark.parametrize(("parts", "error"), [
    ([TOO_MANY], "error 1040: Too many connections"),
    ([GREETING, DENIED], "error 1045: Access denied for user 'nobody'@'127.0.0.1' (using password: NO)"),
    ([GREETING, OK, BAD_SQL], "error 1054: Unknown column 'nothing' in 'SELECT'")])
def test_what_the_server_says_no_to(parts, error):
    dialogue = SqlDialogue("mysql")
    assert [dialogue.feed(part) for part in parts][-1] == Answer(False, error=error)


@pytest.mark.parametrize(("parts", "words"), [
    ([b""], "closed after 0 packets"),
    ([GREETING, OK, b""], "closed after 2 packets"),
    ([b"HTTP/1.0 400 Bad Request\r\n\r\n"], "not a greeting of MySQL"),
    ([packet(0, b"\x09old")], "not a greeting of MySQL"),
    ([packet(0, b"")], "not a greeting|not an answer"),
    ([GREETING, packet(2, b"\xfeother_plugin\0")], "not answered by OK"),
    ([GREETING, OK, HOSTNAME[:-20] + packet(4, b"\x09short")], "not an answer|closed|too long")])
def test_what_is_no_answer(parts, words):
    dialogue = SqlDialogue("mysql")
    with pytest.raises(ValueError, match=words):
        for part in [*parts, b""]:
            assert not isinstance(dialogue.feed(part), Answer)


class Database:
    """Speaks as the recorded one did; the rows that were inserted are in ``rows``. ``silent``: accepts, and says no
    more."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.silent = False
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self._peers: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer = self.socket.accept()[0]
                self._peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error), peer.makefile("rb") as stream:
            if self.silent:
                stream.read(1)
                return
            peer.sendall(GREETING)
            while True:
                length = int.from_bytes(stream.read(3), "little")
                sequence = stream.read(1)
                body = stream.read(length)
                if not sequence:
                    return
                if self.silent:
                    continue
                peer.sendall(self._answer(sequence[0], body))

    def _answer(self, sequence: int, body: bytes) -> bytes:
        if body[:1] != b"\x03":
            return packet(sequence + 1, OK[4:])
        if body[1:].startswith(b"SELECT @@hostname"):
            return HOSTNAME
        if body[1:].startswith(b"SELECT id"):
            columns = HOSTNAME[5:4 + 1 + 36]
            rows = [b"".join(bytes([len(word)]) + word for word in (b"%d" % number, b"node1", b"%d" % place))
                    for place, number in enumerate(self.rows, 1)]
            text = columns[4:]
            number = text[:-6] + b"\x08" + text[-5:]  # a column of MYSQL_TYPE_LONGLONG
            parts = [b"\x03", number, text, number, b"\xfe\0\0\x02\0", *rows, b"\xfe\0\0\x02\0"]
            return b"".join(packet(place, part) for place, part in enumerate(parts, 1))
        if body[1:].startswith(b"INSERT"):
            assert f"INSERT INTO {TABLE} ".encode() in body
            self.rows.append(int(body.partition(b"VALUES (")[2].partition(b",")[0]))
        return packet(sequence + 1, OK[4:])

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a second time
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def database():
    made = Database()
    yield made
    made.close()


class _Host:
    tcp_socket = staticmethod(socket.socket)


def topology(port):
    daemon = Thing(port=port, is_ledger=True)
    service = Thing(vip=Thing(address="127.0.0.1"), daemon=daemon, port=port, protocol="mysql", question=None,
                    asked_every=None,
                    active="one", client=None, is_ledger=True)
    return Thing(services={"mysql": service}, nodes={"node1": 1, "node2": 2})


def test_the_client_asks_a_database_every_10_ms(log, loop, database):
    observer = ClientObserver(_Host(), topology(database.port), log, loop)
    observer.start()
    try:
        observer.wait_answering("mysql", 5)
        count = itertools.count(1)
        log.wait_for(lambda event: event.kind == "reply" and event.data["ok"] and next(count) >= 40, 30, "40 answers")
        database.close()
        with pytest.raises(Timeout, match="Connection refused|closed"):
            observer.wait_answering("mysql", 0.3)
    finally:
        observer.stop()
    found = [event for event in log.events() if event.kind == "reply"]
    good = [event for event in found if event.data["ok"]]
    asked = sorted(event.data["sent_ns"] for event in good)
    assert (asked[-1] - asked[0]) / (len(asked) - 1) > 7e6  # ns; a busy machine leaves turns out
    assert {event.data["from"] for event in good} == {"node1"}
    assert {event.data["status"] for event in found} == {None}
    assert not [event for event in log.events() if event.kind == "broken"]


def appends(log, ok):
    return [event.data["id"] for event in log.events() if event.kind == "append" and event.data["ok"] is ok]


def test_rows_are_committed_and_read_back(log, loop, database):
    client = LedgerClient(_Host(), topology(database.port), log, loop)
    assert client.services == ("mysql",)
    client.start()
    try:
        log.wait_for(lambda event: event.kind == "append" and event.data["id"] >= 3, 5, "rows")
        assert client.read_back("mysql")
        read = next(event for event in log.events() if event.kind == "ledger.read")
        assert read.data["records"][:3] == [[1, "node1", 1], [2, "node1", 2], [3, "node1", 3]]
        assert read.node == read.data["from"] == "node1"
        database.close()
        log.wait_for(lambda event: event.kind == "append" and not event.data["ok"], 5, "a failure")
        assert not client.read_back("mysql")
        assert "refused" in next(event for event in log.events() if event.kind == "ledger.unread").data["error"]
    finally:
        client.stop()
    assert set(appends(log, True)) <= set(database.rows) and not set(appends(log, True)) & set(appends(log, False))
    assert not [event for event in log.events() if event.kind == "broken"]


def test_a_silent_database_is_given_up_and_left(log, loop, database, monkeypatch):
    monkeypatch.setattr("fenceline.observe.ledger_sql.PATIENCE", 0.3)
    client = LedgerClient(_Host(), topology(database.port), log, loop)
    client.start()
    try:
        log.wait_for(lambda event: event.kind == "append" and event.data["ok"], 5, "a row")
        database.silent = True
        event, _ = log.wait_for(lambda event: event.kind == "append" and not event.data["ok"], 5, "a failure")
        assert "timed out" in event.data["error"]
        database.silent = False
        log.wait_for(lambda later: later.kind == "append" and later.data["ok"] and later.data["id"] > event.data["id"],
                     5, "another")
        database.silent = True
        begun = time.monotonic()
    finally:
        client.stop()
    assert time.monotonic() - begun < 1


def test_a_stop_in_the_middle_of_a_connect_ends_that_thread_for_good(database, monkeypatch):
    """Its late connection wrote on beside the next start's."""
    monkeypatch.setattr("fenceline.observe.ledger_sql.PATIENCE", 0.1)
    trying, go_on, made, ended = threading.Event(), threading.Event(), [], []

    def connect(within):
        if not made:
            made.append(None)
            trying.set()
            assert go_on.wait(10)
        made.append(socket.create_connection(("127.0.0.1", database.port), 5))
        return made[-1]
    numbers = iter(range(1, 10_000))
    done = threading.Event()
    writer = SqlWriter(("127.0.0.1", database.port), Thing(
        next=lambda: next(numbers), ended=lambda *row: (ended.append(row), done.set())), connect, HOST_CLOCK)
    writer.start()
    assert trying.wait(5)
    late = next(thread for thread in threading.enumerate() if thread.name == "fenceline-sql")
    writer.stop()
    writer.start()
    assert done.wait(5)  # the second one writes
    go_on.set()
    late.join(5)
    assert not late.is_alive()
    last, = [thread for thread in threading.enumerate() if thread.name == "fenceline-sql"]
    writer.stop()
    last.join(5)
    assert all(sock.fileno() == -1 for sock in made if sock)  # nothing is left open
    assert [row[0] for row in ended] == [row[0] for row in ended if row[2]] and 1 not in database.rows
