"""The worker processes of a campaign on this host: each plays one episode at a time, and one that hangs is ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fenceline.core.clock import HOST_CLOCK

#: A worker that was asked to end is given so long (s) to take its cluster down.
_ENDS_WITHIN = 90.0


@dataclass(frozen=True)
class Order:
    """The episode ``number``: its ``schedule`` as text, the ``folder`` for what it leaves, and the seconds ``within``
    which it must end."""

    number: int
    topology: str
    schedule: str
    folder: Path
    origin: str
    within: float


@dataclass(frozen=True)
class News:
    """What a worker tells: a line (``say``), an ``outcome`` as JSON, or that it is ``gone``, ended as it ``hung``."""

    worker: int
    number: int | None
    say: str = ""
    outcome: str = ""
    gone: bool = False
    hung: bool = False


@dataclass
class _Hand:
    process: subprocess.Popen
    order: Order | None = None
    begun: float = 0.0
    topology: str = ""
    said: str = ""
    hung: bool = False


@dataclass
class Crew:
    """At most ``size`` workers, each started by ``command`` when it is first needed."""

    command: Sequence[str]
    size: int
    _hands: dict[int, _Hand] = field(default_factory=dict)
    _news: queue.Queue[News] = field(default_factory=queue.Queue)

    @property
    def free(self) -> list[int]:
        """The workers that have nothing to do."""
        return [number for number in range(self.size)
                if number not in self._hands or self._hands[number].order is None]

    @property
    def busy(self) -> dict[int, Order]:
        """What is being played, by worker."""
        return {number: hand.order for number, hand in self._hands.items() if hand.order is not None}

    def best_for(self, topology: str) -> int:
        """The free worker whose cluster is of ``topology``, else any."""
        fitting = [number for number in self.free
                   if number in self._hands and self._hands[number].topology == topology]
        return (fitting or self.free)[0]

    def give(self, worker: int, order: Order) -> None:
        """Has ``worker`` play ``order``."""
        if worker not in self._hands:
            self._start(worker)
        hand = self._hands[worker]
        hand.order, hand.begun, hand.topology = order, HOST_CLOCK.now(), order.topology
        try:
            hand.process.stdin.write(json.dumps({"number": order.number, "schedule": order.schedule,
                                                 "folder": str(order.folder), "origin": order.origin}) + "\n")
            hand.process.stdin.flush()
        except OSError:  # it died while it was idle: its end is in the news
            return

    def _start(self, worker: int) -> None:
        # a group of its own: Ctrl-C is not for the workers, and all of one that hangs can be ended
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self._hands[worker] = _Hand(process)
        threading.Thread(target=self._read, args=(worker, process), daemon=True).start()

    def _read(self, worker: int, process: subprocess.Popen) -> None:
        for line in process.stdout:
            try:
                told: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # it was killed while it wrote
            self._news.put(News(worker, told.get("number"), told.get("say", ""), told.get("outcome", "")))
        process.wait()
        self._news.put(News(worker, None, gone=True))

    def news(self, within: float) -> News | None:
        """The next that a worker tells; None if nobody does within so many seconds. What hangs is ended, and is then
        told to be gone."""
        self._end_what_hangs()
        try:
            news = self._news.get(timeout=within)
        except queue.Empty:
            return None
        hand = self._hands.get(news.worker)
        if hand is None:
            return None
        if news.gone:
            del self._hands[news.worker]
            number = hand.order.number if hand.order else None
            why = f"it hung: no end after {HOST_CLOCK.now() - hand.begun:.0f} s" if hand.hung else (
                f"its process ended with {hand.process.returncode}")
            return News(news.worker, number, say=why, gone=True, hung=hand.hung)
        if news.outcome:
            hand.order = None
        elif news.say:
            hand.said = news.say
        return news

    def _end_what_hangs(self) -> None:
        for hand in self._hands.values():
            if hand.order is not None and not hand.hung and HOST_CLOCK.now() - hand.begun > hand.order.within:
                hand.hung = True
                _kill(hand.process)

    def saying(self, worker: int) -> str:
        """The last line of ``worker``."""
        return self._hands[worker].said if worker in self._hands else ""

    def close(self) -> None:
        """Ends all: who has nothing to do by itself, who is at it as by Ctrl-C, who does not end by SIGKILL."""
        for hand in self._hands.values():
            try:
                hand.process.stdin.close()
                if hand.order is not None:
                    hand.process.terminate()
            except OSError:
                pass  # it is gone already
        deadline = HOST_CLOCK.now() + _ENDS_WITHIN
        for hand in self._hands.values():
            try:
                hand.process.wait(max(0.1, deadline - HOST_CLOCK.now()))
            except subprocess.TimeoutExpired:
                _kill(hand.process)
                hand.process.wait()
        self._hands.clear()


def _kill(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself
