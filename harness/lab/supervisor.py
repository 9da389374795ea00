"""The process behind ``fenceline up``: owns one cluster and its run, keeps BMCs and observers alive, and does
what it is asked over the control socket (see ``fenceline.lab.control``), until it is asked to end or gets SIGTERM.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import ClusterError, FaultError, FencelineError, HostError
from fenceline.core.wait import Deadline
from fenceline.journal.reap import reap_one
from fenceline.judge import judgement_to_json
from fenceline.lab.byhand import ByHand
from fenceline.lab.control import QUEUE, Claim, Standing, read_line
from fenceline.lab.launch import Order, Tell
from fenceline.lab.status import cluster_status, fault_status
from fenceline.machines.drivers import make_clock
from fenceline.model.load import TopologyError, parse_topology
from fenceline.model.topology import Topology
from fenceline.model.verdict import Judgement, Verdict
from fenceline.observe.log import EventLog
from fenceline.observe.thin_log import ThinLog
from fenceline.scenario.run import Run, RunInfo

_REQUEST_WITHIN = 10.0  # s that a client may take to send its one line
_FAULT_WITHIN = 60.0  # s that the end waits for a fault that is just being injected or healed
_LAST_WORDS_WITHIN = 3.0  # s that the end waits for its last answers to be written
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """Told to end while the cluster was coming up."""


class Supervisor:
    """One cluster in the background. ``make_cluster`` takes (topology, log, consoles, order, say)."""

    def __init__(self, order: Order, claim: Claim, tell: Tell, make_cluster: Callable[..., Any]) -> None:
        self.order = order
        self.topology: Topology = parse_topology(order.topology, f"topology of {order.name}")
        self.log = ThinLog()
        self.run = Run(
            Path(order.run),
            RunInfo(f"fenceline up {order.name}", "fenceline up", (), 0, order.driver),
            self.log,
        )
        self._claim = claim
        self._tell = tell
        self._make = make_cluster
        self._cluster: Any = None
        self._one_fault_at_a_time = threading.Lock()
        self._is_building = True
        self._end = threading.Event()
        self._by_request = False
        self._ended = threading.Event()
        self._judgement: Judgement | None = None
        self._problems: list[str] = []
        self.entry = Standing(
            order.name,
            os.getpid(),
            self.topology.name,
            order.run,
            datetime.now().astimezone().isoformat(timespec="seconds"),
            driver=order.driver,
        )

    # -- its life ------------------------------------------------------------------------------------------

    def live(self) -> int:
        """The whole life; returns the exit status."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        self._claim.publish(self.entry)
        try:
            self._bring_up()
        except Stopped:
            self._tell.error(f"{self.order.name}: stopped while it came up; it has been taken down again")
            return 130
        except Exception as error:
            self._tell.error(*_words(error))
            return 1
        try:
            with self._serving():
                self._tell.ready()
                self._end.wait()
                self._take_down()
        except Exception as error:
            self._tell.error(*_words(error))
            self._remove()
            return 1
        return 1 if self._problems else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._end.set()
        if self._is_building:
            # once: what is being removed must not be interrupted
            self._is_building = False
            raise Stopped("told to stop")

    def _bring_up(self) -> None:
        self.log.clock = make_clock(self.order.driver, self.order.uri)
        self.run.begin(self.topology, {"python": sys.version.split()[0]})
        try:
            self._cluster = self._make(
                self.topology, self.log, self.run.folder / "consoles", self.order, self._tell.say
            )
            self._cluster.up()
            self.run.watch(self._cluster)
            self._is_building = False
        except BaseException as error:
            self._is_building = False
            self.run.broken(error)
            with contextlib.suppress(Exception):  # the error that counts is the one we have
                self.run.end()
            if self._cluster is not None:
                self._remove()  # Stopped may have come when ``up`` was just done
            raise
        self.log.record("scenario", None, "ready", {"service": next(iter(self.topology.services), None),
                                                    "slowdown": self._cluster.driver.slowdown})
        ByHand(self._cluster, self.log)

    @contextlib.contextmanager
    def _serving(self):
        server = _Server(self)
        server.socket.close()
        server.socket = self._claim.listen()
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="control")
        thread.start()
        cluster = self._cluster
        self.entry = replace(
            self.entry,
            ready=True,
            id=cluster.identity,
            driver=cluster.driver.name,
            namespace=cluster.fabric.namespace,
            folder=str(cluster.folder),
        )
        self._claim.publish(self.entry)
        try:
            yield
        finally:
            server.shutdown()
            # no new ``up`` of this name meets the old one, and who asked for the end gets its answer after it
            self._claim.release()
            self._ended.set()
            server.finish()

    def _take_down(self) -> None:
        print("taking it down", file=sys.stderr, flush=True)
        got = self._one_fault_at_a_time.acquire(timeout=_FAULT_WITHIN)
        try:
            # judged before anything is switched off: what we remove ourselves is no crash
            self.run.look_back(self._cluster)
            self._judgement = self.run.end()
            if self._judgement.verdict is not Verdict.PASS and self._by_request:
                self._cluster.collect_logs(self.run.folder / "logs")
        except Exception:
            traceback.print_exc()
        finally:
            self.log.switch(None)
            self._problems = self._remove()
            self._draw()
            if got:
                self._one_fault_at_a_time.release()

    def _draw(self) -> None:
        """The run's page and picture, as a scenario's run has them; what can't be drawn must not cost the verdict."""
        if self._judgement is None:
            return
        try:
            from fenceline.reports.html import write_run_page

            write_run_page(self.run.folder)
        except Exception:
            traceback.print_exc()

    def _remove(self) -> list[str]:
        """Takes the cluster down; returns what could not be removed, in words."""
        problems: list[str] = []
        try:
            self._cluster.down()
        except Exception as error:
            problems.append(_words(error)[0])
        journal = getattr(self._cluster, "journal", None)
        if journal is None or not journal.path.exists():
            return problems
        # it is there as long as there is something left: undone by the journal then
        done = reap_one(journal.path)
        print(f"removed by the journal: {', '.join(done.undone) or 'nothing'}", file=sys.stderr, flush=True)
        return [*(problems if done.alive else []), *done.problems]

    # -- requests ------------------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request."""
        operations = {"status": self._status, "inject": self._inject, "heal": self._heal, "down": self._down}
        arguments = dict(request)
        operation = operations.get(arguments.pop("op", None))
        if operation is None:
            return {"ok": False, "error": f"not a request that this version knows: {request.get('op')!r}"}
        try:
            return {"ok": True, "result": operation(**arguments)}
        except Exception as error:
            message, detail = _words(error)
            return {"ok": False, "error": message, "detail": detail}

    def _status(self) -> dict[str, Any]:
        return cluster_status(self._cluster, self.log, self.entry)

    def _inject(self, fault: str, parameters: dict[str, Any]) -> dict[str, Any]:
        from fenceline.faults import make_fault

        made = make_fault(fault, **parameters)
        with self._one_fault_at_a_time:
            self._refuse_at_the_end()
            # before it is in the log: a slip of the pen shall not make the run INVALID
            refusal = self._cluster.faults.refusal(made)
            if refusal is not None:
                raise FaultError(refusal)
            return fault_status(self._cluster.faults.inject(made), self._cluster.clock.now_ns())

    def _heal(self, fault: str) -> list[dict[str, Any]]:
        with self._one_fault_at_a_time:
            self._refuse_at_the_end()
            active = list(reversed(self._cluster.faults.active))
            chosen = [one for one in active if fault in ("all", str(one.id), one.fault.name)]
            if not chosen and fault != "all":
                there = ", ".join(f"{one.id} ({one.fault.name})" for one in active) or "none"
                raise ClusterError(f"no fault {fault} is in force; there are: {there}")
            problems = []
            for one in chosen:
                try:
                    self._cluster.faults.heal(one)
                except FencelineError as error:
                    problems.append(f"{one.fault.name} (fault {one.id}): {error.message}")
            if problems:
                raise ClusterError(
                    f"could not be healed: {'; '.join(problems)}; try again, or take the cluster down"
                )
            return [fault_status(one, self._cluster.clock.now_ns()) for one in chosen]

    def _refuse_at_the_end(self) -> None:
        if self._end.is_set():
            raise ClusterError(f"{self.order.name} is being taken down")

    def _down(self) -> dict[str, Any]:
        self._by_request = True
        self._end.set()
        self._ended.wait()
        judgement = json.loads(judgement_to_json(self._judgement)) if self._judgement else None
        return {"run": self.order.run, "judgement": judgement, "problems": self._problems}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread for each request: a status is told while a fault waits for its confirmation."""

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__("", _Handler, bind_and_activate=False)
        self.supervisor = supervisor
        self._threads: list[threading.Thread] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """As the mix-in does it, but ``finish`` can wait for the thread, and not for ever."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
        thread.start()

    def finish(self) -> None:
        """Answers those who have asked already, and ends. ``serve_forever`` is over."""
        self.timeout = 0.0
        for _ in range(QUEUE):
            self.handle_request()
        deadline = Deadline(HOST_CLOCK, _LAST_WORDS_WITHIN)
        for thread in self._threads:
            thread.join(deadline.left)
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(_REQUEST_WITHIN)
        try:
            request = json.loads(read_line(self.request) or b"null")
        except (OSError, ValueError):
            request = None
        if not isinstance(request, dict):
            return  # nobody who speaks our protocol
        reply = self.server.supervisor.answer(request)
        with contextlib.suppress(OSError):  # who asked may have left
            self.request.sendall(json.dumps(reply).encode() + b"\n")


