"""Starting a supervisor: the pipe between ``fenceline up`` and the process that it leaves behind, both ends.

The supervisor says JSON lines: {"say": ...}, and at last {"ready": true} or {"error": ..., "detail": ...}. If
nobody reads the pipe any more before the cluster is whole, it is taken down again: who waited for it is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fenceline.core.errors import ClusterError, FencelineError
from fenceline.lab.control import Standing, find

SUPERVISOR = (sys.executable, "-c", "import sys; from fenceline.lab.supervisor import main; sys.exit(main())")


@dataclass(frozen=True, slots=True)
class Order:
    """What to bring up. ``topology`` as plain data; ``run`` is the run's folder, which exists."""

    name: str
    topology: dict[str, Any]
    run: str
    driver: str = "auto"
    uri: str | None = None


class Tell:
    """The pipe to who waits for the cluster; everything is said in the supervisor's own log (stderr) too."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # a machine that had it would keep ``fenceline up`` waiting
        self._fd = fd

    def say(self, text: str) -> None:
        """A line of progress."""
        print(text, file=sys.stderr, flush=True)
        self._send({"say": text})

    def ready(self) -> None:
        """The cluster is whole."""
        self._send({"ready": True})
        self.close()

    def error(self, message: str, detail: str = "") -> None:
        """It did not come up."""
        print(f"{message}\n{detail}", file=sys.stderr, flush=True)
        self._send({"error": message, "detail": detail})
        self.close()

    def _send(self, line: dict[str, Any]) -> None:
        if self._fd < 0:
            return
        try:
            os.write(self._fd, (json.dumps(line) + "\n").encode())
        except BrokenPipeError:
            self.close()
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        """No more is said but in the log."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def launch(order: Order, say: Callable[[str], None], command: Sequence[str] = SUPERVISOR) -> Standing:
    """A cluster in the background, whole when this returns.

    Raises:
        FencelineError: it did not come up; nothing is left of it.
        KeyboardInterrupt: it has been taken down again.
    """
    read_end, write_end = os.pipe()
    log = Path(order.run) / "supervisor.log"
    with log.open("ab") as out:
        # a session of its own: the terminal's Ctrl-C and its end are for us to pass on
        child = subprocess.Popen(
            [*command, str(write_end)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as lines:
        try:
            child.stdin.write(json.dumps(asdict(order)).encode())
            child.stdin.close()
            _follow(lines, child, say, log)
        except BrokenPipeError as error:
            raise ClusterError(f"the supervisor ended at once; its log: {log}") from error
        except KeyboardInterrupt:
            _take_back(lines, child, say)
            raise
    return find(order.name)


def _follow(lines: Iterable[str], child: subprocess.Popen, say: Callable[[str], None], log: Path) -> None:
    for line in lines:
        told = json.loads(line)
        if "say" in told:
            say(told["say"])
        elif told.get("ready"):
            return
        else:
            child.wait()
            raise FencelineError(told["error"], told["detail"])
    status = child.wait()
    raise ClusterError(
        f"the supervisor ended (exit status {status}) before the cluster was up; its log: {log}; "
        "`fenceline reap` removes what it may have left"
    )


def _take_back(lines: Iterable[str], child: subprocess.Popen, say: Callable[[str], None]) -> None:
    say("interrupted: taking the cluster down again")
    try:
        child.terminate()
        for _ in lines:
            pass  # a supervisor whose pipe is full could not end
        child.wait()
    except KeyboardInterrupt:
        say(f"still being taken down by process {child.pid}; if you kill that too: fenceline reap")
        raise
