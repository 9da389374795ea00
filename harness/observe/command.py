"""A client's question that a command asks: whatever has a client program can be asked."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from typing import Any

from fenceline.observe.dialogue import Answer

_LARGEST = 1 << 16  # bytes of what it prints that are read
#: The observers' thread is the most urgent on this host; what it starts is not.
_AS_OTHERS = ("nice", "-n", "15")


class CommandDialogue:
    """The shell line ``question``, run on this host inside the fabric, with ADDRESS, PORT and SERVICE in its
    environment. Its exit status 0 is a good answer; the first word that it prints says which node gave it."""

    opening = b""

    def __init__(self, service: str, question: str) -> None:
        self._service, self._question = service, question
        self._said = b""
        self._process: subprocess.Popen | None = None

    def start(self, fabric: Any, where: tuple[str, int]) -> socket.socket:
        """Runs it in the namespace of ``fabric`` against ``where``; returns what its words come from.

        Raises:
            OSError: it can't be run.
        """
        ours, theirs = socket.socketpair()
        with theirs, fabric.entered():
            try:
                self._process = subprocess.Popen(
                    [*_AS_OTHERS, "sh", "-c", self._question], stdin=subprocess.DEVNULL, stdout=theirs,
                    stderr=subprocess.DEVNULL, start_new_session=True,
                    env=os.environ | {"ADDRESS": where[0], "PORT": str(where[1]), "SERVICE": self._service})
            except OSError:
                ours.close()
                raise
        return ours

    def feed(self, chunk: bytes) -> Answer | bytes:
        """See ``Dialogue``."""
        self._said = (self._said + chunk)[:_LARGEST]
        if chunk:
            return b""
        try:
            # who closed its output is about to end
            status = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            raise ValueError("the command closed its output, and goes on") from None
        words = self._said.decode(errors="replace").split()
        if status:
            return Answer(False, status=status, error=f"the command ended with {status}: {' '.join(words)[:200]}")
        return Answer(True, next(iter(words), None), status)

    def close(self) -> None:
        """Ends what still runs."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
