"""The calendar of a world in virtual time: what is due when, and which machine may run.

It speaks the time-travel protocol of User-Mode Linux (``time-travel=ext:NUMBER:SOCKET``) in its shared-memory variant:
include/uapi/linux/um_timetravel.h of Linux 6.11 or later. Exactly one party runs at any time: a machine, from RUN until
its WAIT, or the calendar's own jobs, which are the world's hardware. A machine that interrupts nobody runs on by itself
until ``free_until``, the time of the next thing that is due elsewhere. All times are virtual nanoseconds since the
world began; nothing here reads the host's clock, but to notice a machine that never gives the right to run back.
"""

from __future__ import annotations

import contextlib
import heapq
import mmap
import os
import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fenceline.core.errors import MachineError

# enum um_timetravel_ops
ACK, START, REQUEST, WAIT, GET, UPDATE, RUN, FREE_UNTIL, GET_TOD, BROADCAST = range(10)
MESSAGE = struct.Struct("<IIQ")  # struct um_timetravel_msg: op, seq, time
# struct um_timetravel_schedshm: the words of its head (8 bytes each), the running client's id (2 bytes), the clients
VERSION = 2
FREE_UNTIL_WORD, NOW_WORD, RUNNING_HALF = 1, 2, 12
HEAD, SLOT, MAX_CLIENTS = 4096, 128, 64
WANTS_RUN = 1 << 32  # UM_TIMETRAVEL_SCHEDSHM_FLAGS_REQ_RUN in the word of capabilities and flags
CAN_SHARE = 1  # UM_TIMETRAVEL_SCHEDSHM_CAP_TIME_SHARE
NEVER = 1 << 62  # later than anything: a machine that sleeps without a timer asks for 2**63 - 1
_LOOK_EVERY, _LOOK_WITHIN = 1000, 0.5  # messages, and real seconds without one, after which the time is looked at
PATIENCE = 60.0  # real seconds that a machine may run without giving the right back


class Runaway(MachineError):
    """A machine did not give the right to run back: time stands still for all. The verdict is BROKEN."""


@dataclass(eq=False)
class Machine:
    """A machine's place in the calendar, from its START until its kernel ends."""

    number: int  # the NUMBER of its command line
    name: str
    connection: socket.socket
    slot: int  # its id in the shared memory
    began: int  # when it started: in messages (not in shared memory) a kernel counts from there
    is_waiting: bool = False
    is_paused: bool = False
    local: int = 0  # how far it has come: with a look-ahead, further than the calendar
    earliest: int = 0  # it does not run before: it was paused until then
    is_alive: bool = True
    runs: int = 0
    word: int = field(init=False)  # where its slot begins, in words
    _rest: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self.word = (HEAD + SLOT * self.slot) // 8


