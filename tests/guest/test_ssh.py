"""Commands over SSH, against a server of paramiko's on the loopback address."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time

import paramiko
import pytest
from paramiko.common import MSG_CHANNEL_REQUEST

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import ClusterError, MachineError, Timeout
from fenceline.guest.ssh import Session, make_key


class Guest(paramiko.ServerInterface):
    """Knows a few commands; ``drop`` ends the connection, ``hang`` never ends."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        known = username == "root" and key.get_base64() == self.server.key.public.split()[1]
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        channel.pending = threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True)
        return True

    def _run(self, channel, command):
        self.server.commands.append(command)
        with contextlib.suppress(OSError, EOFError):
            if command == "drop":
                channel.get_transport().close()
                return
            if command == "hang":
                return
            if command == "cat":
                while data := channel.recv(65536):
                    channel.sendall(data)
            elif command == "much":
                for _ in range(20):
                    channel.sendall(b"x" * 50_000)
                    channel.sendall_stderr(b"y" * 10_000)
            elif command == "fail":
                channel.sendall(b"out\n")
                channel.sendall_stderr(b"no such thing\n")
            elif command == "garbage":
                channel.sendall(b"\xff\xfe")
            channel.send_exit_status(3 if command == "fail" else 0)
            channel.close()


class Server:
    """Accepts connections until it is closed."""

    def __init__(self, key, host_key) -> None:
        self.key = key
        self.host_key = paramiko.Ed25519Key.from_private_key(io.StringIO(host_key.private))
        self.commands: list[str] = []
        self.transports: list[paramiko.Transport] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.socket.accept()
                transport = paramiko.Transport(sock)
                transport.add_server_key(self.host_key)
                transport.daemon = True
                self.transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(threading.Event(), Guest(self))

    def reboot(self):
        """Every connection is lost."""
        for transport in self.transports:
            transport.close()

    def close(self):
        # shutdown, too: it is what makes accept() return
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.reboot()


@pytest.fixture(scope="module")
def keys():
    return make_key(), make_key()


def _answer_then_run(channel, message, answer=paramiko.Channel._handle_request):
    """A command begins when its request has been answered: one that ended before would end the channel too early."""
    answer(channel, message)
    if pending := channel.__dict__.pop("pending", None):
        pending.start()


@pytest.fixture
def server(keys, monkeypatch):
    monkeypatch.setitem(paramiko.Transport._channel_handler_table, MSG_CHANNEL_REQUEST, _answer_then_run)
    made = Server(*keys)
    yield made
    made.close()


@pytest.fixture
def make(server, keys):
    made = []

    def go(key=keys[0], host_key=keys[1]):
        session = Session("rs-01", lambda within: socket.create_connection(server.address, within), key, host_key)
        made.append(session)
        return session
    yield go
    for session in made:
        session.close()


def test_an_answer(make):
    result = make().run("true")
    assert result.ok and result.status == 0 and result.command == "true" and 0 < result.seconds < 10


def test_words_are_quoted(make, server):
    make().run(["echo", "a b", "$(reboot)", "it's"])
    assert server.commands == ["echo 'a b' '$(reboot)' 'it'\"'\"'s'"]


def test_input_and_output(make):
    assert make().run("cat", text="ein Wort: Grüße\n" * 5000).out == "ein Wort: Grüße\n" * 5000


def test_much_on_both_streams(make):
    result = make().run("much")
    assert (len(result.out), len(result.err)) == (1_000_000, 200_000)


def test_output_that_is_no_text(make):
    assert make().run("garbage").out == "\ufffd\ufffd"


class LastMoment:
    """A channel whose output and end come together, between two looks at it: ``stderr``, on that stream."""

    def __init__(self, stderr: bool) -> None:
        self.has, self.stderr = 0, stderr
        self.eof_received = self.closed = False

    def recv_ready(self):
        if not self.has and not self.eof_received:
            self.has, self.eof_received = 1, True
            return False
        return self.has and not self.stderr

    def recv_stderr_ready(self):
        return self.has and self.stderr and self.eof_received

    def recv(self, nbytes):
        self.has = 0
        return b"all of it"

    recv_stderr = recv

    def settimeout(self, seconds):
        pass


@pytest.mark.parametrize("stderr", [False, True])
def test_what_comes_together_with_the_end_is_not_lost(stderr):
    """Seen as a result "" with status 0."""
    got = Session._collect(LastMoment(stderr), time.monotonic() + 5, "true", HOST_CLOCK)
    assert got == (("", "all of it") if stderr else ("all of it", ""))


