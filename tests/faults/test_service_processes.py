"""Whom the command that kills or stops a service's daemon hits: real processes, with names and ports of their own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.process import signal_service
from fenceline.guest.ssh import Result

# A daemon with two processes: NAME listens, or has its worker do so alone, and says its own pid, the worker's and that
# of a helper that the worker started under another name
_DAEMON = """\
import os, socket, sys, time
name, port, who = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def call(name):
    with open("/proc/self/comm", "w") as file:
        file.write(name)
def listen():
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen()
    return sock
call(name)
sock = listen() if who == "master" else None
worker = os.fork()
if worker == 0:
    if who == "worker":
        sock = listen()
    helper = os.fork()
    if helper == 0:
        call("fl-helper")
        if sock:
            sock.close()
        time.sleep(60)
    print(os.getppid(), os.getpid(), helper, flush=True)
    time.sleep(60)
time.sleep(60)
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def daemon(port, who="master", name="fl-web"):
    """The pids of master, worker and helper."""
    process = subprocess.Popen([sys.executable, "-S", "-c", _DAEMON, name, str(port), who], stdout=subprocess.PIPE,
                               text=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    try:
        yield pids
    finally:
        for pid in pids:
            if alive(pid):
                subprocess.run(["kill", "-KILL", str(pid)], check=False)
        process.wait(10)
        process.stdout.close()


def alive(pid: int) -> bool:
    """Whether it runs: neither gone nor dead nor stopped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZXTt"
    except FileNotFoundError:
        return False


@pytest.fixture
def hit(cluster):
    """Injects a fault of the service "web", a daemon of that port and of a name that nothing else here has, on this
    machine; returns it."""
    def run(command, within=30.0, check=True, text=None):
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
        return Result(" ".join(command), done.returncode, done.stdout, done.stderr, 0.0)

    def do(name, port):
        web = cluster.topology.services["web"]
        own = {"name": "fl-web", "port": port}
        group = tuple(part.model_copy(update=own) if part.kind == "daemon" else part for part in web.group)
        cluster.topology = cluster.topology.model_copy(
            update={"services": {"web": web.model_copy(update={"group": group})}})
        cluster.sessions["rs-01"].run = run
        fault = make_fault(name, node="rs-01", service="web")
        fault.inject(cluster)
        return fault
    return do


@pytest.mark.parametrize("who", ["master", "worker"])
def test_the_daemon_that_listens_and_all_that_belongs_to_it(hit, who):
    port = free_port()
    with daemon(port, who) as own, daemon(free_port()) as other:
        hit("service-kill", port)
        deadline = time.monotonic() + 5  # a signal is sent at once, and takes effect a little later
        while any(alive(pid) for pid in own) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [alive(pid) for pid in own] == [False] * 3
        assert [alive(pid) for pid in other] == [True] * 3


def test_what_hangs_is_that_service_and_it_goes_on(hit, cluster):
    port = free_port()
    with daemon(port) as own, daemon(free_port()) as other:
        fault = hit("service-stop", port)
        assert fault.confirm(cluster, 0) == {"stopped_processes": 3}
        assert [alive(pid) for pid in other] == [True] * 3
        signal_service(cluster, "rs-01", "web", "SIGCONT")
        assert [alive(pid) for pid in own] == [True] * 3
        with pytest.raises(FaultError, match="not all stopped"):
            fault.confirm(cluster, 0)


@pytest.mark.parametrize("name", ["service-kill", "service-stop"])
def test_who_has_the_name_only_or_the_port_only_is_not_hit(hit, name):
    port = free_port()
    with daemon(port, name="fl-stranger") as stranger, daemon(free_port()) as other:
        with pytest.raises(FaultError, match=f"fl-web does not run on rs-01, or not on port {port}"):
            hit(name, port)
        assert all(alive(pid) for pid in [*stranger, *other])


def test_a_daemon_is_killed_from_its_youngest_process_to_its_oldest(cluster, tmp_path):
    """Else who looks after the oldest wakes the others up for an orderly end."""
    told = tmp_path / "killed"

    def run(command, within=30.0, check=True, text=None):
        told_too = f'kill() {{ echo "$@" >> {told}; command kill "$@"; }}; {command}'
        done = subprocess.run(["sh", "-c", told_too], capture_output=True, text=True, timeout=30, check=False)
        return Result(command, done.returncode, done.stdout, done.stderr, 0.0)
    cluster.stack.daemons = {"fl-members": "fl-members"}
    cluster.sessions["rs-01"].run = run
    with daemon(free_port(), name="fl-members") as (master, worker, helper):
        with contextlib.suppress(FaultError):  # a process that nobody has waited for counts as one that survived
            make_fault("daemon-kill", node="rs-01", daemon="fl-members", processes="all").inject(cluster)
        assert told.read_text().splitlines() == [f"-STOP {worker} {master}", f"-KILL {worker} {master}"]
        assert [alive(pid) for pid in (master, worker, helper)] == [False, False, True]
