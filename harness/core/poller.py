"""Waiting for several files at once, and for somebody else who says that there is something to do."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Any, Protocol

Callback = Callable[[], None]


class Poller(Protocol):
    """The files of one thread; ``wake`` may be called from any."""

    def add(self, file: Any, callback: Callback, events: int) -> None:
        """From now on ``file`` is looked at for ``events`` (``selectors``); it replaces an earlier one."""

    def remove(self, file: Any) -> None:
        """No more. Unknown files, and files that were closed already, are no error."""

    def has(self, file: Any, callback: Callback) -> bool:
        """Whether ``file`` is there with ``callback``."""

    def poll(self, seconds: float | None) -> list[tuple[Any, Callback]]:
        """Waits until a file is ready, for ``wake``, or for ``seconds`` (None: for as long as it takes); returns the
        files that are ready, with what was given with each."""

    def wake(self) -> None:
        """Ends a ``poll`` at once, or the next one."""

    def close(self) -> None:
        """Forgets all files. May be repeated."""


class HostPoller:
    """Of the host's own files: descriptors, and what has one."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._selector.register(self._wake_in, selectors.EVENT_READ)

    def add(self, file: Any, callback: Callback, events: int) -> None:
        self.remove(file)  # or the stale entry of a closed descriptor whose number came back
        self._selector.register(file, events, callback)

    def remove(self, file: Any) -> None:
        # KeyError: unknown; ValueError: closed already; RuntimeError: the selector is closed
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            self._selector.unregister(file)

    def has(self, file: Any, callback: Callback) -> bool:
        with contextlib.suppress(KeyError, ValueError, RuntimeError):
            return self._selector.get_key(file).data is callback
        return False

    def poll(self, seconds: float | None) -> list[tuple[Any, Callback]]:
        found = []
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wake_in:
                with contextlib.suppress(BlockingIOError):
                    while self._wake_in.recv(4096):
                        pass
            else:
                found.append((key.fileobj, key.data))
        return found

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake up anyway; closed: it has stopped
            self._wake_out.send(b"x")

    def close(self) -> None:
        for end in (self._wake_in, self._wake_out):
            end.close()
        self._selector.close()