def test_a_command_that_fails(make):
    session = make()
    with pytest.raises(ClusterError, match="rs-01: `fail` gave 3") as caught:
        session.run("fail")
    assert caught.value.detail == "no such thing"
    result = session.run("fail", check=False)
    assert (result.ok, result.status, result.out, result.err) == (False, 3, "out\n", "no such thing\n")


def test_a_command_that_does_not_end(make):
    session = make()
    session.run("true")
    begun = time.monotonic()
    with pytest.raises(Timeout, match="rs-01: `hang` did not end within 0.3 s") as caught:
        session.run("hang", within=0.3)
    assert 0.25 < caught.value.waited <= time.monotonic() - begun < 3
    assert session.run("true").ok  # by a new connection


def test_a_connection_that_is_lost(make):
    session = make()
    with pytest.raises((MachineError, ClusterError)):
        session.run("drop")
    assert session.run("true").ok


def test_a_guest_that_was_rebooted_is_connected_to_again(make, server):
    session = make()
    session.run("true")
    server.reboot()
    assert session.run("true").ok
    assert len(server.transports) == 2


def test_one_connection_serves_many_commands(make, server):
    session = make()
    threads = [threading.Thread(target=session.run, args=("true",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.commands == ["true"] * 5 and len(server.transports) == 1


def test_a_guest_of_another_run_is_refused(make, server):
    with pytest.raises(MachineError, match="the guest's SSH host key is not the one of this run"):
        make(host_key=make_key()).run("true")
    assert server.commands == []


def test_a_guest_that_does_not_know_us(make):
    with pytest.raises(MachineError, match="rs-01: no SSH: .*Authentication"):
        make(key=make_key()).run("true")


def test_a_guest_that_is_not_there(make, server):
    server.close()
    with pytest.raises(MachineError, match="rs-01: no SSH: .*refused"):
        make().run("true", within=5)


def test_a_port_at_which_nobody_speaks_ssh(keys):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        session = Session("rs-01", lambda within: socket.create_connection(mute.getsockname(), within), *keys)
        begun = time.monotonic()
        with pytest.raises((MachineError, Timeout)):
            session.run("true", within=0.6)
        assert time.monotonic() - begun < 5


def test_closing_does_not_wait_for_a_connect(keys, server):
    """A fencing device answered 9.7 s after it had cut the power, as somebody tried to reach the victim meanwhile."""
    trying, go_on = threading.Event(), threading.Event()

    def connect(within):
        trying.set()
        assert go_on.wait(10)
        return socket.create_connection(server.address, within)
    session = Session("rs-01", connect, *keys)
    results = []
    thread = threading.Thread(target=lambda: results.append(session.run("true", within=10)))
    thread.start()
    try:
        assert trying.wait(5)
        closer = threading.Thread(target=session.close, daemon=True)
        closer.start()
        closer.join(2)
        assert not closer.is_alive(), "close() waits for the connect"
    finally:
        go_on.set()
        thread.join(10)
    # what was being connected when the session was closed may lead to a machine that is off by now: it is dropped
    assert results[0].ok
    dropped, used = server.transports
    dropped.join(10)  # ends when its server sees that the connection is closed
    assert not dropped.is_active() and used.is_active()
    session.close()


def test_who_waits_for_anothers_connect_waits_no_longer_than_he_may(keys):
    trying, go_on = threading.Event(), threading.Event()

    def connect(within):
        trying.set()
        go_on.wait(10)
        raise ConnectionRefusedError(111, "Connection refused")
    session = Session("rs-01", connect, *keys)
    thread = threading.Thread(target=lambda: pytest.raises(MachineError, session.run, "true"))
    thread.start()
    try:
        assert trying.wait(5)
        with pytest.raises(MachineError, match="another command is still connecting"):
            session.run("true", within=0.1)
    finally:
        go_on.set()
        thread.join(10)


def test_waiting_for_a_guest(keys, server):
    late = time.monotonic() + 0.4

    def connect(within):
        if time.monotonic() < late:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection(server.address, within)
    session = Session("rs-01", connect, *keys)
    assert 0.3 < session.wait(10) < 5
    session.close()


def test_waiting_in_vain(make, server):
    server.close()
    with pytest.raises(Timeout, match=r"rs-01 did not answer on SSH within 0.3 s \(rs-01: no SSH: .*refused"):
        make().wait(0.3)
