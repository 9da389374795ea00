"""Commands in a virtual machine, over a console line of its own: see ``shell``, which does them there.

No network has a part in it: a command reaches a machine whose cables are all pulled.
"""

from __future__ import annotations

import base64
import json
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fenceline.core.clock import Clock
from fenceline.core.errors import ClusterError, MachineError, Timeout
from fenceline.core.wait import Deadline
from fenceline.guest.seed import Seed
from fenceline.guest.ssh import Result
from fenceline.machines.virtual.console import Console

_PROGRAM = "/usr/lib/fenceline/shell.py"
_UNIT = f"""\
[Unit]
Description=Fenceline: commands over the console line
DefaultDependencies=no

[Service]
ExecStart=/usr/bin/python3 {_PROGRAM}
Restart=always
OOMScoreAdjust=-900
"""


def seed_shell(seed: Seed) -> None:
    """Lets the machine serve its command line from its boot on."""
    seed.add(_PROGRAM, Path(__file__).with_name("shell.py").read_text(), 0o755)
    seed.add("/etc/systemd/system/fenceline-shell.service", _UNIT)
    seed.units.append("fenceline-shell.service")


@dataclass
class _Asked:
    answer: dict | None = None
    lost: bool = False


@dataclass
class CommandLine:
    """The world's end of the line: what comes from the machine goes in by ``heard``."""

    clock: Clock
    node: str
    console: Console | None = None
    is_ready: bool = False
    _rest: bytes = b""
    _number: int = 0
    _open: dict[int, _Asked] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def heard(self, data: bytes) -> None:
        """The machine says ``data``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if said["id"] == 0:  # it has begun, or begun again: what it was asked before is lost
                self._lose()
                self.is_ready = True
            elif (asked := self._open.pop(said["id"], None)) is not None:
                asked.answer = said
        with self._changed:
            self._changed.notify_all()

    def gone(self) -> None:
        """The machine's power has gone."""
        self._lose()
        self.is_ready, self._rest = False, b""
        with self._changed:
            self._changed.notify_all()

    def _lose(self) -> None:
        for asked in self._open.values():
            asked.lost = True
        self._open.clear()

    def ask(self, command: str, text: str | None, within: float) -> dict:
        """Has ``command`` done; its answer.

        Raises:
            MachineError: the machine does not serve its line, or its power went.
            Timeout: no answer within ``within`` seconds.
        """
        deadline = Deadline(self.clock, within)
        with self._changed:
            while not self.is_ready:
                if not deadline.left:
                    raise MachineError(f"{self.node}: it does not serve its command line")
                self.clock.wait(self._changed, deadline.left)
            self._number += 1
            asked = self._open[self._number] = _Asked()
            self.console.write((json.dumps({"id": self._number, "command": command, "input": text}) + "\n").encode())
            while asked.answer is None:
                if asked.lost:
                    raise MachineError(f"{self.node}: the connection was lost during `{command}`")
                if not deadline.left:
                    raise Timeout(f"{self.node}: `{command}` did not end within {within:g} s", deadline.took)
                self.clock.wait(self._changed, deadline.left)
        return asked.answer


class ConsoleSession:
    """As ``fenceline.guest.ssh.Session``, but over ``line``."""

    def __init__(self, line: CommandLine) -> None:
        self.node = line.node
        self._line = line

    def run(self, command: str | Sequence[str], within: float = 30.0, check: bool = True,
            text: str | None = None) -> Result:
        """See ``Session.run``."""
        words = command if isinstance(command, str) else shlex.join(command)
        begun = self._line.clock.now()
        said = self._line.ask(words, text, within)
        out, err = (base64.b64decode(said[stream]).decode(errors="replace") for stream in ("out", "err"))
        result = Result(words, said["status"], out, err, self._line.clock.now() - begun)
        if check and not result.ok:
            raise ClusterError(f"{self.node}: `{words}` gave {result.status}",
                               (result.err or result.out).strip()[-2000:])
        return result

    def wait(self, within: float) -> float:
        """See ``Session.wait``."""
        deadline = Deadline(self._line.clock, within)
        try:
            self.run("true", within=within)
        except (MachineError, Timeout, ClusterError) as error:
            raise Timeout(f"{self.node} did not serve its command line within {within:g} s ({error.message})",
                          deadline.took) from error
        return deadline.took

    def close(self) -> None:
        """Nothing is held open."""
