"""Writes numbered rows to a database: each is a transaction of its own, over a connection that is kept while it lasts,
as applications do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pymysql

from fenceline.core.clock import Clock, Flag, Task
from fenceline.daemons.mariadb import TABLE, USER
from fenceline.observe.appends import INTERVAL, PATIENCE, Appends

_INSERT = f"INSERT INTO {TABLE} (id, node) VALUES (%s, @@hostname)"
_READ = f"SELECT id, node, sequence FROM {TABLE} ORDER BY sequence"


class SqlWriter:
    """Writes to the table at ``target``; ``connect(within)`` gives a connected socket."""

    def __init__(self, target: tuple[str, int], appends: Appends, connect: Callable[[float], socket.socket],
                 clock: Clock) -> None:
        self._target, self._appends, self._connect, self._clock = target, appends, connect, clock
        self._writing: _Writing | None = None

    def start(self) -> None:
        """Begins to write. May be repeated."""
        if self._writing is None:
            self._writing = _Writing(self._target, self._appends, self._connect, self._clock)

    def stop(self) -> None:
        """Stops writing; an append under way gets no event. May be repeated."""
        if self._writing is not None:
            self._writing.end()
            self._writing = None

    def read(self, within: float) -> tuple[str, list[list[Any]]]:
        """Every row, over a connection of its own.

        Raises:
            OSError, ValueError: they could not be read.
        """
        try:
            with contextlib.closing(open_connection(self._target, self._connect(within), within)) as connection:
                node = str(_ask(connection, "SELECT @@hostname")[0][0])
                return node, [list(row) for row in _ask(connection, _READ)]
        except pymysql.MySQLError as error:
            raise ValueError(words(error)) from error


class _Writing:
    """From a start to a stop: a thread with a connection of its own, which the next start knows nothing of."""

    def __init__(self, target: tuple[str, int], appends: Appends, connect: Callable[[float], socket.socket],
                 clock: Clock) -> None:
        self._target, self._appends, self._connect, self._clock = target, appends, connect, clock
        self._ending = Flag(clock)
        self._lock = threading.Lock()  # of the socket, which ``end`` shuts down
        self._socket: socket.socket | None = None
        self._connection: pymysql.Connection | None = None
        self._node: str | None = None
        self._task = Task(clock, self._main, "fenceline-sql")

    def end(self) -> None:
        with self._lock:
            self._ending.set()
            if self._socket is not None:
                with contextlib.suppress(OSError):  # the other end may have closed it
                    self._socket.shutdown(socket.SHUT_RDWR)
        self._task.join(2 * PATIENCE)

    def _main(self) -> None:
        while not self._ending.wait(INTERVAL):
            number, sent_ns, error = self._appends.next(), self._clock.now_ns(), None
            try:
                self._append(number)
            except (pymysql.MySQLError, OSError, ValueError) as caught:
                error = words(caught)
                self._drop()
            if not self._ending.is_set():
                self._appends.ended(number, sent_ns, error is None, self._node, error)
        self._drop()

    def _append(self, number: int) -> None:
        if self._connection is None:
            self._node = None
            made = self._connect(PATIENCE)
            with self._lock:
                self._socket = made
                if self._ending.is_set():
                    raise OSError("stopped")
            self._connection = open_connection(self._target, made, PATIENCE)
            self._node = str(_ask(self._connection, "SELECT @@hostname")[0][0])
        _ask(self._connection, _INSERT, number)

    def _drop(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection._force_close()  # close() would say good-bye, and wait
            elif self._socket is not None:
                self._socket.close()
            self._connection = self._socket = None


def open_connection(target: tuple[str, int], sock: socket.socket, within: float) -> pymysql.Connection:
    """A session on the connected socket ``sock``, which it owns; each answer may take ``within`` s.

    Raises:
        pymysql.MySQLError: the server does not let us in; the socket is closed.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = pymysql.Connection(host=target[0], port=target[1], user=USER, autocommit=True, defer_connect=True,
                                    read_timeout=within, write_timeout=within)
    connection.connect(sock)
    return connection


def _ask(connection: pymysql.Connection, statement: str, *values: int) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def words(error: Exception) -> str:
    """What a client's error says, with the server's number."""
    if isinstance(error, pymysql.MySQLError) and len(error.args) > 1:
        return f"error {error.args[0]}: {error.args[1]}"
    return str(error)