def _words(error: Exception) -> tuple[str, str]:
    if isinstance(error, FencelineError):
        return error.message, error.detail
    if isinstance(error, TopologyError):
        return str(error), ""
    traceback.print_exception(error)
    return f"a mistake in Fenceline: {type(error).__name__}: {error}", "the supervisor's log has the details"


def _cluster(
    topology: Topology, log: EventLog, consoles: Path, order: Order, say: Callable[[str], None]
) -> Any:
    from fenceline.cluster.cluster import Cluster, ClusterOptions
    from fenceline.core.progress import Progress
    from fenceline.faults import FaultControl

    if os.geteuid() != 0:
        # said at once, and not after minutes of building an image
        raise HostError(
            "a cluster's network namespace needs root: run as root (sudo); "
            "`fenceline doctor` says what an unprivileged run would need"
        )
    cluster = Cluster(topology, log, consoles, ClusterOptions(order.driver, order.uri), Progress(say))
    cluster.faults = FaultControl(cluster)
    return cluster


def main(make_cluster: Callable[..., Any] = _cluster) -> int:
    """The supervisor's process: the order on stdin, the pipe's descriptor as the only argument."""
    tell = Tell(int(sys.argv[1]))
    for number in _SIGNALS:
        signal.signal(number, _stop)
    claim = None
    try:
        order = Order(**json.load(sys.stdin))
        claim = Claim(order.name)
        return Supervisor(order, claim, tell, make_cluster).live()
    except (FencelineError, TopologyError) as error:
        tell.error(*_words(error))
        return 1
    except Stopped:
        tell.error("stopped before anything was made")
        return 130
    finally:
        if claim is not None:
            claim.release()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped
