"""The client: what a user of each service gets, asked from outside every few milliseconds.

Each question is a new TCP connection, as a browser would make it: an old connection would tell of the old
node only. A web service is asked for a page, a database who it is. This is the one source of outage figures.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from fenceline.core.errors import HostError, Timeout
from fenceline.model.event import Event
from fenceline.model.topology import Topology
from fenceline.observe.askers import ASKERS
from fenceline.observe.command import CommandDialogue
from fenceline.observe.dialogue import Answer, Dialogue
from fenceline.observe.log import EventLog
from fenceline.observe.loop import READ, WRITE, ObserverLoop
from fenceline.observe.targets import Target, all_targets, told
from fenceline.observe.timed import TimedObserver

#: s between two while nobody takes the connection: that costs no guest anything, and shows sooner who is back.
INTERVAL_AWAY = 0.004
#: s between two while a connection that was taken waits for its answer: what queues up there is answered first when the
#: service comes back, and more of it would only keep it away for longer. (Every 6 ms a guest that had stalled for 1 s
#: needed another one for its queue.)
INTERVAL_SLOW = 0.020
#: s between two of the client behind a router: what it meets lasts for minutes, or as long as the other's outage.
INTERVAL_ROUTED = 0.250
SLOW = 0.050  # s that an answer may take before the service is taken to be slow
AWAY = 0.030  # s that a connection may take before nobody is taken to be there
PATIENCE = 1.0  # s that an answer may take
OUTSTANDING = 320  # questions without an answer per service: PATIENCE / INTERVAL_AWAY, and some room
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, 0 s: close sends RST and leaves nothing in TIME_WAIT

SocketFactory = Callable[[], socket.socket]


class _Question:
    """One connection, from its SYN to its event."""

    def __init__(self, target: Target, sock: socket.socket, dialogue: Dialogue | None, sent_ns: int) -> None:
        self.target, self.socket, self.dialogue = target, sock, dialogue
        self.sent_ns = sent_ns
        self.connected = False

    def close(self) -> None:
        """Ends it, answered or not."""
        self.socket.close()
        if isinstance(self.dialogue, CommandDialogue):
            self.dialogue.close()


class ClientObserver(TimedObserver):
    """Asks every service that has an address and a daemon; each answer, or the lack of one, is one ``reply``. One that
    is active on all nodes is asked on each, and ``to`` says on which.

    ``socket_factory`` makes the sockets; by default they are made in the fabric.

    Event data: ``sent_ns`` when the question was begun; ``status`` None if no answer came; ``error`` says at
    which stage it failed: a refused connection, no connection within the time, or a connection and then no
    answer (a slow node rather than an absent one).
    """

    interval = INTERVAL_AWAY
    kind = "reply"

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop,
                 socket_factory: SocketFactory | None = None) -> None:
        super().__init__(log, loop)
        self._fabric = fabric
        self._make = socket_factory or fabric.tcp_socket
        self._targets = self._targets_in(topology)
        askers = {name: ASKERS[topology.services[name].protocol] for name in self._targets}
        self._dialogues = {name: asker.dialogue for name, asker in askers.items()}
        self._questions = {name: topology.services[name].question for name in self._targets}
        self._pause = {name: topology.services[name].asked_every or asker.interval for name, asker in askers.items()}
        self._nodes = set(topology.nodes)
        self._asked: dict[Target, list[_Question]] = {
            target: [] for targets in self._targets.values() for target in targets}
        self._last_ns = dict.fromkeys(self._asked, 0)
        self._refused: set[Target] = set()

    def _targets_in(self, topology: Topology) -> dict[str, list[Target]]:
        return all_targets(topology)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are asked."""
        return tuple(self._targets)

    def _close(self) -> None:
        for questions in self._asked.values():
            for question in list(questions):
                self._loop.remove(question.socket)
                question.close()
            questions.clear()

    def targets_of(self, service: str) -> list[Target]:
        """Where ``service`` is asked."""
        return self._targets[service]

    def wait_answering(self, service: str, within: float, since_ns: int | None = None,
                       node: str | None = None) -> float:
        """Waits for a good answer to a question that was asked at ``since_ns`` (now, by default) or later; on
        ``node``'s own address, for a service that is active on all.

        Returns:
            The time waited, in s.

        Raises:
            fenceline.core.errors.Timeout: none came within ``within`` s; the message says what came instead.
        """
        since = self._log.clock.now_ns() if since_ns is None else since_ns
        last: list[Event] = []

        def good(event: Event) -> bool:
            if event.kind != self.kind or event.data["service"] != service or event.data["sent_ns"] < since:
                return False
            if node is not None and event.data.get("to") != node:
                return False
            last[:] = [event]
            return bool(event.data["ok"])

        targets = [target for target in self._targets[service] if node in (None, target.node)]
        where = " or ".join(f"{target.address}:{target.port}" for target in targets)
        try:
            return self._log.wait_for(good, within, f'"{service}" to answer at {where}', since)[1]
        except Timeout as timeout:
            found = last[0].data["error"] if last else "the client did not ask"
            raise Timeout(f"{timeout.message}; last: {found}", timeout.waited) from None

    def _turn(self) -> None:
        now = self._log.clock.now_ns()
        for target, questions in self._asked.items():
            self._give_up_on_old(questions)
            # half a turn early is in time: a late turn must not cost a whole one
            pause = self._pause_at(target)
            if len(questions) < OUTSTANDING and now - self._last_ns[target] > (pause - self.interval / 2) * 1e9:
                self._last_ns[target] = now
                self._ask(target)

    def _pause_at(self, target: Target) -> float:
        """The time (s) to the next question: by whether the oldest one that is open waits for its connection or for its
        answer, or the last connection was refused."""
        oldest = next(iter(self._asked[target]), None)
        waits = (self._log.clock.now_ns() - oldest.sent_ns) / 1e9 if oldest else 0.0
        if oldest and oldest.connected and waits > SLOW:
            return max(INTERVAL_SLOW, self._pause[target.service])
        if target in self._refused or (oldest and not oldest.connected and waits > AWAY):
            return INTERVAL_AWAY
        return self._pause[target.service]

    def _give_up_on_old(self, questions: list[_Question]) -> None:
        limit = self._log.clock.now_ns() - int(PATIENCE * 1e9)
        while questions and questions[0].sent_ns <= limit:
            stage = "connected, but no answer" if questions[0].connected else "no connection"
            self._finish(questions[0], Answer(False, error=f"{stage} within {PATIENCE:g} s"))

    def _ask(self, target: Target) -> None:
        make = self._dialogues[target.service]
        dialogue = make and make(target.service, self._questions[target.service])
        if isinstance(dialogue, CommandDialogue):
            self._run(target, dialogue)
            return
        question = _Question(target, self._make(), dialogue, self._log.clock.now_ns())
        self._asked[target].append(question)
        sock = question.socket
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        code = sock.connect_ex(target.where)
        if code in (0, errno.EINPROGRESS):
            self._loop.add(sock, lambda: self._guard(question, self._connected), WRITE)
        else:
            self._finish(question, Answer(False, error=os.strerror(code)))

    def _run(self, target: Target, dialogue: CommandDialogue) -> None:
        """Has a command ask: whether it is let in is its own matter, and what it prints is the answer."""
        sent_ns = self._log.clock.now_ns()
        try:
            sock = dialogue.start(self._fabric, target.where)
        except OSError as error:
            raise HostError(f"the command that asks {target.service} can't be run: {error.strerror}") from error
        question = _Question(target, sock, dialogue, sent_ns)
        question.connected = True
        self._asked[target].append(question)
        sock.setblocking(False)
        self._loop.add(sock, lambda: self._guard(question, self._readable), READ)

    def _guard(self, question: _Question, step: Callable[[_Question], None]) -> None:
        try:
            step(question)
        except (BlockingIOError, InterruptedError):
            pass  # level-triggered: we are called again
        except OSError as error:
            stage = "connected, then: " if question.connected else ""
            self._finish(question, Answer(False, error=f"{stage}{error.strerror or error}"))
        except ValueError as error:
            self._finish(question, Answer(False, error=str(error)))

    def _connected(self, question: _Question) -> None:
        code = question.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        question.connected = True
        self._refused.discard(question.target)
        if question.dialogue is None:  # to be let in is all that was asked
            self._finish(question, Answer(True))
            return
        if question.dialogue.opening:
            question.socket.send(question.dialogue.opening)  # far smaller than an empty send buffer: sent as a whole
        self._loop.add(question.socket, lambda: self._guard(question, self._readable), READ)

    def _readable(self, question: _Question) -> None:
        said = question.dialogue.feed(question.socket.recv(65536))
        if isinstance(said, Answer):
            self._finish(question, said)
        elif said:
            question.socket.send(said)

    def _finish(self, question: _Question, answer: Answer) -> None:
        self._asked[question.target].remove(question)
        if not answer.ok and not question.connected:
            self._refused.add(question.target)
        self._loop.remove(question.socket)
        question.close()
        known = answer.node if answer.node in self._nodes else None
        late = min(self._loop.late_ns(), self._log.clock.now_ns() - question.sent_ns)
        self._log.record("client", known, self.kind, {
            "service": question.target.service, "ok": answer.ok, "sent_ns": question.sent_ns, "from": known,
            "status": answer.status, "error": answer.error} | told(question.target), late_ns=late)


class RoutedClientObserver(ClientObserver):
    """The client behind a router that keeps its neighbour entry for minutes: asks every service that has a VIP, from
    the stack of ``router``. Whoever takes a VIP over must have told; each answer, or the lack of one, is one
    ``reply.routed``.
    """

    interval = INTERVAL_ROUTED
    kind = "reply.routed"

    def __init__(self, router: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        super().__init__(router, topology, log, loop)

    def _targets_in(self, topology: Topology) -> dict[str, list[Target]]:
        """Those that are asked at a VIP: other addresses don't move."""
        return {name: targets for name, targets in all_targets(topology).items()
                if topology.services[name].asked_at_vip}

    def _pause_at(self, target: Target) -> float:
        return max(INTERVAL_ROUTED, self._pause[target.service])