class Calendar:
    """Serves the socket ``path``, or none before ``listen``; ``epoch`` is the time of day (ns) when the world begins.

    A machine may run ``lookahead`` ns beyond what is due on another machine, where nothing that this one sends can
    arrive sooner: that saves most changes from one to the other. It then is ahead of the calendar, and so an interrupt
    may find it up to so much later.

    ``digest`` is a fingerprint of all steps: equal for two runs that took the same course.
    """

    lookahead = 0

    def __init__(self, path: Path | None = None, epoch: int = 0, patience: float = PATIENCE) -> None:
        self.epoch, self.patience, self.path = epoch, patience, path
        self.steps, self.digest = 0, 0
        self.machines: dict[int, Machine] = {}  # by slot
        self._names: dict[int, str] = {}
        self._ended: dict[int, Callable[[], None]] = {}
        self._starting: dict[int, tuple[socket.socket, int]] = {}
        self._jobs: list[tuple[int, int, Callable[[], None]]] = []
        self._job_number = 0
        # not ``selectors``: this is where the world's own time goes
        self._epoll = select.epoll()
        self._readable: dict[int, Callable[[], None]] = {}
        size = HEAD + SLOT * MAX_CLIENTS
        self._memfd = os.memfd_create("fenceline-calendar", os.MFD_CLOEXEC)
        os.ftruncate(self._memfd, size)
        self._memory = mmap.mmap(self._memfd, size)
        struct.pack_into("<II", self._memory, 0, VERSION, size)
        struct.pack_into("<HH", self._memory, 2 * RUNNING_HALF, 0, MAX_CLIENTS)
        # our own slot, 0: with it machines that we interrupt put their wishes into the memory instead of a message
        struct.pack_into("<I", self._memory, HEAD, CAN_SHARE)
        self._words = memoryview(self._memory).cast("Q")
        self._halves = memoryview(self._memory).cast("H")
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)  # where a kernel may log its steps
        self._listener: socket.socket | None = None
        if path is not None:
            self.listen(path)

    def listen(self, path: Path) -> None:
        """Kernels find the calendar at the socket ``path`` from now on. Once in its life."""
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(MAX_CLIENTS)
        self.watch(self._listener, self._accept)

    @property
    def now(self) -> int:
        """Virtual nanoseconds since the world began."""
        return self._words[NOW_WORD]

    def at(self, when: int, job: Callable[[], None]) -> None:
        """Has ``job`` done at ``when``, or now if that is past; jobs of one instant in the order of their asking."""
        when = max(when, self.now)
        self._job_number += 1
        heapq.heappush(self._jobs, (when, self._job_number, job))
        if when < self._words[FREE_UNTIL_WORD]:
            self._words[FREE_UNTIL_WORD] = when  # a running machine looks at it before it goes on

    def after(self, delay: int, job: Callable[[], None]) -> None:
        """Has ``job`` done ``delay`` ns from now."""
        self.at(self.now + delay, job)

    def watch(self, source: socket.socket, readable: Callable[[], None]) -> None:
        """Calls ``readable`` whenever ``source`` has something to read, while a machine runs or is waited for."""
        self._readable[source.fileno()] = readable
        self._epoll.register(source.fileno(), select.EPOLLIN)

    def unwatch(self, source: socket.socket) -> None:
        del self._readable[source.fileno()]
        self._epoll.unregister(source.fileno())

    def serve(self, until: Callable[[], bool], who: str) -> None:
        """Answers whoever speaks, without time going on. Raises Runaway, naming ``who``, when that takes too long."""
        poll, readable, turns, end = self._epoll.poll, self._readable, 0, 0.0
        while not until():
            turns += 1
            if turns % _LOOK_EVERY == 0 or end:
                end = end or time.monotonic() + self.patience
                if time.monotonic() > end:
                    raise Runaway(f"{who} did not give the right to run back within {self.patience:g} s of real time, "
                                  f"at {self.now / 1e9:.9f} s of virtual time; its console may tell what it does")
            # looked at again now and then: that a process ended is nothing to read
            events = poll(_LOOK_WITHIN)
            if not events and not end:
                end = time.monotonic() + self.patience - _LOOK_WITHIN
            for fd, _ in events:
                if (hear := readable.get(fd)) is not None:  # not forgotten by the one before it
                    hear()

    # machines

    def start(self, number: int, name: str, ended: Callable[[], None] = lambda: None,
              lives: Callable[[], bool] = lambda: True) -> Machine:
        """Waits for the kernel with ``number`` to call, lets it run from now to its first wait.

        ``ended`` is called when its connection ends otherwise than by ``drop``; ``lives`` says whether its process is
        there. Raises Runaway; or MachineError: it ended before it called.
        """
        self.serve(lambda: number in self._starting or not lives(), f"machine {name}")
        if number not in self._starting:
            raise MachineError(f"machine {name}: its kernel ended at once; its console says why")
        connection, seq = self._starting.pop(number)
        slot = next((n for n in range(1, MAX_CLIENTS) if n not in self.machines), None)
        if slot is None:
            raise MachineError(f"machine {name}: a world has room for {MAX_CLIENTS - 1} running machines")
        machine = Machine(number, name, connection, slot, self.now)
        for word in range(machine.word, machine.word + SLOT // 8):
            self._words[word] = 0
        self.machines[slot] = machine
        self._ended[slot] = ended
        self.unwatch(connection)
        self.watch(connection, lambda: self._hear(machine))
        self._note(machine)
        self._halves[RUNNING_HALF] = slot
        self._words[FREE_UNTIL_WORD] = self._free_until(machine)
        # without both descriptors the kernel takes whatever numbers lie on its stack
        socket.send_fds(connection, [MESSAGE.pack(ACK, seq, slot)], [self._memfd, self._null])
        self._await(machine)
        return machine

    def pause(self, machine: Machine) -> None:
        """``machine`` does not run until ``resume``."""
        machine.is_paused = True

    def resume(self, machine: Machine) -> None:
        """``machine`` runs again, from now on: what it has missed is over."""
        machine.is_paused, machine.earliest = False, self.now

    @contextlib.contextmanager
    def met(self, number: int) -> Iterator[None]:
        """While it lasts it is the time of the machine with this number, where that is ahead: for a message to it."""
        before = self.now
        local = max((one.local for one in self.machines.values() if one.number == number), default=0)
        self._words[NOW_WORD] = max(before, local)
        try:
            yield
        finally:
            self._words[NOW_WORD] = before

    def drop(self, machine: Machine) -> None:
        """Forgets a machine: it was powered off."""
        if not machine.is_alive:
            return
        machine.is_alive = False
        self.unwatch(machine.connection)
        machine.connection.close()
        for word in range(machine.word, machine.word + SLOT // 8):
            self._words[word] = 0
        del self.machines[machine.slot], self._ended[machine.slot]

    # time

    def step(self) -> bool:
        """Does the next thing that is due; False if nothing is, nor ever will be."""
        when, machine = self._next()
        if when >= NEVER:
            return False
        self._words[NOW_WORD] = when
        self._note(machine)
        if machine is None:
            _, _, job = heapq.heappop(self._jobs)
            self._halves[RUNNING_HALF] = 0
            job()
            return True
        machine.is_waiting = False
        machine.runs += 1
        self._words[FREE_UNTIL_WORD] = self._free_until(machine)
        self._halves[RUNNING_HALF] = machine.slot
        self._send(machine, RUN, self.steps & 0xFFFFFFFF, when - machine.began)
        self._await(machine)
        return True

    def run_until(self, when: int) -> None:
        """Does all that is due before ``when``; then it is ``when``."""
        done: list[bool] = []
        self.at(when, lambda: done.append(True))
        while not done:
            self.step()

    def close(self) -> None:
        """Ends the service; the machines' processes are their owner's to end."""
        for machine in list(self.machines.values()):
            self.drop(machine)
        for connection, _ in self._starting.values():
            connection.close()
        self._epoll.close()
        if self._listener is not None:
            self._listener.close()
            self.path.unlink(missing_ok=True)
        self._words.release()
        self._halves.release()
        self._memory.close()
        os.close(self._memfd)
        os.close(self._null)

    def _next(self) -> tuple[int, Machine | None]:
        """When something is due, and of which machine; None for a job. At one instant jobs come first."""
        due, who = (self._jobs[0][0] if self._jobs else NEVER), None
        for machine in self.machines.values():
            wish = self._wish(machine)
            if wish < due:
                due, who = wish, machine
        return due, who

    def _wish(self, machine: Machine) -> int:
        """When ``machine`` is due."""
        if machine.is_paused or not self._words[machine.word] & WANTS_RUN:
            return NEVER
        return max(self._words[machine.word + 1], machine.earliest)

    def _free_until(self, machine: Machine) -> int:
        """How far ``machine`` may run."""
        others = min((self._wish(other) for other in self.machines.values() if other is not machine), default=NEVER)
        return min(self._jobs[0][0] if self._jobs else NEVER, others + self.lookahead)

    def _note(self, machine: Machine | None) -> None:
        self.steps += 1
        self.digest = zlib.crc32(struct.pack("<QI", self.now, machine.number + 1 if machine else 0), self.digest)

    def _await(self, machine: Machine) -> None:
        self.serve(lambda: machine.is_waiting or not machine.is_alive, f"machine {machine.name}")
        machine.local = self.now
        self._halves[RUNNING_HALF] = 0

    # the protocol

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self.watch(connection, lambda: self._greet(connection))

    def _greet(self, connection: socket.socket) -> None:
        data = connection.recv(MESSAGE.size, socket.MSG_WAITALL)
        op, seq, number = MESSAGE.unpack(data) if len(data) == MESSAGE.size else (None, 0, 0)
        if op == START and number not in self._starting:
            self._starting[number] = connection, seq
        else:  # it ended before it began, or is no kernel
            self.unwatch(connection)
            connection.close()

    def _hear(self, machine: Machine) -> None:
        try:
            data = machine.connection.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            ended = self._ended[machine.slot]
            self.drop(machine)
            ended()
            return
        data = machine._rest + data
        whole = len(data) - len(data) % MESSAGE.size
        machine._rest = data[whole:]
        for op, seq, value in MESSAGE.iter_unpack(data[:whole]):
            self._message(machine, op, seq, value)

    def _message(self, machine: Machine, op: int, seq: int, value: int) -> None:
        answer = 0
        if op == ACK:
            return
        if op == WAIT:  # the one message that has no ACK when memory is shared
            machine.is_waiting = True
            return
        if op == REQUEST:
            self._words[machine.word + 1] = min(value + machine.began, NEVER)
            self._words[machine.word] |= WANTS_RUN
        elif op == GET:
            answer = self.now - machine.began
        elif op == UPDATE:
            self._words[NOW_WORD] = value + machine.began
        elif op == GET_TOD:
            answer = self.epoch + self.now
        elif op != BROADCAST:
            raise MachineError(f"machine {machine.name} sent the calendar a message that no kernel sends: op {op}")
        self._send(machine, ACK, seq, answer)

    @staticmethod
    def _send(machine: Machine, op: int, seq: int, value: int) -> None:
        try:
            machine.connection.sendall(MESSAGE.pack(op, seq, value))
        except ConnectionError:
            return  # it just ended; the end of its connection is heard next
