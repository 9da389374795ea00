"""The calendar of a virtual world, with kernels that are threads of the test and speak the time-travel protocol."""

from __future__ import annotations

import mmap
import socket
import struct
import threading
import time

import pytest

from fenceline.machines.virtual import calendar as subject
from fenceline.machines.virtual.calendar import ACK, GET_TOD, MESSAGE, REQUEST, RUN, START, WAIT, Calendar, Runaway

FOREVER = 2**63 - 1


class Kernel(threading.Thread):
    """Runs at each of ``wishes`` (ns), then sleeps for ever; ``slow`` real seconds a turn, as on a loaded host."""

    def __init__(self, path, number, wishes, slow=0.0, last=WAIT, first=()):
        super().__init__(daemon=True)
        self.path, self.number, self.wishes, self.slow, self.last = path, number, list(wishes), slow, last
        self.first, self.answers, self.ran, self.free = first, [], [], []

    def run(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(str(self.path))
            link.sendall(MESSAGE.pack(START, 1, self.number))
            data, fds, _, _ = socket.recv_fds(link, MESSAGE.size, 2)
            slot = MESSAGE.unpack(data)[2]
            self.fds = len(fds)
            words = memoryview(mmap.mmap(fds[0], 0)).cast("Q")
            word = (4096 + 128 * slot) // 8
            for op, value in self.first:
                link.sendall(MESSAGE.pack(op, 7, value))
                self.answers.append(MESSAGE.unpack(link.recv(MESSAGE.size)))
            for wish in [*self.wishes, FOREVER]:
                words[word + 1] = wish
                words[word] = 1 << 32 | 1
                if wish == FOREVER and self.last is None:  # it computes, or dies
                    time.sleep(self.slow)
                    return
                link.sendall(MESSAGE.pack(WAIT, 2, 0))
                op = None
                while op != RUN:  # an ACK may come first
                    if not (data := link.recv(MESSAGE.size)):
                        return
                    op = MESSAGE.unpack(data)[0]
                words[word] &= ~(1 << 32)
                time.sleep(self.slow)
                self.ran.append(words[2])
                self.free.append(words[1])


@pytest.fixture
def world(tmp_path):
    made = Calendar(tmp_path / "clock", epoch=10**18, patience=5)
    yield made
    made.close()


def begin(world, number, wishes=(), **more):
    kernel = Kernel(world.path, number, wishes, **more)
    kernel.start()
    return kernel, world.start(number, f"node-{number}")


def test_jobs_come_at_their_time_and_in_the_order_of_their_asking(world):
    seen = []
    world.at(20, lambda: seen.append(("late", world.now)))
    world.at(10, lambda: seen.append(("first", world.now)))
    world.at(10, lambda: world.after(5, lambda: seen.append(("then", world.now))))
    world.run_until(100)
    assert seen == [("first", 10), ("then", 15), ("late", 20)]
    assert world.now == 100 and not world.step()


def test_what_is_past_is_done_now_and_time_never_goes_back(world):
    world.run_until(50)
    seen = []
    world.at(10, lambda: seen.append(world.now))
    world.step()
    assert seen == [50]


def test_a_machine_runs_when_it_asked_to_and_is_told_how_far_it_may_go(world):
    kernel, machine = begin(world, 3, [100, 300])
    other, _ = begin(world, 4, [200])
    world.at(250, lambda: None)
    world.run_until(1000)
    assert kernel.ran == [100, 300] and other.ran == [200]
    assert kernel.free == [200, 1000] and other.free == [250]
    assert kernel.fds == 2 and machine.runs == 2


def test_a_job_asked_for_while_a_machine_runs_shortens_its_freedom(world):
    begin(world, 1)
    world._words[subject.FREE_UNTIL_WORD] = 1000
    world.at(400, lambda: None)
    world.at(700, lambda: None)
    assert world._words[subject.FREE_UNTIL_WORD] == 400


def test_a_machine_that_joins_late_speaks_its_own_clock_in_messages(world):
    world.run_until(500)
    kernel, machine = begin(world, 1, first=[(subject.GET, 0), (GET_TOD, 0), (REQUEST, 30)])
    assert [(op, value) for op, _, value in kernel.answers] == [(ACK, 0), (ACK, 10**18 + 500), (ACK, 0)]
    assert machine.began == 500


def test_a_wish_by_message_is_in_the_machine_s_own_time(world):
    world.run_until(500)
    _, machine = begin(world, 1)
    world._message(machine, REQUEST, 1, 30)
    assert world._next() == (530, machine)


def test_a_paused_machine_does_not_run_and_catches_up_when_resumed(world):
    kernel, machine = begin(world, 1, [100])
    world.pause(machine)
    world.run_until(200)
    assert kernel.ran == []
    world.resume(machine)
    world.run_until(300)
    assert kernel.ran == [200]


def test_a_power_cut_frees_the_place_for_the_next_boot(world):
    _, machine = begin(world, 1, [100])
    world.drop(machine)
    world.run_until(200)
    kernel, again = begin(world, 1, [300])
    world.run_until(400)
    assert again.slot == machine.slot and kernel.ran == [300]


def test_a_kernel_that_ends_by_itself_is_told(world):
    told = []
    Kernel(world.path, 1, [100], last=None).start()
    world.start(1, "node-1", lambda: told.append(world.now))
    world.run_until(200)
    assert told == [100] and world.machines == {}


def test_a_machine_that_never_gives_back_is_named(world):
    world.patience = 0.2
    begin(world, 1, [100], last=None, slow=1)
    with pytest.raises(Runaway, match=r"machine node-1 did not give the right to run back within 0\.2 s of real time, "
                                      r"at 0\.000000100 s of virtual time"):
        world.run_until(200)


def test_a_machine_that_never_calls_is_named(world):
    world.patience = 0.1
    with pytest.raises(Runaway, match="machine silent"):
        world.start(1, "silent")


def test_a_message_that_no_kernel_sends_is_said(world):
    _, machine = begin(world, 1)
    with pytest.raises(subject.MachineError, match="machine node-1 sent the calendar a message .*op 77"):
        world._message(machine, 77, 1, 0)


def course(path, slow, wish=170):
    world = Calendar(path, patience=5)
    begin(world, 1, [100, wish, 300], slow=slow)
    begin(world, 2, [100, 200], slow=slow / 2)
    world.at(150, lambda: None)
    world.run_until(1000)
    world.close()
    return world.steps, world.digest


def test_the_course_is_the_same_however_slow_the_host_and_another_one_is_seen(tmp_path):
    quick = course(tmp_path / "a", 0)
    assert course(tmp_path / "b", 0.02) == quick
    assert course(tmp_path / "c", 0, wish=171) != quick


def test_nothing_is_left_behind(tmp_path):
    world = Calendar(tmp_path / "clock")
    begin(world, 1)
    world.close()
    assert not (tmp_path / "clock").exists()
    assert struct.calcsize("<IIQ") == MESSAGE.size == 16
