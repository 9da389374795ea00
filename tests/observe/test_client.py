"""The client, against servers on the loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import SimpleNamespace as Thing

import pytest

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import Timeout
from fenceline.observe import client as client_module
from fenceline.observe import targets
from fenceline.observe.client import ClientObserver, RoutedClientObserver
from fenceline.observe.dialogue import Reply


class Server:
    """Answers every connection with ``answer`` after ``delay`` s; None: never."""

    def __init__(self, answer: bytes | None = b"HTTP/1.0 200 OK\r\nX-Node: n1\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.answer, self.delay = answer, 0.0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.held: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(4096)
            time.sleep(self.delay)
            if self.answer is None:
                self.held.append(connection)
                return
            connection.sendall(self.answer)
            connection.close()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.held:
            connection.close()


def round_trip(event):
    """How long the answer of a ``reply`` event took, in s."""
    return (event.t_ns - event.data["sent_ns"]) / 1e9


def topology(port: int):
    service = Thing(vip=Thing(address="127.0.0.1"), port=port, protocol="http", question=None,
                    asked_every=None, active="one",
                    client=None, asked_at_vip=True)
    vipless = Thing(vip=None, port=None, active="one", client=None)
    return Thing(services={"web": service, "vipless": vipless}, nodes={"n1": 1, "n2": 2})


@contextlib.contextmanager
def observing(server_or_port, log, loop):
    port = server_or_port if isinstance(server_or_port, int) else server_or_port.port
    observer = ClientObserver(None, topology(port), log, loop,
                              lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    observer.start()
    try:
        yield observer
    finally:
        observer.stop()


@pytest.fixture
def server():
    made = Server()
    yield made
    with contextlib.suppress(OSError):
        made.close()


def replies(log):
    return [event for event in log.events() if event.kind == "reply"]


def test_an_answer_every_8_ms(log, loop, server):
    with observing(server, log, loop) as observer:
        assert observer.services == ("web",)
        observer.wait_answering("web", 2)
        time.sleep(1)
    found = replies(log)
    assert 95 <= len(found) <= 135
    assert all(event.data["ok"] and event.node == event.data["from"] == "n1" for event in found)
    assert all(0 <= round_trip(event) < 0.2 and event.late_ns < 100_000_000 for event in found)
    assert not [event for event in log.events() if event.kind == "broken"]


def test_the_client_behind_a_router_asks_from_there_four_times_a_second_and_confuses_nobody(log, loop, server):
    entered = []

    def inside():
        entered.append(True)
        return socket.socket()
    observer = RoutedClientObserver(Thing(tcp_socket=inside), topology(server.port), log, loop)
    observer.start()
    try:
        assert observer.services == ("web",)
        observer.wait_answering("web", 2)
        time.sleep(1)
    finally:
        observer.stop()
    found = [event for event in log.events() if event.kind == "reply.routed"]
    assert 4 <= len(found) <= 7 and len(entered) >= len(found)
    assert all(event.data["ok"] and event.node == "n1" for event in found)
    assert replies(log) == []


def test_what_is_not_asked_at_a_vip_is_not_asked_by_way_of_a_router(log, loop):
    about = topology(80)
    about.services["web"].asked_at_vip = False
    assert RoutedClientObserver(Thing(tcp_socket=socket.socket), about, log, loop).services == ()


def test_no_time_wait_is_left(log, loop, server):
    with observing(server, log, loop) as observer:
        observer.wait_answering("web", 2)
        time.sleep(0.3)
    suffix = f":{server.port:04X}"
    with open("/proc/net/tcp") as file:
        states = [line.split()[3] for line in file.readlines()[1:] if line.split()[2].endswith(suffix)]
    assert "06" not in states


def test_a_refused_connection_is_told_at_once(log, loop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with observing(port, log, loop):
        event, waited = log.wait_for(lambda e: e.kind == "reply", 2, "a refusal")
    assert not event.data["ok"]
    assert event.data["error"] == "Connection refused"
    assert event.data["status"] is None and event.data["from"] is None
    assert waited < 0.5


def asked_in(log, seconds: float) -> int:
    """How many questions were asked in the last ``seconds`` and are answered, one way or the other."""
    time.sleep(seconds)
    return len([event for event in replies(log) if event.data["sent_ns"] > time.monotonic_ns() - seconds * 1e9])


def test_who_is_not_there_is_asked_more_often_and_who_is_slow_less(log, loop, server, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with observing(port, log, loop):
        away = asked_in(log, 1)
        assert away <= 260
    server.answer = None
    with observing(server, log, loop):
        time.sleep(0.35)
        slow = asked_in(log, 1.3) / 1.3
        assert slow <= 53 / 1.3
    assert away > 1.5 * slow  # a busy machine leaves turns out, of both
    # nobody answers a SYN: the connections that are waited for tell
    nobody = ClientObserver(None, topology(1), log, loop, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    target, = nobody.targets_of("web")
    monkeypatch.setattr(nobody, "_ask", lambda target: nobody._asked[target].append(
        client_module._Question(target, socket.socket(), None, HOST_CLOCK.now_ns())))
    monkeypatch.setattr(nobody, "_finish", lambda question, answer: nobody._asked[target].remove(question))
    nobody.start()
    time.sleep(0.35)
    monkeypatch.setattr(client_module, "PATIENCE", 10)
    before = len(nobody._asked[target])
    assert 1.5 * 0.3 * slow < before <= 82  # of 0.3 s
    nobody.stop()


def test_other_answers_are_not_ok(log, loop, server):
    server.answer = b"HTTP/1.1 503 Service Unavailable\r\nX-Node: n2\r\n\r\n"
    with observing(server, log, loop):
        event, _ = log.wait_for(lambda e: e.kind == "reply", 2, "an answer")
    assert (event.data["ok"], event.data["status"], event.data["from"]) == (False, 503, "n2")
    assert event.data["error"] == "status 503"


def test_an_answer_that_is_cut_short_is_not_ok(log, loop, server):
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with observing(server, log, loop):
        event, _ = log.wait_for(lambda e: e.kind == "reply", 2, "an answer")
    assert not event.data["ok"]
    assert "after 4 of 100 bytes" in event.data["error"]


def test_a_silent_server_is_told_from_an_absent_one(log, loop, server, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 0.2)
    server.answer = None
    with observing(server, log, loop):
        event, waited = log.wait_for(lambda e: e.kind == "reply", 2, "a time-out")
    assert event.data["error"] == "connected, but no answer within 0.2 s"
    assert 0.15 < waited < 0.6
    assert 0.2 <= round_trip(event) < 0.5


def test_a_slow_answer_counts(log, loop, server):
    server.delay = 0.4
    with observing(server, log, loop) as observer:
        observer.wait_answering("web", 3)
    assert round_trip(next(event for event in replies(log) if event.data["ok"])) >= 0.4


def test_outstanding_questions_are_bounded(log, loop, server, monkeypatch):
    monkeypatch.setattr(client_module, "OUTSTANDING", 5)
    server.answer = None
    with observing(server, log, loop) as observer:
        time.sleep(0.5)
        target, = observer.targets_of("web")
        assert len(observer._asked[target]) == 5
    assert len(observer._asked[target]) == 0


def test_wait_answering_says_what_came_instead(log, loop, server):
    server.answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
    with observing(server, log, loop) as observer, \
            pytest.raises(Timeout, match='"web" to answer at 127.0.0.1:.*; last: status 503'):
        observer.wait_answering("web", 0.4)


def test_a_service_that_is_active_on_all_nodes_is_asked_on_each(log, loop, server):
    """Nobody listens on the second node's address: one that answers does not answer for the other."""
    farm = Thing(vip=None, port=server.port, protocol="http", question=None, asked_every=None, active="all")
    both = Thing(services={"farm": farm}, nodes={"n1": 1, "n2": 2},
                 cluster_nodes=("n1", "n2"), networks_with=lambda role: (role,))
    where = {"n1": "127.0.0.1", "n2": "127.0.0.2"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "address", lambda topology, node, network: where[node])
        observer = ClientObserver(None, both, log, loop, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    observer.start()
    try:
        observer.wait_answering("farm", 2)
        observer.wait_answering("farm", 2, node="n1")
        with pytest.raises(Timeout, match=r'"farm" to answer at 127.0.0.2:.*; last: Connection refused'):
            observer.wait_answering("farm", 0.3, node="n2")
    finally:
        observer.stop()
    asked = {(event.data["to"], event.data["ok"]) for event in log.events() if event.kind == "reply"}
    assert asked == {("n1", True), ("n2", False)}


def test_wait_answering_does_not_take_an_old_answer(log, loop, server):
    with observing(server, log, loop) as observer:
        observer.wait_answering("web", 2)
        server.close()
        time.sleep(0.2)
        with pytest.raises(Timeout, match="Connection refused"):
            observer.wait_answering("web", 0.3)


def test_the_parser_takes_bytes_as_they_come():
    raw = b"HTTP/1.1 200 OK\r\nX-Node:  n2 \r\nContent-Length: 3\r\n\r\nabc"
    reply = Reply()
    assert [reply.feed(raw[index:index + 1]) for index in range(len(raw))][-1] == (200, "n2")
    assert Reply().feed(b"HTTP/1.0 200 OK\r\n\r\n") == (200, None)


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n"])
def test_the_parser_goes_red(raw):
    reply = Reply()
    with pytest.raises(ValueError):
        if reply.feed(raw) is None:
            reply.feed(b"")
