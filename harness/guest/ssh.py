"""The one way into a guest: commands over SSH that always end, by an answer or by a deadline."""

from __future__ import annotations

import contextlib
import shlex
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.core.errors import ClusterError, MachineError, Timeout

_TCP_USER_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An SSH key: ``private`` in OpenSSH's format, ``public`` as one line of authorized_keys."""

    private: str
    public: str


def make_key() -> KeyPair:
    """A new Ed25519 key; made per run, never stored in the image."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH,
                                serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


@dataclass(frozen=True, slots=True)
class Result:
    """What a command gave: ``status`` its exit status (-1: the connection was lost), ``seconds`` how long it took."""

    command: str
    status: int
    out: str
    err: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.status == 0


class Session:
    """Commands on one guest. Connects when needed, again after a reboot. Thread-safe.

    ``connect`` makes a TCP connection to the guest inside the fabric and takes a timeout in seconds.
    """

    def __init__(self, node: str, connect: Callable[[float], socket.socket], key: KeyPair, host_key: KeyPair,
                 clock: Clock = HOST_CLOCK) -> None:
        self.node = node
        self._clock = clock
        self._connect = connect
        self._host_key = host_key.public.split()[1]
        import io
        self._key = paramiko.Ed25519Key.from_private_key(io.StringIO(key.private))
        self._transport: paramiko.Transport | None = None
        self._closed = 0  # times: what was begun before the last is no connection to the present guest
        self._lock = threading.Lock()  # of these two; never held while something is waited for
        self._connecting = threading.Lock()

    def run(self, command: str | Sequence[str], within: float = 30.0, check: bool = True,
            text: str | None = None) -> Result:
        """Runs ``command`` (a sequence is quoted) with ``text`` as its input.

        Raises:
            Timeout: no end within ``within`` seconds (the command may go on in the guest).
            MachineError: the guest can't be reached.
            ClusterError: ``check``, and the command failed or the connection was lost meanwhile.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        begun = self._clock.now()
        deadline = begun + within
        transport, channel = self._channel(deadline)
        try:
            channel.settimeout(max(0.1, deadline - self._clock.now()))
            channel.exec_command(line)
            if text is not None:
                channel.sendall(text.encode())
            channel.shutdown_write()
            out, err = self._collect(channel, deadline, line, self._clock)
            if not channel.status_event.wait(max(0.05, deadline - self._clock.now())):
                raise Timeout(f"{self.node}: `{line}` did not end within {within:g} s", self._clock.now() - begun)
            result = Result(line, channel.exit_status, out, err, self._clock.now() - begun)
        except (TimeoutError, paramiko.SSHException, EOFError, OSError) as error:
            self._drop(transport)
            waited = self._clock.now() - begun
            if isinstance(error, TimeoutError):
                raise Timeout(f"{self.node}: `{line}` did not end within {within:g} s", waited) from error
            raise MachineError(f"{self.node}: connection lost during `{line}`: {error!r}") from error
        finally:
            channel.close()
        if check and not result.ok:
            raise ClusterError(f"{self.node}: `{line}` gave {result.status}",
                               (result.err or result.out).strip()[-2000:])
        return result

    @staticmethod
    def _collect(channel: paramiko.Channel, deadline: float, line: str, clock: Clock) -> tuple[str, str]:
        out, err = [], []
        while True:
            # looked at first: what came before the end is there by now
            ended = channel.eof_received or channel.closed
            if channel.recv_ready():
                out.append(channel.recv(65536))
            elif channel.recv_stderr_ready():
                err.append(channel.recv_stderr(65536))
            elif ended:
                break
            else:
                left = deadline - clock.now()
                if left <= 0:
                    raise TimeoutError(line)
                # paramiko has no wait on both streams: wait on the first, look at the second 50 times a second
                channel.settimeout(min(0.02, left))
                with contextlib.suppress(TimeoutError):
                    data = channel.recv(65536)
                    if data:
                        out.append(data)
        return b"".join(out).decode(errors="replace"), b"".join(err).decode(errors="replace")

    def _channel(self, deadline: float) -> tuple[paramiko.Transport, paramiko.Channel]:
        for attempt in (1, 2):
            transport = self._connected(deadline)
            try:
                return transport, transport.open_session(timeout=max(0.5, deadline - self._clock.now()))
            except (paramiko.SSHException, EOFError, OSError) as error:
                # a transport to a machine that has been rebooted looks alive until it is used
                self._drop(transport)
                if attempt == 2 or self._clock.now() >= deadline:
                    raise MachineError(f"{self.node}: no SSH session: {error!r}") from error
        raise AssertionError("unreachable")

    def _connected(self, deadline: float) -> paramiko.Transport:
        """The connection, made if need be: by one caller, for whom the others wait."""
        if not self._connecting.acquire(timeout=max(0.0, deadline - self._clock.now())):
            raise MachineError(f"{self.node}: no SSH: another command is still connecting")
        try:
            while True:
                with self._lock:
                    if self._transport is not None and self._transport.is_active():
                        return self._transport
                    closed = self._closed
                made = self._open(deadline)
                with self._lock:
                    if closed == self._closed:
                        self._transport = made
                        return made
                made.close()
                if self._clock.now() >= deadline:
                    raise MachineError(f"{self.node}: no SSH: the connection was dropped while it was made")
        finally:
            self._connecting.release()

    def _drop(self, transport: paramiko.Transport) -> None:
        """``transport`` is of no use any more."""
        with self._lock:
            if self._transport is transport:
                self._transport = None
        transport.close()

    def _open(self, deadline: float) -> paramiko.Transport:
        left = max(0.5, deadline - self._clock.now())
        transport = None
        try:
            sock = self._connect(left)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
            transport = paramiko.Transport(sock)
            transport.banner_timeout = left
            transport.auth_timeout = left
            transport.daemon = True
            transport.start_client(timeout=left)
            if transport.get_remote_server_key().get_base64() != self._host_key:
                raise MachineError(f"{self.node}: the guest's SSH host key is not the one of this run")
            transport.auth_publickey("root", self._key)
            transport.set_keepalive(2)
            return transport
        except (paramiko.SSHException, EOFError, OSError) as error:
            if transport is not None:
                transport.close()
            raise MachineError(f"{self.node}: no SSH: {error!r}") from error

    def wait(self, within: float) -> float:
        """Waits until the guest answers; returns the time that it took (s).

        Raises:
            Timeout: it did not within ``within`` seconds.
        """
        begun = self._clock.now()
        last = "never tried"
        while (left := begun + within - self._clock.now()) > 0:
            try:
                self.run("true", within=min(left, 10.0))
                return self._clock.now() - begun
            except (MachineError, Timeout, ClusterError) as error:
                last = error.message
            self._clock.sleep(0.1)  # a refused connection gives no event to wait for
        raise Timeout(f"{self.node} did not answer on SSH within {within:g} s ({last})", self._clock.now() - begun)

    def close(self) -> None:
        """Drops the connection, and one that is being made; the next command makes a new one. Waits for nobody: who
        answers that a machine is off must not wait for somebody else's attempt to reach it."""
        with self._lock:
            self._closed += 1
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


def write_private_key(key: KeyPair, path: Path) -> None:
    """Puts ``key`` where OpenSSH's own client takes it."""
    path.touch(mode=0o600)
    path.write_text(key.private)
