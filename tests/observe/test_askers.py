"""The questions to PostgreSQL and Redis, whole and in pieces, and what is no answer; and one that is only a connection.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from types import SimpleNamespace as Thing

import pytest

from fenceline.observe.client import ClientObserver
from fenceline.observe.dialogue import Answer, HttpDialogue
from fenceline.observe.pgsql import PgsqlDialogue, message
from fenceline.observe.redis import RedisDialogue
from tests.observe.test_mysql import hold

READY = message(b"Z", b"I")
LOGIN = (message(b"R", b"\0\0\0\0") + message(b"S", b"server_version\x0015.10\0") + message(b"K", b"12345678") + READY)
ROW = (message(b"T", b"\0\x01cluster_name\0" + bytes(18)) + message(b"D", struct.pack("!Hi", 1, 5) + b"db-01")
       + message(b"C", b"SHOW\0") + READY)
ERROR = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_whole_dialogue_with_postgresql(step):
    dialogue = PgsqlDialogue("pgsql", "show cluster_name")
    assert dialogue.opening[:8] == struct.pack("!II", len(dialogue.opening), 196608)
    assert b"user\0postgres\0database\0postgres\0\0" in dialogue.opening
    assert hold(dialogue, LOGIN, step) == (message(b"Q", b"show cluster_name\0"), None)
    assert hold(dialogue, ROW, step) == (b"", Answer(True, "db-01"))


def test_a_value_that_is_null_names_nobody():
    dialogue = PgsqlDialogue("pgsql")
    dialogue.feed(LOGIN)
    assert dialogue.feed(message(b"D", struct.pack("!Hi", 1, -1)) + READY) == Answer(True, None)


@pytest.mark.parametrize(("raw", "error"), [
    (ERROR, "error 57P03: the database system is starting up"),
    (LOGIN + ERROR, "error 57P03: the database system is starting up"),
    (message(b"R", b"\0\0\0\x0a"), "PostgreSQL wants a password: say trust in its pg_hba.conf")])
def test_what_postgresql_says_no_to(raw, error):
    assert hold(PgsqlDialogue("pgsql"), raw, 1000)[1] == Answer(False, error=error)


@pytest.mark.parametrize(("parts", "words"), [
    ([b""], "closed before"), ([LOGIN, b""], "closed before"), ([b"HTTP/1.0 400"], "not an answer"),
    ([b"R\0\0\0\0"], "not an answer"), ([message(b"S", bytes(1 << 19))] * 3, "too long")])
def test_what_is_no_answer_of_postgresql(parts, words):
    dialogue = PgsqlDialogue("pgsql")
    with pytest.raises(ValueError, match=words):
        for part in parts:
            dialogue.feed(part)


@pytest.mark.parametrize("step", [1, 100])
@pytest.mark.parametrize(("raw", "answer"), [
    (b"+PONG\r\n", Answer(True, "PONG")), (b"$5\r\ndb-01\r\n", Answer(True, "db-01")), (b"$-1\r\n", Answer(True)),
    (b":1\r\n", Answer(True)), (b"-LOADING Redis is loading\r\n", Answer(False, error="LOADING Redis is loading"))])
def test_redis(raw, answer, step):
    dialogue = RedisDialogue("cache")
    assert dialogue.opening == b"PING\r\n" and hold(dialogue, raw, step) == (b"", answer)


@pytest.mark.parametrize(("parts", "words"), [
    ([b""], "closed before"), ([b"HTTP"], "not an answer"), ([b"$x\r\n"], "not an answer"),
    ([b"+" + bytes(70000)], "too long")])
def test_what_is_no_answer_of_redis(parts, words):
    dialogue = RedisDialogue("cache")
    with pytest.raises(ValueError, match=words):
        for part in parts:
            dialogue.feed(part)


def test_a_page_of_its_own():
    assert HttpDialogue("web", "/health").opening.startswith(b"GET /health HTTP/1.0\r\n")


def test_a_connection_is_an_answer(log, loop):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        service = Thing(vip=Thing(address="127.0.0.1"), port=server.getsockname()[1], protocol="tcp", question=None,
                        asked_every=None,
                        active="one", client=None)
        observer = ClientObserver(Thing(tcp_socket=socket.socket), Thing(services={"x": service}, nodes={}), log,
                                  loop)
        observer.start()
        try:
            observer.wait_answering("x", 5)
        finally:
            observer.stop()
    assert not [event for event in log.events() if event.kind == "broken"]


@pytest.mark.parametrize(("line", "ok", "node", "error"), [
    ('echo "rs-02 $ADDRESS:$PORT $SERVICE"', True, "rs-02", None),
    ("echo nobody", True, None, None),
    ("echo no, thanks; exit 3", False, None, "the command ended with 3: no, thanks"),
    ("sleep 30", False, None, "connected, but no answer within 1 s"),
    ("exec >&-; sleep 30", False, None, "the command closed its output, and goes on")])
def test_a_command_asks(log, loop, line, ok, node, error):
    service = Thing(vip=Thing(address="127.0.0.1"), port=7, protocol="command", question=line,
                    asked_every=None, active="one",
                    client=None)
    inside = Thing(tcp_socket=socket.socket, entered=contextlib.nullcontext)
    observer = ClientObserver(inside, Thing(services={"x": service}, nodes={"rs-02": 1}), log, loop)
    observer.start()
    try:
        event, _ = log.wait_for(lambda event: event.kind == "reply", 5, "an answer")
    finally:
        observer.stop()
    assert (event.data["ok"], event.data["from"], event.data["error"]) == (ok, node, error)
    assert not [event for event in log.events() if event.kind == "broken"]
