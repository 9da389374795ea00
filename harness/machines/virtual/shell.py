#!/usr/bin/python3
"""Runs inside of a virtual machine: does commands that come over a console line, a JSON object a line.

In: {"id", "command", "input"}; out: {"id", "status", "out", "err"}, each when its command has ended. It says {"id": 0}
when it begins. Needs nothing but Python.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import tty

DEVICE = "/dev/hvc1"
#: What root has after a login: sshd's, and Debian's /etc/login.defs.
ENVIRONMENT = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
               "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Shell:
    """Serves the terminal ``fd``."""

    def __init__(self, fd):
        self._fd = fd
        self._writing = threading.Lock()

    def say(self, **answer):
        data = (json.dumps(answer) + "\n").encode()
        with self._writing:
            while data:
                data = data[os.write(self._fd, data):]

    def run(self):
        self.say(id=0)
        with os.fdopen(os.dup(self._fd), "rb") as lines:
            for line in lines:
                try:
                    asked = json.loads(line)
                except ValueError:  # what a reset left half said
                    continue
                threading.Thread(target=self._do, args=(asked,), daemon=True).start()

    def _do(self, asked):
        try:
            done = subprocess.run(["/bin/bash", "-c", asked["command"]], input=(asked["input"] or "").encode(),
                                  capture_output=True, env=ENVIRONMENT, cwd="/root", check=False,
                                  start_new_session=True, preexec_fn=_defaults)
            status, out, err = done.returncode, done.stdout, done.stderr
        except OSError as error:
            status, out, err = 126, b"", str(error).encode()
        self.say(id=asked["id"], status=status if status >= 0 else 128 - status, out=base64.b64encode(out).decode(),
                 err=base64.b64encode(err).decode())


def _defaults():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


if __name__ == "__main__":
    terminal = os.open(sys.argv[1] if len(sys.argv) > 1 else DEVICE, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(terminal)
    Shell(terminal).run()
